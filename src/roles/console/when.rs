//! Points in time as people give them to a command: a length of time back from now, a date, a time.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

/// A point in time as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long ago.
    Ago(TimeDelta),
    /// Then.
    At(DateTime<Utc>),
}

impl When {
    /// The point in time.
    pub fn resolve(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            When::Ago(length) => now - length,
            When::At(at) => at,
        }
    }
}

/// Reads `2h`, `7 days`, `2026-11-21` (midnight UTC) or an RFC 3339 time.
pub fn parse(text: &str) -> Result<When, String> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(When::At(at.with_timezone(&Utc)));
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(When::At(date.and_time(NaiveTime::MIN).and_utc()));
    }
    let length = humantime::parse_duration(text).ok();
    length
        // What lies further back than chrono can tell is further back than anything that is kept.
        .and_then(|length| {
            TimeDelta::from_std(length)
                .ok()
                .filter(|length| *length < TimeDelta::days(36_500))
        })
        .map(When::Ago)
        .ok_or_else(|| {
            "expected a length of time such as 90m, 2h or 7d, a date, or a time such as 2026-11-21T09:00:00Z".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_a_date_and_a_time_are_understood() {
        let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        let cases = [
            ("2h", "2026-11-21T10:00:00Z"),
            ("7d", "2026-11-14T12:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T10:00:00+01:00", "2026-11-20T09:00:00Z"),
        ];
        for (text, expected) in cases {
            let expected: DateTime<Utc> = expected.parse().unwrap();
            assert_eq!(parse(text).unwrap().resolve(now), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "-2h", "2026-13-01", "9999999years"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
