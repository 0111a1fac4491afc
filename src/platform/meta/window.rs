//! How long Meta takes an event.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{Account, EventRecord, event::ActionSource};

/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/server-event>: one older event fails the request.
const DAYS: i64 = 7;

/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/using-the-api>: sales of a shop may be uploaded later.
const PHYSICAL_STORE_DAYS: i64 = 62;

/// The time after which Meta does not take the event. A Click-to-WhatsApp dataset gets everything as business messaging, also a shop's sale.
pub(super) fn deadline(event: &EventRecord, account: &Account) -> DateTime<Utc> {
    let is_store = event.action_source == ActionSource::PhysicalStore && account.rules.waba.is_none();
    let days = if is_store { PHYSICAL_STORE_DAYS } else { DAYS };
    event
        .time
        .checked_add_signed(TimeDelta::days(days))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::meta::sample;

    #[test]
    fn vector_14_seven_days_and_62_for_a_shop() {
        let mut event = sample::purchase("o1").event;
        assert_eq!(deadline(&event, &sample::pixel()) - event.time, TimeDelta::days(7));

        event.action_source = ActionSource::PhysicalStore;
        assert_eq!(deadline(&event, &sample::pixel()) - event.time, TimeDelta::days(62));
        assert_eq!(deadline(&event, &sample::whatsapp()) - event.time, TimeDelta::days(7));
    }

    #[test]
    fn the_end_of_time_is_no_reason_to_panic() {
        let mut event = sample::purchase("o1").event;
        event.time = DateTime::<Utc>::MAX_UTC;

        assert_eq!(deadline(&event, &sample::pixel()), DateTime::<Utc>::MAX_UTC);
    }
}
