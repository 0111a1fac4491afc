//! What the platform takes and what it refuses, with its codes.
use serde_json::{Value, json};

use crate::call::Platform;
use crate::trial::{NOW, Trial, body, with, world};

const PATH: &str = "/open_api/v1.3/event/track/";
const LOGIN: (&str, &str) = ("access-token", "token-1");
const PIXEL: &str = "C0PIXEL0000000000001";
const HASH: &str = "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f";

fn purchase() -> Value {
    json!({
        "event": "Purchase", "event_time": NOW - 60, "event_id": "order-1001",
        "user": {"email": HASH, "ttclid": "E.C.P.Ab-1", "ip": "203.0.113.9", "city": "newyork", "country": "us"},
        "page": {"url": "https://shop.example/p", "referrer": "https://ref.example/"},
        "properties": {"value": 59.9, "currency": "USD", "contents": [{"content_id": "1", "price": 8, "quantity": 2}]},
    })
}

fn envelope(events: &[Value]) -> Value {
    json!({"event_source": "web", "event_source_id": PIXEL, "data": events})
}

fn request(events: &[Value]) -> Trial {
    Trial::json(PATH, LOGIN, &envelope(events))
}

#[test]
fn what_is_right_is_taken() {
    let table = [
        purchase(),
        with(&purchase(), "/user/email", json!([HASH, HASH])),
        with(&purchase(), "/event_id", Value::Null),
        with(&purchase(), "/user", Value::Null),
        with(&purchase(), "/page", Value::Null),
        with(&purchase(), "/limited_data_use", json!(true)),
        with(&purchase(), "/event", json!("QuizDone")),
        with(&purchase(), "/properties/our_own_key", json!(1)),
    ];

    for event in table {
        let handled = request(std::slice::from_ref(&event)).send(&world(json!({})));
        assert_eq!(body(&handled)["code"], 0, "{event}: {}", handled.answer.body);
    }
}

#[test]
fn what_is_wrong_is_refused_with_tiktoks_code_behind_a_200() {
    let event = purchase();
    let table = [
        (with(&event, "/event", Value::Null), 40002, "data[0].event:"),
        (
            with(&event, "/event_time", json!(NOW * 1000)),
            40002,
            "data[0].event_time",
        ),
        (
            with(&event, "/event_time", json!("1795290000")),
            40002,
            "data[0].event_time",
        ),
        (with(&event, "/event_time", json!(1.5)), 40002, "data[0].event_time"),
        (
            with(&event, "/event_id", json!(273_196)),
            40002,
            "data[0].event_id: not a valid string",
        ),
        (with(&event, "/context", json!({})), 40002, "data[0].context"),
        (with(&event, "/page/url", Value::Null), 40002, "data[0].page.url"),
        (
            with(&event, "/page", json!("https://shop.example/p")),
            40002,
            "data[0].page",
        ),
        (
            with(&event, "/user/phone_number", json!(HASH)),
            40002,
            "data[0].user.phone_number",
        ),
        (
            with(&event, "/user/email", json!("a@b.example")),
            40062,
            "data[0].user.email",
        ),
        (
            with(&event, "/user/email", json!(HASH.to_uppercase())),
            40062,
            "data[0].user.email",
        ),
        (
            with(&event, "/user/phone", json!(["+4912345"])),
            40062,
            "data[0].user.phone",
        ),
        (
            with(&event, "/user/zip_code", json!("95110")),
            40062,
            "data[0].user.zip_code",
        ),
        (with(&event, "/user/ip", json!(7)), 40002, "data[0].user.ip"),
        (
            with(&event, "/properties/value", json!("1,234.50")),
            40002,
            "data[0].properties.value",
        ),
        (
            with(&event, "/properties/currency", json!("usd")),
            40002,
            "data[0].properties.currency",
        ),
        (
            with(&event, "/properties/content_ids", json!([1])),
            40002,
            "data[0].properties.content_ids",
        ),
        (
            with(&event, "/properties/contents/0/content_id", json!(1)),
            40002,
            "contents[0].content_id",
        ),
        (
            with(&event, "/limited_data_use", json!("true")),
            40002,
            "data[0].limited_data_use",
        ),
    ];

    for (event, code, message) in table {
        let handled = request(std::slice::from_ref(&event)).send(&world(json!({})));
        let answer = body(&handled);
        assert_eq!((handled.answer.status, &answer["code"]), (200, &json!(code)), "{event}");
        assert!(
            answer["message"].as_str().is_some_and(|text| text.contains(message)),
            "{answer}"
        );
    }
}

