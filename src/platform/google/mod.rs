//! Google: offline conversions by click ID, through the Data Manager API or the older Google Ads API upload.
//!
//! Since 2026-06-15 Google admits nobody new to the upload, so Data Manager is the default; which one an ad account uses is a rule of
//! it. Both share identifiers, hashing, timing and consent; body, answer and codes differ and have a folder each.
//! <https://developers.google.com/data-manager/api/devguides/events/send-events>
//! <https://developers.google.com/google-ads/api/docs/conversions/upload-offline> (both read 2026-11-21)

mod ads_api;
mod build;
mod cart;
mod check;
mod classify;
mod codes;
mod data_manager;
mod error_body;
mod findings;
mod identity;
pub mod oauth;
mod probe;
pub mod receipts;
mod variables;
mod window;

#[cfg(test)]
mod properties;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Adapter, Answer, Limits, Probe, Rejection, Request, Sending};
use crate::domain::{
    Account, Cause, Classification, Click, Dispatch, EventRecord, Outcome, hash::Identity, person::Person,
};

/// Google, through either of its interfaces.
pub struct Google;

/// Conversions in one request, at both interfaces. Data Manager's own error text and a sample still say 10,000; the limits page does not.
/// <https://developers.google.com/data-manager/api/devguides/limits>
const EVENTS_MAX: usize = 2_000;

/// Bytes in one request. Google names no limit; ours keeps a request within what a worker may hold.
const BYTES_MAX: usize = 1_000_000;

/// Destinations in one Data Manager request; each conversion action is one.
const DESTINATIONS_MAX: usize = 10;

impl Adapter for Google {
    /// An account with more conversion actions than a request may have destinations sends so few events at a time that even ten
    /// different actions fit. That is slow and always right; such accounts are rare.
    fn limits(&self, account: &Account) -> Limits {
        let actions: BTreeSet<&String> = account.rules.actions.values().collect();
        let events = if actions.len() > DESTINATIONS_MAX {
            DESTINATIONS_MAX
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

    fn deadline(&self, event: &EventRecord, _account: &Account, click: Option<&Click>) -> DateTime<Utc> {
        window::deadline(event, click)
    }

    fn earliest(
        &self,
        _event: &EventRecord,
        _account: &Account,
        click: Option<&Click>,
    ) -> Option<(DateTime<Utc>, Cause)> {
        window::earliest(click)
    }

    fn check(&self, dispatch: &Dispatch, account: &Account) -> Result<(), Rejection> {
        check::check(dispatch, account)
    }

    fn build(&self, dispatches: &[&Dispatch], sending: &Sending<'_>) -> Request {
        build::build(dispatches, sending)
    }

    fn classify(&self, answer: &Answer, dispatches: &[&Dispatch], account: &Account) -> Classification {
        classify::classify(answer, dispatches, account)
    }

    fn probe(&self, account: &Account, now: DateTime<Utc>) -> Option<Probe> {
        probe::probe(account, now)
    }

    fn is_welcome(&self, outcome: &Outcome) -> bool {
        probe::is_welcome(outcome)
    }
}

#[cfg(test)]
mod sample {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use chrono::{DateTime, TimeDelta, Utc};

    use super::super::{Answer, Endpoints, Sending, sample};
    use crate::domain::{
        Account, Click, ClickKind, Dispatch, Platform,
        account::{AccountRules, Transport},
    };

    pub fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    pub fn account(transport: Transport) -> Account {
        let rules = AccountRules {
            manager: Some("9876543210".into()),
            actions: BTreeMap::from([("Purchase".into(), "987".into()), ("Lead".into(), "654".into())]),
            transport,
            ..AccountRules::default()
        };
        sample::account(Platform::Google, "1234567890", rules)
    }

    /// The conversion of vector T1, without value and consent.
    pub fn dispatch(event_id: &str, name: &str) -> Dispatch {
        let at = time("2026-11-20T10:00:00.123Z");
        let account = account(Transport::DataManager);
        Dispatch {
            click: Some(Click {
                kind: ClickKind::Gclid,
                value: "Cj0K_x-1".into(),
                first_seen: at - TimeDelta::days(2),
                time_is_known: true,
                waba: None,
            }),
            deadline: at + TimeDelta::days(88),
            ..sample::dispatch(&account, sample::event(event_id, name, at))
        }
    }

    pub fn dispatches(count: usize) -> Vec<Dispatch> {
        (0..count).map(|i| dispatch(&format!("e{i}"), "Purchase")).collect()
    }

    pub fn body(dispatches: &[&Dispatch], account: &Account) -> serde_json::Value {
        let endpoints = Endpoints::default();
        let sending = Sending {
            account,
            endpoints: &endpoints,
            test_code: None,
        };
        serde_json::from_slice(&super::build::build(dispatches, &sending).body).unwrap()
    }

    pub fn answer(status: u16, body: &serde_json::Value) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Bytes::from(body.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::Transport;

    #[test]
    fn a_request_never_needs_more_destinations_than_google_takes() {
        let mut account = sample::account(Transport::DataManager);
        assert_eq!(Google.limits(&account).events, 2_000);

        account.rules.actions = (0..11).map(|i| (format!("Event{i}"), format!("{i}"))).collect();

        assert_eq!(Google.limits(&account).events, 10);
    }

    #[test]
    fn many_names_for_one_action_cost_no_batch_size() {
        let mut account = sample::account(Transport::DataManager);
        account.rules.actions = (0..50).map(|i| (format!("Event{i}"), "987".to_owned())).collect();

        assert_eq!(Google.limits(&account).events, 2_000);
    }
}
