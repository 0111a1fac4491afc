//! The Data Manager API: what is queued, what is refused, what receipts tell.
use serde_json::{Value, json};

use super::{CUSTOMER, HASH, INGEST, LOGIN, event, ingest, totals};
use crate::trial::{Trial, body, with, world};
use crate::world::World;

fn send_ingest(world: &World, request: &Value) -> Value {
    body(&Trial::json(INGEST, LOGIN, request).send(world))
}

#[test]
fn an_event_that_is_right_is_queued() {
    let address = json!({"address": {
        "givenName": HASH, "familyName": HASH, "regionCode": "US", "postalCode": "94035",
    }});
    let table = [
        event(),
        with(&event(), "/userData", Value::Null),
        with(&event(), "/adIdentifiers", json!({"gbraid": "g", "wbraid": "w"})),
        with(&event(), "/conversionValue", json!(0)),
        with(&event(), "/conversionValue", json!("12.5")),
        with(&event(), "/eventTimestamp", json!("2026-11-20T10:00:00.123+05:30")),
        with(&event(), "/userData/userIdentifiers", json!([address])),
        with(&event(), "/transactionId", Value::Null),
    ];

    for event in table {
        let answer = send_ingest(&world(json!({})), &ingest(std::slice::from_ref(&event)));
        assert!(
            answer["requestId"].as_str().is_some_and(|id| id.starts_with("t-")),
            "{event}: {answer}"
        );
    }
}

#[test]
fn an_event_that_is_wrong_is_named_with_its_reason() {
    let base64 = "UJ6TMBm7KFoTSpM0uLtnnf950M4CPVKa9L10TUe0/Yo=";
    let table = [
        (
            "/eventTimestamp",
            Value::Null,
            "event_timestamp",
            "REQUIRED_FIELD_MISSING",
        ),
        (
            "/eventTimestamp",
            json!("2026-12-20T10:00:00Z"),
            "event_timestamp",
            "EVENT_TIME_INVALID",
        ),
        ("/eventSource", Value::Null, "event_source", "REQUIRED_FIELD_MISSING"),
        (
            "/destinationReferences",
            Value::Null,
            "destination_references",
            "REQUIRED_FIELD_MISSING",
        ),
        (
            "/destinationReferences",
            json!(["b"]),
            "destination_references[0]",
            "INVALID_DESTINATION",
        ),
        ("/currency", json!("eur"), "currency", "INVALID_CURRENCY_CODE"),
        (
            "/transactionId",
            json!("x".repeat(65)),
            "transaction_id",
            "FIELD_VALUE_TOO_LONG",
        ),
        (
            "/userData/userIdentifiers/0",
            json!({"emailAddress": "a@b.c"}),
            "user_data.user_identifiers[0]",
            "INVALID_HEX_ENCODING",
        ),
        (
            "/userData/userIdentifiers/0",
            json!({"emailAddress": base64}),
            "user_data.user_identifiers[0]",
            "INVALID_HEX_ENCODING",
        ),
        (
            "/userData/userIdentifiers/0",
            json!({"emailAddress": "abcd"}),
            "user_data.user_identifiers[0]",
            "INVALID_SHA256_FORMAT",
        ),
        (
            "/userData/userIdentifiers",
            json!(vec![json!({"emailAddress": HASH}); 11]),
            "user_data.user_identifiers",
            "TOO_MANY_USER_IDENTIFIERS",
        ),
        (
            "/userData/userIdentifiers/0",
            json!({"address": {"givenName": HASH, "familyName": HASH, "regionCode": "us", "postalCode": "1"}}),
            "user_data.user_identifiers[0].address.region_code",
            "INVALID_REGION_CODE",
        ),
    ];

    for (pointer, value, field, reason) in table {
        let world = world(json!({}));
        let answer = send_ingest(&world, &ingest(&[event(), with(&event(), pointer, value)]));
        let violations = &answer["error"]["details"][2]["fieldViolations"];
        assert_eq!(violations[0]["field"], format!("events.events[1].{field}"), "{answer}");
        assert_eq!(violations[0]["reason"], reason);
        assert_eq!(totals(&world).0, 0);
    }
}

#[test]
fn an_event_without_identifiers_is_refused() {
    let bare = with(&with(&event(), "/userData", Value::Null), "/adIdentifiers", Value::Null);

    let answer = send_ingest(&world(json!({})), &ingest(&[bare]));

    let violation = &answer["error"]["details"][2]["fieldViolations"][0];
    assert_eq!(
        (&violation["field"], &violation["reason"]),
        (&json!("events.events[0]"), &json!("NO_IDENTIFIERS_PROVIDED"))
    );
}

