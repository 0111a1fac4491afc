//! What becomes of one event: which ad accounts hear of it, which do not and why. Pure; the router asks it, and so does whoever decides anew or
//! explains.

mod asking;
mod attribution;
mod credit;
#[cfg(test)]
mod credit_tests;
#[cfg(test)]
mod own_click_tests;
mod ruling;
#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};

use self::ruling::rule;
pub use self::{
    asking::ask,
    attribution::{Remembered, Visit, clicks_of, question},
};
use crate::{
    domain::{
        Account, Cause, Dispatch, EventRecord, PerPlatform,
        account::Client,
        event::{Event, VALUED_EVENTS},
    },
    platform::adapter,
    store::routing::{NewDispatch, NewEvent},
    wire::event::Malformed,
};

/// How long an event is kept after its last deadline.
const KEPT_AFTER_DEADLINE: TimeDelta = TimeDelta::days(30);
/// How long an event is kept that concerns no ad account.
const KEPT_WITHOUT_ACCOUNT: TimeDelta = TimeDelta::days(90);

/// What becomes of an event.
#[derive(Clone, Debug)]
pub enum Plan {
    /// It is stored with a dispatch for each ad account that wants it.
    Store(Box<NewEvent>),
    /// No ad account of the client wants events of this name: it is counted.
    Unwanted,
}

/// What is known about the event's client.
#[derive(Clone, Copy, Debug)]
pub struct Recipients<'a> {
    /// The client, if there is one.
    pub client: Option<&'a Client>,
    /// Its ad accounts.
    pub accounts: &'a [std::sync::Arc<Account>],
}

/// Decides what becomes of an event, by what the click ledger remembers of its person. `Err` says what is wrong with it in a way that only the
/// client's defaults tell.
pub fn plan(
    event: &Event,
    recipients: Recipients<'_>,
    remembered: &Remembered,
    now: DateTime<Utc>,
) -> Result<Plan, Malformed> {
    let client = recipients.client;
    let currency = client.and_then(|client| client.currency.as_deref());
    if client.is_some()
        && VALUED_EVENTS.contains(&event.name.as_str())
        && event.currency.is_none()
        && currency.is_none()
    {
        return Err(Malformed {
            cause: Cause::MissingField,
            field: Some("currency".to_owned()),
        });
    }
    let country = country(event, client);
    let identities = PerPlatform::from_fn(|platform| adapter(platform).identity(&event.person, country.as_deref()));
    let record = EventRecord::from_event(event, currency, identities);
    let wanting: Vec<&Account> = recipients
        .accounts
        .iter()
        .map(AsRef::as_ref)
        .filter(|account| wants(account, &event.name))
        .collect();
    if wanting.is_empty() && !recipients.accounts.is_empty() {
        return Ok(Plan::Unwanted);
    }
    let dispatches = decide(&record, &wanting, remembered, now);
    let cause = match (client, dispatches.is_empty()) {
        (None, _) => Some(Cause::UnknownClient),
        (Some(_), true) => Some(Cause::NoAdAccount),
        (Some(_), false) => None,
    };
    let last_deadline = dispatches.iter().map(|dispatch| dispatch.deadline).max();
    let keep_until = match last_deadline {
        Some(deadline) => deadline.max(now) + KEPT_AFTER_DEADLINE,
        None => now + KEPT_WITHOUT_ACCOUNT,
    };
    Ok(Plan::Store(Box::new(NewEvent {
        record,
        fingerprint: event.fingerprint,
        identities: Vec::new(),
        cause,
        keep_until,
        dispatches,
    })))
}

/// The country that phone numbers without a country code are taken to be of: the event's own, else the client's.
pub fn country(event: &Event, client: Option<&Client>) -> Option<String> {
    let own = event
        .person
        .country
        .as_ref()
        .map(|country| country.expose().trim().to_ascii_uppercase());
    let own = own.filter(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
    own.or_else(|| client.and_then(|client| client.country.clone()))
}

/// Says whether an ad account wants events of this name at all.
pub fn wants(account: &Account, event_name: &str) -> bool {
    account
        .rules
        .events
        .as_ref()
        .is_none_or(|events| events.contains(event_name))
}

/// Decides what becomes of an event at each of these ad accounts, all of one client and all of which want it; in the same order.
pub fn decide(
    record: &EventRecord,
    accounts: &[&Account],
    remembered: &Remembered,
    now: DateTime<Utc>,
) -> Vec<NewDispatch> {
    let mut parts: Vec<Part<'_>> = accounts
        .iter()
        .map(|account| Part::new(record, account, remembered, now))
        .collect();
    credit::give(&mut parts, now);
    parts.into_iter().map(Part::decided).collect()
}

/// What an event is to one ad account, while it is decided.
struct Part<'a> {
    account: &'a Account,
    dispatch: Dispatch,
    ruling: ruling::Ruling,
}

impl<'a> Part<'a> {
    fn new(record: &EventRecord, account: &'a Account, remembered: &Remembered, now: DateTime<Utc>) -> Self {
        let click = attribution::click_for(record, account, remembered);
        let deadline = adapter(account.platform).deadline(record, account, click.as_ref());
        let dispatch = Dispatch {
            account: account.id,
            platform: account.platform,
            destination: account.destination.clone(),
            click,
            deadline,
            event: record.for_platform(account.platform),
        };
        let ruling = rule(&dispatch, account, remembered, now);
        Self {
            account,
            dispatch,
            ruling,
        }
    }

    fn decided(self) -> NewDispatch {
        let Self { dispatch, ruling, .. } = self;
        NewDispatch {
            account: dispatch.account,
            platform: dispatch.platform,
            destination: dispatch.destination,
            state: ruling.state,
            cause: ruling.cause,
            detail: ruling.detail,
            due: ruling.due.map(|due| due.min(dispatch.deadline)),
            deadline: dispatch.deadline,
            click: dispatch.click,
        }
    }
}
