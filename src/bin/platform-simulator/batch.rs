//! Reads a batch: the members of the request object and its events, each kept as the very text that was received.
use std::fmt;
use std::net::IpAddr;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A request: its events, each kept as the text that was received, and its other members.
#[derive(Debug)]
pub struct Batch<'a> {
    pub fields: Map<String, Value>,
    pub items: Items<'a>,
}

/// What stands where the events should be.
#[derive(Debug)]
pub enum Items<'a> {
    Absent,
    NotAList,
    List(Vec<&'a RawValue>),
}

/// Reads the JSON object that `body` is, in one pass; its events are the member named `items`.
pub fn read<'a>(body: &'a [u8], items: &str) -> Result<Batch<'a>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let batch = BatchVisitor { items }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(batch)
}

struct BatchVisitor<'n> {
    items: &'n str,
}

impl<'a> DeserializeSeed<'a> for BatchVisitor<'_> {
    type Value = Batch<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Batch<'a>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for BatchVisitor<'_> {
    type Value = Batch<'a>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<Batch<'a>, M::Error> {
        let mut batch = Batch {
            fields: Map::new(),
            items: Items::Absent,
        };
        while let Some(name) = members.next_key::<String>()? {
            if name == self.items {
                batch.items = members.next_value()?;
            } else {
                batch.fields.insert(name, members.next_value()?);
            }
        }
        Ok(batch)
    }
}

impl<'a> Deserialize<'a> for Items<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemsVisitor)
    }
}

struct ItemsVisitor;

impl<'a> Visitor<'a> for ItemsVisitor {
    type Value = Items<'a>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut elements: S) -> Result<Items<'a>, S::Error> {
        let mut items = Vec::new();
        while let Some(item) = elements.next_element()? {
            items.push(item);
        }
        Ok(Items::List(items))
    }

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<Items<'a>, M::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Items::NotAList)
    }

    fn visit_str<E>(self, _: &str) -> Result<Items<'a>, E> {
        Ok(Items::NotAList)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Items<'a>, E> {
        Ok(Items::NotAList)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Items<'a>, E> {
        Ok(Items::NotAList)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Items<'a>, E> {
        Ok(Items::NotAList)
    }

    fn visit_unit<E>(self) -> Result<Items<'a>, E> {
        Ok(Items::NotAList)
    }
}

/// The value of a part of an already checked document.
pub fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// Whether `text` is a SHA-256 in 64 lower-case hexadecimal digits.
pub fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether `text` has the form of an ISO 4217 code, in either case.
pub fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Whether an address cannot be that of a customer on the internet.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_event_stays_as_it_was_received() {
        let body = br#"{"data": [ {"value": 1499.00, "a":1}, {} ], "code": "T"}"#;

        let batch = read(body, "data").unwrap();

        let Items::List(items) = batch.items else {
            panic!("{:?}", batch.items)
        };
        assert_eq!(items[0].get(), r#"{"value": 1499.00, "a":1}"#);
        assert_eq!(batch.fields["code"], "T");
    }

    #[test]
    fn events_that_are_no_list_are_told_apart_from_bodies_that_are_no_object() {
        for not_a_list in ["{}", "\"x\"", "7", "-7", "1.5", "true", "null"] {
            let body = format!("{{\"data\": {not_a_list}}}");
            assert!(
                matches!(read(body.as_bytes(), "data").unwrap().items, Items::NotAList),
                "{body}"
            );
        }
        for body in ["", "[]", "7", "{\"data\": [}", "{} {}"] {
            assert!(read(body.as_bytes(), "data").is_err(), "{body}");
        }
    }

    #[test]
    fn only_64_lower_case_digits_are_a_hash() {
        let hash = "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd";

        assert!(is_sha256_hex(hash));
        assert!(!is_sha256_hex(&hash.to_uppercase()));
        assert!(!is_sha256_hex(&hash[1..]));
    }
}
