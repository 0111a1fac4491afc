//! What the mappings that come with the relay make of the providers' own samples.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::*;
use crate::wire::webhook::builtin::builtin;

const SHOPIFY: &str = include_str!("../../../../tests/fixtures/webhooks/shopify_order.json");
const CHECKOUT: &str = include_str!("../../../../tests/fixtures/webhooks/stripe_checkout_session_completed.json");
const INVOICE: &str = include_str!("../../../../tests/fixtures/webhooks/stripe_invoice_paid.json");
const DEAL: &str = include_str!("../../../../tests/fixtures/webhooks/hubspot_deal.json");
const SUBSCRIPTION: &str = include_str!("../../../../tests/fixtures/webhooks/hubspot_subscription.json");

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

/// What a mapping makes of a payload of the client `acme`.
fn reading(name: &str, payload: &Value, headers: &[(&str, &str)]) -> Reading {
    let header = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| (*value).to_owned())
    };
    let client = ClientId::parse("acme").unwrap();
    read(
        &builtin(name).unwrap(),
        payload.to_string().as_bytes(),
        &header,
        Some(&client),
        now(),
    )
}

fn event(name: &str, payload: &Value) -> Event {
    let mut reading = reading(name, payload, &[]);
    assert_eq!((&reading.fault, reading.ignored, reading.events.len()), (&None, 0, 1));
    reading.events.remove(0)
}

fn is_ignored(name: &str, payload: &Value) -> bool {
    let reading = reading(name, payload, &[]);
    reading.events.is_empty() && reading.fault.is_none() && reading.ignored > 0
}

fn paid_order() -> Value {
    let mut order = json(SHOPIFY);
    order["financial_status"] = json!("paid");
    order
}

#[test]
fn a_paid_order_of_shopify_is_a_purchase() {
    let event = event("shopify", &paid_order());

    assert_eq!((event.client.as_str(), event.name.as_str()), ("acme", "Purchase"));
    assert_eq!(event.event_id.as_str(), "450789469");
    assert_eq!(event.time.to_rfc3339(), "2008-01-10T16:00:00+00:00");
    assert_eq!(
        (event.value.unwrap().to_string().as_str(), event.currency.as_deref()),
        ("409.94", Some("USD"))
    );
    assert_eq!(event.order_id.as_deref(), Some("1001"));
    assert_eq!(event.person.emails[0].expose(), "bob.norman@hostmail.com");
    assert_eq!(event.person.phones[0].expose(), "(555)555-5555");
    assert_eq!(event.person.country.as_ref().unwrap().expose(), "CA");
    assert_eq!(event.person.ip, None);
    assert_eq!(event.source_url.as_deref(), Some("http://www.example.com/?source=abc"));
    assert_eq!(event.contents.len(), 3);
    assert_eq!(event.contents[0].id, "632910392");
    assert_eq!(event.contents[0].price.unwrap().to_string(), "199.00");
}

#[test]
fn an_order_of_shopify_that_is_not_paid_or_a_test_or_cancelled_is_ignored() {
    assert!(is_ignored("shopify", &json(SHOPIFY)));
    for (name, value) in [
        ("test", json!(true)),
        ("cancelled_at", json!("2020-03-27T13:01:19-04:00")),
    ] {
        let mut order = paid_order();
        order[name] = value;
        assert!(is_ignored("shopify", &order), "{name}");
    }
    let updated = reading("shopify", &paid_order(), &[("x-shopify-topic", "orders/updated")]);
    assert_eq!(updated.ignored, 1);
}

#[test]
fn click_ids_come_from_shopify_s_landing_page_and_the_cart_s_attributes_go_before() {
    let mut order = paid_order();
    order["landing_site"] = json!("/products/pod?utm_source=x&gclid=Cj0K-landing&ttclid=E.C.P.1");
    order["note_attributes"] = json!([{"name": "gclid", "value": "Cj0K-cart"}, {"name": "fbp", "value": "fb.1.1.2"}]);

    let mut reading = reading("shopify", &order, &[("x-shopify-shop-domain", "acme.myshopify.com")]);

    let event = reading.events.remove(0);
    assert_eq!(event.clicks.gclid.as_deref(), Some("Cj0K-cart"));
    assert_eq!(event.clicks.ttclid.as_deref(), Some("E.C.P.1"));
    assert_eq!(event.clicks.fbp.as_deref(), Some("fb.1.1.2"));
    assert_eq!(event.source_url.as_deref(), Some("https://acme.myshopify.com/"));
}

#[test]
fn a_paid_session_of_stripe_s_checkout_is_a_purchase() {
    let mut session = json(CHECKOUT);
    session["data"]["object"]["metadata"] = json!({"gclid": "Cj0K_x-1", "order_id": "10482"});

    let event = event("stripe", &session);

    assert_eq!(
        (event.name.as_str(), event.event_id.as_str()),
        ("Purchase", "cs_00000000000000")
    );
    assert_eq!(
        (event.value.unwrap().to_string().as_str(), event.currency.as_deref()),
        ("250.00", Some("USD"))
    );
    assert_eq!(event.time.timestamp(), 1_326_853_478);
    assert_eq!(event.person.emails[0].expose(), "example@example.com");
    assert_eq!(event.person.external_ids[0].expose(), "cus_00000000000000");
    assert_eq!(event.clicks.gclid.as_deref(), Some("Cj0K_x-1"));
    assert_eq!(event.order_id.as_deref(), Some("10482"));
}

