//! A dead letter: a message of a dead queue, with what its headers and its body tell.

use chrono::{DateTime, Utc};

use super::choice::DeadQueue;
use crate::{
    broker::{Delivery, HeaderValue, Headers},
    domain::{Cause, ClientId, Directory, Dispatch, event::VALUED_EVENTS, json},
    wire::{
        dispatch::{decode, header},
        event::{Envelope, parse},
    },
};

/// A dead letter that is held from the broker.
pub(super) struct Letter {
    pub(super) delivery: Delivery,
    pub(super) facts: Facts,
    pub(super) content: Content,
}

/// What a letter tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Why it lies here; none if the broker put it here.
    pub cause: Option<Cause>,
    /// The field or words that the cause is about.
    pub detail: Option<String>,
    /// The client.
    pub client: Option<String>,
    /// The event ID.
    pub event_id: Option<String>,
    /// The order ID.
    pub order_id: Option<String>,
    /// The event's name.
    pub event_name: Option<String>,
    /// The message ID.
    pub message_id: Option<String>,
    /// When it was put here.
    pub failed_at: Option<DateTime<Utc>>,
    /// How often the conversion had failed then.
    pub dead_count: Option<i32>,
    /// The key under which it came in.
    pub routing_key: Option<String>,
}

/// What lies in a letter.
pub(super) enum Content {
    /// A conversion.
    Conversion(Box<Dispatch>),
    /// In a platform's queue, something else.
    Foreign,
    /// A message from outside that is an event now, unless its client has no currency of its own.
    Event {
        /// Whether it lacks a currency that it must have.
        lacks_currency: bool,
    },
    /// A message from outside that is still no event.
    NoEvent,
    /// A webhook.
    Webhook,
}

impl Letter {
    pub(super) fn open(queue: DeadQueue, delivery: Delivery) -> Self {
        let mut facts = facts_of(&delivery.headers);
        facts.message_id = delivery.message_id.clone();
        let content = match queue {
            DeadQueue::Platform(platform) => match decode(&delivery.body) {
                Ok(dispatch) if dispatch.platform == platform => {
                    facts.client = Some(dispatch.event.client.to_string());
                    facts.event_id = Some(dispatch.event.event_id.to_string());
                    facts.event_name = Some(dispatch.event.name.clone());
                    facts.order_id.clone_from(&dispatch.event.order_id);
                    Content::Conversion(Box::new(dispatch))
                }
                _ => Content::Foreign,
            },
            DeadQueue::Events => {
                facts.fill_from(&delivery.body);
                let envelope = Envelope {
                    message_id: delivery.message_id.as_deref(),
                    timestamp: None,
                    now: Utc::now(),
                };
                match parse(&delivery.body, envelope) {
                    Ok(event) => Content::Event {
                        lacks_currency: event.currency.is_none() && VALUED_EVENTS.contains(&event.name.as_str()),
                    },
                    Err(_) => Content::NoEvent,
                }
            }
            DeadQueue::Webhooks => Content::Webhook,
        };
        Self {
            delivery,
            facts,
            content,
        }
    }
}

impl Letter {
    /// Whether the router would make something of it now.
    pub(super) fn is_readable(&self, directory: &Directory) -> bool {
        match self.content {
            Content::Event { lacks_currency: true } => {
                let id = self.facts.client.as_deref().and_then(|id| ClientId::parse(id).ok());
                let client = id.as_ref().and_then(|id| directory.client(id));
                // An unknown client's event is stored as it is.
                client.is_none_or(|client| client.currency.is_some())
            }
            Content::Event { .. } | Content::Webhook | Content::Conversion(_) => true,
            Content::NoEvent | Content::Foreign => false,
        }
    }
}

impl Facts {
    /// Reads what can be read of a body that is no event: the texts by which people tell one from another.
    fn fill_from(&mut self, body: &[u8]) {
        let Ok(body) = json::read::<serde_json::Value>(body) else {
            return;
        };
        let text = |field: &str| match &body[field] {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        self.client = text("client_id").or(self.client.take());
        self.event_id = text("event_id");
        self.order_id = text("order_id");
        self.event_name = text("event_name");
    }
}

fn facts_of(headers: &Headers) -> Facts {
    let text = |name: &str| headers.get(name).and_then(HeaderValue::as_text);
    Facts {
        cause: text(header::CAUSE).and_then(|cause| cause.parse().ok()),
        detail: text(header::DETAIL).map(str::to_owned),
        client: text(header::CLIENT).map(str::to_owned),
        failed_at: text(header::FAILED_AT)
            .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
            .map(|at| at.with_timezone(&Utc)),
        dead_count: headers
            .get(header::DEAD_COUNT)
            .and_then(HeaderValue::as_integer)
            .and_then(|count| i32::try_from(count).ok()),
        routing_key: text(header::ROUTING_KEY).map(str::to_owned),
        ..Facts::default()
    }
}
