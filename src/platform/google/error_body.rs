//! Google's error body, `google.rpc.Status`, the same at all of its interfaces.
//! <https://cloud.google.com/apis/design/errors#http_mapping> (read 2026-11-21)

use std::time::Duration;

use serde_json::Value;

use super::codes::{COMMON_REASONS, Meaning, STATUSES, find};
use crate::domain::{Cause, outcome::Reach};

/// No answer makes us wait longer than a day.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// `{"error":{"code":400,"message":"…","status":"INVALID_ARGUMENT","details":[…]}}`
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorBody<'a> {
    status: &'a str,
    /// Google's words.
    pub message: &'a str,
    details: &'a [Value],
}

impl<'a> ErrorBody<'a> {
    /// Reads it, also where it is wrapped in an array; `None` if the body is no error of Google's.
    pub(super) fn read(body: &'a Value) -> Option<Self> {
        let body = body.as_array().map_or(Some(body), |list| list.first())?;
        let error = body.get("error")?.as_object()?;
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        let details = error.get("details").and_then(Value::as_array);
        // A gateway may speak of an `error` as well; only Google's has one of these.
        if text("status").is_none() && details.is_none() {
            return None;
        }
        Some(Self {
            status: text("status").unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            details: details.map_or(&[], Vec::as_slice),
        })
    }

    /// The details of one type, such as `google.rpc.BadRequest`.
    pub(super) fn details(&self, kind: &str) -> impl Iterator<Item = &'a Value> {
        details(self.details, kind)
    }

    /// The wait that Google asks for (`google.rpc.RetryInfo`).
    pub(super) fn wait(&self) -> Option<Duration> {
        self.details("google.rpc.RetryInfo")
            .find_map(|info| duration(info.get("retryDelay")?.as_str()?))
    }

    /// What the error as a whole means, and its code: by its reason, if the interface's own table or the common one knows it, else by its
    /// status. An unknown reason is never taken for a refusal only because its status is a general one.
    pub(super) fn meaning(&self, reasons: &[(&str, Meaning)]) -> (Meaning, &'a str) {
        let by_status = find(STATUSES, self.status).unwrap_or(Meaning::Unknown);
        let reason = self
            .details("google.rpc.ErrorInfo")
            .find_map(|info| info.get("reason")?.as_str());
        if let Some(reason) = reason {
            if let Some(meaning) = find(reasons, reason).or_else(|| find(COMMON_REASONS, reason)) {
                return (meaning, reason);
            }
            let is_general = matches!(by_status, Meaning::Refuse(_)) && reason != self.status;
            return (if is_general { Meaning::Unknown } else { by_status }, reason);
        }
        // Without a reason only the words tell a login without the scope from an account without the permission.
        if self.status == "PERMISSION_DENIED" && self.message.contains("insufficient authentication scopes") {
            return (Meaning::Block(Reach::Login, Cause::LoginRefused), self.status);
        }
        (by_status, self.status)
    }
}

/// The details of one type in a list of `google.protobuf.Any`.
pub(super) fn details<'a>(list: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    list.iter().filter(move |detail| {
        detail
            .get("@type")
            .and_then(Value::as_str)
            .is_some_and(|name| name.ends_with(kind))
    })
}

/// A duration as JSON writes it: `30s`, `1.5s`. At most a day; what is no such text gives `None`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    Some(duration.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_read_and_nonsense_is_none() {
        for (text, expected) in [
            ("30s", Some(Duration::from_secs(30))),
            ("1.5s", Some(Duration::from_millis(1_500))),
            ("99999999999s", Some(WAIT_MAX)),
            ("-1s", None),
            ("NaNs", None),
            ("30", None),
            ("s", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }

    #[test]
    fn an_error_of_somebody_else_is_not_googles() {
        for body in [
            json!({ "error": "bad gateway" }),
            json!({ "error": { "message": "no route" } }),
            json!({ "status": "NOT_FOUND" }),
            json!([]),
            json!("error"),
        ] {
            assert!(ErrorBody::read(&body).is_none(), "{body}");
        }
    }

    #[test]
    fn an_error_in_an_array_is_read_as_well() {
        let body = json!([{ "error": { "code": 401, "status": "UNAUTHENTICATED", "message": "m" } }]);

        let (meaning, code) = ErrorBody::read(&body).unwrap().meaning(&[]);

        assert_eq!((meaning, code), (Meaning::Reauthenticate, "UNAUTHENTICATED"));
    }

    #[test]
    fn a_reason_that_nobody_knows_makes_no_refusal_of_a_general_status() {
        let body = |reason: &str| {
            json!({ "error": { "code": 400, "status": "INVALID_ARGUMENT", "message": "m", "details": [
                { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason } ] } })
        };
        let meaning = |reason: &str| ErrorBody::read(&body(reason)).unwrap().meaning(&[]).0;

        assert_eq!(meaning("BRAND_NEW"), Meaning::Unknown);
        assert_eq!(meaning("INVALID_ARGUMENT"), Meaning::Refuse(Cause::Refused));
    }

    #[test]
    fn a_missing_scope_is_told_from_a_missing_permission_by_its_words_if_need_be() {
        let body = |message: &str| json!({ "error": { "status": "PERMISSION_DENIED", "message": message } });

        let scope = body("Request had insufficient authentication scopes.");
        let account = body("The caller does not have permission");

        assert_eq!(
            ErrorBody::read(&scope).unwrap().meaning(&[]).0,
            Meaning::Block(Reach::Login, Cause::LoginRefused)
        );
        assert_eq!(
            ErrorBody::read(&account).unwrap().meaning(&[]).0,
            Meaning::Block(Reach::Account, Cause::PermissionMissing)
        );
    }
}
