//! Meta: the Conversions API for pixels, and for Click-to-WhatsApp datasets.
//!
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/using-the-api>,
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/business-messaging> (read 2026-11-21)

mod build;
mod check;
mod classify;
mod codes;
mod cookies;
mod culprits;
mod custom_data;
mod identity;
mod names;
mod pace;
mod places;
mod probe;
pub mod proof;
#[cfg(test)]
mod properties;
mod server_event;
mod user_data;
mod window;

use chrono::{DateTime, Utc};

pub use self::cookies::{cookie_fbclid, cookie_time};
use super::{Adapter, Advice, Answer, Limits, Probe, Rejection, Request, Sending};
use crate::domain::{
    Account, Cause, Classification, Click, Dispatch, EventRecord, Outcome, hash::Identity, person::Person, redact,
};

/// 1,000 events is Meta's limit; it publishes none of bytes, and other senders stay below a mebibyte.
const LIMITS: Limits = Limits {
    events: 1_000,
    bytes: 1_000_000,
};

/// What one event may take of a request: the rest is the frame around it.
const EVENT_BYTES_MAX: usize = LIMITS.bytes - 1_000;

/// The header of an answer from a newer version than the one that was called, because that one is no more.
/// <https://developers.facebook.com/docs/graph-api/guides/versioning>
const VERSION_WARNING: &str = "x-ad-api-version-warning";

/// The adapter.
pub struct Meta;

impl Adapter for Meta {
    fn limits(&self, _account: &Account) -> Limits {
        LIMITS
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
        // Meta takes an event at once, and likes it best within the hour.
        None
    }

    fn check(&self, dispatch: &Dispatch, account: &Account) -> Result<(), Rejection> {
        check::check(dispatch, account)
    }

    fn build(&self, dispatches: &[&Dispatch], sending: &Sending<'_>) -> Request {
        build::build(dispatches, sending)
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

    fn advice(&self, answer: &Answer) -> Advice {
        Advice {
            rests: pace::rests(answer),
            version_warning: answer.header(VERSION_WARNING).map(redact::text),
        }
    }
}

/// Dispatches and ad accounts for the tests of this folder, of the fact sheet's sample client.
#[cfg(test)]
mod sample {
    use chrono::{DateTime, Utc};
    use serde_json::{Map, Value, json};

    use crate::{
        domain::{
            Account, AccountId, Click, ClickKind, Dispatch, Platform,
            account::AccountRules,
            event::ActionSource,
            hash::{Identity, sha256_hex},
        },
        platform::sample,
    };

    const NOW: i64 = 1_795_290_000;

    fn time(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_secs(seconds).unwrap()
    }

    pub(super) fn pixel() -> Account {
        sample::account(Platform::Meta, "1234567890", AccountRules::default())
    }

    pub(super) fn whatsapp() -> Account {
        let rules = AccountRules {
            waba: Some("102290129340398".into()),
            ..AccountRules::default()
        };
        Account {
            id: AccountId(2),
            name: "whatsapp".into(),
            ..sample::account(Platform::Meta, "778899001122334", rules)
        }
    }

    pub(super) fn click(kind: ClickKind, value: &str) -> Click {
        Click {
            kind,
            value: value.to_owned(),
            first_seen: time(NOW - 3_600),
            time_is_known: true,
            waba: None,
        }
    }

    /// A purchase on a web page of a person whose e-mail address is known.
    pub(super) fn purchase(event_id: &str) -> Dispatch {
        let mut event = sample::event(event_id, "Purchase", time(NOW));
        event.source_url = Some("https://shop.example/thanks".into());
        (event.value, event.currency) = (Some("129.9".parse().unwrap()), Some("CHF".into()));
        event.has_email_or_phone = true;
        event.identities.meta.add("em", sha256_hex("john_smith@gmail.com"));
        sample::dispatch(&pixel(), event)
    }

    /// A lead in a chat that began with an ad, known by its phone number.
    pub(super) fn whatsapp_lead() -> Dispatch {
        let mut dispatch = purchase("w1");
        let event = &mut dispatch.event;
        event.name = "Lead".into();
        event.action_source = ActionSource::BusinessMessaging;
        (event.source_url, event.value, event.currency) = (None, None, None);
        event.identities.meta = Identity::default();
        event.identities.meta.add("ph", sha256_hex("5491155551234"));
        dispatch.account = AccountId(2);
        dispatch.destination = whatsapp().destination;
        dispatch.click = Some(click(ClickKind::CtwaClid, "C"));
        dispatch
    }

    pub(super) fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    /// `custom` of an app event, as Meta wants it.
    pub(super) fn app_custom() -> Value {
        let mut extinfo = vec![""; 16];
        (extinfo[0], extinfo[4]) = ("i2", "19.1");
        json!({"app_data": {"extinfo": extinfo, "advertiser_tracking_enabled": 1}})
    }
}
