//! The Data Manager API: `events:ingest`, the default. It takes or refuses a request whole, and says later what became of the events.
//! <https://developers.google.com/data-manager/api/devguides/events/send-events> (read 2026-11-21)

mod build;
mod classify;
mod codes;

use std::collections::BTreeSet;

pub(super) use self::{build::build, classify::classify};
use super::build::action;
use crate::domain::{Account, Dispatch};

/// The conversion actions of a request in the order of its destinations: sorted, so that it follows from the dispatches alone.
pub(super) fn destinations<'a>(dispatches: &[&Dispatch], account: &'a Account) -> Vec<&'a str> {
    let actions: BTreeSet<&str> = dispatches.iter().map(|dispatch| action(dispatch, account)).collect();
    actions.into_iter().collect()
}
