//! The platforms: build a request from dispatches, classify an answer into one outcome each. Pure; each sister folder has the same
//! file names and holds only what differs.

pub mod answer;
pub mod google;
pub mod meta;
pub mod probe;
pub mod request;
#[cfg(test)]
mod sample;
pub mod tiktok;

use chrono::{DateTime, Utc};

pub use self::{
    answer::{Advice, Answer, Rest},
    probe::Probe,
    request::{Endpoints, Limits, Request, Sending},
};
use crate::domain::{
    Account, Cause, Classification, Click, Dispatch, EventRecord, Outcome, Platform, hash::Identity, person::Person,
};

/// What one platform does its own way. All functions are pure: the same arguments give the same answer.
pub trait Adapter: Sync {
    /// The limits of one request for this ad account.
    fn limits(&self, account: &Account) -> Limits;

    /// The person in this platform's own form, hashed except where the platform demands plain text. `country` (ISO alpha-2, upper case)
    /// is the event's own country or else the client's; it serves phone numbers without a country code.
    fn identity(&self, person: &Person, country: Option<&str>) -> Identity;

    /// The time after which the platform does not take the event any more.
    fn deadline(&self, event: &EventRecord, account: &Account, click: Option<&Click>) -> DateTime<Utc>;

    /// The earliest time at which the platform takes it, and why it is not at once; `None`: at once.
    fn earliest(&self, event: &EventRecord, account: &Account, click: Option<&Click>)
    -> Option<(DateTime<Utc>, Cause)>;

    /// Checks what the platform would refuse, so that it never gets to see it. `Err` says how it ends without being sent.
    fn check(&self, dispatch: &Dispatch, account: &Account) -> Result<(), Rejection>;

    /// Builds one request of dispatches that all passed [`Adapter::check`], all to `account`, at most as many as the limits allow.
    fn build(&self, dispatches: &[&Dispatch], sending: &Sending<'_>) -> Request;

    /// Says what an answer to a request with these dispatches means. Total: any status, any body; what it does not know is never delivered.
    fn classify(&self, answer: &Answer, dispatches: &[&Dispatch], account: &Account) -> Classification;

    /// What shows whether login and ad account work, and counts nothing; `None`: nothing does as the ad account is set up.
    fn probe(&self, account: &Account, now: DateTime<Utc>) -> Option<Probe>;

    /// Says whether the outcome of a probe shows that login and ad account work. A probe is refused where a conversion would be.
    fn is_welcome(&self, outcome: &Outcome) -> bool;

    /// Says what an answer advises beside its verdict; most platforms advise nothing.
    fn advice(&self, _answer: &Answer) -> Advice {
        Advice::default()
    }
}

/// How a dispatch ends without being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// A rule; nobody is at fault.
    NotSent(Cause),
    /// Someone can repair it. The detail names a field, never a value.
    Failed(Cause, Option<&'static str>),
}

/// The adapter of a platform.
pub fn adapter(platform: Platform) -> &'static dyn Adapter {
    match platform {
        Platform::Meta => &meta::Meta,
        Platform::Google => &google::Google,
        Platform::Tiktok => &tiktok::Tiktok,
    }
}
