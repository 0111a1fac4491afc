//! Funnel events as they come in: JSON to a checked [`Event`], or a named error that gives the field and never the value.

mod checks;
mod message;

use chrono::{DateTime, Utc};

pub use self::message::FunnelEvent;
pub(super) use self::message::read_object;
use crate::domain::{Cause, event::Event};

/// The largest event, in bytes.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// What is known of a message beside its body.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Property `message_id`.
    pub message_id: Option<&'a str>,
    /// Property `timestamp`.
    pub timestamp: Option<DateTime<Utc>>,
    /// Now, by the relay's clock.
    pub now: DateTime<Utc>,
}

/// Why a message is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}{}", .field.as_ref().map(|field| format!(": {field}")).unwrap_or_default())]
pub struct Malformed {
    /// Which kind of fault.
    pub cause: Cause,
    /// The field, as a path such as `user.email` or `contents[2].price`.
    pub field: Option<String>,
}

impl Malformed {
    /// A fault of the whole message.
    pub fn of(cause: Cause) -> Self {
        Self { cause, field: None }
    }

    /// A fault of a field.
    pub(in crate::wire) fn new(cause: Cause, field: &str) -> Self {
        Self {
            cause,
            field: Some(field.to_owned()),
        }
    }
}

/// A click ID as it is kept: unchanged, or `None` if it cannot be one. The same rule holds wherever click IDs come from.
pub(in crate::wire) fn click_id(text: &str) -> Option<String> {
    checks::click_id(text)
}

/// Reads an event. The rules are those of the design's section on messages; unknown fields are ignored.
pub fn parse(body: &[u8], envelope: Envelope<'_>) -> Result<Event, Malformed> {
    if body.len() > EVENT_BYTES_MAX {
        return Err(Malformed {
            cause: Cause::TooLarge,
            field: None,
        });
    }
    let message = read_object(body)?;
    checks::check(message, body, envelope)
}

#[cfg(test)]
mod tests;
