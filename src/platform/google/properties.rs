//! Properties that hold for any dispatch and any answer, at both of Google's interfaces.

use bytes::Bytes;
use proptest::{prelude::*, sample::select};
use serde_json::Value;

use super::{BYTES_MAX, EVENTS_MAX, Google, sample};
use crate::{
    domain::{
        Account, Classification, ClickKind, Dispatch,
        account::{TransactionId, Transport},
    },
    platform::{
        Adapter, Answer, Endpoints, Sending,
        sample::{Vocabulary, any_dispatch, is_success, outcomes},
    },
};

fn account() -> impl Strategy<Value = Account> {
    let transport = select(vec![Transport::DataManager, Transport::AdsApi]);
    let id = select(vec![TransactionId::EventId, TransactionId::OrderId]);
    (transport, id, proptest::option::of("\\PC{0,12}"), "\\PC{0,12}").prop_map(|(transport, id, manager, customer)| {
        let mut account = sample::account(transport);
        account.rules.transaction_id = id;
        account.rules.manager = manager;
        account.destination = customer;
        account
    })
}

const WORDS: Vocabulary = Vocabulary {
    names: &["Purchase", "Lead", "AddToCart"],
    hashed: &["email", "phone", "given_name", "family_name"],
    plain: &["region_code", "postal_code"],
    custom: &[
        "merchant_id",
        "merchant_feed_label",
        "customer_type",
        "customer_value_bucket",
    ],
    clicks: &[ClickKind::Gclid, ClickKind::Gbraid, ClickKind::Wbraid, ClickKind::Fbc],
};

/// Anything that the types allow, whether or not it passes the check.
fn dispatch() -> impl Strategy<Value = Dispatch> {
    any_dispatch(sample::account(Transport::DataManager), WORDS)
}

/// The path of every list in a body that Google limits, with its limit.
fn lists(transport: Transport) -> [(&'static str, &'static str, usize); 2] {
    match transport {
        Transport::DataManager => [("events", "/userData/userIdentifiers", 10), ("destinations", "", 10)],
        Transport::AdsApi => [
            ("conversions", "/userIdentifiers", 5),
            ("conversions", "/customVariables", 0),
        ],
    }
}

fn within_limits(body: &Value, transport: Transport) -> bool {
    lists(transport).iter().all(|(list, inner, max)| {
        let entries = body[*list].as_array().unwrap();
        match *inner {
            "" => entries.len() <= *max,
            inner => entries
                .iter()
                .filter_map(|entry| entry.pointer(inner)?.as_array())
                .all(|list| (1..=*max).contains(&list.len())),
        }
    })
}

/// Google documents doubles; `Decimal` by itself is written as text.
fn has_only_numbers_for_money(body: &Value) -> bool {
    let entries = body
        .get("events")
        .or_else(|| body.get("conversions"))
        .and_then(Value::as_array);
    entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get("conversionValue"))
        .all(Value::is_number)
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[A-Za-z.\\[\\]0-9_]{0,24}".prop_map(Value::from),
    ];
    let key = select(vec![
        "error",
        "status",
        "details",
        "code",
        "message",
        "results",
        "errors",
        "errorCode",
        "@type",
        "reason",
        "fieldViolations",
        "field",
        "partialFailureError",
        "location",
        "fieldPathElements",
        "fieldName",
        "index",
        "conversionUploadError",
        "conversions",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn classified(account: &Account, status: u16, body: Bytes, count: usize) -> Classification {
    let dispatches = sample::dispatches(count);
    let answer = Answer {
        status,
        headers: vec![("retry-after".to_owned(), "5".to_owned())],
        body,
    };
    Google.classify(&answer, &dispatches.iter().collect::<Vec<_>>(), account)
}

proptest! {
    #[test]
    fn any_dispatches_build_within_the_limits_and_always_the_same(
        account in account(), dispatches in proptest::collection::vec(dispatch(), 1..12), test in any::<bool>()
    ) {
        let dispatches: Vec<&Dispatch> = dispatches.iter().collect();
        let endpoints = Endpoints::default();
        let sending = Sending { account: &account, endpoints: &endpoints, test_code: test.then_some("") };

        let request = Google.build(&dispatches, &sending);

        prop_assert_eq!(&request, &Google.build(&dispatches, &sending));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        prop_assert!(within_limits(&body, account.rules.transport), "{}", body);
        prop_assert!(has_only_numbers_for_money(&body), "{}", body);
        let limits = Google.limits(&account);
        prop_assert!(limits.events <= EVENTS_MAX && limits.bytes <= BYTES_MAX);
        for dispatch in dispatches {
            // Neither panics nor depends on anything but its arguments.
            prop_assert_eq!(Google.check(dispatch, &account), Google.check(dispatch, &account));
        }
    }

    #[test]
    fn any_text_at_any_status_is_classified_and_never_a_success(
        account in account(), status in 0u16..1_000, body in "\\PC{0,80}", count in 1usize..6
    ) {
        let classification = classified(&account, status, Bytes::from(body), count);

        let outcomes = outcomes(&classification, count);
        prop_assert!(outcomes.is_some(), "{:?}", classification);
        prop_assert!(!outcomes.unwrap().into_iter().any(is_success));
    }

    #[test]
    fn any_json_is_classified_and_a_success_only_as_google_words_it(
        account in account(), status in select(vec![200u16, 204, 400, 401, 403, 404, 409, 429, 500, 503]),
        body in json_value(), count in 1usize..6
    ) {
        let classification = classified(&account, status, Bytes::from(body.to_string()), count);

        let outcomes = outcomes(&classification, count);
        prop_assert!(outcomes.is_some(), "{:?}", classification);
        let results = body.get("results").and_then(Value::as_array).map_or(0, Vec::len);
        let is_googles = (200..300).contains(&status) && account.rules.transport == Transport::AdsApi && results == count;
        prop_assert!(is_googles || !outcomes.unwrap().into_iter().any(is_success), "{:?}", classification);
    }
}
