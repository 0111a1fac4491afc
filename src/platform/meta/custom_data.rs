//! `custom_data`: what was bought, and the advertiser's own properties.
//!
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/custom-data>

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::user_data::META_IDS;
use crate::domain::{EventRecord, event::Content, redact};

/// What a well-known property must be; with anything else it is left out, so that it cannot spoil its request.
enum Kind {
    Text,
    TextOrFlag,
    Number,
    Count,
    Texts,
    OneOf(&'static [&'static str]),
}

/// Meta's own properties that come in `custom` of the event.
const WELL_KNOWN: [(&str, Kind); 11] = [
    ("content_category", Kind::Text),
    ("content_ids", Kind::Texts),
    ("content_name", Kind::Text),
    ("content_type", Kind::OneOf(&["product", "product_group"])),
    (
        "delivery_category",
        Kind::OneOf(&["in_store", "curbside", "home_delivery"]),
    ),
    ("item_number", Kind::Text),
    ("net_revenue", Kind::Number),
    ("num_items", Kind::Count),
    ("predicted_ltv", Kind::Number),
    ("search_string", Kind::Text),
    ("status", Kind::TextOrFlag),
];

/// Names that stand for something else than a free property: fields of the event, which have their own place, and Meta's keys of a
/// person or of an event, which here would be none.
const RESERVED: [&str; 30] = [
    "value",
    "currency",
    "contents",
    "order_id",
    "app_data",
    "opt_out",
    "original_event_data",
    "messaging_outcome_data",
    "user_data",
    "custom_data",
    "event_id",
    "event_name",
    "event_time",
    "em",
    "ph",
    "fn",
    "ln",
    "db",
    "ge",
    "ct",
    "st",
    "zp",
    "country",
    "external_id",
    "client_ip_address",
    "client_user_agent",
    "fbc",
    "fbp",
    "ctwa_clid",
    "page_id",
];

/// The properties of one event, by name.
pub(super) struct CustomData<'a>(BTreeMap<&'a str, Property<'a>>);

#[derive(Serialize)]
#[serde(untagged)]
enum Property<'a> {
    // A JSON number with the digits as they came: Meta takes no text here, and a float could change the last of them.
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    Money(Decimal),
    Text(&'a str),
    Upper(String),
    Count(u64),
    Given(&'a Value),
    Ids(Vec<&'a str>),
    Items(Vec<Item<'a>>),
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    quantity: u32,
    #[serde(
        skip_serializing_if = "Option::is_none",
        with = "rust_decimal::serde::arbitrary_precision_option"
    )]
    item_price: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
}

impl<'a> CustomData<'a> {
    /// Collects the properties; what the event says in fields of its own goes before what `custom` says.
    pub(super) fn of(event: &'a EventRecord) -> Self {
        let mut properties: BTreeMap<&str, Property<'_>> = event
            .custom
            .iter()
            .filter(|(name, value)| is_passed_on(name, value))
            .map(|(name, value)| (name.as_str(), Property::Given(value)))
            .collect();
        if let Some(code) = event.currency.as_deref().filter(|code| is_currency(code)) {
            properties.insert("currency", Property::Upper(code.to_ascii_uppercase()));
            // A sum of unknown currency would be added up as another one; so it goes only with its currency. Zero is a sum.
            if let Some(value) = event.value {
                properties.insert("value", Property::Money(value));
            }
        }
        if let Some(order) = event.order_id.as_deref().filter(|order| !order.is_empty()) {
            properties.insert("order_id", Property::Text(order));
        }
        let contents = || event.contents.iter().filter(|content| !content.id.is_empty());
        if contents().next().is_some() {
            let count = contents().map(|content| u64::from(quantity(content))).sum();
            properties.insert(
                "content_ids",
                Property::Ids(contents().map(|c| c.id.as_str()).collect()),
            );
            properties.insert("contents", Property::Items(contents().map(item).collect()));
            properties.insert("num_items", Property::Count(count));
            properties.entry("content_type").or_insert(Property::Text("product"));
        }
        Self(properties)
    }

    /// Says whether there are none; the key is then left out.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for CustomData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.0)
    }
}

/// Says whether it has the form of an ISO 4217 code.
pub(super) fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn item(content: &Content) -> Item<'_> {
    Item {
        id: &content.id,
        quantity: quantity(content),
        item_price: content.price,
        title: filled(content.name.as_deref()),
        brand: filled(content.brand.as_deref()),
        category: filled(content.category.as_deref()),
    }
}

