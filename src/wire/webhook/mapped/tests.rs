//! What the language of mappings can say, and that nothing in a payload can break it.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::wire::{
    accounts_file::{self, SourceFile},
    webhook::builtin::{NAMES, builtin},
};

fn now() -> DateTime<Utc> {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

fn acme() -> ClientId {
    ClientId::parse("acme").unwrap()
}

/// A mapping with these fields beside the needed ones.
fn mapping(fields: &str) -> Mapping {
    written(&format!(
        "[mapping.x]\n[[mapping.x.event]]\n[mapping.x.event.fields]\nevent_id = '/id'\nevent_name = {{ constant = 'Lead' }}\n{fields}"
    ))
}

fn written(text: &str) -> Mapping {
    let file = SourceFile {
        name: "a.toml".to_owned(),
        text: text.to_owned(),
    };
    let mut desired = accounts_file::parse(&[file]).unwrap_or_else(|errors| panic!("{errors}"));
    desired.mappings.remove("x").unwrap()
}

fn reading(mapping: &Mapping, payload: &Value) -> Reading {
    let headers = |name: &str| (name == "x-source").then(|| "shop".to_owned());
    read(mapping, payload.to_string().as_bytes(), &headers, Some(&acme()), now())
}

fn event(fields: &str, payload: Value) -> Event {
    let mut reading = reading(&mapping(fields), &payload);
    assert_eq!(reading.fault, None);
    reading.events.remove(0)
}

fn fault(fields: &str, payload: Value) -> (Cause, String) {
    let fault = reading(&mapping(fields), &payload).fault.unwrap();
    (fault.cause, fault.field.unwrap_or_default())
}

#[test]
fn a_field_is_a_pointer_a_constant_a_header_or_the_first_of_several() {
    let fields = "
        action_source = { constant = 'phone_call' }
        custom.source = { header = 'X-Source' }
        user.email = { first = ['/none', '/blank', '/null', '/email'] }
        'user.city' = '/address/0/city'
        order_id = [{ pointer = '/none' }, { pointer = '/number', prefix = 'A-' }]";

    let event = event(
        fields,
        json!({"id": 7, "blank": " ", "null": null, "email": "a@b.co", "address": [{"city": "Bonn"}], "number": 9}),
    );

    assert_eq!(event.event_id.as_str(), "7");
    assert_eq!(event.action_source.as_str(), "phone_call");
    assert_eq!(event.custom["source"], "shop");
    assert_eq!(event.person.emails[0].expose(), "a@b.co");
    assert_eq!(event.person.city.unwrap().expose(), "Bonn");
    assert_eq!(event.order_id.as_deref(), Some("A-9"));
}

#[test]
fn values_are_translated_shortened_and_filled_in() {
    let fields = "
        consent.ad_user_data = { pointer = '/yes', words = { true = 'granted', false = 'denied' } }
        consent.ad_personalization = { pointer = '/odd', words = { yes = 'granted' } }
        user.country = { pointer = '/country', default = 'DE' }
        user.gender = { pointer = '/gender', lower_case = true }
        click.gclid = { pointer = '/page', query = 'gclid' }
        currency = { pointer = '/currency', default = 'EUR' }
        value = { pointer = '/cents', as = 'minor_units', decimals = 2 }";

    let event = event(
        fields,
        json!({"id": "e", "yes": false, "odd": "perhaps", "gender": "F", "page": "/a?x=1&gclid=Cj%30K", "cents": "1999"}),
    );

    assert_eq!(
        event.consent.ad_user_data,
        Some(crate::domain::event::Permission::Denied)
    );
    assert_eq!(event.consent.ad_personalization, None);
    assert_eq!(event.person.country.unwrap().expose(), "DE");
    assert_eq!(event.person.gender.unwrap().expose(), "f");
    assert_eq!(event.clicks.gclid.as_deref(), Some("Cj0K"));
    assert_eq!(
        (event.value.unwrap().to_string().as_str(), event.currency.as_deref()),
        ("19.99", Some("EUR"))
    );
}

#[test]
fn times_are_read_in_the_form_that_is_said() {
    let expected = "2026-11-20T10:00:00+00:00";
    for (form, value) in [
        ("unix_seconds", json!(1_795_168_800)),
        ("unix_seconds", json!("1795168800")),
        ("unix_milliseconds", json!(1_795_168_800_000_i64)),
        ("unix_milliseconds", json!("1795168800000")),
        ("date_time", json!("2026-11-20T11:00:00+01:00")),
        ("date_time", json!("2026-11-20T11:00:00+0100")),
        ("date_time", json!("2026-11-20 10:00:00")),
        ("date_time", json!("2026-11-20T10:00:00.000")),
        ("date_time", json!(1_795_168_800_000_i64)),
        ("date_time", json!("1795168800")),
    ] {
        let event = event(
            &format!("event_time = {{ pointer = '/t', as = '{form}' }}"),
            json!({"id": "e", "t": value}),
        );
        assert_eq!(event.time.to_rfc3339(), expected, "{form}");
    }
    let wrong = fault(
        "event_time = { pointer = '/t', as = 'date_time' }",
        json!({"id": "e", "t": "20 Nov"}),
    );
    assert_eq!(wrong, (Cause::WebhookNotMapped, "/t".to_owned()));
    let future = fault("event_time = '/t'", json!({"id": "e", "t": "2026-12-24T00:00:00Z"}));
    assert_eq!(future, (Cause::EventTimeInFuture, "/t".to_owned()));
}

#[test]
fn an_id_that_cannot_be_an_event_id_is_derived_and_the_same_each_time() {
    let with = |id: &str| event("", json!({"id": id})).event_id;

    assert_eq!(with("evt_1"), EventId::parse("evt_1").unwrap());
    assert_eq!(with("jane@example.com"), with("jane@example.com"));
    assert!(!with("jane@example.com").as_str().contains("jane"));
    assert_eq!(with(&"x".repeat(65)).as_str().len(), 36);
}

#[test]
fn what_is_missing_is_left_out_unless_the_event_or_the_mapping_needs_it() {
    let payload = json!({"id": "e"});

    assert_eq!(event("user.email = '/email'", payload.clone()).person.emails.len(), 0);
    let required = fault("user.email = { pointer = '/email', required = true }", payload.clone());
    assert_eq!(required, (Cause::WebhookNotMapped, "/email".to_owned()));
    assert_eq!(fault("", json!({})), (Cause::WebhookNotMapped, "/id".to_owned()));
    let sale = written(
        "[mapping.x]\n[[mapping.x.event]]\nfields = { event_id = '/id', event_name = { constant = 'Purchase' }, value = '/total' }",
    );
    assert_eq!(reading(&sale, &payload).fault.unwrap().field.as_deref(), Some("/total"));
}

#[test]
fn the_first_event_whose_conditions_all_hold_counts() {
    let mapping = written(
        "[mapping.x]
        [[mapping.x.event]]
        when = [{ pointer = '/type', is = ['won', 'sold'] }, { pointer = '/test', is_not = true }, { pointer = '/lost', exists = false }]
        fields = { event_id = '/id', event_name = { constant = 'Purchase' }, value = '/total' }
        [[mapping.x.event]]
        when = { header = 'x-source', is = 'shop' }
        fields = { event_id = '/id', event_name = { pointer = '/type', words = { new = 'Lead' } } }",
    );
    let name = |payload: Value| {
        let reading = reading(&mapping, &payload);
        reading.events.first().map(|event| event.name.clone())
    };

    assert_eq!(
        name(json!({"id": 1, "type": "sold", "total": 1})).as_deref(),
        Some("Purchase")
    );
    assert_eq!(
        name(json!({"id": 1, "type": "new", "lost": true})).as_deref(),
        Some("Lead")
    );
    assert_eq!(name(json!({"id": 1, "type": "won", "test": true, "total": 1})), None);
}

#[test]
fn the_client_is_told_beside_the_payload_or_in_it() {
    let mapping = written(
        "[mapping.x]
        client = '/shop'
        each = '/items'
        [[mapping.x.event]]
        fields = { event_id = '/id', event_name = { constant = 'Lead' } }",
    );
    let payload = json!({"shop": "bistro", "items": [{"id": 1}, {"id": 2, "shop": "other"}]});
    let clients = |client: Option<&ClientId>| {
        let reading = read(&mapping, payload.to_string().as_bytes(), &|_| None, client, now());
        let clients = reading.events.iter().map(|event| event.client.to_string());
        clients.collect::<Vec<_>>()
    };

    assert_eq!(clients(None), ["bistro", "other"]);
    // Whoever proves to be acme speaks for nobody else.
    assert_eq!(clients(Some(&acme())), ["acme", "acme"]);
    let nobody = read(&mapping, br#"{"items":[{"id":1}]}"#, &|_| None, None, now());
    assert_eq!(nobody.fault.unwrap().field.as_deref(), Some("/items/0/shop"));
}

#[test]
fn a_list_that_is_not_there_is_a_fault_and_an_empty_one_is_ignored() {
    let mapping = written(
        "[mapping.x]
        each = '/items'
        [[mapping.x.event]]
        fields = { event_id = '/id', event_name = { constant = 'Lead' } }",
    );
    let both = |payload: Value| {
        let body = payload.to_string();
        let previews = preview(&mapping, body.as_bytes(), &|_| None, Some(&acme()), now());
        (reading(&mapping, &payload), previews.map(|previews| previews.len()))
    };

    for nowhere in [json!({}), json!({"items": null}), json!([]), json!("items")] {
        let (reading, previews) = both(nowhere.clone());

        let fault = Malformed::new(Cause::WebhookNotMapped, "/items");
        assert_eq!(reading.fault.as_ref(), Some(&fault), "{nowhere}");
        assert_eq!(previews, Err(fault));
    }
    let (empty, previews) = both(json!({"items": []}));
    assert_eq!((empty.fault, empty.ignored, previews), (None, 1, Ok(0)));
    // Some systems leave the list out where it would have one item.
    let (single, previews) = both(json!({"items": {"id": 7}}));
    assert_eq!((single.events.len(), single.fault, previews), (1, None, Ok(1)));
    let (text, _) = both(json!({"items": "none"}));
    assert_eq!(text.fault.and_then(|fault| fault.field).as_deref(), Some("/items/id"));
    let (many, previews) = both(json!({"items": vec![0; 10_001]}));
    assert_eq!(many.fault, previews.err());
    assert_eq!(many.fault.map(|fault| fault.cause), Some(Cause::TooLarge));
}

#[test]
fn products_are_read_one_by_one_and_a_bad_one_is_named_by_its_place() {
    let fields = "contents = { each = '/lines', id = '/sku', quantity = '/n', price = { pointer = '/cents', as = 'minor_units', currency = '/currency' } }";
    let good = json!({"sku": 7, "n": 2, "cents": 500, "currency": "KWD"});

    let event = event(fields, json!({"id": "e", "lines": [good, {"sku": "b"}]}));

    assert_eq!(
        (event.contents[0].id.as_str(), event.contents[0].quantity),
        ("7", Some(2))
    );
    assert_eq!(event.contents[0].price.unwrap().to_string(), "0.500");
    assert_eq!(event.contents.len(), 2);
    let wrong = fault(fields, json!({"id": "e", "lines": [good, {"sku": "b", "n": "jane"}]}));
    assert_eq!(wrong, (Cause::WebhookNotMapped, "/lines/1/n".to_owned()));
    let wrong = fault(fields, json!({"id": "e", "lines": [{"sku": "b", "cents": 5}]}));
    assert_eq!(wrong, (Cause::WebhookNotMapped, "/lines/0/currency".to_owned()));
}

#[test]
fn a_preview_shows_the_funnel_event_and_what_is_wrong_with_it() {
    let mapping = mapping("value = '/total'\nuser.email = '/email'");
    let body = json!({"id": "e", "total": -1, "email": "a@b.co"}).to_string();

    let previews = preview(&mapping, body.as_bytes(), &|_| None, Some(&acme()), now()).unwrap();

    let [
        Preview::Event {
            index: 0,
            message,
            fault,
        },
    ] = previews.as_slice()
    else {
        panic!("{previews:?}")
    };
    assert_eq!(message.as_ref().unwrap()["user"]["email"], "a@b.co");
    assert_eq!(fault.as_ref().unwrap().field.as_deref(), Some("/total"));
}

#[test]
fn a_mapping_survives_being_stored() {
    for name in NAMES {
        let mapping = builtin(name).unwrap();
        let stored = serde_json::to_string(&*mapping).unwrap();
        assert_eq!(serde_json::from_str::<Mapping>(&stored).unwrap(), *mapping, "{name}");
    }
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
    fn no_payload_makes_a_mapping_panic_or_show_a_value(
        name in 0..NAMES.len(),
        sample in 0_usize..5,
        mut places in proptest::collection::vec((0_usize..120, 0_usize..8), 1..6),
    ) {
        const SAMPLES: [&str; 5] = [
            include_str!("../../../../tests/fixtures/webhooks/shopify_order.json"),
            include_str!("../../../../tests/fixtures/webhooks/stripe_checkout_session_completed.json"),
            include_str!("../../../../tests/fixtures/webhooks/stripe_invoice_paid.json"),
            include_str!("../../../../tests/fixtures/webhooks/hubspot_deal.json"),
            include_str!("../../../../tests/fixtures/webhooks/hubspot_subscription.json"),
        ];
        let others = [
            json!(null), json!("jane@example.com"), json!(-1), json!(1e300), json!([]), json!({"jane": 1}), json!([["jane"]]), json!("9".repeat(400)),
        ];
        let mut payload: Value = serde_json::from_str(SAMPLES[sample]).unwrap();
        if payload.is_object() {
            payload["financial_status"] = json!("paid");
        }
        for (place, other) in &mut places {
            replace(&mut payload, place, &others[*other]);
        }

        let reading = reading(&builtin(NAMES[name]).unwrap(), &payload);

        if let Some(fault) = reading.fault {
            prop_assert!(!fault.to_string().contains("jane"));
        }
    }
}
