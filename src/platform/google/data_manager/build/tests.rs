//! Tests of the body of `events:ingest`; T numbers are the vectors of Google's fact sheet.

use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{
        account::{TransactionId, Transport},
        event::Content,
        hash::sha256_hex,
    },
    platform::{
        Endpoints,
        google::sample::{account as account_of, body as body_of, dispatch, time},
        request::{Method, TokenHeader},
    },
};

fn account() -> Account {
    account_of(Transport::DataManager)
}

/// The first event of the body of a single dispatch, changed by `make`.
fn event_of(make: impl FnOnce(&mut Dispatch)) -> Value {
    body_with(make)["events"][0].clone()
}

fn body_with(make: impl FnOnce(&mut Dispatch)) -> Value {
    let mut dispatch = dispatch("e1", "Purchase");
    make(&mut dispatch);
    body_of(&[&dispatch], &account())
}

fn identify(dispatch: &mut Dispatch, key: &str, values: &[&str]) {
    for value in values {
        dispatch.event.identities.google.add(key, (*value).to_owned());
    }
}

#[test]
fn t3_a_purchase_is_written_as_google_documents_it() {
    let mut dispatch = dispatch("e1", "Purchase");
    dispatch.event.value = Some("12.5".parse().unwrap());
    dispatch.event.currency = Some("EUR".into());
    dispatch.event.order_id = Some("o1".into());
    dispatch.event.consent.ad_user_data = Some(Permission::Granted);
    let mut account = account();
    account.rules.transaction_id = TransactionId::OrderId;

    assert_eq!(
        body_of(&[&dispatch], &account),
        json!({
            "destinations": [{
                "reference": "a0",
                "operatingAccount": { "accountType": "GOOGLE_ADS", "accountId": "1234567890" },
                "loginAccount": { "accountType": "GOOGLE_ADS", "accountId": "9876543210" },
                "productDestinationId": "987"
            }],
            "events": [{
                "destinationReferences": ["a0"],
                "transactionId": "o1",
                "eventTimestamp": "2026-11-20T10:00:00.123Z",
                "eventSource": "WEB",
                "adIdentifiers": { "gclid": "Cj0K_x-1" },
                "conversionValue": 12.5,
                "currency": "EUR",
                "consent": { "adUserData": "CONSENT_GRANTED" }
            }]
        })
    );
}

#[test]
fn the_request_goes_to_events_ingest_with_a_bearer_token() {
    let dispatch = dispatch("e1", "Purchase");
    let sending = Sending {
        account: &account(),
        endpoints: &Endpoints::default(),
        test_code: None,
    };

    let request = build(&[&dispatch], &sending);

    assert_eq!(request.url, "https://datamanager.googleapis.com/v1/events:ingest");
    assert_eq!((request.method, request.token), (Method::Post, TokenHeader::Bearer));
    assert_eq!(request.headers, [("content-type", "application/json".to_owned())]);
}

#[test]
fn a_test_is_only_validated() {
    let dispatch = dispatch("e1", "Purchase");
    let sending = Sending {
        account: &account(),
        endpoints: &Endpoints::default(),
        test_code: Some(""),
    };

    let body: Value = serde_json::from_slice(&build(&[&dispatch], &sending).body).unwrap();

    assert_eq!(body["validateOnly"], true);
    assert_eq!(body_with(|_| ()).get("validateOnly"), None);
}

#[test]
fn t4_and_t10_people_are_hex_and_an_address_goes_whole_or_not_at_all() {
    let email = sha256_hex("cloudysanfrancisco@gmail.com");
    let phone = sha256_hex("+18005550100");

    let body = body_with(|dispatch| {
        identify(dispatch, EMAIL, &[&email]);
        identify(dispatch, PHONE, &[&phone]);
        identify(dispatch, GIVEN_NAME, &["g"]);
        identify(dispatch, FAMILY_NAME, &["f"]);
        identify(dispatch, REGION_CODE, &["US"]);
        identify(dispatch, POSTAL_CODE, &["1229-076"]);
    });
    assert_eq!(body["encoding"], "HEX");
    assert_eq!(
        body["events"][0]["userData"]["userIdentifiers"],
        json!([
            { "emailAddress": email },
            { "phoneNumber": phone },
            { "address": { "givenName": "g", "familyName": "f", "regionCode": "US", "postalCode": "1229-076" } }
        ])
    );

    let incomplete = event_of(|dispatch| {
        identify(dispatch, EMAIL, &[&email]);
        identify(dispatch, GIVEN_NAME, &["g"]);
        identify(dispatch, REGION_CODE, &["US"]);
    });
    assert_eq!(
        incomplete["userData"]["userIdentifiers"],
        json!([{ "emailAddress": email }])
    );
}

