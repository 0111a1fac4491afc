//! What a payload becomes, said without anybody's address, number or name.

use std::io::Write;

use chrono::{DateTime, Utc};

use super::super::{ConsoleError, Exit, mask};
use crate::{
    domain::{ClientId, Directory, event::Event, mapping::Mapping, webhook::WHATSAPP},
    wire::{
        event::Malformed,
        webhook::{
            Payload, PersonClick,
            mapped::{self, Preview},
        },
    },
};

/// A payload and what comes with it.
pub(super) struct Sample<'a> {
    pub body: &'a [u8],
    pub headers: &'a [(String, String)],
    pub client: Option<&'a ClientId>,
    pub now: DateTime<Utc>,
}

impl Sample<'_> {
    /// Shows what a mapping makes of it.
    pub fn mapped(&self, mapping: &Mapping, out: &mut impl Write) -> Result<Exit, ConsoleError> {
        let headers = |wanted: &str| {
            let found = self.headers.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.clone())
        };
        let previews = match mapped::preview(mapping, self.body, &headers, self.client, self.now) {
            Ok(previews) => previews,
            Err(fault) => {
                writeln!(out, "It cannot be read: {fault}")?;
                return Ok(Exit::Attention);
            }
        };
        let mut exit = Exit::Success;
        if previews.is_empty() {
            writeln!(out, "It holds no items: nothing becomes of it.")?;
        }
        for preview in previews {
            match preview {
                Preview::Ignored => writeln!(out, "Ignored: no event's conditions hold.")?,
                Preview::Event { index, message, fault } => {
                    let kind = index + 1;
                    match message {
                        Some(message) => writeln!(out, "By event {kind} of the mapping: {}", mask::json(message))?,
                        None => writeln!(out, "By event {kind} of the mapping:")?,
                    }
                    match fault {
                        Some(fault) => {
                            exit = Exit::Attention;
                            writeln!(out, "  not taken: {}", self.told(&fault))?;
                        }
                        None => writeln!(out, "  taken")?,
                    }
                }
            }
        }
        Ok(exit)
    }

    /// Shows what WhatsApp's own payload tells.
    pub fn whatsapp(&self, directory: &Directory, out: &mut impl Write) -> Result<Exit, ConsoleError> {
        let payload = Payload {
            body: self.body,
            headers: &|_| None,
            client: self.client,
        };
        let reading = payload.read_by(WHATSAPP, directory, self.now);
        for click in &reading.clicks {
            writeln!(out, "{}", told_click(click))?;
        }
        for event in &reading.events {
            writeln!(out, "{}", told_event(event))?;
        }
        writeln!(
            out,
            "Ignored: {} parts that tell of no ad click and no sale.",
            reading.ignored
        )?;
        match &reading.fault {
            Some(fault) => {
                writeln!(out, "Not taken: {}", self.told(fault))?;
                Ok(Exit::Attention)
            }
            None => Ok(Exit::Success),
        }
    }

    fn told(&self, fault: &Malformed) -> String {
        let is_of_client = fault.field.as_deref() == Some("client");
        if is_of_client && self.client.is_none() {
            return format!("{fault} (nobody says whose it is; try --client)");
        }
        fault.to_string()
    }
}

fn told_click(click: &PersonClick) -> String {
    let phones = click.person.phones.iter().map(|phone| mask::text(phone.expose()));
    let users = click.person.whatsapp_users.iter().map(|user| mask::text(user.expose()));
    let people: Vec<String> = phones.chain(users).collect();
    format!(
        "Click of {} for {}: {} {}, {}{}",
        people.join(" and "),
        click.client,
        click.click.kind.as_str(),
        mask::text(&click.click.value),
        click.click.first_seen.format("%Y-%m-%d %H:%M:%S"),
        if click.click.time_is_known {
            ""
        } else {
            " (the time is not known)"
        },
    )
}

fn told_event(event: &Event) -> String {
    let value = event.value.map(|value| {
        let currency = event.currency.as_deref().unwrap_or_default();
        format!(", {value} {currency}")
    });
    format!(
        "{} of {}, {}{}, event ID {}",
        event.name,
        event.client,
        event.time.format("%Y-%m-%d %H:%M:%S"),
        value.unwrap_or_default(),
        event.event_id
    )
}
