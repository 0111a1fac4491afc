//! What the messages of a batch hold: events, clicks, or a fault.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{Inbound, breathe};
use crate::{
    broker::{Delivery, HeaderValue},
    domain::{Cause, ClientId, Directory, event::Event},
    wire::{
        dispatch::header,
        event::{Envelope, Malformed, parse},
        webhook::{Payload, PersonClick, Reading},
    },
};

/// The longest name of a source that the accounts file allows.
const SOURCE_CHARACTERS_MAX: usize = 64;

/// What reading depends on beside the message.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) inbound: &'a Inbound,
    pub(super) directory: &'a Directory,
    /// Bodies that made a worker stop several times.
    pub(super) condemned: &'a [Bytes],
    pub(super) now: DateTime<Utc>,
}

/// What a batch holds; numbers are places among its deliveries.
#[derive(Default)]
pub(super) struct Contents {
    /// Events, each with the delivery that holds it.
    pub(super) events: Vec<(usize, Event)>,
    /// Clicks that came without an event.
    pub(super) clicks: Vec<PersonClick>,
    /// What is wrong, with the delivery.
    pub(super) faults: Vec<(usize, Malformed)>,
    /// How many parts tell nothing that concerns the relay.
    pub(super) ignored: usize,
    /// Whether some message is of a client that the directory does not know.
    is_of_stranger: bool,
}

impl Contents {
    /// Says whether a newer directory might know what this one does not: no client and no source is called unknown on the word of a cache.
    pub(super) fn misses_something(&self, directory: &Directory) -> bool {
        let is_unknown = |fault: &Malformed| matches!(fault.cause, Cause::UnknownWaba | Cause::UnknownWebhookSource);
        self.is_of_stranger
            || self
                .events
                .iter()
                .any(|(_, event)| directory.client(&event.client).is_none())
            || self.faults.iter().any(|(_, fault)| is_unknown(fault))
    }
}

impl Reader<'_> {
    /// Reads all messages of a batch.
    pub(super) async fn read_all(self, deliveries: &[Delivery]) -> Contents {
        let mut contents = Contents::default();
        for (index, delivery) in deliveries.iter().enumerate() {
            breathe(index).await;
            // A panic over one message is that message's bug, not the batch's.
            let reading = catch_unwind(AssertUnwindSafe(|| self.read(delivery)));
            let reading = reading.unwrap_or_else(|_| Reading::failed(Cause::Bug, None));
            contents
                .events
                .extend(reading.events.into_iter().map(|event| (index, event)));
            contents.clicks.extend(reading.clicks);
            contents.faults.extend(reading.fault.map(|fault| (index, fault)));
            contents.ignored += reading.ignored;
            contents.is_of_stranger |= client_of(delivery).is_some_and(|id| self.directory.client(&id).is_none());
        }
        contents
    }

    fn read(self, delivery: &Delivery) -> Reading {
        if self.condemned.contains(&delivery.body) {
            return Reading::failed(Cause::CrashLoop, None);
        }
        match self.inbound {
            Inbound::Events => self.event(delivery),
            Inbound::Webhooks => self.payload(delivery, |payload| {
                payload.read_of_source(&source_of(delivery), self.directory, self.now)
            }),
            Inbound::Input(input) => self.payload(delivery, |payload| {
                let payload = Payload {
                    client: input.client.as_ref().or(payload.client),
                    ..payload
                };
                payload.read_by(&input.mapping, self.directory, self.now)
            }),
        }
    }

    fn event(self, delivery: &Delivery) -> Reading {
        let envelope = Envelope {
            message_id: delivery.message_id.as_deref(),
            timestamp: delivery
                .timestamp_seconds
                .and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)),
            now: self.now,
        };
        match parse(&delivery.body, envelope) {
            Ok(event) => Reading {
                events: vec![event],
                ..Reading::default()
            },
            Err(fault) => Reading {
                fault: Some(fault),
                ..Reading::default()
            },
        }
    }

    fn payload(self, delivery: &Delivery, read: impl FnOnce(Payload<'_>) -> Reading) -> Reading {
        let header = |name: &str| {
            // HTTP's headers have no case, and whoever passed them on kept the one that came.
            let mut headers = delivery.headers.iter();
            let (_, value) = headers.find(|(given, _)| given.eq_ignore_ascii_case(name))?;
            value.as_text().map(str::to_owned)
        };
        let client = client_of(delivery);
        read(Payload {
            body: &delivery.body,
            headers: &header,
            client: client.as_ref(),
        })
    }
}

/// Whose message it is, if a header says so.
fn client_of(delivery: &Delivery) -> Option<ClientId> {
    let text = delivery.headers.get(header::CLIENT).and_then(HeaderValue::as_text)?;
    ClientId::parse(text).ok()
}

/// The word after `webhooks.` in the routing key, without what a sender may have hidden there.
fn source_of(delivery: &Delivery) -> String {
    let source = delivery.routing_key.strip_prefix("webhooks.").unwrap_or("none");
    source
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-')
        .take(SOURCE_CHARACTERS_MAX)
        .collect()
}