#[test]
fn without_a_person_there_is_neither_user_data_nor_an_encoding() {
    let body = body_with(|dispatch| identify(dispatch, REGION_CODE, &["US"]));

    assert_eq!(body.get("encoding"), None);
    assert_eq!(body["events"][0].get("userData"), None);
}

#[test]
fn t9_a_braid_keeps_the_person() {
    let event = event_of(|dispatch| {
        dispatch.click.as_mut().unwrap().kind = ClickKind::Wbraid;
        identify(dispatch, EMAIL, &["x"]);
    });

    assert_eq!(event["adIdentifiers"], json!({ "wbraid": "Cj0K_x-1" }));
    assert_eq!(event["userData"]["userIdentifiers"], json!([{ "emailAddress": "x" }]));
}

#[test]
fn t8_only_the_attributed_click_goes_out() {
    let event = event_of(|dispatch| {
        dispatch.event.clicks.gclid = Some("other".into());
        dispatch.event.clicks.wbraid = Some("other".into());
        dispatch.click.as_mut().unwrap().kind = ClickKind::Gbraid;
    });

    assert_eq!(event["adIdentifiers"], json!({ "gbraid": "Cj0K_x-1" }));
}

#[test]
fn t11_at_most_ten_identifiers_go_out() {
    let emails: Vec<String> = (0..12).map(|i| format!("hash{i}")).collect();
    let emails: Vec<&str> = emails.iter().map(String::as_str).collect();

    let event = event_of(|dispatch| {
        identify(dispatch, EMAIL, &emails);
        identify(dispatch, PHONE, &["p"]);
    });

    assert_eq!(event["userData"]["userIdentifiers"].as_array().unwrap().len(), 10);
}

#[test]
fn t13_consent_is_told_as_it_is_known_and_never_invented() {
    let consent = |data, personalization| {
        event_of(|dispatch| {
            dispatch.event.consent.ad_user_data = data;
            dispatch.event.consent.ad_personalization = personalization;
        })
        .get("consent")
        .cloned()
    };

    assert_eq!(consent(None, None), None);
    assert_eq!(
        consent(Some(Permission::Denied), None),
        Some(json!({ "adUserData": "CONSENT_DENIED" }))
    );
    assert_eq!(
        consent(Some(Permission::Granted), Some(Permission::Denied)),
        Some(json!({ "adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_DENIED" }))
    );
}

#[test]
fn t14_a_value_of_nothing_is_a_value_and_none_is_left_out() {
    let zero = event_of(|dispatch| dispatch.event.value = Some(Decimal::ZERO));
    let none = event_of(|dispatch| dispatch.event.currency = Some("EUR".into()));

    assert_eq!(zero["conversionValue"], json!(0));
    assert_eq!(none.get("conversionValue"), None);
    assert_eq!(none.get("currency"), None);
}

#[test]
fn t15_customers_lose_their_hyphens_and_an_empty_manager_is_left_out() {
    let dispatch = dispatch("e1", "Purchase");
    let mut account = account();
    account.destination = "123-456-7890".into();
    account.rules.manager = Some(String::new());

    let destination = body_of(&[&dispatch], &account)["destinations"][0].clone();

    assert_eq!(destination["operatingAccount"]["accountId"], "1234567890");
    assert_eq!(destination.get("loginAccount"), None);
}