#[test]
fn one_bad_event_costs_the_whole_request_and_is_named() {
    let world = world(json!({}));

    let handled = request(&[purchase(), with(&purchase(), "/event_id", json!(1)), purchase()]).send(&world);

    assert_eq!(
        body(&handled)["message"],
        "Invalid value for data[1].event_id: not a valid string."
    );
    assert_eq!(world.ledger().totals(Platform::Tiktok, PIXEL).events_accepted, 0);
}

#[test]
fn the_envelope_is_checked() {
    let good = envelope(&[purchase()]);
    let in_event = with(&good, "/data/0/event_source", json!("web"));
    let table = [
        (good.clone(), 0),
        (with(&good, "/test_event_code", json!("TEST123")), 0),
        (with(&good, "/event_source", json!("website")), 40002),
        (with(&good, "/event_source_id", Value::Null), 40002),
        (with(&good, "/event_source_id", json!(12)), 40002),
        (with(&good, "/pixel_code", json!(PIXEL)), 40002),
        (with(&good, "/partner_name", json!("relay")), 40063),
        (with(&good, "/data", json!([])), 40002),
        (with(&good, "/data", json!(vec![purchase(); 1001])), 40061),
        (with(&good, "/event_source", json!("crm")), 40002),
        (
            with(
                &with(&good, "/event_source", json!("offline")),
                "/data/0/event",
                json!("QuizDone"),
            ),
            40002,
        ),
        (in_event, 40002),
    ];

    for (request, code) in table {
        let handled = Trial::json(PATH, LOGIN, &request).send(&world(json!({})));
        assert_eq!(body(&handled)["code"], code, "{}", handled.answer.body);
    }
}

#[test]
fn the_token_stands_bare_in_its_header() {
    let state = json!({"tokens": {"revoked": {"valid": false}, "other": {"accounts": ["C9"]}}});
    let table = [
        (LOGIN, 0),
        (("x-none", ""), 40104),
        (("authorization", "Bearer token-1"), 40104),
        (("access-token", "Bearer token-1"), 40105),
        (("access-token", "revoked"), 40105),
        (("access-token", "other"), 40001),
    ];

    for (login, code) in table {
        let handled = Trial::json(PATH, login, &envelope(&[purchase()])).send(&world(state.clone()));
        assert_eq!(
            (handled.answer.status, &body(&handled)["code"]),
            (200, &json!(code)),
            "{login:?}"
        );
    }
}

#[test]
fn the_path_ends_with_a_slash() {
    let trial = Trial {
        path: PATH.trim_end_matches('/').to_owned(),
        ..request(&[purchase()])
    };

    assert_eq!(trial.verdict(&world(json!({}))), (404, "40400".to_owned()));
}

#[test]
fn copies_count_once_within_two_days() {
    let world = world(json!({}));

    request(&[purchase(), purchase()]).send(&world);
    request(&[with(&purchase(), "/event", json!("Lead"))]).send(&world);
    request(&[purchase()]).at(48 * 3600).send(&world);

    let totals = world.ledger().totals(Platform::Tiktok, PIXEL).clone();
    assert_eq!((totals.events_accepted, totals.counted, totals.duplicates), (4, 3, 1));
}

#[test]
fn test_events_are_shown_and_not_counted() {
    let world = world(json!({}));

    Trial::json(
        PATH,
        LOGIN,
        &with(&envelope(&[purchase()]), "/test_event_code", json!("TEST123")),
    )
    .send(&world);

    let totals = world.ledger().totals(Platform::Tiktok, PIXEL).clone();
    assert_eq!((totals.test_events, totals.counted), (1, 0));
}

#[test]
fn what_does_no_good_is_taken_with_a_warning() {
    let world = world(json!({}));
    let city = with(&purchase(), "/user/city", json!("New York"));
    let address = with(
        &with(&purchase(), "/user/ip", json!("10.0.0.5")),
        "/event_id",
        json!("o2"),
    );

    request(&[city, address]).send(&world);

    assert_eq!(world.ledger().totals(Platform::Tiktok, PIXEL).warnings, 2);
}
