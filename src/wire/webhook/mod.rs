//! Webhooks: what WhatsApp and other systems tell, read into clicks and funnel events. Pure.

pub mod builtin;
pub mod mapped;
mod payload;
pub mod signature;
pub mod whatsapp;

pub use self::payload::Payload;
use super::event::Malformed;
use crate::domain::{Cause, Click, ClientId, event::Event, json, person::Person};

/// The largest webhook, in bytes.
pub const WEBHOOK_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most items of one webhook, whole or as the clicks and events that they make, so that none keeps the router busy for long.
const ITEMS_MAX: usize = 10_000;

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

impl From<Malformed> for Reading {
    fn from(Malformed { cause, field }: Malformed) -> Self {
        Self::failed(cause, field)
    }
}

impl Reading {
    /// Nothing but a fault.
    pub fn failed(cause: Cause, field: Option<String>) -> Self {
        Self {
            fault: Some(Malformed { cause, field }),
            ..Self::default()
        }
    }

    /// Says whether it tells more than one webhook may.
    fn is_too_large(&self) -> bool {
        self.clicks.len() + self.events.len() > ITEMS_MAX
    }

    /// Notes a fault; the first one counts.
    fn note(&mut self, fault: Malformed) {
        self.fault.get_or_insert(fault);
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

/// A body as JSON. What the parser says of it is thrown away, since it may quote it.
fn json(body: &[u8]) -> Result<serde_json::Value, Malformed> {
    if body.len() > WEBHOOK_BYTES_MAX {
        return Err(Malformed::of(Cause::TooLarge));
    }
    json::read(body).map_err(|_| Malformed::of(Cause::MalformedJson))
}
