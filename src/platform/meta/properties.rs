//! What holds for every dispatch and every answer, however odd (tests only).

use bytes::Bytes;
use chrono::DateTime;
use proptest::{collection::vec, option, prelude::*, sample::select};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{EVENT_BYTES_MAX, LIMITS, Meta, names, sample, server_event::ServerEvent};
use crate::{
    domain::{
        Account, Classification, Click, ClickIds, ClickKind, Dispatch, Outcome, Verdict,
        event::{ActionSource, Consent, Content, Permission},
        hash::Identity,
    },
    platform::{Adapter, Answer, Endpoints, Sending},
};

const NAMES: [&str; 8] = [
    "Purchase",
    "Lead",
    "Subscribe",
    "Contact",
    "LeadSubmitted",
    "",
    " ",
    "Kauf\u{1f600}\n",
];
const KEYS: [&str; 12] = [
    "em",
    "value",
    "content_name",
    "content_type",
    "num_items",
    "predicted_ltv",
    "app_data",
    "lead_id",
    "opt_out",
    "original_event_data",
    "messaging_outcome_data",
    "own property",
];
const SOURCES: [ActionSource; 5] = [
    ActionSource::Website,
    ActionSource::App,
    ActionSource::PhysicalStore,
    ActionSource::BusinessMessaging,
    ActionSource::Other,
];
const KINDS: [ClickKind; 4] = [ClickKind::Fbc, ClickKind::Fbclid, ClickKind::CtwaClid, ClickKind::Gclid];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "fb\\.[0-2]\\.[0-9]{12,14}\\.[a-zA-Z0-9_-]{0,9}(\\.[A-Za-z]{2})?",
        "[A-Z]{3}"
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(serde_json::from_str("1e999").unwrap()),
        text().prop_map(Value::from),
        Just(sample::app_custom()["app_data"].clone()),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn decimal() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), 0_u32..28).prop_map(|(digits, scale)| Decimal::new(digits, scale))
}

fn content() -> impl Strategy<Value = Content> {
    (
        text(),
        option::of(any::<u32>()),
        option::of(decimal()),
        option::of(text()),
    )
        .prop_map(|(id, quantity, price, name)| Content {
            id,
            quantity,
            price,
            brand: name.clone(),
            category: name.clone(),
            name,
        })
}

fn click() -> impl Strategy<Value = Click> {
    (select(&KINDS[..]), text(), option::of(text())).prop_map(|(kind, value, waba)| Click {
        waba,
        ..sample::click(kind, &value)
    })
}

fn identity() -> impl Strategy<Value = Identity> {
    vec(select(&["em", "ph", "fn", "ge", "ct", "db", "country"][..]), 0..4).prop_map(|keys| {
        let mut identity = Identity::default();
        keys.into_iter().for_each(|key| identity.add(key, "0".repeat(64)));
        identity
    })
}

prop_compose! {
    fn dispatch()(
        (name, source, seconds, limited) in
            (select(&NAMES[..]), select(&SOURCES[..]), any::<i32>(), option::of(any::<bool>())),
        (url, agent, currency, order) in (option::of(text()), option::of(text()), option::of(text()), option::of(text())),
        (cookie, fbclid, browser) in (option::of(text()), option::of(text()), option::of(text())),
        value in option::of(decimal()),
        contents in vec(content(), 0..4),
        custom in vec((select(&KEYS[..]), json_value()), 0..5),
        address in option::of(any::<std::net::IpAddr>()),
        click in option::of(click()),
        identity in identity(),
    ) -> Dispatch {
        let mut dispatch = sample::purchase("o1");
        let event = &mut dispatch.event;
        event.name = name.to_owned();
        event.action_source = source;
        event.time = DateTime::from_timestamp_secs(seconds.into()).unwrap();
        event.consent = Consent {
            ad_personalization: limited.map(|_| Permission::Denied),
            limited_data_use: limited,
            ..Consent::default()
        };
        (event.source_url, event.referrer_url) = (url.clone(), url);
        (event.user_agent, event.currency, event.order_id) = (agent, currency, order);
        event.clicks = ClickIds { fbc: cookie, fbclid, fbp: browser, ..ClickIds::default() };
        (event.value, event.contents, event.ip) = (value, contents, address);
        event.custom = custom.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        event.identities.meta = identity;
        dispatch.click = click;
        dispatch
    }
}

/// Adds to any dispatch what Meta wants at the least.
fn completed(mut dispatch: Dispatch, account: &Account) -> Dispatch {
    let event = &mut dispatch.event;
    if names::event_name(&event.name, account).is_none() {
        event.name = "Purchase".into();
    }
    event.source_url.get_or_insert("https://shop.example/".into());
    event.value.get_or_insert_default();
    event.currency = Some("eur".into());
    event
        .custom
        .insert("app_data".into(), sample::app_custom()["app_data"].clone());
    event.identities.meta.add("em", "0".repeat(64));
    if account.rules.waba.is_some() {
        dispatch.click = Some(sample::click(ClickKind::CtwaClid, "C"));
    }
    dispatch
}

