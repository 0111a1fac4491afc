//! Webhooks: what WhatsApp and other systems tell, read into clicks and funnel events. Pure.

pub mod signature;

use super::event::Malformed;
use crate::domain::{Cause, Click, ClientId, event::Event, person::Person};

/// What one webhook comes to. Its good parts are worked off also where others are at fault.
#[derive(Debug, Default)]
pub struct Reading {
    /// Clicks for the ledger.
    pub clicks: Vec<PersonClick>,
    /// Funnel events.
    pub events: Vec<Event>,
    /// Why the message is kept as a dead letter: the first thing in it that could not be read.
    pub fault: Option<Malformed>,
    /// How many parts of it tell nothing that concerns the relay: statuses, messages without an ad, events of other kinds.
    pub ignored: usize,
}

impl Reading {
    /// Nothing but a fault.
    pub fn failed(cause: Cause, field: Option<String>) -> Self {
        Self {
            fault: Some(Malformed { cause, field }),
            ..Self::default()
        }
    }
}

/// A click of a person, in plain text: raw side only.
#[derive(Debug)]
pub struct PersonClick {
    /// The advertiser.
    pub client: ClientId,
    /// Who clicked.
    pub person: Person,
    /// The click.
    pub click: Click,
}
