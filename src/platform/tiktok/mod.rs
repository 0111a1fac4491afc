//! TikTok: the Events API 2.0, `POST /open_api/v1.3/event/track/` (2.0 is the schema's name, the path still says v1.3).
//!
//! TikTok's portal is drawn by scripts; what is known comes from its SDK (<https://github.com/tiktok/tiktok-business-api-sdk>), its help
//! centre (<https://ads.tiktok.com/help/article/standard-events-parameters>) and those who integrate it, all read 2026-11-21.

mod build;
mod check;
mod classify;
mod codes;
mod identity;
mod probe;
mod properties;
#[cfg(test)]
mod sample;
mod window;

use chrono::{DateTime, Utc};

use super::{Adapter, Answer, Limits, Probe, Rejection, Request, Sending};
use crate::domain::{
    Account, Cause, Classification, Click, Dispatch, EventRecord, Mode, Outcome, hash::Identity, person::Person,
};

/// Events in `data`; one more, and TikTok refuses the whole request.
const EVENTS_MAX: usize = 1_000;

/// TikTok names no limit of bytes; this is one that its peers name.
const BYTES_MAX: usize = 1_000_000;

/// The adapter.
pub struct Tiktok;

impl Adapter for Tiktok {
    fn limits(&self, account: &Account) -> Limits {
        // Test events are shown one by one, and senders are told not to batch them.
        let events = if account.rules.mode == Mode::Test {
            1
        } else {
            EVENTS_MAX
        };
        Limits {
            events,
            bytes: BYTES_MAX,
        }
    }

    fn identity(&self, person: &Person, country: Option<&str>) -> Identity {
        identity::identity(person, country)
    }

    fn deadline(&self, event: &EventRecord, account: &Account, _click: Option<&Click>) -> DateTime<Utc> {
        window::deadline(event, account)
    }

    fn earliest(
        &self,
        _event: &EventRecord,
        _account: &Account,
        _click: Option<&Click>,
    ) -> Option<(DateTime<Utc>, Cause)> {
        // TikTok takes an event at once, and asks for it as soon as it happens.
        None
    }

    fn check(&self, dispatch: &Dispatch, account: &Account) -> Result<(), Rejection> {
        check::check(dispatch, account)
    }

    fn build(&self, dispatches: &[&Dispatch], sending: &Sending<'_>) -> Request {
        build::request(dispatches, sending)
    }

    fn classify(&self, answer: &Answer, dispatches: &[&Dispatch], _account: &Account) -> Classification {
        classify::classify(answer, dispatches.len())
    }

    fn probe(&self, account: &Account, now: DateTime<Utc>) -> Option<Probe> {
        probe::probe(account, now)
    }

    fn is_welcome(&self, outcome: &Outcome) -> bool {
        probe::is_welcome(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_a_thousand_events_and_a_test_holds_one() {
        let mut account = sample::account();
        assert_eq!(Tiktok.limits(&account).events, 1_000, "V18");
        assert_eq!(Tiktok.limits(&account).bytes, 1_000_000);

        account.rules.mode = Mode::Test;
        assert_eq!(Tiktok.limits(&account).events, 1, "V16");
    }

    #[test]
    fn tiktok_takes_an_event_at_once() {
        let dispatch = sample::dispatch();

        assert_eq!(
            Tiktok.earliest(&dispatch.event, &sample::account(), dispatch.click.as_ref()),
            None
        );
    }
}
