//! What the platform takes and what it refuses, with its codes.
use serde_json::{Value, json};

use crate::call::Platform;
use crate::trial::{NOW, Trial, body, with, world};

const PATH: &str = "/v26.0/1234567890/events";
const LOGIN: (&str, &str) = ("authorization", "Bearer token-1");
const HASH: &str = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f";

fn purchase() -> Value {
    json!({
        "event_name": "Purchase", "event_time": NOW - 60, "event_id": "o1", "action_source": "website",
        "event_source_url": "https://shop.example/thanks",
        "user_data": {"em": [HASH], "client_user_agent": "Mozilla/5.0", "client_ip_address": "203.0.113.7"},
        "custom_data": {"value": 129.9, "currency": "CHF"},
    })
}

fn whatsapp() -> Value {
    json!({
        "event_name": "LeadSubmitted", "event_time": NOW - 60, "event_id": "w1",
        "action_source": "business_messaging", "messaging_channel": "whatsapp",
        "user_data": {"ctwa_clid": "ARAk-real", "whatsapp_business_account_id": "102290129340398", "ph": [HASH]},
    })
}

fn request(events: &[Value]) -> Trial {
    Trial::json(PATH, LOGIN, &json!({"data": events}))
}

#[test]
fn what_is_right_is_taken() {
    let extras = json!({
        "em": [format!("{HASH}.AQQCAQMC")], "ph": HASH, "fbc": "fb.1.1554763741205.IwAR1a-b_C.AQECAQMB",
        "fbp": "fb.1.1554763741205.1098115397", "external_id": ["user-42"], "client_ip_address": "2001:db8::1.AQQAAQMC",
    });
    let table = [
        purchase(),
        whatsapp(),
        with(&purchase(), "/user_data", extras),
        with(&purchase(), "/custom_data/value", json!(0)),
        with(&purchase(), "/event_time", json!(NOW + 599)),
        with(&purchase(), "/event_time", json!(NOW - 7 * 86_400)),
        with(
            &with(&purchase(), "/action_source", json!("physical_store")),
            "/event_time",
            json!(NOW - 62 * 86_400),
        ),
        with(
            &with(&whatsapp(), "/event_name", json!("Purchase")),
            "/custom_data",
            json!({"value": 1, "currency": "ars"}),
        ),
        with(&purchase(), "/data_processing_options", json!([])),
        with(&purchase(), "/custom_data/our_own_key", json!({"any": "thing"})),
    ];

    for event in table {
        let handled = request(std::slice::from_ref(&event)).send(&world(json!({})));
        assert_eq!((handled.answer.status, handled.answer.detail), (200, None), "{event}");
    }
}

