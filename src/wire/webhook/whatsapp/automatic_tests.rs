//! What is read of the sales and leads that WhatsApp finds by itself.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    Owners, read,
    tests::{fault, read_json, reading},
};
use crate::domain::{Cause, ClientId};

const LEAD: &str = include_str!("../../../../tests/fixtures/whatsapp/automatic_event_lead.json");
const PURCHASE: &str = include_str!("../../../../tests/fixtures/whatsapp/automatic_event_purchase.json");

#[test]
fn a_lead_that_whatsapp_finds_is_an_event() {
    let reading = reading(LEAD);

    let [event] = reading.events.as_slice() else {
        panic!("{reading:?}")
    };
    assert_eq!((event.client.as_str(), event.name.as_str()), ("acme", "LeadSubmitted"));
    assert_eq!(event.time.timestamp(), 1_749_069_089);
    assert_eq!(event.action_source.as_str(), "business_messaging");
    assert_eq!(event.clicks.waba.as_deref(), Some("102290129340398"));
    assert!(
        event
            .clicks
            .ctwa_clid
            .as_deref()
            .unwrap()
            .starts_with("Afc3nYt4TTydumlFFsatFz8b")
    );
    assert_eq!(
        Value::Object(event.custom.clone()),
        json!({"messaging_outcome_data": {"outcome_type": "automatic_events"}})
    );
    assert_eq!((fault(&reading), reading.ignored), (None, 0));
}

#[test]
fn the_price_of_a_sale_that_whatsapp_finds_is_given_times_a_thousand() {
    let event = reading(PURCHASE).events.remove(0);

    assert_eq!(event.value.unwrap().to_string(), "25");
    assert_eq!(event.currency.as_deref(), Some("USD"));
}

#[test]
fn a_repeated_wamid_gives_the_same_event_id_and_it_never_holds_the_phone_number() {
    let body = PURCHASE;
    let mut other: Value = serde_json::from_str(body).unwrap();
    other["entry"][0]["changes"][0]["value"]["automatic_events"][0]["id"] = json!("wamid.other");

    let event = reading(body).events.remove(0);

    assert_eq!(event.event_id, reading(body).events[0].event_id);
    assert_ne!(event.event_id, read_json(&other).events[0].event_id);
    // The wamid begins so: in base64 it says 12066774798.
    assert!(!format!("{event:?}").contains("MTIwNjY3NzQ3OTg"));
}

#[test]
fn an_event_without_a_wamid_gets_the_same_id_whenever_it_comes_and_another_sale_another() {
    let now = DateTime::from_timestamp(1_795_860_000, 0).unwrap();
    let at = |timestamp: Value, price: u32, now: DateTime<Utc>| {
        let mut body: Value = serde_json::from_str(PURCHASE).unwrap();
        let event = &mut body["entry"][0]["changes"][0]["value"]["automatic_events"][0];
        event.as_object_mut().unwrap().remove("id");
        event["timestamp"] = timestamp;
        event["custom_data"]["value"] = json!(price);
        let client = ClientId::parse("acme").unwrap();
        let mut reading = read(
            body.to_string().as_bytes(),
            &Owners {
                client: Some(&client),
                clients_of_waba: &|_| Vec::new(),
                is_of_same_app: &|_| false,
            },
            now,
        );
        let event = reading.events.remove(0);
        (event.event_id, event.fingerprint, event.time)
    };
    let later = now + TimeDelta::days(1);
    // A little ahead of now, far ahead, and none.
    for timestamp in [json!(now.timestamp() + 60), json!(now.timestamp() + 3_600), json!(null)] {
        let first = at(timestamp.clone(), 25_000, now);

        assert_eq!(first.0, at(timestamp.clone(), 25_000, later).0, "{timestamp}");
        assert_eq!(first.2, now);
        assert_ne!(first.0, at(timestamp, 26_000, now).0);
    }
    let ahead = json!(now.timestamp() + 60);
    assert_eq!(at(ahead.clone(), 25_000, now).1, at(ahead, 25_000, later).1);
    let other = json!(now.timestamp() + 61);
    assert_ne!(at(other, 25_000, now).0, at(json!(null), 25_000, now).0);
}

#[test]
fn a_sale_without_value_or_currency_is_a_fault_of_that_sale_alone() {
    let with = |changes: Value| {
        let mut body: Value = serde_json::from_str(PURCHASE).unwrap();
        let events = &mut body["entry"][0]["changes"][0]["value"]["automatic_events"];
        let good = events[0].clone();
        events[0]["custom_data"] = changes;
        events.as_array_mut().unwrap().push(good);
        read_json(&body)
    };
    let cases = [
        (json!(null), Cause::MissingField, "value"),
        (json!({"currency": "USD"}), Cause::MissingField, "value"),
        (json!({"value": 1000}), Cause::MissingField, "currency"),
        (json!({"value": "a lot", "currency": "USD"}), Cause::WrongType, "value"),
        (json!({"value": -1000, "currency": "USD"}), Cause::InvalidField, "value"),
        (
            json!({"value": 1000, "currency": "dollars"}),
            Cause::InvalidField,
            "currency",
        ),
    ];
    for (custom, cause, field) in cases {
        let reading = with(custom.clone());

        let path = format!("entry[0].changes[0].value.automatic_events[0].custom_data.{field}");
        assert_eq!(fault(&reading), Some((cause, path.as_str())), "{custom}");
        assert_eq!(reading.events.len(), 1);
    }
}
