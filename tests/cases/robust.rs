//! What holds for any event that parses and for any answer at all, at every platform.

use std::sync::LazyLock;

use conversion_relay::{
    domain::{Classification, Dispatch, Verdict},
    platform::{Answer, adapter},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{
    case::{self, Case},
    request::{built, route},
};

/// One ad account of each kind: Meta's pixel and dataset, both of Google's interfaces, TikTok's pixel.
static KINDS: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let names = [
        "meta/v01_purchase_on_a_web_page",
        "meta/v18_purchase_in_a_chat",
        "google/dm_t03_purchase_by_gclid",
        "google/ads_t01_purchase_by_gclid",
        "tiktok/v01_purchase",
    ];
    case::all()
        .iter()
        .filter(|case| names.contains(&case.name.as_str()))
        .cloned()
        .collect()
});

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        "\\PC{0,30}".prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        select(
            &[
                "a@b.c",
                "+49 170 1234567",
                "US",
                "fb.1.1700000000000.abc",
                "203.0.113.7",
                "",
                " "
            ][..]
        )
        .prop_map(Value::from),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text()
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z_]{1,12}", inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// An object with any of these fields.
fn fields(names: &'static [&'static str], value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    vec((select(names), value), 0..names.len())
        .prop_map(|fields| {
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Map<_, _>>()
        })
        .prop_map(Value::Object)
}

/// The person, the click IDs and the further properties.
fn details() -> impl Strategy<Value = (Value, Value, Value)> {
    const USER: &[&str] = &[
        "email",
        "phone",
        "external_id",
        "first_name",
        "last_name",
        "city",
        "state",
        "postal_code",
        "country",
        "date_of_birth",
        "gender",
        "ip",
        "user_agent",
    ];
    const CLICK: &[&str] = &[
        "fbc",
        "fbp",
        "fbclid",
        "ctwa_clid",
        "gclid",
        "gbraid",
        "wbraid",
        "ttclid",
        "ttp",
    ];
    const CUSTOM: &[&str] = &[
        "app_data",
        "merchant_id",
        "content_ids",
        "num_items",
        "opt_out",
        "lead_id",
        "status",
        "own",
    ];
    let user = fields(USER, prop_oneof![text(), vec(text(), 0..3).prop_map(Value::from)]);
    (user, fields(CLICK, text()), fields(CUSTOM, json_value()))
}

/// Events as producers might write them; most of them parse.
fn event() -> impl Strategy<Value = Value> {
    let name = select(&["Purchase", "Lead", "Subscribe", "AddToCart", "QuizDone"][..]);
    let source = select(&["website", "app", "physical_store", "business_messaging", "other"][..]);
    let amount = || {
        prop_oneof![
            (0..u64::MAX).prop_map(Value::from),
            (0.0..1e12).prop_map(Value::from),
            Just(json!("59.90"))
        ]
    };
    let item = (text(), option::of(any::<u32>()), option::of(amount()));
    let contents = vec(item, 0..4).prop_map(|items| {
        items
            .into_iter()
            .map(|(id, quantity, price)| json!({"id": id, "quantity": quantity, "price": price}))
            .collect::<Value>()
    });
    let what = ("[!-?A-~]{1,64}", name, source, 0..600_000_i64);
    let money = (
        option::of(amount()),
        option::of(select(&["EUR", "usd", "UYU", "KWD"][..])),
        contents,
    );
    let page = select(
        &[
            None,
            Some("https://shop.example/?gclid=G&fbclid=F&ttclid=T"),
            Some("not a page"),
        ][..],
    );
    let consent = (
        option::of(select(&["granted", "denied"][..])),
        option::of(any::<bool>()),
    );
    (what, money, page, consent, details(), text()).prop_map(|(what, money, page, consent, details, order)| {
        let (id, name, source, age) = what;
        let (value, currency, contents) = money;
        let (user, click, custom) = details;
        json!({
            "event_id": id, "client_id": "acme", "event_name": name, "event_time": 1_795_168_800 - age, "action_source": source,
            "source_url": page, "referrer_url": page, "click": click, "user": user, "value": value, "currency": currency,
            "order_id": order, "contents": contents, "custom": custom,
            "consent": {"ad_personalization": consent.0, "limited_data_use": consent.1},
        })
    })
}

/// The events of a request's body.
fn events_of(body: &Value) -> &Vec<Value> {
    ["data", "events", "conversions"]
        .iter()
        .find_map(|key| body[*key].as_array())
        .expect("a list of events")
}

fn is_success(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Delivered | Verdict::Accepted { .. })
}

/// The verdicts; nothing if they do not settle a request of `count` events.
fn verdicts(classification: &Classification, count: usize) -> Option<Vec<&Verdict>> {
    match classification {
        Classification::Each(outcomes) => {
            (outcomes.len() == count).then(|| outcomes.iter().map(|outcome| &outcome.verdict).collect())
        }
        Classification::Named(named) => (!named.is_empty() && named.iter().all(|(index, _)| *index < count))
            .then(|| named.iter().map(|(_, outcome)| &outcome.verdict).collect()),
        Classification::Unnamed(outcome) | Classification::Reauthenticate(outcome) => Some(vec![&outcome.verdict]),
    }
}