#[test]
fn what_is_wrong_is_refused_with_metas_code() {
    let event = purchase();
    let chat = whatsapp();
    let store = with(&event, "/action_source", json!("physical_store"));
    let table = [
        (with(&event, "/event_name", Value::Null), "100"),
        (with(&event, "/event_time", Value::Null), "100"),
        (with(&event, "/user_data", Value::Null), "100"),
        (with(&event, "/action_source", Value::Null), "100"),
        (with(&event, "/action_source", json!("web")), "100"),
        (with(&event, "/event_source_url", Value::Null), "100"),
        (with(&event, "/event_time", json!(NOW * 1000)), "100"),
        (with(&event, "/event_time", json!("1795290000")), "100"),
        (with(&event, "/event_time", json!(NOW + 601)), "100"),
        (with(&event, "/event_time", json!(NOW - 7 * 86_400 - 1)), "100/2804003"),
        (with(&store, "/event_time", json!(NOW - 62 * 86_400 - 1)), "100/2804003"),
        (with(&event, "/event_id", json!(7)), "100"),
        (with(&event, "/test_event_code", json!("TEST1")), "100"),
        (with(&event, "/user_data/phone", json!(HASH)), "100"),
        (with(&event, "/user_data/client_ip_address", json!(HASH)), "100"),
        (with(&event, "/user_data/em", json!("john@example.com")), "100/2804016"),
        (
            with(&event, "/user_data/em", json!([HASH.to_uppercase()])),
            "100/2804016",
        ),
        (with(&event, "/user_data/ct", json!([""])), "100/2804016"),
        (
            with(&event, "/user_data/fbc", json!("fb.1.1700000000000")),
            "100/2804001",
        ),
        (
            with(&event, "/user_data/fbc", json!("fb.1.1700000000.IwAR")),
            "100/2804001",
        ),
        (
            with(&event, "/user_data/fbc", json!("fb.1.1700000000000.9998.IwAR")),
            "100/2804001",
        ),
        (with(&event, "/user_data/lead_id", json!("12")), "100/2804036"),
        (with(&event, "/user_data", json!({})), "100/2804050"),
        (with(&event, "/user_data", json!({"em": []})), "100/2804050"),
        (
            with(&event, "/user_data", json!({"client_user_agent": "x", "country": HASH})),
            "100/2804050",
        ),
        (
            with(&event, "/user_data", json!({"fn": HASH, "ge": HASH})),
            "100/2804050",
        ),
        (with(&event, "/custom_data", Value::Null), "100/2804009"),
        (with(&event, "/custom_data/value", Value::Null), "100/2804009"),
        (with(&event, "/custom_data/currency", Value::Null), "100/2804009"),
        (with(&event, "/custom_data/value", json!("129.90")), "100"),
        (with(&event, "/custom_data/currency", json!("EURO")), "100"),
        (
            with(&event, "/custom_data/contents", json!([{"id": 7, "quantity": 1}])),
            "100",
        ),
        (with(&event, "/data_processing_options", json!(["LDU"])), "100"),
        (with(&event, "/action_source", json!("app")), "100"),
        (with(&chat, "/event_name", json!("Lead")), "100/2804066"),
        (with(&chat, "/messaging_channel", Value::Null), "100"),
        (with(&chat, "/messaging_channel", json!("instagram")), "100/2804079"),
        (with(&chat, "/user_data/ctwa_clid", Value::Null), "100"),
        (
            with(&chat, "/user_data/whatsapp_business_account_id", Value::Null),
            "100/2804116",
        ),
        (with(&chat, "/user_data/page_id", json!("123")), "100/2804131"),
    ];

    for (event, code) in table {
        let verdict = request(std::slice::from_ref(&event)).verdict(&world(json!({})));
        assert_eq!(verdict, (400, code.to_owned()), "{event}");
    }
}

#[test]
fn one_bad_event_costs_the_whole_request() {
    let world = world(json!({}));

    let verdict = request(&[purchase(), with(&purchase(), "/user_data", json!({}))]).verdict(&world);

    assert_eq!(verdict, (400, "100/2804050".to_owned()));
    assert_eq!(world.ledger().totals(Platform::Meta, "1234567890").events_accepted, 0);
}

#[test]
fn the_answer_does_not_say_which_event_was_bad() {
    let handled = request(&[purchase(), with(&purchase(), "/event_time", json!(1))]).send(&world(json!({})));

    let error = &body(&handled)["error"];
    assert_eq!(
        (&error["code"], &error["error_subcode"]),
        (&json!(100), &json!(2_804_003))
    );
    assert!(error["fbtrace_id"].as_str().is_some_and(|id| id.starts_with('A')));
    assert!(!handled.answer.body.contains("data["), "{}", handled.answer.body);
}

#[test]
fn the_envelope_is_checked() {
    let event = purchase();
    let too_many = vec![event.clone(); 1001];
    let table = [
        (
            json!({"data": [event.clone()], "test_event_code": "TEST1", "partner_agent": "relay"}),
            200,
        ),
        (json!({"data": []}), 400),
        (json!({"data": too_many}), 400),
        (json!({"data": event}), 400),
        (json!({"events": [event]}), 400),
        (json!({"data": [event], "event_source": "web"}), 400),
        (json!({"data": [event], "test_event_code": ""}), 400),
    ];

    for (body, status) in table {
        assert_eq!(Trial::json(PATH, LOGIN, &body).verdict(&world(json!({}))).0, status);
    }
}

