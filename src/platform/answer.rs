//! Answers: what came back, and what is read of it the same way everywhere.

use std::time::Duration;

use bytes::Bytes;

use crate::domain::{Cause, Outcome, Verdict, json, outcome::Reach, redact};

/// How long to wait after a limit of which nobody says when it ends.
const LIMIT_WAIT: Duration = Duration::from_secs(60);

/// An HTTP answer, whatever it says. That none came is not an answer: the sender marks that itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body, cut at the limit that `http` reads.
    pub body: Bytes,
}

impl Answer {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// The wait that a `Retry-After` header in seconds asks for; a date, a negative number or nonsense gives `None`. At most a day.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.header("retry-after")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds.min(24 * 60 * 60)))
    }

    /// The body as JSON, if it is.
    pub fn json(&self) -> Option<serde_json::Value> {
        json::read(&self.body).ok()
    }

    /// The platform's own name for the request, to be quoted to its support: Meta's trace ID, Google's and TikTok's request ID.
    pub fn request_id(&self) -> Option<String> {
        let in_header = ["x-fb-trace-id", "request-id", "x-tt-logid"]
            .into_iter()
            .find_map(|name| self.header(name));
        let body = self.json();
        let in_body = body.as_ref().and_then(|body| {
            ["/fbtrace_id", "/error/fbtrace_id", "/request_id", "/requestId"]
                .into_iter()
                .find_map(|pointer| body.pointer(pointer)?.as_str())
        });
        let id = in_body.or(in_header)?;
        let is_id = id.len() <= 100 && id.bytes().all(|byte| byte.is_ascii_graphic()) && !redact::looks_personal(id);
        is_id.then(|| id.to_owned())
    }

    /// The outcome of all dispatches when the body is nothing that the platform itself would write: judged by the status alone.
    ///
    /// A gateway's 502 or 504 may have been written after the platform took the bytes, so these are ambiguous, and so is a 2xx without the
    /// platform's own body. A 429 asks for a slower pace: the ad account waits, which costs no try. Other 5xx and 408 are tried again. A 3xx
    /// or another 4xx is unreadable and tried again as well: an unknown answer is never a verdict on the conversion.
    pub fn without_platform_body(&self) -> Outcome {
        let code = Some(format!("http_{}", self.status));
        let message = None;
        let verdict = match self.status {
            200..=299 | 502 | 504 => Verdict::Ambiguous,
            429 => Verdict::Blocked {
                cause: Cause::RateLimited,
                reach: Reach::Account,
                // A pause of no length would be none at all.
                wait: Some(self.retry_after().filter(|wait| !wait.is_zero()).unwrap_or(LIMIT_WAIT)),
            },
            408 | 500..=599 => Verdict::Deferred {
                cause: Cause::PlatformError,
                wait: self.retry_after(),
            },
            _ => Verdict::Deferred {
                cause: Cause::AnswerUnreadable,
                wait: self.retry_after(),
            },
        };
        Outcome { verdict, code, message }
    }
}

/// What an answer says beside its verdict: what to do so that it does not come to a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// What had better rest for a while.
    pub rests: Vec<Rest>,
    /// The platform's words about the version of its interface that we call, cleaned, where it will not be there much longer.
    pub version_warning: Option<String>,
}

/// A limit is near: what is reached by it rests, and is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// What rests.
    pub reach: Reach,
    /// For how long.
    pub wait: Duration,
    /// Which limit, and how much of it is used.
    pub detail: String,
}

/// An outcome with the platform's code and its (cleaned) words.
pub fn outcome(verdict: Verdict, code: impl Into<String>, message: &str) -> Outcome {
    let message = redact::text(message);
    Outcome {
        verdict,
        code: Some(code.into()),
        message: (!message.is_empty()).then_some(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Answer {
        Answer {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: Bytes::from_static(b"<html>"),
        }
    }

    #[test]
    fn an_answer_that_nobody_understands_is_never_a_delivery_or_a_refusal() {
        for status in 0..=999 {
            let verdict = answer(status, &[]).without_platform_body().verdict;

            assert!(
                matches!(
                    verdict,
                    Verdict::Ambiguous | Verdict::Deferred { .. } | Verdict::Blocked { .. }
                ),
                "{status}: {verdict:?}"
            );
        }
    }

    #[test]
    fn a_429_that_nobody_explains_pauses_the_ad_account_and_costs_no_try() {
        let cases: &[(&[(&str, &str)], u64)] =
            &[(&[], 60), (&[("retry-after", "5")], 5), (&[("retry-after", "0")], 60)];
        for (headers, seconds) in cases {
            let expected = Verdict::Blocked {
                cause: Cause::RateLimited,
                reach: Reach::Account,
                wait: Some(Duration::from_secs(*seconds)),
            };

            assert_eq!(answer(429, headers).without_platform_body().verdict, expected);
        }
    }

    #[test]
    fn retry_after_takes_seconds_and_at_most_a_day() {
        let cases = [
            ("30", Some(30)),
            (" 5 ", Some(5)),
            ("999999999", Some(86_400)),
            ("-1", None),
            ("soon", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(
                answer(429, &[("retry-after", text)]).retry_after(),
                seconds.map(Duration::from_secs),
                "{text}"
            );
        }
    }
}
