//! Tests of the body of `uploadClickConversions`; T numbers are the vectors of Google's fact sheet.

use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{
        account::{TransactionId, Transport},
        event::Content,
    },
    platform::{
        Endpoints,
        google::sample::{account as account_of, body as body_of, dispatch, time},
        request::TokenHeader,
    },
};

fn account() -> Account {
    account_of(Transport::AdsApi)
}

fn conversion_of(make: impl FnOnce(&mut Dispatch)) -> Value {
    let mut dispatch = dispatch("e1", "Purchase");
    make(&mut dispatch);
    body_of(&[&dispatch], &account())["conversions"][0].clone()
}

fn identify(dispatch: &mut Dispatch, key: &str, values: &[&str]) {
    for value in values {
        dispatch.event.identities.google.add(key, (*value).to_owned());
    }
}

#[test]
fn t1_a_purchase_is_written_as_google_documents_it() {
    let mut dispatch = dispatch("e1", "Purchase");
    dispatch.event.value = Some("12.5".parse().unwrap());
    dispatch.event.currency = Some("EUR".into());
    dispatch.event.order_id = Some("o1".into());
    dispatch.event.consent.ad_user_data = Some(Permission::Granted);
    dispatch.event.consent.ad_personalization = Some(Permission::Granted);
    let mut account = account();
    account.rules.transaction_id = TransactionId::OrderId;

    assert_eq!(
        body_of(&[&dispatch], &account),
        json!({
            "conversions": [{
                "gclid": "Cj0K_x-1",
                "conversionAction": "customers/1234567890/conversionActions/987",
                "conversionDateTime": "2026-11-20 10:00:00+00:00",
                "conversionValue": 12.5,
                "currencyCode": "EUR",
                "orderId": "o1",
                "consent": { "adUserData": "GRANTED" }
            }],
            "partialFailure": true
        })
    );
}

#[test]
fn t2_a_time_is_written_in_utc_to_the_second() {
    let conversion = conversion_of(|dispatch| dispatch.event.time = time("2026-11-20T10:00:00.123+05:30"));

    assert_eq!(conversion["conversionDateTime"], "2026-11-20 04:30:00+00:00");
}

#[test]
fn t15_the_request_goes_to_the_customer_and_names_the_manager_if_there_is_one() {
    let dispatch = dispatch("e1", "Purchase");
    let endpoints = Endpoints::default();
    let mut account = account();
    account.destination = "123-456-7890".into();
    account.rules.manager = Some("987-654-3210".into());
    let request = |account: &Account, test_code| {
        let sending = Sending {
            account,
            endpoints: &endpoints,
            test_code,
        };
        build(&[&dispatch], &sending)
    };

    let with_manager = request(&account, None);
    account.rules.manager = Some(" ".into());
    let without = request(&account, Some(""));

    assert_eq!(
        with_manager.url,
        "https://googleads.googleapis.com/v26/customers/1234567890:uploadClickConversions"
    );
    assert_eq!(with_manager.token, TokenHeader::Bearer);
    assert!(
        with_manager
            .headers
            .contains(&("login-customer-id", "9876543210".into()))
    );
    assert_eq!(without.headers, [("content-type", "application/json".to_owned())]);
    let body: Value = serde_json::from_slice(&without.body).unwrap();
    assert_eq!(body["validateOnly"], true);
}

#[test]
fn t4_and_t10_a_person_is_one_identifier_an_object_and_no_address() {
    let conversion = conversion_of(|dispatch| {
        identify(dispatch, EMAIL, &["e"]);
        identify(dispatch, PHONE, &["p"]);
        for key in ["given_name", "family_name", "region_code", "postal_code"] {
            identify(dispatch, key, &["x"]);
        }
    });

    assert_eq!(
        conversion["userIdentifiers"],
        json!([
            { "hashedEmail": "e", "userIdentifierSource": "FIRST_PARTY" },
            { "hashedPhoneNumber": "p", "userIdentifierSource": "FIRST_PARTY" }
        ])
    );
}

#[test]
fn t9_a_braid_goes_without_the_person() {
    for kind in [ClickKind::Gbraid, ClickKind::Wbraid] {
        let conversion = conversion_of(|dispatch| {
            dispatch.click.as_mut().unwrap().kind = kind;
            identify(dispatch, EMAIL, &["e"]);
        });

        assert_eq!(conversion[kind.as_str()], "Cj0K_x-1");
        assert_eq!(conversion.get("gclid"), None);
        assert_eq!(conversion.get("userIdentifiers"), None);
    }
}

#[test]
fn t11_at_most_five_identifiers_go_out_the_first_ones() {
    let conversion = conversion_of(|dispatch| identify(dispatch, EMAIL, &["0", "1", "2", "3", "4", "5", "6"]));

    let identifiers = conversion["userIdentifiers"].as_array().unwrap();
    assert_eq!(identifiers.len(), 5);
    assert_eq!(identifiers[4]["hashedEmail"], "4");
}

#[test]
fn t13_consent_is_told_in_this_interfaces_words() {
    let denied = conversion_of(|dispatch| dispatch.event.consent.ad_user_data = Some(Permission::Denied));

    assert_eq!(denied["consent"], json!({ "adUserData": "DENIED" }));
}

#[test]
fn nothing_empty_and_nothing_that_only_some_may_send_goes_out() {
    let conversion = conversion_of(|dispatch| {
        dispatch.event.ip = Some("203.0.113.7".parse().unwrap());
        dispatch.event.user_agent = Some("Mozilla/5.0".into());
        dispatch.event.consent.ad_personalization = Some(Permission::Granted);
    });

    let keys: Vec<&String> = conversion.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["conversionAction", "conversionDateTime", "gclid", "orderId"]);
}

#[test]
fn a_cart_and_a_customer_come_from_what_the_event_says_of_them() {
    let conversion = conversion_of(|dispatch| {
        dispatch.event.custom = serde_json::from_value(json!({
            "merchant_id": "4711", "merchant_feed_label": "de", "merchant_feed_language": "de", "customer_type": "NEW"
        }))
        .unwrap();
        dispatch.event.contents = vec![Content {
            id: "sku-1".into(),
            ..Content::default()
        }];
    });

    assert_eq!(
        conversion["cartData"],
        json!({
            "merchantId": "4711", "feedCountryCode": "DE", "feedLanguageCode": "de",
            "items": [{ "productId": "sku-1", "quantity": 1 }]
        })
    );
    assert_eq!(conversion["customerType"], "NEW");
}
