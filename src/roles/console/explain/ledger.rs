//! Events of the ledger, found by order or event ID: what was kept of them, explained as of when they came in.

use std::io::Write;

use chrono::{DateTime, Utc};

use super::{Args, Tools, export, memory, page::Page, verdict::Desk};
use crate::{
    roles::console::{ConsoleError, Exit, table::one_line},
    store::audit::{AuditEvent, AuditFilter, AuditTerm},
};

/// The most events of one order.
const EVENTS_MAX: i64 = 50;

/// Explains the events with this order or event ID.
pub(super) async fn explain(
    id: &str,
    args: &Args,
    desk: Desk<'_>,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    let Some(store) = tools.store else {
        return Err(ConsoleError::Usage("an order is looked up in the database".to_owned()));
    };
    let filter = AuditFilter {
        term: Some(AuditTerm {
            id: id.to_owned(),
            identities: Vec::new(),
        }),
        client: args.client.clone(),
        limit: EVENTS_MAX,
        ..AuditFilter::default()
    };
    let mut found = 0;
    for event in store.audit(&filter).await?.iter().rev() {
        if let Some(at) = event.forgotten_at {
            found += 1;
            forgotten(event, at, args, out)?;
            continue;
        }
        let Some(record) = store.event_record(event.key).await? else {
            continue;
        };
        found += 1;
        // The rules that speak of now spoke then; today every old conversion would be too old.
        let desk = Desk {
            now: args.now.unwrap_or(event.received_at),
            ..desk
        };
        let identities = store.event_identities(event.key).await?;
        let remembered = memory::of_record(&record, &identities, desk, tools).await?;
        let explained = desk.explain_record(&record, &remembered);
        if args.json {
            export::event(&explained, out)?;
            continue;
        }
        if found > 1 {
            writeln!(out)?;
        }
        let page = Page {
            explained: &explained,
            desk,
        };
        page.write(out)?;
    }
    if found > 0 {
        return Ok(Exit::Success);
    }
    Err(ConsoleError::Unknown {
        kind: "order or event",
        name: id.to_owned(),
        hint: " in the ledger, and no such file; `audit` says where else it may be".to_owned(),
    })
}

/// Says that nothing is left to explain.
fn forgotten(
    event: &AuditEvent,
    at: DateTime<Utc>,
    args: &Args,
    out: &mut (dyn Write + Send),
) -> Result<(), ConsoleError> {
    if args.json {
        return Ok(export::forgotten(&event.event_id, out)?);
    }
    let heading = format!("{} of {}, event ID {}", event.name, event.client, event.event_id);
    writeln!(out, "{}", one_line(&heading))?;
    writeln!(
        out,
        "  its person was forgotten {} UTC: what would be sent is gone, and nothing more is made of it; `audit` tells what became of it before",
        at.format("%-d %b %Y %H:%M")
    )?;
    Ok(())
}
