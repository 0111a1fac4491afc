//! What holds for every dispatch and every answer, however odd (tests only).

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::{EVENT_BYTES_MAX, LIMITS, Meta, names, sample, server_event::ServerEvent};
use crate::{
    domain::{Account, Classification, ClickKind, Dispatch, Verdict},
    platform::{
        Adapter, Answer, Endpoints, Sending,
        sample::{Vocabulary, any_dispatch, any_json, is_success, outcomes},
    },
};

const WORDS: Vocabulary = Vocabulary {
    names: &[
        "Purchase",
        "Lead",
        "Subscribe",
        "Contact",
        "LeadSubmitted",
        "",
        " ",
        "Kauf\u{1f600}\n",
    ],
    hashed: &["em", "ph", "fn", "ge", "ct", "db", "country"],
    plain: &[],
    custom: &[
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
    ],
    clicks: &[ClickKind::Fbc, ClickKind::Fbclid, ClickKind::CtwaClid, ClickKind::Gclid],
};

fn dispatch() -> impl Strategy<Value = Dispatch> {
    any_dispatch(sample::pixel(), WORDS)
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

        let outcomes = outcomes(&classification, count);
        prop_assert!(outcomes.is_some(), "{:?}", classification);
        prop_assert!(!outcomes.unwrap().into_iter().any(is_success), "{:?}", classification);
    }

    #[test]
    fn every_json_answer_settles_the_request_and_only_a_full_count_is_a_delivery(
        status in select(&[200_u16, 201, 400, 401, 403, 429, 500, 502][..]),
        received in option::of(0_u64..6),
        error in option::of((any::<u16>(), option::of(any::<u32>()), any_json())),
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
        let outcomes = outcomes(&classification, count);
        prop_assert!(outcomes.is_some(), "{:?}", classification);
        for outcome in outcomes.unwrap() {
            prop_assert_eq!(outcome.verdict == Verdict::Delivered, is_success);
        }
        let renews = matches!(classification, Classification::Reauthenticate(_));
        prop_assert!(!renews, "Meta's tokens are not renewed by us");
    }
}
