//! Times as people read them, all in UTC.

use chrono::{DateTime, Datelike, TimeDelta, Utc};

/// A time: `09:17` today, else `27 Nov 09:17`, with the year where it is another one.
pub(super) fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let format = if at.date_naive() == now.date_naive() {
        "%H:%M"
    } else if at.year() == now.year() {
        "%-d %b %H:%M"
    } else {
        "%-d %b %Y %H:%M"
    };
    at.format(format).to_string()
}

/// Reads a time to come: RFC 3339, or `HH:MM` for the next time that the clock shows this.
pub(super) fn parse_until(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc()).filter(|at| *at > now);
    }
    let time = chrono::NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    let today = now.date_naive().and_time(time).and_utc();
    Some(if today > now { today } else { today + TimeDelta::days(1) })
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn at(day: u32, hour: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, day, hour, 17, 0).unwrap()
    }

    #[test]
    fn a_time_says_no_more_than_is_needed() {
        assert_eq!(moment(at(20, 9), at(20, 23)), "09:17");
        assert_eq!(moment(at(27, 9), at(20, 9)), "27 Nov 09:17");
        assert_eq!(moment(at(27, 9) + TimeDelta::days(60), at(20, 9)), "26 Jan 2027 09:17");
    }

    #[test]
    fn an_hour_that_has_passed_means_tomorrow_and_a_past_date_means_nothing() {
        assert_eq!(parse_until("10:17", at(20, 9)), Some(at(20, 10)));
        assert_eq!(parse_until("08:17", at(20, 9)), Some(at(21, 8)));
        assert_eq!(parse_until("2026-11-21T09:17:00+01:00", at(20, 9)), Some(at(21, 8)));
        assert_eq!(parse_until("2026-11-19T09:17:00Z", at(20, 9)), None);
        assert_eq!(parse_until("soon", at(20, 9)), None);
    }
}
