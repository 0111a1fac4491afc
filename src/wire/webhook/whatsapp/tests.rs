//! What is read of Meta's own samples, and what becomes of everything that WhatsApp never sends.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

pub(super) const WABA: &str = "102290129340398";

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/whatsapp/", $name, ".json"))
    };
}

const SAMPLES: [&str; 11] = [
    sample!("ctwa_ad_text"),
    sample!("plain_text_no_referral"),
    sample!("message_business_button"),
    sample!("ctwa_status_ad_no_clid"),
    sample!("automatic_event_lead"),
    sample!("automatic_event_purchase"),
    sample!("bsuid_text_no_phone"),
    sample!("bsuid_status_delivered"),
    sample!("status_delivered_no_phone"),
    sample!("status_failed_131047"),
    sample!("partial_referral_no_type"),
];

fn now() -> DateTime<Utc> {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

fn id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

fn clients_of_waba(waba: &str) -> Vec<ClientId> {
    match waba {
        WABA => vec![id("acme")],
        "77777" => vec![id("acme"), id("bistro")],
        _ => Vec::new(),
    }
}

pub(super) fn read_for(
    body: &[u8],
    client: Option<&ClientId>,
    clients_of_waba: &dyn Fn(&str) -> Vec<ClientId>,
) -> Reading {
    let owners = Owners {
        client,
        clients_of_waba,
        is_of_same_app: &|_| false,
    };
    read(body, &owners, now())
}

pub(super) fn reading(body: &str) -> Reading {
    read_for(body.as_bytes(), None, &clients_of_waba)
}

pub(super) fn read_json(payload: &Value) -> Reading {
    reading(&payload.to_string())
}

pub(super) fn fault(reading: &Reading) -> Option<(Cause, &str)> {
    let fault = reading.fault.as_ref()?;
    Some((fault.cause, fault.field.as_deref().unwrap_or_default()))
}

/// A message that begins with an ad click.
fn message(from: &str, click: &str) -> Value {
    json!({"from": from, "id": format!("wamid.{click}"), "timestamp": "1795860000", "type": "text", "referral": {"ctwa_clid": click}})
}

fn change(messages: &[Value]) -> Value {
    json!({"field": "messages", "value": {"messages": messages}})
}

pub(super) fn payload(entries: &[(&str, Vec<Value>)]) -> Value {
    let entries: Vec<Value> = entries
        .iter()
        .map(|(waba, changes)| json!({"id": waba, "changes": changes}))
        .collect();
    json!({"object": "whatsapp_business_account", "entry": entries})
}

pub(super) fn one(message: Value) -> Reading {
    read_json(&payload(&[(WABA, vec![change(&[message])])]))
}

#[test]
fn the_click_of_an_ad_is_kept_under_the_sender_s_phone() {
    let reading = reading(sample!("ctwa_ad_text"));

    let [click] = reading.clicks.as_slice() else {
        panic!("{reading:?}")
    };
    assert_eq!(click.client, id("acme"));
    assert_eq!(click.person.phones[0].expose(), "+16505551234");
    assert_eq!(click.click.kind, ClickKind::CtwaClid);
    assert!(click.click.value.starts_with("Aff-n8ZTODiE79d22KtAwQKj9e"));
    assert_eq!(click.click.value.len(), 131);
    assert_eq!(click.click.waba.as_deref(), Some(WABA));
    assert_eq!(click.click.first_seen.timestamp(), 1_750_275_992);
    assert!(click.click.time_is_known);
    assert_eq!((fault(&reading), reading.ignored), (None, 0));
}

#[test]
fn what_tells_of_no_ad_click_is_ignored_and_no_fault() {
    for body in [
        sample!("plain_text_no_referral"),
        sample!("message_business_button"),
        sample!("ctwa_status_ad_no_clid"),
        sample!("bsuid_text_no_phone"),
        sample!("bsuid_status_delivered"),
        sample!("status_delivered_no_phone"),
        // Of a WhatsApp Business Account that nobody has: nothing of it concerns anybody.
        sample!("status_failed_131047"),
    ] {
        let reading = reading(body);

        assert_eq!((fault(&reading), reading.ignored), (None, 1), "{body}");
        assert!(reading.clicks.is_empty() && reading.events.is_empty());
    }
    let unknown = payload(&[(
        WABA,
        vec![json!({"field": "calls", "value": {"calls": [{}]}}), json!({})],
    )]);
    assert_eq!(read_json(&unknown).ignored, 2);
}

#[test]
fn all_entries_changes_and_messages_are_read() {
    let changes = |name: &str| {
        let two = |n: u32| {
            change(&[
                message("16505551234", &format!("{name}{n}a")),
                message("4917012345678", &format!("{name}{n}b")),
            ])
        };
        let status = json!({"field": "messages", "value": {"statuses": [{}, {}]}});
        let unknown_type = change(&[json!({"from": "16505551234", "type": "hologram", "timestamp": "1"})]);
        vec![two(1), two(2), status, unknown_type]
    };
    let reading = read_json(&payload(&[(WABA, changes("x")), (WABA, changes("y"))]));

    let clicks: Vec<&str> = reading.clicks.iter().map(|click| click.click.value.as_str()).collect();
    assert_eq!(clicks, ["x1a", "x1b", "x2a", "x2b", "y1a", "y1b", "y2a", "y2b"]);
    assert_eq!((fault(&reading), reading.ignored), (None, 6));
}

#[test]
fn every_client_with_the_account_s_dataset_gets_the_click() {
    let reading = read_json(&payload(&[("77777", vec![change(&[message("16505551234", "Abc")])])]));

    let clients: Vec<&str> = reading.clicks.iter().map(|click| click.client.as_str()).collect();
    assert_eq!(clients, ["acme", "bistro"]);
}

#[test]
fn an_account_that_nobody_has_is_a_fault_and_the_other_entries_are_read_all_the_same() {
    let entry = |waba, click| (waba, vec![change(&[message("16505551234", click)])]);
    let reading = read_json(&payload(&[entry("99999", "lost"), entry(WABA, "kept")]));

    assert_eq!(fault(&reading), Some((Cause::UnknownWaba, "entry[0].id")));
    assert_eq!(reading.clicks.len(), 1);
    assert_eq!(reading.clicks[0].click.value, "kept");
}

#[test]
fn an_account_s_id_that_is_none_is_a_fault_once_something_would_be_kept_under_it() {
    let long = "1".repeat(33);
    let acme = id("acme");
    for wrong in ["\u{0}", "waba-1", "-1", "10229 0129", &"x".repeat(3_000), &long] {
        let click = change(&[message("16505551234", "lost")]);
        let sale =
            json!({"field": "automatic_events", "value": {"automatic_events": [{"event_name": "LeadSubmitted"}]}});
        let kept = (WABA, vec![change(&[message("16505551234", "kept")])]);
        let body = payload(&[(wrong, vec![click, sale]), kept]).to_string();
        for client in [None, Some(&acme)] {
            let reading = read_for(body.as_bytes(), client, &|_| vec![id("acme")]);

            assert_eq!(fault(&reading), Some((Cause::InvalidField, "entry[0].id")), "{wrong}");
            let clicks: Vec<_> = reading.clicks.iter().map(|click| click.click.value.as_str()).collect();
            assert_eq!((clicks.as_slice(), reading.events.len()), (["kept"].as_slice(), 0));
        }
        let status = json!({"field": "messages", "value": {"statuses": [{}]}});
        let ignored = read_json(&payload(&[(wrong, vec![status])]));
        assert_eq!((fault(&ignored), ignored.ignored), (None, 1));
    }
}

#[test]
fn the_client_that_is_told_beside_the_payload_beats_the_account() {
    let body = payload(&[("99999", vec![change(&[message("16505551234", "Abc")])])]).to_string();

    let reading = read_for(body.as_bytes(), Some(&id("bistro")), &|_| Vec::new());

    assert_eq!(reading.clicks[0].client, id("bistro"));
    assert_eq!(reading.clicks[0].click.waba.as_deref(), Some("99999"));
    assert_eq!(fault(&reading), None);
}

#[test]
fn a_payload_without_anything_but_the_click_is_read_for_a_client_that_is_told_beside_it() {
    let body = sample!("partial_referral_no_type");

    let without = reading(body);
    let with = read_for(body.as_bytes(), Some(&id("acme")), &clients_of_waba);

    assert_eq!(fault(&without), Some((Cause::MissingField, "entry[0].id")));
    assert_eq!(with.clicks[0].click.waba, None);
    assert_eq!(with.clicks[0].click.value, "AfeDIj2Ewr2X...");
    assert_eq!(fault(&with), None);
}

#[test]
fn a_time_that_cannot_be_is_not_known_and_one_shortly_ahead_is_now() {
    let at = |timestamp: Value| {
        let mut message = message("16505551234", "Abc");
        message["timestamp"] = timestamp;
        let click = one(message).clicks.remove(0).click;
        (click.first_seen.timestamp(), click.time_is_known)
    };
    let now = now().timestamp();

    assert_eq!(at(json!("1750275992")), (1_750_275_992, true));
    assert_eq!(at(json!(1_750_275_992)), (1_750_275_992, true));
    assert_eq!(at(json!((now + 60).to_string())), (now, true));
    for wrong in [
        json!(null),
        json!("soon"),
        json!("0"),
        json!("946684799"),
        json!(now + 86_400),
        json!(now * 1000),
        json!({}),
    ] {
        assert_eq!(at(wrong.clone()), (now, false), "{wrong}");
    }
}

#[test]
fn a_click_id_is_kept_unchanged_or_is_a_fault() {
    let path = "entry[0].changes[0].value.messages[0].referral.ctwa_clid";
    for wrong in [
        json!("a b"),
        json!("x".repeat(1_001)),
        json!("\u{e9}"),
        json!("jane@example.com"),
    ] {
        let mut message = message("16505551234", "Abc");
        message["referral"]["ctwa_clid"] = wrong;
        let reading = one(message);

        assert_eq!(fault(&reading), Some((Cause::InvalidField, path)));
        assert!(reading.clicks.is_empty() && !format!("{reading:?}").contains("jane"));
    }
}

#[test]
fn a_wrong_type_costs_its_own_item_alone() {
    let wrong = json!({"from": "16505551234", "referral": "call jane@example.com"});
    let list = vec![wrong, json!("jane"), message("16505551234", "kept")];
    let reading = read_json(&payload(&[(WABA, vec![json!(7), change(&list)])]));

    assert_eq!(reading.clicks.len(), 1);
    assert_eq!(fault(&reading), Some((Cause::WrongType, "entry[0].changes[0]")));
}

#[test]
fn what_is_no_payload_is_named_so() {
    let cases = [
        ("", Cause::MalformedJson, ""),
        ("<xml/>", Cause::MalformedJson, ""),
        ("[]", Cause::WrongType, "the whole message"),
        ("{}", Cause::MissingField, "entry"),
        (r#"{"entry":{}}"#, Cause::WrongType, "entry"),
    ];
    for (body, cause, field) in cases {
        assert_eq!(fault(&reading(body)), Some((cause, field)), "{body}");
    }
    let large = format!(
        "{{\"entry\":[{}]}}",
        " ".repeat(crate::wire::webhook::WEBHOOK_BYTES_MAX)
    );
    assert_eq!(fault(&reading(&large)), Some((Cause::TooLarge, "")));
}

#[test]
fn a_webhook_of_more_than_ten_thousand_clicks_and_events_is_too_large() {
    // Two clients have this account, so everything counts twice.
    let with = |events: usize| {
        let lead = json!({"event_name": "LeadSubmitted", "ctwa_clid": "Abc"});
        let leads = json!({"field": "automatic_events", "value": {"automatic_events": vec![lead; events]}});
        read_json(&payload(&[(
            "77777",
            vec![change(&[message("16505551234", "Abc")]), leads],
        )]))
    };

    let most = with(4_999);
    assert_eq!((most.clicks.len(), most.events.len(), fault(&most)), (2, 9_998, None));
    let more = with(5_000);
    assert_eq!(fault(&more), Some((Cause::TooLarge, "")));
    assert!(more.clicks.is_empty() && more.events.is_empty());
}

/// Puts something else in the place of the n-th value of a payload.
fn replace(value: &mut Value, countdown: &mut usize, by: &Value) {
    if *countdown == 0 {
        *value = by.clone();
    }
    *countdown = countdown.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, countdown, by)),
        Value::Object(object) => object.values_mut().for_each(|item| replace(item, countdown, by)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_payload_makes_the_reader_panic_or_show_a_value(
        sample in 0..SAMPLES.len(),
        mut places in proptest::collection::vec((0_usize..60, 0_usize..9), 1..4),
    ) {
        let others = [
            json!(null), json!("jane@example.com"), json!(-1), json!(1e300), json!([]), json!({}), json!([["jane"]]), json!(true), json!("9".repeat(400)),
        ];
        let mut payload: Value = serde_json::from_str(SAMPLES[sample]).unwrap();
        for (place, other) in &mut places {
            replace(&mut payload, place, &others[*other]);
        }

        let reading = read_json(&payload);

        if let Some(fault) = reading.fault {
            prop_assert!(!fault.to_string().contains("jane"));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_for(&body, None, &clients_of_waba);
    }
}