/// What each kind of ad account makes of an answer to a request of two events.
fn classified(status: u16, body: &[u8]) -> Vec<(&'static str, Classification)> {
    let answer = Answer {
        status,
        headers: vec![("retry-after".to_owned(), "soon".to_owned())],
        body: body.to_vec().into(),
    };
    let classify = |case: &'static Case| {
        let (_, dispatches) = route(case);
        let twice: Vec<&Dispatch> = dispatches.iter().chain(&dispatches).collect();
        (
            case.name.as_str(),
            adapter(case.account.platform).classify(&answer, &twice, &case.account),
        )
    };
    KINDS.iter().map(classify).collect()
}

proptest! {
    #[test]
    fn any_event_that_parses_becomes_the_same_json_whenever_and_wherever_in_a_batch(events in vec(event(), 1..5)) {
        for kind in KINDS.iter() {
            let case = Case { events: events.clone(), ..kind.clone() };
            let (_, dispatches) = route(&case);
            let limits = adapter(case.account.platform).limits(&case.account);
            let later = Case { now: case.now + chrono::TimeDelta::hours(5), ..case.clone() };
            if dispatches.is_empty() {
                continue;
            }
            let together = built(&case, &dispatches);
            prop_assert_eq!(&together, &built(&later, &dispatches));
            prop_assert!(together.body.len() <= limits.bytes && dispatches.len() <= limits.events);
            let body: Value = serde_json::from_slice(&together.body).unwrap();
            prop_assert_eq!(events_of(&body).len(), dispatches.len());
            for (dispatch, in_batch) in dispatches.iter().zip(events_of(&body)) {
                // As it comes back from the queue.
                let stored: Dispatch = serde_json::from_slice(&serde_json::to_vec(dispatch).unwrap()).unwrap();
                let alone: Value = serde_json::from_slice(&built(&case, &[stored]).body).unwrap();
                let mut alone = events_of(&alone)[0].clone();
                if let (Some(reference), Some(here)) = (alone.get_mut("destinationReferences"), in_batch.get("destinationReferences")) {
                    // Data Manager's references are of the request, not of the event.
                    *reference = here.clone();
                }
                prop_assert_eq!(&alone, in_batch, "{}", case.name);
            }
        }
    }

    #[test]
    fn any_bytes_at_any_status_settle_a_request_and_never_as_a_success(
        status in 0..1_000_u16, body in prop_oneof![vec(any::<u8>(), 0..200), "<html>\\PC{0,40}".prop_map(String::into_bytes)],
    ) {
        for (name, classification) in classified(status, &body) {
            let verdicts = verdicts(&classification, 2);
            prop_assert!(verdicts.is_some(), "{name}: {classification:?}");
            prop_assert!(!verdicts.unwrap().into_iter().any(is_success), "{name}: {classification:?}");
        }
    }

    #[test]
    fn a_success_that_is_cut_anywhere_is_none(cut in 0..10_000_usize, which in any::<usize>()) {
        let successes: Vec<&Case> = case::all().iter().filter(|case| {
            let each = case.outcomes.as_ref().map(|outcomes| &outcomes["each"]["verdict"]);
            case.answer.as_ref().is_some_and(|answer| answer["status"] == 200)
                && each.is_some_and(|verdict| verdict == "delivered" || verdict == "accepted")
        }).collect();
        let case = successes[which % successes.len()];
        let whole = case.answer.as_ref().unwrap()["body"].to_string();
        let body = whole.as_bytes()[..cut % whole.len()].to_vec();
        let dispatches = route(case).1;
        let answer = Answer { status: 200, headers: Vec::new(), body: body.into() };

        let classification = adapter(case.account.platform).classify(&answer, &dispatches.iter().collect::<Vec<_>>(), &case.account);

        let verdicts = verdicts(&classification, dispatches.len());
        prop_assert!(verdicts.is_some_and(|verdicts| !verdicts.into_iter().any(is_success)), "{}", case.name);
    }
}

#[test]
fn ten_megabytes_of_garbage_are_no_success_and_no_panic() {
    let digits = vec![b'7'; 10_000_000];
    let nested = vec![b'['; 10_000_000];
    let list = format!("[{}null]", "null,".repeat(2_000_000)).into_bytes();
    // Paths that never end, where each of the platforms names its culprits.
    let paths = "data[".repeat(2_000_000);
    let refusal = json!({"code": 40_002, "message": paths, "error": {"code": 100, "status": "INVALID_ARGUMENT", "message": paths}});
    let refusal = refusal.to_string().into_bytes();
    for (status, body) in [(200, digits), (500, nested), (200, list), (400, refusal)] {
        for (name, classification) in classified(status, &body) {
            let verdicts = verdicts(&classification, 2).expect("the request is settled");
            assert!(!verdicts.into_iter().any(is_success), "{name} {status}");
        }
    }
}
