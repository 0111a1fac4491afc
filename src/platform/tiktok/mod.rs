//! Tiktok: placeholder until the adapter is merged.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Adapter, Answer, Limits, Rejection, Request, Sending};
use crate::domain::{Account, Cause, Classification, Click, Dispatch, EventRecord, hash::Identity, person::Person};

/// The adapter.
pub struct Tiktok;

impl Adapter for Tiktok {
    fn limits(&self, _account: &Account) -> Limits {
        Limits {
            events: 1_000,
            bytes: 1_000_000,
        }
    }
    fn identity(&self, _person: &Person, _country: Option<&str>) -> Identity {
        Identity::default()
    }
    fn deadline(&self, event: &EventRecord, _account: &Account, _click: Option<&Click>) -> DateTime<Utc> {
        event.time + TimeDelta::days(7)
    }
    fn earliest(
        &self,
        _event: &EventRecord,
        _account: &Account,
        _click: Option<&Click>,
    ) -> Option<(DateTime<Utc>, Cause)> {
        None
    }
    fn check(&self, _dispatch: &Dispatch, _account: &Account) -> Result<(), Rejection> {
        Ok(())
    }
    fn build(&self, _dispatches: &[&Dispatch], _sending: &Sending<'_>) -> Request {
        unreachable!()
    }
    fn classify(&self, answer: &Answer, _dispatches: &[&Dispatch], _account: &Account) -> Classification {
        Classification::Unnamed(answer.without_platform_body())
    }
}