#[test]
fn a_request_that_is_not_the_message_is_refused() {
    let good = ingest(&[event()]);
    let table = [
        (with(&good, "/event", json!([])), "Unknown name \"event\""),
        (
            with(&good, "/events/0/gclid", json!("x")),
            "Unknown name \"gclid\" at 'events[0]'",
        ),
        (
            with(&good, "/events/0/conversionValue", json!("many")),
            "events[0].conversion_value",
        ),
        (
            with(&good, "/events/0/transactionId", json!(7)),
            "events[0].transaction_id",
        ),
        (
            with(&good, "/events/0/eventTimestamp", json!("2026-11-20 10:00:00+00:00")),
            "events[0].event_timestamp",
        ),
        (
            with(&good, "/events/0/consent/adUserData", json!("GRANTED")),
            "events[0].consent.ad_user_data",
        ),
        (
            with(&good, "/events/0/userData/userIdentifiers/0/phoneNumber", json!(HASH)),
            "oneof",
        ),
        (with(&good, "/encoding", json!("hex")), "encoding"),
        (with(&good, "/events", json!({})), "events"),
    ];

    for (request, description) in table {
        let handled = Trial::json(INGEST, LOGIN, &request).send(&world(json!({})));
        assert_eq!(
            (handled.answer.status, handled.answer.code.as_str()),
            (400, "INVALID_JSON"),
            "{description}"
        );
        assert!(
            handled.answer.detail.unwrap().contains(description),
            "{}",
            handled.answer.body
        );
    }
}

#[test]
fn destinations_and_limits_are_checked() {
    let good = ingest(&[event()]);
    let destination = good["destinations"][0].clone();
    let state = json!({"google": {"customers": {CUSTOMER: {"actions": ["987"]}}}});
    let table = [
        (
            "/destinations/0/productDestinationId",
            json!("654"),
            "INVALID_CONVERSION_ACTION_ID",
        ),
        (
            "/destinations/0/productDestinationId",
            Value::Null,
            "REQUIRED_FIELD_MISSING",
        ),
        (
            "/destinations/0/operatingAccount/accountId",
            json!("123-456-7890"),
            "INVALID_DESTINATION",
        ),
        (
            "/destinations/0/operatingAccount/accountType",
            Value::Null,
            "REQUIRED_FIELD_MISSING",
        ),
        (
            "/destinations",
            json!([destination.clone(), destination.clone()]),
            "DUPLICATE_DESTINATION_REFERENCE",
        ),
        ("/destinations", json!(vec![destination; 11]), "TOO_MANY_DESTINATIONS"),
        ("/destinations", json!([]), "REQUIRED_FIELD_MISSING"),
        ("/events", json!([]), "REQUIRED_FIELD_MISSING"),
        ("/events", json!(vec![event(); 2001]), "TOO_MANY_EVENTS"),
        ("/encoding", Value::Null, "REQUIRED_FIELD_MISSING"),
    ];

    for (pointer, value, reason) in table {
        let verdict = Trial::json(INGEST, LOGIN, &with(&good, pointer, value)).verdict(&world(state.clone()));
        assert_eq!(verdict, (400, reason.to_owned()), "{pointer}");
    }
}

#[test]
fn an_unknown_action_is_named_at_the_destination() {
    let world = world(json!({"google": {"customers": {CUSTOMER: {"actions": ["1"]}}}}));

    let answer = send_ingest(&world, &ingest(&[event()]));

    let violation = &answer["error"]["details"][2]["fieldViolations"][0];
    assert_eq!(violation["field"], "destinations[0].product_destination_id");
}