#[test]
fn a_session_of_stripe_that_is_not_paid_yet_counts_when_it_is() {
    let mut session = json(CHECKOUT);
    session["data"]["object"]["payment_status"] = json!("unpaid");
    assert!(is_ignored("stripe", &session));

    session["data"]["object"]["payment_status"] = json!("paid");
    session["type"] = json!("checkout.session.async_payment_succeeded");
    session["id"] = json!("evt_other");
    assert_eq!(
        event("stripe", &session).event_id,
        event("stripe", &json(CHECKOUT)).event_id
    );
}

#[test]
fn a_yen_has_no_cents() {
    let mut session = json(CHECKOUT);
    session["data"]["object"]["currency"] = json!("jpy");

    assert_eq!(event("stripe", &session).value.unwrap().to_string(), "25000");
}

#[test]
fn a_paid_invoice_of_stripe_is_a_purchase_unless_its_session_was_one() {
    let mut invoice = json(INVOICE);

    let sale = event("stripe", &invoice);

    assert_eq!(
        (sale.value.unwrap().to_string().as_str(), sale.currency.as_deref()),
        ("20.00", Some("USD"))
    );
    assert_eq!(sale.event_id.as_str(), "in_000000000000000000000000");
    assert_eq!(sale.order_id.as_deref(), Some("EE1DF78D-0001"));
    assert_eq!(sale.time.timestamp(), 1_648_320_013);
    assert_eq!(sale.contents[0].id, "prod_00000000000000");
    invoice["data"]["object"]["billing_reason"] = json!("subscription_create");
    assert!(is_ignored("stripe", &invoice));
    invoice["type"] = json!("invoice.created");
    assert!(is_ignored("stripe", &invoice));
}

#[test]
fn the_pointer_that_failed_is_named_and_never_its_value() {
    let cases = [
        ("/data/object/amount_total", json!("a lot")),
        ("/data/object/amount_total", json!(null)),
        ("/data/object/currency", json!("dollars")),
        ("/data/object/customer_details/email", json!({"jane@example.com": 1})),
        ("/data/object/id", json!(null)),
        ("/created", json!("yesterday")),
    ];
    for (pointer, value) in cases {
        let mut session = json(CHECKOUT);
        *session.pointer_mut(pointer).unwrap() = value.clone();
        let fault = reading("stripe", &session, &[]).fault.unwrap();

        let expected = if pointer == "/data/object/id" {
            "/data/object/metadata/event_id"
        } else {
            pointer
        };
        assert_eq!(
            (fault.cause, fault.field.as_deref()),
            (Cause::WebhookNotMapped, Some(expected)),
            "{value}"
        );
    }
}

#[test]
fn a_won_deal_of_hubspot_is_a_purchase() {
    let mut deal = json(DEAL);
    assert!(is_ignored("hubspot", &deal));
    deal["properties"]["dealstage"]["value"] = json!("closedwon");
    deal["properties"]["deal_currency_code"] = json!({"value": "EUR"});
    deal["properties"]["email"] = json!({"value": "jane@example.com"});

    let event = event("hubspot", &deal);

    assert_eq!(
        (event.name.as_str(), event.event_id.as_str()),
        ("Purchase", "hubspot-deal-10444744")
    );
    assert_eq!(
        (event.value.unwrap().to_string().as_str(), event.currency.as_deref()),
        ("60000", Some("EUR"))
    );
    assert_eq!(event.time.timestamp(), 1_409_443_200);
    assert_eq!(event.person.emails[0].expose(), "jane@example.com");
}

#[test]
fn a_won_deal_of_hubspot_is_read_from_a_body_that_somebody_chose_too() {
    let deal = json!({"hs_object_id": "77", "dealstage": "closedwon", "amount": "1500.00", "deal_currency_code": "EUR",
        "closedate": "2026-11-20T10:00:00Z", "phone": "+4917012345678", "hs_google_click_id": "Cj0K"});

    let event = event("hubspot", &deal);

    assert_eq!(event.event_id.as_str(), "hubspot-deal-77");
    assert_eq!(event.time.to_rfc3339(), "2026-11-20T10:00:00+00:00");
    assert_eq!(event.clicks.gclid.as_deref(), Some("Cj0K"));
}

#[test]
fn what_a_hubspot_app_subscribes_to_is_ignored() {
    assert_eq!(reading("hubspot", &json(SUBSCRIPTION), &[]).ignored, 2);
}

#[test]
fn a_flat_object_of_any_maker_is_an_event_and_so_is_each_of_a_list() {
    let lead = json!({"id": "lead-77", "event": "Lead", "time": 1_795_168_800_000_i64, "email": "jane@example.com", "gclid": "Cj0K"});
    let sale = json!({"id": "o-1", "event": "Purchase", "date": "2026-11-20", "value": "149.00", "currency": "EUR"});

    let one = event("generic", &lead);
    let both = reading("generic", &json!([lead, sale, {"event": "Lead"}]), &[]);

    assert_eq!((one.name.as_str(), one.event_id.as_str()), ("Lead", "lead-77"));
    assert_eq!(one.time.timestamp(), 1_795_168_800);
    assert_eq!(both.events.len(), 2);
    assert_eq!(both.events[1].time.to_rfc3339(), "2026-11-20T00:00:00+00:00");
    let fault = both.fault.unwrap();
    assert_eq!(
        (fault.cause, fault.field.as_deref()),
        (Cause::WebhookNotMapped, Some("/2/event_id"))
    );
}
