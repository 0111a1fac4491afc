//! What the click ledger knows of an event's person, where a database is at hand.

use super::{Tools, verdict::Desk};
use crate::{
    domain::EventRecord,
    roles::{
        console::ConsoleError,
        plan::{Remembered, Visit, ask, country, question},
    },
    wire::event::{Envelope, parse},
};

/// Of an event as it is published: nothing without the database or the key of its identities.
pub(super) async fn of_event(body: &[u8], desk: Desk<'_>, tools: Tools<'_>) -> Result<Remembered, ConsoleError> {
    let envelope = Envelope {
        message_id: None,
        timestamp: None,
        now: desk.now,
    };
    let (Some(keys), Ok(event)) = (tools.keys, parse(body, envelope)) else {
        return Ok(Remembered::default());
    };
    let country = country(&event, desk.directory.client(&event.client));
    let digests = keys.digests(&event.person, country.as_deref());
    asked((&event).into(), &digests.all, desk, tools).await
}

/// Of an event that the ledger keeps.
pub(super) async fn of_record(
    record: &EventRecord,
    identities: &[uuid::Uuid],
    desk: Desk<'_>,
    tools: Tools<'_>,
) -> Result<Remembered, ConsoleError> {
    asked(record.into(), identities, desk, tools).await
}

async fn asked(
    visit: Visit<'_>,
    identities: &[uuid::Uuid],
    desk: Desk<'_>,
    tools: Tools<'_>,
) -> Result<Remembered, ConsoleError> {
    let Some(store) = tools.store else {
        return Ok(Remembered::default());
    };
    let accounts = desk.directory.accounts_of(visit.client()).iter().map(AsRef::as_ref);
    let questions = vec![question(visit, accounts, identities)];
    Ok(ask(store, questions).await?.pop().unwrap_or_default())
}