fn account() -> impl Strategy<Value = Account> {
    select(vec![sample::pixel(), sample::whatsapp()])
}

fn body_of(dispatches: &[&Dispatch], account: &Account) -> Bytes {
    let endpoints = Endpoints::default();
    let sending = Sending {
        account,
        endpoints: &endpoints,
        test_code: None,
    };
    Meta.build(dispatches, &sending).body
}

fn outcomes(classification: &Classification) -> Vec<&Outcome> {
    match classification {
        Classification::Each(outcomes) => outcomes.iter().collect(),
        Classification::Named(named) => named.iter().map(|(_, outcome)| outcome).collect(),
        Classification::Unnamed(outcome) | Classification::Reauthenticate(outcome) => vec![outcome],
    }
}

proptest! {
    #[test]
    fn any_dispatch_is_built_into_one_event_and_always_the_same_bytes(dispatch in dispatch(), account in account()) {
        let _ = Meta.check(&dispatch, &account);
        let body = body_of(&[&dispatch, &dispatch], &account);
        let parsed: Value = serde_json::from_slice(&body).unwrap();

        prop_assert_eq!(parsed["data"].as_array().map(Vec::len), Some(2));
        prop_assert_eq!(&parsed["data"][0], &parsed["data"][1]);

        // As it comes back from the queue and from the ledger.
        let stored: Dispatch = serde_json::from_slice(&serde_json::to_vec(&dispatch).unwrap()).unwrap();
        prop_assert_eq!(body_of(&[&stored, &stored], &account), body);
    }

    #[test]
    fn what_passes_the_check_is_whole_and_within_the_limits(dispatch in dispatch(), account in account()) {
        let dispatch = completed(dispatch, &account);
        prop_assert_eq!(Meta.check(&dispatch, &account), Ok(()));

        let body = body_of(&[&dispatch], &account);
        let event = serde_json::from_slice::<Value>(&body).unwrap()["data"][0].take();

        prop_assert!(body.len() <= LIMITS.bytes && ServerEvent::of(&dispatch, &account).bytes() <= EVENT_BYTES_MAX);
        prop_assert!(event["event_time"].is_i64());
        prop_assert!(!event["event_name"].as_str().unwrap().trim().is_empty());
        prop_assert!(!event["user_data"].as_object().unwrap().is_empty());
        if event["event_name"] == "Purchase" {
            prop_assert!(event["custom_data"]["value"].is_number() && event["custom_data"]["currency"].is_string());
        }
        if event["action_source"] == "website" {
            prop_assert!(event["event_source_url"].is_string());
        }
        if account.rules.waba.is_some() {
            prop_assert!(event["user_data"]["ctwa_clid"].is_string());
            prop_assert!(event["user_data"]["whatsapp_business_account_id"].is_string());
        }
    }

    #[test]
    fn no_odd_answer_is_a_delivery(status in 0_u16..1_000, body in vec(any::<u8>(), 0..200), count in 1_usize..5) {
        let answer = Answer { status, headers: Vec::new(), body: Bytes::from(body) };
        let dispatch = sample::purchase("o1");

        let classification = Meta.classify(&answer, &vec![&dispatch; count], &sample::pixel());

        for outcome in outcomes(&classification) {
            let is_success = matches!(outcome.verdict, Verdict::Delivered | Verdict::Accepted { .. });
            prop_assert!(!is_success, "{:?}", outcome);
        }
    }

    #[test]
    fn every_json_answer_settles_the_request_and_only_a_full_count_is_a_delivery(
        status in select(&[200_u16, 201, 400, 401, 403, 429, 500, 502][..]),
        received in option::of(0_u64..6),
        error in option::of((any::<u16>(), option::of(any::<u32>()), json_value())),
        count in 1_usize..5,
    ) {
        let mut body = json!({});
        if let Some(received) = received {
            body["events_received"] = json!(received);
        }
        if let Some((code, subcode, data)) = &error {
            body["error"] = json!({"code": code, "error_subcode": subcode, "error_data": data, "message": data});
        }
        let answer = Answer { status, headers: Vec::new(), body: Bytes::from(body.to_string()) };
        let dispatch = sample::purchase("o1");

        let classification = Meta.classify(&answer, &vec![&dispatch; count], &sample::pixel());

        let is_success = status < 300 && received == Some(count as u64) && error.is_none();
        for outcome in outcomes(&classification) {
            prop_assert_eq!(outcome.verdict == Verdict::Delivered, is_success);
        }
        match classification {
            Classification::Each(outcomes) => prop_assert_eq!(outcomes.len(), count),
            Classification::Named(named) => {
                prop_assert!(!named.is_empty());
                prop_assert!(named.windows(2).all(|pair| pair[0].0 < pair[1].0));
                prop_assert!(named.iter().all(|(index, _)| *index < count));
            }
            Classification::Unnamed(_) => {}
            Classification::Reauthenticate(_) => prop_assert!(false, "Meta's tokens are not renewed by us"),
        }
    }
}
