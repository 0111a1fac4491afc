//! What a producer hands in over HTTP: one event, a list of events, or one a line. Its parts stay the bytes that came.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{event::Malformed, fields::Object};
use crate::domain::{Cause, ClientId};

/// The most events of one request.
pub const EVENTS_MAX: usize = 1_000;

/// How the events of a request stand beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON document: an event, or a list of events.
    Json,
    /// A JSON document a line.
    Lines,
}

/// Takes a body apart into its events. Whether each is one is not looked at.
pub fn events(body: &Bytes, form: Form) -> Result<Vec<Bytes>, Malformed> {
    let events = match form {
        Form::Lines => body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
            .take(EVENTS_MAX + 1)
            .map(|line| body.slice_ref(line))
            .collect(),
        Form::Json if body.trim_ascii_start().starts_with(b"[") => list(body)?,
        Form::Json => vec![body.clone()],
    };
    if events.is_empty() || body.trim_ascii().is_empty() {
        return Err(malformed(Cause::MissingField, "event"));
    }
    if events.len() > EVENTS_MAX {
        return Err(malformed(Cause::TooLarge, "the list of events"));
    }
    Ok(events)
}

fn list(body: &Bytes) -> Result<Vec<Bytes>, Malformed> {
    let Items(items) = serde_json::from_slice(body).map_err(|_| Malformed::of(Cause::MalformedJson))?;
    Ok(items
        .into_iter()
        .map(|item| body.slice_ref(item.get().as_bytes()))
        .collect())
}

/// The first items of a list, one more than may be: a body of nothing but commas must not become a list of millions.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstItems)
    }
}

struct FirstItems;

impl<'de> Visitor<'de> for FirstItems {
    type Value = Items<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items<'de>, A::Error> {
        let mut items = Vec::new();
        while items.len() <= EVENTS_MAX {
            let Some(item) = list.next_element()? else {
                return Ok(Items(items));
            };
            items.push(item);
        }
        // What comes behind is only looked at for being JSON.
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Items(items))
    }
}

/// The event as this client's: one that names no client at all is given its name, any other stays byte for byte as it is.
pub fn of_client(event: Bytes, client: &ClientId) -> Bytes {
    let names_client = serde_json::from_slice::<Object<Naming>>(&event).map(|Object(naming)| naming.client_id);
    // What is no object is for whoever reads it to complain about.
    let (Ok(false), Some(brace)) = (names_client, event.iter().position(|byte| *byte == b'{')) else {
        return event;
    };
    let name = serde_json::Value::from(client.as_str()).to_string();
    let rest = &event[brace + 1..];
    let comma = if rest.trim_ascii_start().starts_with(b"}") {
        ""
    } else {
        ","
    };
    let mut filled = Vec::with_capacity(event.len() + name.len() + 16);
    filled.extend_from_slice(&event[..=brace]);
    filled.extend_from_slice(format!("\"client_id\":{name}{comma}").as_bytes());
    filled.extend_from_slice(rest);
    filled.into()
}

/// Whether an event names its client, be it by a null.
#[derive(Deserialize)]
struct Naming {
    #[serde(default, deserialize_with = "is_there")]
    client_id: bool,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

fn malformed(cause: Cause, field: &str) -> Malformed {
    Malformed {
        cause,
        field: Some(field.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(body: &str, form: Form) -> Result<Vec<String>, Cause> {
        let events = events(&Bytes::copy_from_slice(body.as_bytes()), form).map_err(|malformed| malformed.cause)?;
        Ok(events
            .into_iter()
            .map(|event| String::from_utf8(event.to_vec()).unwrap())
            .collect())
    }

    #[test]
    fn each_event_stays_byte_for_byte_as_it_came() {
        assert_eq!(taken(" {\"a\": 1.50} ", Form::Json).unwrap(), [" {\"a\": 1.50} "]);
        assert_eq!(
            taken("[ {\"a\": 1.50 } , 7,[] ]", Form::Json).unwrap(),
            ["{\"a\": 1.50 }", "7", "[]"]
        );
        assert_eq!(
            taken("{\"a\":1}\r\n\n  \n{\"b\"\n", Form::Lines).unwrap(),
            ["{\"a\":1}\r", "{\"b\""]
        );
    }

    #[test]
    fn what_holds_no_event_or_too_many_is_refused() {
        for (body, form) in [
            ("", Form::Json),
            (" \n", Form::Json),
            ("[]", Form::Json),
            ("\n\n", Form::Lines),
        ] {
            assert_eq!(taken(body, form), Err(Cause::MissingField), "{body:?}");
        }
        for body in ["[", "[{]", "[1,]", "[1] 2", "[\"\u{0}\"", "["] {
            assert_eq!(taken(body, Form::Json), Err(Cause::MalformedJson), "{body:?}");
        }
        assert_eq!(taken(&"{}\n".repeat(EVENTS_MAX + 1), Form::Lines), Err(Cause::TooLarge));
        assert_eq!(
            taken(&"{}\n".repeat(EVENTS_MAX), Form::Lines).unwrap().len(),
            EVENTS_MAX
        );
        assert!(events(&Bytes::from_static(b"[\"\xff\"]"), Form::Json).is_err());
        let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert_eq!(
            taken(&list(EVENTS_MAX), Form::Json).map(|events| events.len()),
            Ok(EVENTS_MAX)
        );
        assert_eq!(taken(&list(2_000_000), Form::Json), Err(Cause::TooLarge));
    }

    #[test]
    fn of_too_long_a_list_only_the_first_items_are_kept() {
        let body = format!("[{}]", vec!["1"; 10 * EVENTS_MAX].join(","));

        let Items(kept) = serde_json::from_str(&body).unwrap();

        assert_eq!(kept.len(), EVENTS_MAX + 1);
    }

    #[test]
    fn an_event_without_a_client_is_given_one_and_no_other_is_touched() {
        let acme = ClientId::parse("ac\"me").unwrap();
        let filled = |text: &str| {
            let filled = of_client(Bytes::copy_from_slice(text.as_bytes()), &acme);
            String::from_utf8(filled.to_vec()).unwrap()
        };

        assert_eq!(
            filled(" { \"a\": 1.50 }"),
            " {\"client_id\":\"ac\\\"me\", \"a\": 1.50 }"
        );
        assert_eq!(filled("{ }"), "{\"client_id\":\"ac\\\"me\" }");
        for same in [
            r#"{"client_id":"other"}"#,
            r#"{"client\u005fid":"other"}"#,
            r#"{"client_id":null}"#,
            r#"{"client_id":1,"client_id":2}"#,
            r#"["client_id"]"#,
            r#"{"a":"#,
            "7",
            "",
        ] {
            assert_eq!(filled(same), same);
        }
    }
}
