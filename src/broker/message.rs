//! What a message carries: the outgoing form, the header values, and their AMQP form.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

/// The `app_id` property of everything this program publishes.
const APP_ID: &str = "conversion-relay";
const PERSISTENT: u8 = 2;

/// The headers of a message; values of other types (tables, lists, times) are left out when a message is read.
pub type Headers = BTreeMap<String, HeaderValue>;

/// One header value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// A string; bytes that are not UTF-8 were replaced when it was read.
    Text(String),
    /// Any AMQP integer.
    Integer(i64),
    /// A truth value.
    Boolean(bool),
}

impl HeaderValue {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            HeaderValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            HeaderValue::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            HeaderValue::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        HeaderValue::Text(text.to_owned())
    }
}

impl From<String> for HeaderValue {
    fn from(text: String) -> Self {
        HeaderValue::Text(text)
    }
}

impl From<i64> for HeaderValue {
    fn from(number: i64) -> Self {
        HeaderValue::Integer(number)
    }
}

/// A message to publish: persistent, confirmed, and never dropped silently.
#[derive(Clone)]
pub struct Outgoing {
    /// The exchange, with the topology's prefix; at most 255 bytes.
    pub exchange: String,
    /// At most 255 bytes.
    pub routing_key: String,
    /// Stays the same over every retry, so that whoever reads it can absorb a duplicate; at most 255 bytes.
    pub message_id: String,
    /// The payload.
    pub body: Bytes,
    /// Header names of at most 255 bytes. Copied headers go through [`headers_for_republish`] first.
    pub headers: Headers,
    /// The `timestamp` property, seconds since 1970.
    pub timestamp_seconds: Option<u64>,
    /// The `type` property.
    pub message_type: Option<&'static str>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Outgoing")
            .field("exchange", &self.exchange)
            .field("routing_key", &self.routing_key)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An [`Outgoing`] whose names fit into AMQP's short strings.
pub(super) struct Prepared {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

/// Which part of a message does not fit into AMQP's 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong(pub(super) &'static str);

impl Prepared {
    // lapin's `From<&str>` for short strings panics above 255 bytes, hence the named error.
    pub(super) fn new(message: &Outgoing) -> Result<Self, TooLong> {
        let mut properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_app_id(short(APP_ID, "app_id")?)
            .with_message_id(short(&message.message_id, "message_id")?);
        if !message.headers.is_empty() {
            properties = properties.with_headers(table(&message.headers)?);
        }
        if let Some(seconds) = message.timestamp_seconds {
            properties = properties.with_timestamp(seconds);
        }
        if let Some(kind) = message.message_type {
            properties = properties.with_type(short(kind, "type")?);
        }
        Ok(Prepared {
            exchange: short(&message.exchange, "exchange")?,
            routing_key: short(&message.routing_key, "routing_key")?,
            properties,
            body: message.body.clone(),
        })
    }
}

fn short(text: &str, part: &'static str) -> Result<ShortString, TooLong> {
    ShortString::try_new(text).map_err(|_| TooLong(part))
}

fn table(headers: &Headers) -> Result<FieldTable, TooLong> {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        let value = match value {
            HeaderValue::Text(text) => AMQPValue::LongString(LongString::from(text.as_bytes())),
            HeaderValue::Integer(number) => AMQPValue::LongLongInt(*number),
            HeaderValue::Boolean(truth) => AMQPValue::Boolean(*truth),
        };
        table.insert(short(name, "header name")?, value);
    }
    Ok(table)
}

/// Reads an AMQP header table.
pub(super) fn headers_from(table: &FieldTable) -> Headers {
    let known = |(name, value): (&ShortString, &AMQPValue)| {
        let value = match value {
            AMQPValue::Boolean(truth) => HeaderValue::Boolean(*truth),
            AMQPValue::ShortShortInt(number) => HeaderValue::Integer((*number).into()),
            AMQPValue::ShortShortUInt(number) => HeaderValue::Integer((*number).into()),
            AMQPValue::ShortInt(number) => HeaderValue::Integer((*number).into()),
            AMQPValue::ShortUInt(number) => HeaderValue::Integer((*number).into()),
            AMQPValue::LongInt(number) => HeaderValue::Integer((*number).into()),
            AMQPValue::LongUInt(number) => HeaderValue::Integer((*number).into()),
            AMQPValue::LongLongInt(number) => HeaderValue::Integer(*number),
            AMQPValue::ShortString(text) => HeaderValue::Text(text.to_string()),
            AMQPValue::LongString(text) => HeaderValue::Text(text.to_string()),
            _ => return None,
        };
        Some((name.to_string(), value))
    };
    table.inner().iter().filter_map(known).collect()
}

/// The headers of a message that is published again, without those that belong to its earlier life.
///
/// Not hygiene but correctness: RabbitMQ up to 3.13 reads an `x-death` that a client sends, and drops the message as a
/// "cycle" when it meets the same queue again; `CC` and `BCC` would route copies.
/// <https://www.rabbitmq.com/docs/dlx> (read 2026-11-21).
pub fn headers_for_republish(headers: &Headers) -> Headers {
    let of_an_earlier_life = |name: &str| {
        matches!(name, "x-death" | "x-delivery-count" | "x-acquired-count" | "CC" | "BCC")
            || name.starts_with("x-first-death-")
            || name.starts_with("x-last-death-")
    };
    headers
        .iter()
        .filter(|(name, _)| !of_an_earlier_life(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Outgoing {
        Outgoing {
            exchange: "conversions.work".into(),
            routing_key: "live.meta".into(),
            message_id: "0191f2c4".into(),
            body: Bytes::from_static(b"a@b.c"),
            headers: BTreeMap::from([
                ("relay-client".to_owned(), HeaderValue::from("acme")),
                ("relay-dead".to_owned(), HeaderValue::Integer(-3)),
                ("relay-test".to_owned(), HeaderValue::Boolean(true)),
            ]),
            timestamp_seconds: Some(1_700_000_000),
            message_type: Some("dispatch"),
        }
    }

    #[test]
    fn headers_come_back_as_they_were_written() {
        let prepared = Prepared::new(&message()).unwrap();

        let table = prepared.properties.headers().clone().unwrap();
        assert_eq!(headers_from(&table), message().headers);
    }

    #[test]
    fn every_message_is_persistent_and_carries_its_id() {
        let properties = Prepared::new(&message()).unwrap().properties;

        assert_eq!(properties.delivery_mode(), &Some(2));
        assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "0191f2c4");
    }

    #[test]
    fn a_name_too_long_for_amqp_is_an_error_and_no_panic() {
        let long = "k".repeat(256);
        let in_key = Outgoing {
            routing_key: long.clone(),
            ..message()
        };
        let in_header = Outgoing {
            headers: BTreeMap::from([(long, "x".into())]),
            ..message()
        };

        assert_eq!(Prepared::new(&in_key).err(), Some(TooLong("routing_key")));
        assert_eq!(Prepared::new(&in_header).err(), Some(TooLong("header name")));
    }

    #[test]
    fn a_message_does_not_print_its_body_or_its_headers() {
        let printed = format!("{:?}", message());

        assert!(!printed.contains("a@b.c") && !printed.contains("acme"), "{printed}");
    }

    #[test]
    fn what_the_broker_added_is_stripped_before_a_republish() {
        let theirs = [
            "x-death",
            "x-first-death-queue",
            "x-last-death-reason",
            "x-delivery-count",
            "x-acquired-count",
            "CC",
            "BCC",
        ];
        let ours = ["relay-client", "traceparent", "x-hub-signature-256"];
        let headers: Headers = theirs
            .iter()
            .chain(&ours)
            .map(|name| ((*name).to_owned(), "v".into()))
            .collect();

        let kept: Vec<_> = headers_for_republish(&headers).into_keys().collect();

        assert_eq!(kept, ours);
    }
}