#[test]
fn each_conversion_action_is_one_destination_in_an_order_that_follows_from_the_events() {
    let (purchase, lead, renamed) = (
        dispatch("e1", "Purchase"),
        dispatch("e2", "Lead"),
        dispatch("e3", "Purchase"),
    );
    let mut account = account();
    account.rules.rename.insert("Purchase".into(), "Sale".into());

    let body = body_of(&[&purchase, &lead, &renamed], &account);

    let ids: Vec<&Value> = body["destinations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|destination| &destination["productDestinationId"])
        .collect();
    assert_eq!(ids, ["654", "987"]);
    let references: Vec<&Value> = (0..3).map(|i| &body["events"][i]["destinationReferences"][0]).collect();
    assert_eq!(references, ["a1", "a0", "a1"]);
    assert_eq!(destinations(&[&renamed, &lead, &purchase], &account), ["654", "987"]);
}

#[test]
fn t17_events_of_one_order_all_go_out_and_without_an_order_the_event_id_does() {
    let mut first = dispatch("e1", "Purchase");
    let mut second = dispatch("e2", "Purchase");
    let third = dispatch("e3", "Purchase");
    first.event.order_id = Some("o1".into());
    second.event.order_id = Some("o1".into());
    let mut account = account();
    account.rules.transaction_id = TransactionId::OrderId;

    let body = body_of(&[&first, &second, &third], &account);

    let ids: Vec<&Value> = (0..3).map(|i| &body["events"][i]["transactionId"]).collect();
    assert_eq!(ids, ["o1", "o1", "e3"]);
}

#[test]
fn every_place_of_a_conversion_has_its_word() {
    let cases = [
        (ActionSource::Website, "WEB"),
        (ActionSource::App, "APP"),
        (ActionSource::PhysicalStore, "IN_STORE"),
        (ActionSource::PhoneCall, "PHONE"),
        (ActionSource::Chat, "MESSAGE"),
        (ActionSource::BusinessMessaging, "MESSAGE"),
        (ActionSource::Email, "OTHER"),
        (ActionSource::SystemGenerated, "OTHER"),
        (ActionSource::Other, "OTHER"),
    ];
    for (source, word) in cases {
        assert_eq!(
            event_of(|dispatch| dispatch.event.action_source = source)["eventSource"],
            word
        );
    }
}

#[test]
fn an_ip_address_leaves_only_for_countries_that_are_known_and_allow_it() {
    let device = |region: Option<&str>| {
        event_of(|dispatch| {
            dispatch.event.ip = Some("203.0.113.7".parse().unwrap());
            dispatch.event.user_agent = Some("Mozilla/5.0".into());
            if let Some(region) = region {
                identify(dispatch, REGION_CODE, &[region]);
            }
        })["eventDeviceInfo"]
            .clone()
    };

    assert_eq!(
        device(Some("US")),
        json!({ "userAgent": "Mozilla/5.0", "ipAddress": "203.0.113.7" })
    );
    for region in [None, Some("DE"), Some("GB"), Some("CH"), Some("NO")] {
        assert_eq!(device(region), json!({ "userAgent": "Mozilla/5.0" }), "{region:?}");
    }
    assert_eq!(event_of(|_| ()).get("eventDeviceInfo"), None);
}

#[test]
fn a_cart_and_a_customer_come_from_what_the_event_says_of_them() {
    let event = event_of(|dispatch| {
        dispatch.event.currency = Some("EUR".into());
        dispatch.event.custom = serde_json::from_value(json!({
            "merchant_id": 4711, "merchant_feed_label": "DE", "merchant_feed_language": "de",
            "customer_type": "returning", "customer_value_bucket": "High", "colour": "red"
        }))
        .unwrap();
        dispatch.event.contents = vec![Content {
            id: "sku-1".into(),
            quantity: Some(2),
            price: Some("19.90".parse().unwrap()),
            ..Content::default()
        }];
    });

    assert_eq!(event["currency"], "EUR");
    assert_eq!(
        event["userProperties"],
        json!({ "customerType": "RETURNING", "customerValueBucket": "HIGH" })
    );
    let cart = &event["cartData"];
    assert_eq!(cart["merchantId"], "4711");
    assert_eq!(
        (&cart["merchantFeedLabel"], &cart["merchantFeedLanguageCode"]),
        (&json!("DE"), &json!("de"))
    );
    assert_eq!(cart["items"][0]["merchantProductId"], "sku-1");
    assert_eq!(cart["items"][0]["quantity"], 2);
    assert_eq!(cart["items"][0]["unitPrice"].to_string(), "19.90");
}

#[test]
fn a_time_is_written_in_utc_with_the_fraction_that_it_has() {
    let cases = [
        ("2026-11-20T10:00:00.123+05:30", "2026-11-20T04:30:00.123Z"),
        ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
    ];
    for (given, written) in cases {
        let event = event_of(|dispatch| dispatch.event.time = time(given));

        assert_eq!(event["eventTimestamp"], written);
    }
}
