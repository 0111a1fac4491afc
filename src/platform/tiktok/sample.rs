//! Samples for the tests of this folder: an ad account, dispatches, and any dispatch there may be.

use chrono::{DateTime, Utc};
use proptest::{option, prelude::*, sample::select};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::domain::{
    Account, AccountId, Click, ClickIds, ClickKind, ClientId, Dispatch, EventId, EventRecord, Platform,
    account::AccountRules,
    event::{ActionSource, Consent, Content},
    hash::{Identity, sha256_hex},
    platform::PerPlatform,
};

/// 2026-11-20T10:00:00Z
const TIME: i64 = 1_795_168_800;

const PIXEL: &str = "C0PIXEL0000000000001";

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("a time in range")
}

fn client() -> ClientId {
    ClientId::parse("acme").expect("visible ASCII")
}

pub(super) fn account() -> Account {
    Account {
        id: AccountId(7),
        client: client(),
        name: "tiktok".to_owned(),
        platform: Platform::Tiktok,
        destination: PIXEL.to_owned(),
        login: "agency-tiktok".to_owned(),
        rules: AccountRules::default(),
        removed: false,
    }
}

/// An event that says nothing but what happened and when.
pub(super) fn bare_event() -> EventRecord {
    EventRecord {
        client: client(),
        event_id: EventId::parse("order-1001").expect("visible ASCII"),
        name: "Purchase".to_owned(),
        time: time(TIME),
        first_seen: time(TIME),
        action_source: ActionSource::Website,
        source_url: Some("https://shop.example/thanks".to_owned()),
        referrer_url: None,
        clicks: ClickIds::default(),
        value: None,
        currency: None,
        order_id: None,
        contents: Vec::new(),
        consent: Consent::default(),
        custom: Map::new(),
        ip: None,
        user_agent: None,
        has_email_or_phone: false,
        trace: None,
        identities: PerPlatform::default(),
    }
}

fn bare_dispatch() -> Dispatch {
    Dispatch {
        account: account().id,
        platform: Platform::Tiktok,
        destination: PIXEL.to_owned(),
        click: None,
        deadline: time(TIME + 7 * 86_400),
        event: bare_event(),
    }
}

fn click(value: &str) -> Click {
    Click {
        kind: ClickKind::Ttclid,
        value: value.to_owned(),
        first_seen: time(TIME),
        time_is_known: true,
        waba: None,
    }
}

/// The purchase of vector V1.
pub(super) fn purchase_of_jane() -> Dispatch {
    let mut dispatch = bare_dispatch();
    dispatch
        .event
        .identities
        .tiktok
        .add("email", sha256_hex("jane.doe@example.com"));
    dispatch.event.value = Some(Decimal::new(5_990, 2));
    dispatch.event.currency = Some("USD".to_owned());
    dispatch
}

/// A purchase with click, cookie and browser.
pub(super) fn dispatch() -> Dispatch {
    let mut dispatch = purchase_of_jane();
    dispatch.click = Some(click("E.C.P.Ab-1"));
    dispatch.event.clicks.ttp = Some("2F7h37Yk".to_owned());
    dispatch.event.ip = Some([203, 0, 113, 9].into());
    dispatch.event.user_agent = Some("Mozilla/5.0".to_owned());
    dispatch
}

/// The same with another event ID.
pub(super) fn numbered(index: usize) -> Dispatch {
    let mut dispatch = dispatch();
    dispatch.event.event_id = EventId::parse(&format!("order-{index}")).expect("visible ASCII");
    dispatch
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,20}",
        Just(String::new()),
        Just("a@b.c".to_owned()),
        "[\\x00-\\x1f\"\\\\]{1,4}"
    ]
}

fn any_custom() -> impl Strategy<Value = Map<String, Value>> {
    let keys = vec![
        "locale",
        "status",
        "search_string",
        "query",
        "predicted_ltv",
        "num_items",
        "content_ids",
        "content_type",
        "description",
        "shop_id",
        "delivery_category",
        "checkin_date",
        "make",
        "city",
        "unknown",
    ];
    let value = prop_oneof![
        any_text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        Just(serde_json::from_str("1e999").expect("a JSON number")),
        Just(Value::Null),
        proptest::collection::vec(any_text().prop_map(Value::from), 0..3).prop_map(Value::from),
        any_text().prop_map(|text| json!({ text: 1 })),
    ];
    proptest::collection::vec((select(keys), value), 0..6)
        .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn any_content() -> impl Strategy<Value = Content> {
    (
        any_text(),
        option::of(any::<u32>()),
        option::of(any_decimal()),
        option::of(any_text()),
    )
        .prop_map(|(id, quantity, price, name)| Content {
            id,
            quantity,
            price,
            name: name.clone(),
            category: name.clone(),
            brand: name,
        })
}

fn any_decimal() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), 0..28_u32).prop_map(|(number, scale)| Decimal::new(number, scale))
}

fn any_identity() -> impl Strategy<Value = Identity> {
    let keys = vec![
        "email",
        "phone",
        "external_id",
        "first_name",
        "last_name",
        "zip_code",
        "city",
        "state",
        "country",
    ];
    proptest::collection::vec((select(keys), any_text()), 0..12).prop_map(|pairs| {
        let mut identity = Identity::default();
        for (key, text) in pairs {
            let plain = matches!(key, "city" | "state" | "country");
            identity.add(key, if plain { text } else { sha256_hex(&text) });
        }
        identity
    })
}

/// Any dispatch of this ad account.
pub(super) fn any_dispatch() -> impl Strategy<Value = Dispatch> {
    let names = select(vec![
        "Purchase",
        "Lead",
        "PageView",
        "CompletePayment",
        "QuizDone",
        "\u{1f6d2}",
    ]);
    let ids = ("[!-~]{1,64}", option::of(any_text()), names, any::<i32>());
    let money = (
        option::of(any_decimal()),
        option::of(select(vec!["USD", "UYU", "JPY", ""])),
    );
    let person = (
        any_identity(),
        option::of(any::<std::net::IpAddr>()),
        option::of(any_text()),
        option::of(any_text()),
    );
    let rest = (
        proptest::collection::vec(any_content(), 0..4),
        any_custom(),
        option::of(any::<bool>()),
        option::of(any_text()),
    );
    (ids, money, person, rest).prop_map(|(ids, money, person, rest)| {
        let (event_id, order_id, name, seconds) = ids;
        let (value, currency) = money;
        let (identity, ip, user_agent, ttclid) = person;
        let (contents, custom, limited_data_use, source_url) = rest;
        let mut dispatch = bare_dispatch();
        dispatch.click = ttclid.as_deref().map(click);
        let event = &mut dispatch.event;
        event.event_id = EventId::parse(&event_id).expect("visible ASCII");
        event.name = name.to_owned();
        event.time = time(i64::from(seconds));
        event.order_id = order_id;
        event.value = value;
        event.currency = currency.map(str::to_owned);
        event.contents = contents;
        event.custom = custom;
        event.consent.limited_data_use = limited_data_use;
        event.source_url = source_url.clone();
        event.referrer_url = source_url;
        event.clicks.ttp = ttclid;
        event.ip = ip;
        event.user_agent = user_agent;
        event.identities.tiktok = identity;
        dispatch
    })
}
