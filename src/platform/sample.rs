//! Samples for the tests of all platforms: an ad account, a bare event, and any dispatch and any answer that there may be.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::{collection::vec, option, prelude::*, sample::select};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::domain::{
    Account, AccountId, Classification, Click, ClickIds, ClickKind, ClientId, Dispatch, EventId, EventRecord, Outcome,
    Platform, Verdict,
    account::AccountRules,
    event::{ActionSource, Consent, Content, Permission},
    hash::{Identity, sha256_hex},
};

/// An ad account of client `acme`.
pub(super) fn account(platform: Platform, destination: &str, rules: AccountRules) -> Account {
    Account {
        id: AccountId(1),
        client: ClientId::parse("acme").unwrap(),
        name: platform.as_str().to_owned(),
        platform,
        destination: destination.to_owned(),
        login: format!("agency-{platform}").to_lowercase(),
        rules,
        removed: false,
    }
}

/// An event on a web page that says nothing but what happened and when.
pub(super) fn event(event_id: &str, name: &str, time: DateTime<Utc>) -> EventRecord {
    let client = ClientId::parse("acme").unwrap();
    EventRecord::bare(client, EventId::parse(event_id).unwrap(), name, time)
}

/// The event on its way to the ad account, without a click and for another week.
pub(super) fn dispatch(account: &Account, event: EventRecord) -> Dispatch {
    Dispatch {
        account: account.id,
        platform: account.platform,
        destination: account.destination.clone(),
        click: None,
        deadline: event.time + TimeDelta::days(7),
        event,
    }
}

/// The words in which any dispatch of one platform differs from the others'.
#[derive(Clone, Copy)]
pub(super) struct Vocabulary {
    /// Event names.
    pub names: &'static [&'static str],
    /// Keys of the identity with a hash.
    pub hashed: &'static [&'static str],
    /// Keys of the identity in plain text.
    pub plain: &'static [&'static str],
    /// Keys of further properties that mean something there.
    pub custom: &'static [&'static str],
    /// Kinds of clicks, its own and others'.
    pub clicks: &'static [ClickKind],
}

pub(super) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just(String::new()),
        Just("a@b.c".to_owned()),
        "[A-Z]{3}",
        "[\\x00-\\x1f\"\\\\]{1,4}",
        "fb\\.[0-2]\\.[0-9]{12,14}\\.[a-zA-Z0-9_-]{0,9}(\\.[A-Za-z]{2})?",
    ]
}

pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(serde_json::from_str("1e999").unwrap()),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any_text(), inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

pub(super) fn any_amount() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        (any::<i64>(), 0..28_u32).prop_map(|(digits, scale)| Decimal::new(digits, scale)),
        any::<[u8; 16]>().prop_map(Decimal::deserialize),
    ]
}

fn any_content() -> impl Strategy<Value = Content> {
    let text = || option::of(any_text());
    let product = (any_text(), option::of(any::<u32>()), option::of(any_amount()));
    (product, text()).prop_map(|((id, quantity, price), name)| Content {
        id,
        quantity,
        price,
        brand: name.clone(),
        category: name.clone(),
        name,
    })
}

fn any_identity(words: Vocabulary) -> impl Strategy<Value = Identity> {
    let keys: Vec<&str> = words.hashed.iter().chain(words.plain).copied().collect();
    vec((select(keys), any_text()), 0..24).prop_map(move |pairs| {
        let mut identity = Identity::default();
        for (key, text) in pairs {
            let value = if words.plain.contains(&key) {
                text
            } else {
                sha256_hex(&text)
            };
            identity.add(key, value);
        }
        identity
    })
}

fn any_click(words: Vocabulary, seen: DateTime<Utc>) -> impl Strategy<Value = Click> {
    (select(words.clicks), any_text(), any::<bool>(), option::of(any_text())).prop_map(
        move |(kind, value, time_is_known, waba)| Click {
            kind,
            value,
            first_seen: seen,
            time_is_known,
            waba,
        },
    )
}

fn any_custom(words: Vocabulary) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![select(words.custom), Just("own property")];
    vec((key, any_json()), 0..6)
        .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn any_consent() -> impl Strategy<Value = Consent> {
    let permission = || option::of(select(&[Permission::Granted, Permission::Denied][..]));
    (permission(), permission(), option::of(any::<bool>())).prop_map(
        |(ad_user_data, ad_personalization, limited_data_use)| Consent {
            ad_user_data,
            ad_personalization,
            limited_data_use,
        },
    )
}

const SOURCES: [ActionSource; 9] = [
    ActionSource::Email,
    ActionSource::Website,
    ActionSource::App,
    ActionSource::PhoneCall,
    ActionSource::Chat,
    ActionSource::PhysicalStore,
    ActionSource::SystemGenerated,
    ActionSource::BusinessMessaging,
    ActionSource::Other,
];

prop_compose! {
    /// Any dispatch to the ad account, whether or not it passes the check.
    pub(super) fn any_dispatch(account: Account, words: Vocabulary)(
        (id, name, source) in ("[!-~]{1,64}", select(words.names), select(&SOURCES[..])),
        seconds in any::<i32>(),
        (url, agent, order) in (option::of(any_text()), option::of(any_text()), option::of(any_text())),
        (cookie, fbclid, browser) in (option::of(any_text()), option::of(any_text()), option::of(any_text())),
        (value, currency) in (option::of(any_amount()), option::of(prop_oneof![any_text(), Just("USD".to_owned())])),
        (contents, custom, consent) in (vec(any_content(), 0..4), any_custom(words), any_consent()),
        address in option::of(any::<IpAddr>()),
        click in option::of(any_click(words, DateTime::from_timestamp_secs(1_795_000_000).unwrap())),
        identity in any_identity(words),
    ) -> Dispatch {
        let time = DateTime::from_timestamp(seconds.into(), 123_456_789).unwrap();
        let mut event = event(&id, name, time);
        event.action_source = source;
        event.consent = consent;
        (event.source_url, event.referrer_url) = (url.clone(), url);
        (event.user_agent, event.order_id) = (agent, order);
        event.clicks = ClickIds { fbc: cookie, fbclid, fbp: browser.clone(), ttp: browser, ..ClickIds::default() };
        (event.value, event.currency) = (value, currency);
        (event.contents, event.custom, event.ip) = (contents, custom, address);
        *event.identities.get_mut(account.platform) = identity;
        Dispatch { click, ..dispatch(&account, event) }
    }
}

/// The outcomes in a classification; nothing if it does not settle a request of `count` events.
pub(super) fn outcomes(classification: &Classification, count: usize) -> Option<Vec<&Outcome>> {
    match classification {
        Classification::Each(outcomes) => (outcomes.len() == count).then(|| outcomes.iter().collect()),
        Classification::Named(named) => {
            let ascending = named.windows(2).all(|pair| pair[0].0 < pair[1].0);
            let within = named.iter().all(|(index, _)| *index < count);
            (!named.is_empty() && ascending && within).then(|| named.iter().map(|(_, outcome)| outcome).collect())
        }
        Classification::Unnamed(outcome) | Classification::Reauthenticate(outcome) => Some(vec![outcome]),
    }
}

/// Says whether the platform took it.
pub(super) fn is_success(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Verdict::Delivered | Verdict::Accepted { .. })
}