#[test]
fn scope_token_and_manager_are_checked() {
    let state = json!({
        "tokens": {
            "ads-only": {"scopes": ["https://www.googleapis.com/auth/adwords"]}, "revoked": {"valid": false},
            "other": {"accounts": ["5555555555"]},
        },
        "google": {"customers": {CUSTOMER: {"managers": ["9876543210"]}}},
    });
    let unmanaged = with(&ingest(&[event()]), "/destinations/0/loginAccount", Value::Null);
    let table = [
        (LOGIN, ingest(&[event()]), (200, "OK")),
        (
            ("authorization", "Bearer ads-only"),
            ingest(&[event()]),
            (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
        ),
        (
            ("authorization", "Bearer revoked"),
            ingest(&[event()]),
            (401, "UNAUTHENTICATED"),
        ),
        (
            ("authorization", "Bearer other"),
            ingest(&[event()]),
            (403, "PERMISSION_DENIED"),
        ),
        (("x-none", ""), ingest(&[event()]), (401, "UNAUTHENTICATED")),
        (LOGIN, unmanaged, (403, "PERMISSION_DENIED")),
    ];

    for (login, request, (status, code)) in table {
        let verdict = Trial::json(INGEST, login, &request).verdict(&world(state.clone()));
        assert_eq!(verdict, (status, code.to_owned()), "{login:?}");
    }
}

#[test]
fn the_same_transaction_is_an_adjustment_and_counts_once() {
    let world = world(json!({}));
    let no_transaction = with(&event(), "/transactionId", Value::Null);

    send_ingest(
        &world,
        &ingest(&[event(), event(), no_transaction.clone(), no_transaction]),
    );
    send_ingest(
        &world,
        &with(
            &ingest(&[event()]),
            "/destinations/0/productDestinationId",
            json!("654"),
        ),
    );

    assert_eq!(totals(&world), (5, 3, 2, 0));
}

#[test]
fn a_dry_run_is_checked_and_not_counted() {
    let world = world(json!({}));

    let answer = send_ingest(&world, &with(&ingest(&[event()]), "/validateOnly", json!(true)));

    assert!(answer["requestId"].as_str().is_some_and(|id| id.starts_with("v-")));
    assert_eq!(totals(&world).0, 0);
    assert_eq!(status(&world, &answer, 0).0, 400);
}

fn status(world: &World, ingested: &Value, seconds_later: i64) -> (u16, Value) {
    let path = format!(
        "/v1/requestStatus:retrieve?requestId={}",
        ingested["requestId"].as_str().unwrap()
    );
    let handled = Trial::json(&path, LOGIN, &Value::Null).at(seconds_later).send(world);
    (handled.answer.status, body(&handled))
}

#[test]
fn a_receipt_tells_counts_by_reason_after_a_while() {
    let world = world(json!({
        "google": {"receipt_delay_ms": 60_000, "report_duplicates": true},
        "clicks": {"google": {
            "missing": {"outcome": "CLICK_NOT_FOUND"}, "young": {"clicked_at": "2026-11-21T15:00:00Z"},
        }},
    }));
    let of_click = |id: &str, click: &str| {
        with(
            &with(&event(), "/transactionId", json!(id)),
            "/adIdentifiers/gclid",
            json!(click),
        )
    };
    let young = with(
        &of_click("o3", "young"),
        "/eventTimestamp",
        json!("2026-11-21T15:00:01Z"),
    );
    let denied = with(&of_click("o4", "x"), "/consent/adUserData", json!("CONSENT_DENIED"));

    let events = [event(), event(), of_click("o2", "missing"), young, denied];
    let ingested = send_ingest(&world, &ingest(&events));

    assert_eq!(
        status(&world, &ingested, 59).1["requestStatusPerDestination"][0]["requestStatus"],
        "PROCESSING"
    );
    let settled = status(&world, &ingested, 60).1["requestStatusPerDestination"][0].clone();
    assert_eq!(settled["requestStatus"], "PARTIAL_SUCCESS");
    assert_eq!(settled["eventsIngestionStatus"]["recordCount"], "5");
    assert_eq!(
        settled["errorInfo"]["errorCounts"],
        json!([
            {"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_CLICK_NOT_FOUND"},
            {"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_DENIED_CONSENT"},
            {"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_DUPLICATE_TRANSACTION_ID"},
            {"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_TOO_RECENT_CLICK"},
        ]),
    );
    assert_eq!(totals(&world), (5, 1, 1, 3));
}

#[test]
fn a_receipt_of_one_is_success_or_failure() {
    let world = world(json!({"clicks": {"google": {"missing": {"outcome": "CLICK_NOT_FOUND"}}}}));
    let missing = with(
        &with(&event(), "/adIdentifiers/gclid", json!("missing")),
        "/transactionId",
        json!("o2"),
    );

    let words = [event(), missing].map(|event| {
        let ingested = send_ingest(&world, &ingest(&[event]));
        status(&world, &ingested, 0).1["requestStatusPerDestination"][0]["requestStatus"].clone()
    });

    assert_eq!(words, ["SUCCESS", "FAILED"]);
}

#[test]
fn a_project_has_a_quota_a_minute() {
    let world = world(json!({"google": {"requests_per_minute": 2}}));
    let trial = Trial::json(INGEST, LOGIN, &ingest(&[event()]));

    let verdicts = [0, 0, 0, 60].map(|seconds_later| trial.clone().at(seconds_later).verdict(&world).0);

    assert_eq!(verdicts, [200, 200, 429, 200]);
}
