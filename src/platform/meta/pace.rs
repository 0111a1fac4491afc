//! How long to wait after one of Meta's limits, and how long to rest so that it does not come to that.
//!
//! <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>

use std::time::Duration;

use serde_json::Value;

use super::classify::number;
use crate::{
    domain::{json, outcome::Reach},
    platform::{Answer, Rest},
};

/// From so much of a limit on, in percent, whoever it is about rests.
const NEAR: u64 = 80;

/// The limits count what was used within the last hour.
const WINDOW: Duration = Duration::from_secs(60 * 60);

/// The shortest rest that makes a difference.
const REST_MIN: Duration = Duration::from_secs(30);

/// The wait after a limit of which Meta does not say when it ends.
pub(super) const LIMIT_WAIT: Duration = Duration::from_secs(60);

/// The longest wait that is taken from an answer.
const LIMIT_WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest wait that a header names: `X-Business-Use-Case-Usage` in minutes, `X-Ad-Account-Usage` in seconds, `Retry-After` (which Meta
/// does not document). Else a minute: waiting costs no try.
pub(super) fn limit_wait(answer: &Answer) -> Duration {
    let usage = |name| {
        answer
            .header(name)
            .and_then(|text| json::read::<Value>(text.as_bytes()).ok())
    };
    let minutes =
        usage("x-business-use-case-usage").map_or(0, |usage| longest(&usage, "estimated_time_to_regain_access"));
    let seconds = usage("x-ad-account-usage").map_or(0, |usage| longest(&usage, "reset_time_duration"));
    let named = Duration::from_secs(minutes.saturating_mul(60))
        .max(Duration::from_secs(seconds))
        .max(answer.retry_after().unwrap_or_default());
    if named.is_zero() {
        LIMIT_WAIT
    } else {
        named.min(LIMIT_WAIT_MAX)
    }
}

/// Whom a success advises to rest: the login where its app comes near a limit (`X-App-Usage`), the ad account where a limit of its own is near
/// (`X-Business-Use-Case-Usage`, `X-Ad-Account-Usage`). A refusal says itself how long to wait.
pub(super) fn rests(answer: &Answer) -> Vec<Rest> {
    if !(200..300).contains(&answer.status) {
        return Vec::new();
    }
    let usage = |name| {
        let text = answer.header(name)?;
        json::read::<Value>(text.as_bytes()).ok()
    };
    let rest = |reach, header, words: &str| {
        let usage = usage(header)?;
        let used = ["call_count", "total_cputime", "total_time", "acc_id_util_pct"];
        let percent = used.iter().map(|key| longest(&usage, key)).max().unwrap_or(0);
        let named = Duration::from_secs(longest(&usage, "estimated_time_to_regain_access").saturating_mul(60));
        let wait = until_far(percent).max(named).min(LIMIT_WAIT_MAX);
        (!wait.is_zero()).then(|| Rest {
            reach,
            wait,
            detail: format!("{words}: {percent} % used"),
        })
    };
    let application = rest(Reach::Login, "x-app-usage", "the app's limit");
    let business = rest(Reach::Account, "x-business-use-case-usage", "the business limit");
    let account = rest(Reach::Account, "x-ad-account-usage", "the ad account's limit");
    let account = business.into_iter().chain(account).max_by_key(|rest| rest.wait);
    application.into_iter().chain(account).collect()
}

/// How long it takes until so much of the window has passed that the rest of it is no longer near; none if it is not.
fn until_far(percent: u64) -> Duration {
    if percent < NEAR {
        return Duration::ZERO;
    }
    let over = percent.saturating_sub(NEAR).min(1_000);
    WINDOW.mul_f64(over as f64 / (over + NEAR) as f64).max(REST_MIN)
}

/// The largest number under this key, anywhere in the value.
fn longest(value: &Value, key: &str) -> u64 {
    match value {
        Value::Object(fields) => {
            let own = number(fields, key).unwrap_or(0);
            fields.values().map(|field| longest(field, key)).fold(own, u64::max)
        }
        Value::Array(values) => values.iter().map(|value| longest(value, key)).fold(0, u64::max),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    type Headers<'a> = &'a [(&'a str, &'a str)];

    fn answer(status: u16, headers: &[(&str, &str)]) -> Answer {
        Answer {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn whoever_comes_near_a_limit_rests_until_it_is_far_again() {
        let business = "x-business-use-case-usage";
        let named = r#"{"1":[{"type":"ads_management","call_count":12,"estimated_time_to_regain_access":7}]}"#;
        let near = r#"{"1":[{"call_count":3,"total_cputime":90}],"2":[{"total_time":100}]}"#;
        let cases: &[(Headers<'_>, &[(Reach, u64)])] = &[
            (&[], &[]),
            (
                &[("x-app-usage", r#"{"call_count":79,"total_cputime":25,"total_time":3}"#)],
                &[],
            ),
            (&[("x-app-usage", r#"{"call_count":80}"#)], &[(Reach::Login, 30)]),
            (
                &[("x-app-usage", r#"{"call_count":5,"total_time":100}"#)],
                &[(Reach::Login, 720)],
            ),
            (&[(business, near)], &[(Reach::Account, 720)]),
            (&[(business, named)], &[(Reach::Account, 420)]),
            (
                &[("x-ad-account-usage", r#"{"acc_id_util_pct":90}"#)],
                &[(Reach::Account, 400)],
            ),
            (
                &[
                    ("x-app-usage", r#"{"call_count":90}"#),
                    (business, named),
                    ("x-ad-account-usage", r#"{"acc_id_util_pct":100}"#),
                ],
                &[(Reach::Login, 400), (Reach::Account, 720)],
            ),
            (&[("x-app-usage", "nonsense"), (business, "[1, 2]")], &[]),
            (
                &[("x-app-usage", r#"{"call_count":18446744073709551615}"#)],
                &[(Reach::Login, 3_333)],
            ),
        ];
        for (headers, expected) in cases {
            let rests = rests(&answer(200, headers));

            let found: Vec<_> = rests.iter().map(|rest| (rest.reach, rest.wait.as_secs())).collect();
            assert_eq!(found, *expected, "{headers:?}");
        }
    }

    #[test]
    fn a_refusal_says_itself_how_long_to_wait() {
        let headers = [("x-app-usage", r#"{"call_count":100}"#)];

        assert_eq!(rests(&answer(400, &headers)), []);
    }

    #[test]
    fn the_longest_wait_that_a_header_names_counts_and_else_a_minute() {
        let business = "x-business-use-case-usage";
        let two = r#"{"1":[{"estimated_time_to_regain_access":19},{"estimated_time_to_regain_access":"20"}],"2":[{}]}"#;
        let cases: &[(&[(&str, &str)], u64)] = &[
            (&[], 60),
            (&[(business, two)], 20 * 60),
            (&[(business, r#"{"1":[{"estimated_time_to_regain_access":0}]}"#)], 60),
            (
                &[(
                    business,
                    r#"{"1":[{"estimated_time_to_regain_access":999999999999999999}]}"#,
                )],
                86_400,
            ),
            (&[(business, "nonsense")], 60),
            (
                &[(
                    "x-ad-account-usage",
                    r#"{"acc_id_util_pct":100,"reset_time_duration":300}"#,
                )],
                300,
            ),
            (&[("retry-after", "120")], 120),
            (&[("retry-after", "120"), (business, two)], 20 * 60),
            (&[("x-app-usage", r#"{"call_count":100}"#)], 60),
        ];
        for (headers, seconds) in cases {
            assert_eq!(
                limit_wait(&answer(400, headers)),
                Duration::from_secs(*seconds),
                "{headers:?}"
            );
        }
    }
}
