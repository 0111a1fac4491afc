//! How long to wait after one of Meta's limits.
//!
//! <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>

use std::time::Duration;

use serde_json::Value;

use super::classify::number;
use crate::platform::Answer;

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
            .and_then(|text| serde_json::from_str::<Value>(text).ok())
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
            let answer = Answer {
                status: 400,
                headers: headers
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                body: Bytes::new(),
            };

            assert_eq!(limit_wait(&answer), Duration::from_secs(*seconds), "{headers:?}");
        }
    }
}
