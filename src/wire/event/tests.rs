//! What is read of an event and what is refused, fault by fault.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::event::ActionSource;

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn envelope() -> Envelope<'static> {
    Envelope {
        message_id: Some("m-1"),
        timestamp: None,
        now: now(),
    }
}

fn read(json: &Value) -> Result<Event, Malformed> {
    parse(json.to_string().as_bytes(), envelope())
}

fn purchase(changes: Value) -> Value {
    let mut event = json!({
        "event_id": "e-1", "client_id": "acme", "event_name": "Purchase", "event_time": "2026-11-21T10:00:00Z",
        "value": 149.00, "currency": "eur"
    });
    for (key, value) in changes.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

#[test]
fn the_design_s_own_example_is_read_and_its_blanks_count_as_absent() {
    let event = parse(include_bytes!("../../../schemas/examples/event.json"), envelope()).unwrap();

    assert_eq!(event.client.as_str(), "acme");
    assert_eq!(event.value.unwrap().to_string(), "1499.00");
    assert_eq!(event.clicks.gclid.as_deref(), Some("Cj0K_x-1"));
    assert_eq!(event.clicks.fbc, None);
    assert_eq!(event.person.emails.len(), 1);
    assert_eq!(event.person.ip, None);
}

#[test]
fn every_fault_is_named_with_its_field_and_never_with_its_value() {
    let cases = [
        (json!("jane@example.com"), Cause::WrongType, Some("the whole message")),
        (json!({"event_name": "Lead"}), Cause::MissingField, Some("client_id")),
        (json!({"client_id": "acme"}), Cause::MissingField, Some("event_name")),
        (
            purchase(json!({"client_id": " "})),
            Cause::MissingField,
            Some("client_id"),
        ),
        (
            purchase(json!({"client_id": "jane doe"})),
            Cause::InvalidField,
            Some("client_id"),
        ),
        (
            purchase(json!({"client_id": "jane@example.com"})),
            Cause::InvalidField,
            Some("client_id"),
        ),
        (
            purchase(json!({"event_id": "a b"})),
            Cause::InvalidField,
            Some("event_id"),
        ),
        (
            purchase(json!({"event_id": "jane@example.com"})),
            Cause::InvalidField,
            Some("event_id"),
        ),
        (
            purchase(json!({"event_name": "jane@example.com"})),
            Cause::InvalidField,
            Some("event_name"),
        ),
        (
            purchase(json!({"order_id": "jane@example.com"})),
            Cause::InvalidField,
            Some("order_id"),
        ),
        (purchase(json!({"value": null})), Cause::MissingField, Some("value")),
        (purchase(json!({"value": "12 EUR"})), Cause::WrongType, Some("value")),
        (purchase(json!({"value": -1})), Cause::InvalidField, Some("value")),
        (
            purchase(json!({"currency": "euro"})),
            Cause::InvalidField,
            Some("currency"),
        ),
        (
            purchase(json!({"event_time": 1_795_168_800_000_i64})),
            Cause::EventTimeInMilliseconds,
            Some("event_time"),
        ),
        (
            purchase(json!({"event_time": "2026-11-21T12:11:00Z"})),
            Cause::EventTimeInFuture,
            Some("event_time"),
        ),
        (
            purchase(json!({"event_time": "tomorrow"})),
            Cause::WrongType,
            Some("event_time"),
        ),
        (
            purchase(json!({"event_time": 0})),
            Cause::InvalidField,
            Some("event_time"),
        ),
        (
            purchase(json!({"click": {"clicked_at": -8_000_000_000_000_i64}})),
            Cause::InvalidField,
            Some("click.clicked_at"),
        ),
        (
            purchase(json!({"click": {"clicked_at": "1999-12-31T23:59:59Z"}})),
            Cause::InvalidField,
            Some("click.clicked_at"),
        ),
        (
            purchase(json!({"user": {"email": {"jane@example.com": 1}}})),
            Cause::WrongType,
            Some("user.email"),
        ),
        (
            purchase(json!({"contents": [{"price": "x"}]})),
            Cause::WrongType,
            Some("contents[0].price"),
        ),
        (
            purchase(json!({"contents": [{"id": "a", "price": -1}]})),
            Cause::InvalidField,
            Some("contents[0].price"),
        ),
        (
            purchase(json!({"consent": {"ad_user_data": "maybe"}})),
            Cause::WrongType,
            Some("consent.ad_user_data"),
        ),
        (
            purchase(json!({"custom": "jane@example.com"})),
            Cause::WrongType,
            Some("custom"),
        ),
        (
            purchase(json!({"action_source": "moon"})),
            Cause::WrongType,
            Some("action_source"),
        ),
    ];
    for (message, cause, field) in cases {
        let fault = read(&message).unwrap_err();

        assert_eq!((fault.cause, fault.field.as_deref()), (cause, field), "{message}");
        assert!(!format!("{fault} {fault:?}").contains("jane"), "{fault}");
    }
}

#[test]
fn what_is_no_json_is_called_so() {
    let deep = "[".repeat(100_000);
    for body in ["", "{", "null x", "{\"client_id\":\"a\"", "<html>", "\u{feff}{}", &deep] {
        let fault = parse(body.as_bytes(), envelope()).unwrap_err();

        assert!(
            matches!(fault.cause, Cause::MalformedJson | Cause::WrongType),
            "{fault}"
        );
    }
    let trailing = format!("{} {{}}", purchase(json!({})));
    assert_eq!(
        parse(trailing.as_bytes(), envelope()).unwrap_err().cause,
        Cause::MalformedJson
    );
}

#[test]
fn a_list_of_the_fields_in_their_order_is_no_object() {
    let cases = [
        (json!(["e-1", "acme", "Lead"]), "the whole message"),
        (purchase(json!({"user": ["a@b.co"]})), "user"),
        (purchase(json!({"click": []})), "click"),
        (purchase(json!({"consent": ["granted"]})), "consent"),
        (purchase(json!({"contents": [["sku", 1]]})), "contents[0]"),
    ];
    for (message, field) in cases {
        let fault = read(&message).unwrap_err();

        assert_eq!(
            (fault.cause, fault.field.as_deref()),
            (Cause::WrongType, Some(field)),
            "{message}"
        );
    }
}

#[test]
fn an_event_over_256_kib_is_refused_by_its_size_alone() {
    let message = purchase(json!({"custom": {"x": "y".repeat(EVENT_BYTES_MAX)}}));

    assert_eq!(read(&message).unwrap_err().cause, Cause::TooLarge);
}

#[test]
fn a_missing_event_id_comes_from_the_order_then_the_message_then_the_body() {
    let mut event = purchase(json!({"order_id": "10482"}));
    event.as_object_mut().unwrap().remove("event_id");
    let from_order = read(&event).unwrap().event_id;
    assert_eq!(read(&event).unwrap().event_id, from_order);

    event.as_object_mut().unwrap().remove("order_id");
    assert_eq!(read(&event).unwrap().event_id.as_str(), "m-1");

    let bare = Envelope {
        message_id: None,
        ..envelope()
    };
    let from_body = parse(event.to_string().as_bytes(), bare).unwrap().event_id;
    assert_eq!(parse(event.to_string().as_bytes(), bare).unwrap().event_id, from_body);
    assert_ne!(from_body, from_order);
}

#[test]
fn a_time_shortly_ahead_is_clamped_and_a_missing_one_is_the_message_s() {
    let ahead = read(&purchase(json!({"event_time": "2026-11-21T12:09:00Z"}))).unwrap();
    assert_eq!(ahead.time, now());

    let timestamp = now() - TimeDelta::hours(1);
    let with_timestamp = Envelope {
        timestamp: Some(timestamp),
        ..envelope()
    };
    let message = purchase(json!({"event_time": null})).to_string();
    assert_eq!(parse(message.as_bytes(), with_timestamp).unwrap().time, timestamp);
    assert_eq!(parse(message.as_bytes(), envelope()).unwrap().time, now());
}

#[test]
fn no_time_that_is_taken_is_before_2000() {
    for time in ["2000-01-01T00:00:00Z", "946684800"] {
        let event = read(&purchase(json!({"event_time": time, "click": {"clicked_at": time}}))).unwrap();

        assert_eq!(event.time.timestamp(), 946_684_800);
        assert_eq!(event.clicks.clicked_at, Some(event.time));
    }
}

#[test]
fn click_ids_are_read_from_the_url_and_one_given_in_click_wins() {
    let url = "https://shop.example/t?fbclid=IwAR1a-b_C&gclid=fromUrl&ttclid=E.C.P.Ab-1&email=jane%40example.com";
    let event = read(&purchase(json!({"source_url": url, "click": {"gclid": "given"}}))).unwrap();

    assert_eq!(event.clicks.fbclid.as_deref(), Some("IwAR1a-b_C"));
    assert_eq!(event.clicks.gclid.as_deref(), Some("given"));
    assert_eq!(event.clicks.ttclid.as_deref(), Some("E.C.P.Ab-1"));
    assert!(!event.source_url.unwrap().contains("jane"));
}

#[test]
fn a_click_id_that_is_too_long_or_unprintable_is_left_out_and_never_cut() {
    for id in ["x".repeat(1_001), "a b".to_owned(), "\u{e9}".to_owned()] {
        let event = read(&purchase(json!({"click": {"ttclid": id}}))).unwrap();
        assert_eq!(event.clicks.ttclid, None);
    }
}

#[test]
fn an_address_that_no_public_browser_has_is_left_out() {
    for ip in [
        "10.0.0.1",
        "127.0.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "unknown",
        "0.0.0.0",
        "10.0.0.1.AQQAAQMC",
        "203.0.113.7.12",
        "203.0.113.7.AQQ",
        "203.0.113.AQ",
    ] {
        let event = read(&purchase(json!({"user": {"ip": ip}}))).unwrap();
        assert_eq!(event.person.ip, None, "{ip}");
    }
    for ip in ["203.0.113.7", "2001:db8::1"] {
        let event = read(&purchase(json!({"user": {"ip": ip}}))).unwrap();
        assert_eq!(event.person.ip.unwrap().to_string(), ip);
        for appendix in ["AQ", "AQQAAQMC"] {
            let appended = read(&purchase(json!({"user": {"ip": format!("{ip}.{appendix}")}}))).unwrap();
            assert_eq!(appended.person.ip, event.person.ip);
        }
    }
}

#[test]
fn free_properties_lose_what_is_personal() {
    let custom =
        json!({"note": "call jane@example.com", "tel": "+49 170 1234567", "ean": "4006381333931", "n": [1, "a@b.co"]});
    let event = read(&purchase(json!({"custom": custom}))).unwrap();

    assert_eq!(Value::Object(event.custom), json!({"ean": "4006381333931", "n": [1]}));
}

#[test]
fn a_nul_is_cut_out_of_free_texts_and_an_id_with_one_is_refused() {
    let free = purchase(json!({
        "source_url": "https://shop.example/a\u{0}b?x=\u{0}1&gclid=G\u{0}#\u{0}",
        "referrer_url": "https://shop.example/\u{0}",
        "click": {"ttclid": "T\u{0}"},
        "user": {"user_agent": "Mozilla\u{0}/5.0", "city": "Bo\u{0}nn", "external_id": ["7\u{0}"], "phone": "\u{0}", "state": "\u{0}"},
        "contents": [{"id": "sku\u{0}-1", "name": "\u{0}", "brand": "call jane%4\u{0}0example.com"}, {"id": "\u{0}"}],
        "custom": {"a": "b\u{0}", "k\u{0}": 1, "n": {"x": ["\u{0}", "jane%4\u{0}0example.com"]}},
    }));

    let event = read(&free).unwrap();

    assert_eq!(event.person.user_agent.as_deref(), Some("Mozilla/5.0"));
    assert_eq!(event.person.city.as_ref().unwrap().expose(), "Bonn");
    assert_eq!(event.person.external_ids[0].expose(), "7");
    assert!(event.person.phones.is_empty() && event.person.state.is_none());
    assert_eq!((event.contents.len(), event.contents[0].id.as_str()), (1, "sku-1"));
    assert_eq!((&event.contents[0].name, &event.contents[0].brand), (&None, &None));
    assert_eq!(Value::Object(event.custom.clone()), json!({"a": "b", "n": {"x": [""]}}));
    assert_eq!((&event.clicks.ttclid, &event.clicks.gclid), (&None, &None));
    for url in [event.source_url, event.referrer_url] {
        assert!(!url.unwrap().contains('\0'));
    }
    for field in ["client_id", "event_id", "event_name", "order_id", "currency"] {
        for text in ["\u{0}", "a\u{0}b"] {
            let fault = read(&purchase(json!({field: text}))).unwrap_err();

            assert_eq!(
                (fault.cause, fault.field.as_deref()),
                (Cause::InvalidField, Some(field))
            );
        }
    }
}

#[test]
fn a_repetition_has_the_same_fingerprint_and_a_contradiction_another() {
    let first = read(&purchase(json!({}))).unwrap().fingerprint;

    assert_eq!(
        read(&purchase(json!({"value": "149.0", "user": {"email": "a@b.co"}})))
            .unwrap()
            .fingerprint,
        first
    );
    for change in [
        json!({"value": 150}),
        json!({"event_time": 1_795_168_801}),
        json!({"click": {"gclid": "x"}}),
    ] {
        assert_ne!(read(&purchase(change)).unwrap().fingerprint, first);
    }
}

#[test]
fn where_nothing_is_said_it_happened_on_a_website() {
    assert_eq!(read(&purchase(json!({}))).unwrap().action_source, ActionSource::Website);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = parse(&bytes, envelope());
    }

    #[test]
    fn a_mutated_event_is_read_or_named(position in 0usize..300, byte in any::<u8>()) {
        let mut body = include_bytes!("../../../schemas/examples/event.json").to_vec();
        let length = body.len();
        body[position % length] = byte;

        if let Err(fault) = parse(&body, envelope()) {
            prop_assert!(!fault.to_string().is_empty());
        }
    }
}