/// Meta wants a quantity with every product; one that is named without is at least one.
fn quantity(content: &Content) -> u32 {
    content.quantity.unwrap_or(1)
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn is_passed_on(name: &str, value: &Value) -> bool {
    if name.is_empty() || RESERVED.contains(&name) || META_IDS.contains(&name) || !is_clean(value) {
        return false;
    }
    match WELL_KNOWN.iter().find(|(known, _)| *known == name) {
        Some((_, kind)) => is_of(kind, value),
        None => !value.is_null(),
    }
}

fn is_of(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::Text => value.is_string(),
        Kind::TextOrFlag => value.is_string() || value.is_boolean(),
        Kind::Number => value.is_number(),
        Kind::Count => value.is_u64(),
        Kind::Texts => value
            .as_array()
            .is_some_and(|values| !values.is_empty() && values.iter().all(Value::is_string)),
        Kind::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
    }
}

/// Says whether the value may leave us: no text in it looks like an e-mail address or a phone number (which Meta refuses to have here; a
/// bare run of digits is as likely an article number), and no number is beyond what others can read.
fn is_clean(value: &Value) -> bool {
    match value {
        Value::String(text) => text.bytes().all(|byte| byte.is_ascii_digit()) || !redact::looks_personal(text),
        Value::Number(number) => number.as_f64().is_some_and(f64::is_finite),
        Value::Array(values) => values.iter().all(is_clean),
        Value::Object(values) => values.values().all(is_clean),
        Value::Null | Value::Bool(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::platform::meta::sample;

    fn body(event: &EventRecord) -> Value {
        serde_json::from_slice(&serde_json::to_vec(&CustomData::of(event)).unwrap()).unwrap()
    }

    #[test]
    fn vector_15_zero_is_a_value_and_a_number_keeps_its_digits() {
        let mut event = sample::purchase("o1").event;
        for (given, expected) in [("0", "0"), ("129.9", "129.9"), ("25000", "25000"), ("0.10", "0.10")] {
            event.value = Some(given.parse().unwrap());
            event.currency = Some("ARS".into());

            let text = serde_json::to_string(&CustomData::of(&event)).unwrap();

            assert!(text.contains(&format!(r#""value":{expected}}}"#)), "{text}");
        }
    }

    #[test]
    fn contents_become_every_form_that_meta_reads() {
        let mut event = sample::purchase("o1").event;
        event.order_id = Some("10482".into());
        event.contents = vec![
            Content {
                id: "sku-1".into(),
                quantity: Some(2),
                price: Some("9.90".parse().unwrap()),
                name: Some("Shoe".into()),
                category: Some("Shoes".into()),
                brand: Some("ACME".into()),
            },
            Content {
                id: "sku-2".into(),
                ..Content::default()
            },
            Content::default(),
        ];

        let text = serde_json::to_string(&CustomData::of(&event)).unwrap();

        assert_eq!(
            text,
            concat!(
                r#"{"content_ids":["sku-1","sku-2"],"content_type":"product","contents":["#,
                r#"{"id":"sku-1","quantity":2,"item_price":9.90,"title":"Shoe","brand":"ACME","category":"Shoes"},"#,
                r#"{"id":"sku-2","quantity":1}],"currency":"CHF","num_items":3,"order_id":"10482","value":129.9}"#
            )
        );
    }

    #[test]
    fn a_value_goes_only_with_a_currency() {
        let mut event = sample::purchase("o1").event;
        for currency in [None, Some("EURO"), Some("E1R"), Some("")] {
            event.currency = currency.map(str::to_owned);

            assert_eq!(body(&event), json!({}), "{currency:?}");
        }
    }

    #[test]
    fn well_known_properties_pass_with_their_type_and_free_ones_as_they_are() {
        let mut event = sample::purchase("o1").event;
        (event.value, event.currency) = (None, None);
        event.custom = sample::object(json!({
            "content_name": "Shoes", "content_category": 7, "content_type": "product_group", "delivery_category": "by_air",
            "predicted_ltv": 10.5, "net_revenue": "7", "num_items": 2, "content_ids": ["a", "b"], "search_string": "red shoes",
            "status": true, "event_source": "crm", "lead_event_source": "Some CRM", "score": 7, "tags": ["a"], "nothing": null,
            "value": 5, "currency": "EUR", "em": "x", "order_id": "o", "": 1, "ean": "4006381333931"
        }));

        assert_eq!(
            body(&event),
            json!({
                "content_name": "Shoes", "content_type": "product_group", "predicted_ltv": 10.5, "num_items": 2,
                "content_ids": ["a", "b"], "search_string": "red shoes", "status": true, "event_source": "crm",
                "lead_event_source": "Some CRM", "score": 7, "tags": ["a"], "ean": "4006381333931"
            })
        );
    }

    #[test]
    fn what_looks_personal_or_cannot_be_a_number_stays_here() {
        let mut event = sample::purchase("o1").event;
        (event.value, event.currency) = (None, None);
        event.custom = serde_json::from_str(
            r#"{"contact": "jane@example.com", "deep": {"list": ["+49 170 1234567"]}, "search_string": "jane@example.com", "big": 1e999}"#,
        )
        .unwrap();

        assert_eq!(body(&event), json!({}));
    }
}
