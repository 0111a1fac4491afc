//! What an app reports of a WhatsApp contact: a name, a phone number, perhaps a value; made into a funnel event.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    event::{Malformed, read_object},
    fields::{Amount, Text},
};
use crate::domain::{Cause, Click, ClientId, event::VALUED_EVENTS, phone};

/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// What was reported. The person's number is in it: raw side only.
pub struct SentEvent {
    name: String,
    phone: String,
    currency: Option<String>,
    value: Option<String>,
    event_id: String,
}

#[derive(Deserialize)]
struct Fields {
    event_name: Text,
    phone_number: Text,
    #[serde(default)]
    currency: Option<Text>,
    #[serde(default)]
    value: Option<Amount>,
    #[serde(default)]
    event_id: Option<Text>,
}

/// Reads a report; one without an event ID is given the minted one. What the funnel event's own checks find is left to them.
pub fn read(body: &[u8], minted: &str) -> Result<SentEvent, Malformed> {
    let fields: Fields = read_object(body)?;
    let name = present(Some(fields.event_name)).ok_or_else(|| missing("event_name"))?;
    let phone = present(Some(fields.phone_number)).ok_or_else(|| missing("phone_number"))?;
    if !is_e164(&phone) {
        return Err(Malformed {
            cause: Cause::InvalidField,
            field: Some("phone_number".to_owned()),
        });
    }
    let currency = present(fields.currency);
    let is_valued = VALUED_EVENTS.contains(&name.as_str());
    if is_valued && fields.value.is_none() {
        return Err(missing("value"));
    }
    if is_valued && currency.is_none() {
        return Err(missing("currency"));
    }
    Ok(SentEvent {
        name,
        phone,
        currency,
        value: fields.value.map(|Amount(value)| value.to_string()),
        event_id: fields
            .event_id
            .map(|Text(id)| id)
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| minted.to_owned()),
    })
}

impl SentEvent {
    /// The funnel event of it, with the click that it is attached to.
    pub fn funnel_event(&self, client: &ClientId, click: Option<&Click>) -> Bytes {
        let mut event = json!({
            "event_id": self.event_id,
            "client_id": client.as_str(),
            "event_name": self.name,
            "action_source": "business_messaging",
            "user": { "phone": self.phone },
        });
        let mut more = Map::new();
        if let Some(value) = &self.value {
            // As text, for it is decimal.
            more.insert("value".to_owned(), value.as_str().into());
        }
        if let Some(currency) = &self.currency {
            more.insert("currency".to_owned(), currency.as_str().into());
        }
        if let Some(click) = click {
            let clicked = json!({ "ctwa_clid": click.value, "clicked_at": click.first_seen.to_rfc3339() });
            more.insert("click".to_owned(), clicked);
        }
        if let Value::Object(event) = &mut event {
            event.append(&mut more);
        }
        Bytes::from(event.to_string())
    }
}

/// `+` and digits, and a number that can be one.
fn is_e164(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    let has_form = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Also a number of before its country changed them, by which WhatsApp still knows people.
    has_form && phone::matching(number, None).is_some()
}

fn present(text: Option<Text>) -> Option<String> {
    text.map(|Text(text)| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

fn missing(field: &str) -> Malformed {
    Malformed {
        cause: Cause::MissingField,
        field: Some(field.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::ClickKind;

    fn with(field: &str, value: Value) -> Result<SentEvent, Malformed> {
        let mut body = json!({
            "event_name": "Purchase", "phone_number": "+5491155551234", "currency": "USD", "value": 10.50, "event_id": "e-1"
        });
        body[field] = value;
        read(body.to_string().as_bytes(), "minted")
    }

    #[test]
    fn a_report_becomes_a_funnel_event() {
        let report = with("value", json!("10.50")).unwrap();
        let click = Click {
            kind: ClickKind::CtwaClid,
            value: "ARAkLkA8rmlF".to_owned(),
            first_seen: DateTime::from_timestamp(1_795_168_800, 0).unwrap(),
            time_is_known: true,
            waba: None,
        };

        let event = report.funnel_event(&ClientId::parse("acme").unwrap(), Some(&click));

        assert_eq!(
            serde_json::from_slice::<Value>(&event).unwrap(),
            json!({
                "event_id": "e-1", "client_id": "acme", "event_name": "Purchase", "action_source": "business_messaging",
                "user": {"phone": "+5491155551234"}, "value": "10.50", "currency": "USD",
                "click": {"ctwa_clid": "ARAkLkA8rmlF", "clicked_at": "2026-11-20T10:00:00+00:00"}
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let cases = [
            ("event_name", Value::Null, Cause::WrongType),
            ("event_name", json!(" "), Cause::MissingField),
            ("phone_number", json!(""), Cause::MissingField),
            ("phone_number", json!("5491155551234"), Cause::InvalidField),
            ("phone_number", json!("+54 9 11 5555-1234"), Cause::InvalidField),
            ("phone_number", json!("+12"), Cause::InvalidField),
            ("phone_number", json!("+00000000000"), Cause::InvalidField),
            ("phone_number", json!([]), Cause::WrongType),
            ("value", Value::Null, Cause::MissingField),
            ("value", json!("ten"), Cause::WrongType),
            ("currency", Value::Null, Cause::MissingField),
            ("currency", json!(""), Cause::MissingField),
            ("event_id", json!({}), Cause::WrongType),
        ];
        for (field, value, cause) in cases {
            let fault = with(field, value.clone())
                .err()
                .unwrap_or_else(|| panic!("{field} {value}"));
            assert_eq!((fault.cause, fault.field.as_deref()), (cause, Some(field)), "{value}");
        }
        let missing = read(b"{}", "minted").err().unwrap();
        assert_eq!(
            (missing.cause, missing.field.as_deref()),
            (Cause::MissingField, Some("event_name"))
        );
        for body in ["", "[]", "{", "7", "{}{}"] {
            assert!(read(body.as_bytes(), "minted").is_err(), "{body}");
        }
    }

    #[test]
    fn only_sales_need_a_value() {
        let lead = br#"{"event_name":"LeadSubmitted","phone_number":"+5491155551234"}"#;

        assert_eq!(read(lead, "minted").unwrap().event_id, "minted");
    }
}