#[test]
fn version_token_and_access_are_checked_first() {
    let state = json!({"tokens": {
        "revoked": {"valid": false}, "other": {"accounts": ["999"]}, "ours": {"accounts": ["1234567890"]},
    }});
    let good = json!({"data": [purchase()]});
    let in_body = json!({"data": [purchase()], "access_token": "revoked"});
    let table = [
        (PATH, ("authorization", "Bearer ours"), &good, (200, "OK")),
        (PATH, ("authorization", "Bearer any"), &good, (200, "OK")),
        (
            "/v26.0/1234567890/events?access_token=ours",
            ("x-none", ""),
            &good,
            (200, "OK"),
        ),
        (PATH, ("x-none", ""), &good, (400, "2500")),
        (PATH, ("x-none", ""), &in_body, (401, "190/460")),
        (PATH, ("authorization", "Bearer revoked"), &good, (401, "190/460")),
        (PATH, ("authorization", "Bearer other"), &good, (400, "100/33")),
        ("/1234567890/events", LOGIN, &good, (400, "2500")),
        ("/v19.0/1234567890/events", LOGIN, &good, (400, "2635")),
        ("/latest/1234567890/events", LOGIN, &good, (400, "2635")),
    ];

    for (path, login, body, (status, code)) in table {
        let verdict = Trial::json(path, login, body).verdict(&world(state.clone()));
        assert_eq!(verdict, (status, code.to_owned()), "{path} {login:?}");
    }
}

#[test]
fn copies_count_once_within_two_days_but_messages_count_every_time() {
    let world = world(json!({}));

    request(&[purchase(), purchase()]).send(&world);
    request(&[purchase()]).at(47 * 3600).send(&world);
    request(&[whatsapp()]).send(&world);
    request(&[whatsapp()]).send(&world);

    let totals = world.ledger().totals(Platform::Meta, "1234567890").clone();
    assert_eq!((totals.events_accepted, totals.counted, totals.duplicates), (5, 3, 2));
}

#[test]
fn only_real_clicks_and_linked_datasets_are_taken_once_they_are_known() {
    let state = json!({
        "clicks": {"meta_ctwa": ["ARAk-real"]}, "meta": {"waba_datasets": {"1234567890": "102290129340398"}},
    });
    let made_up = with(&whatsapp(), "/user_data/ctwa_clid", json!("ARAk-made-up"));
    let elsewhere = Trial {
        path: "/v26.0/555/events".to_owned(),
        ..request(&[whatsapp()])
    };
    let number = with(
        &whatsapp(),
        "/user_data/whatsapp_business_account_id",
        json!(102_290_129_340_398_u64),
    );

    assert_eq!(request(&[whatsapp()]).verdict(&world(state.clone())).0, 200);
    assert_eq!(request(&[number]).verdict(&world(state.clone())).0, 200);
    assert_eq!(request(&[made_up]).verdict(&world(state.clone())).1, "100/2804087");
    assert_eq!(elsewhere.verdict(&world(state)).1, "100/2804132");
}

#[test]
fn private_addresses_are_taken_with_a_warning_and_test_events_are_counted_as_such() {
    let world = world(json!({}));
    let event = with(&purchase(), "/user_data/client_ip_address", json!("10.0.0.1"));

    let body = json!({"data": [event], "test_event_code": "TEST1"});
    let verdict = Trial::json(PATH, LOGIN, &body).verdict(&world);

    let totals = world.ledger().totals(Platform::Meta, "1234567890").clone();
    assert_eq!(
        (verdict.0, totals.warnings, totals.test_events, totals.counted),
        (200, 1, 1, 1)
    );
}
