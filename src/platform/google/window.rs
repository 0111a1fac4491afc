//! When Google takes a conversion: from 6 hours after the click until 90 days after it.
//!
//! A click younger than 6 hours is `TOO_RECENT_EVENT` (Ads API) or `TOO_RECENT_CLICK` (Data Manager, which names no hours); 90 days is
//! the longest click-through window that a conversion action can have.
//! <https://developers.google.com/google-ads/api/docs/conversions/upload-offline> (read 2026-11-21)

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{Cause, Click, EventRecord};

/// How old a click must be.
const CLICK_AGE_MIN: TimeDelta = TimeDelta::hours(6);

/// How old a click may be.
const CLICK_AGE_MAX: TimeDelta = TimeDelta::days(90);

/// 90 days after the click; without one, after the event.
pub(super) fn deadline(event: &EventRecord, click: Option<&Click>) -> DateTime<Utc> {
    let from = click.map_or(event.time, |click| click.first_seen);
    from.checked_add_signed(CLICK_AGE_MAX)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// 6 hours after the click, if its time is known. Otherwise it is sent at once, and Google says if that is too soon.
pub(super) fn earliest(click: Option<&Click>) -> Option<(DateTime<Utc>, Cause)> {
    let click = click.filter(|click| click.time_is_known)?;
    let at = click.first_seen.checked_add_signed(CLICK_AGE_MIN)?;
    Some((at, Cause::ClickTooRecent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::google::sample::{dispatch, time};

    #[test]
    fn the_deadline_counts_from_the_click_and_without_one_from_the_event() {
        let dispatch = dispatch("e1", "Purchase");

        assert_eq!(
            deadline(&dispatch.event, dispatch.click.as_ref()),
            time("2027-02-16T10:00:00.123Z")
        );
        assert_eq!(deadline(&dispatch.event, None), time("2027-02-18T10:00:00.123Z"));
    }

    #[test]
    fn a_conversion_waits_until_six_hours_after_a_click_whose_time_is_known() {
        let mut click = dispatch("e1", "Purchase").click.unwrap();

        assert_eq!(
            earliest(Some(&click)),
            Some((time("2026-11-18T16:00:00.123Z"), Cause::ClickTooRecent))
        );

        click.time_is_known = false;
        assert_eq!(earliest(Some(&click)), None);
        assert_eq!(earliest(None), None);
    }

    #[test]
    fn times_at_the_end_of_the_calendar_do_no_harm() {
        let mut dispatch = dispatch("e1", "Purchase");
        dispatch.event.time = DateTime::<Utc>::MAX_UTC;
        let mut click = dispatch.click.take().unwrap();
        click.first_seen = DateTime::<Utc>::MAX_UTC;

        assert_eq!(deadline(&dispatch.event, Some(&click)), DateTime::<Utc>::MAX_UTC);
        assert_eq!(deadline(&dispatch.event, None), DateTime::<Utc>::MAX_UTC);
        assert_eq!(earliest(Some(&click)), None);
    }
}
