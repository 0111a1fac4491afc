//! Window: until when TikTok takes an event.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{Account, EventRecord};

/// TikTok states no age limit for web events; its click window by default is this long, and an older event is unlikely to be attributed.
const AGE_DAYS: u32 = 7;

/// The longest click window that TikTok offers.
const AGE_DAYS_MAX: u32 = 28;

/// The time after which the event is not sent any more: as old as the account's `max_age_days` allows, else 7 days; at most 28.
pub(super) fn deadline(event: &EventRecord, account: &Account) -> DateTime<Utc> {
    let days = account.rules.max_age_days.unwrap_or(AGE_DAYS).min(AGE_DAYS_MAX);
    event
        .time
        .checked_add_signed(TimeDelta::days(i64::from(days)))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::tiktok::sample;

    #[test]
    fn the_deadline_follows_the_event_and_the_accounts_setting() {
        for (setting, days) in [(None, 7), (Some(2), 2), (Some(28), 28), (Some(u32::MAX), 28)] {
            let mut account = sample::account();
            account.rules.max_age_days = setting;
            let event = sample::dispatch().event;

            assert_eq!(
                deadline(&event, &account),
                event.time + TimeDelta::days(days),
                "{setting:?}"
            );
        }
    }

    #[test]
    fn an_event_at_the_end_of_time_has_a_deadline() {
        let mut event = sample::dispatch().event;
        event.time = DateTime::<Utc>::MAX_UTC;

        assert_eq!(deadline(&event, &sample::account()), DateTime::<Utc>::MAX_UTC);
    }
}
