//! The Google Ads API: which rows are taken, which requests are refused whole.
use serde_json::{Value, json};

use super::{CUSTOMER, HASH, LOGIN, totals};
use crate::trial::{Trial, body, with, world};
use crate::world::World;

const UPLOAD: &str = "/v26/customers/1234567890:uploadClickConversions";

fn row() -> Value {
    json!({
        "gclid": "Cj0K_x-1", "conversionAction": "customers/1234567890/conversionActions/987",
        "conversionDateTime": "2026-11-20 10:00:00+00:00", "conversionValue": 12.5, "currencyCode": "EUR",
        "orderId": "o1", "consent": {"adUserData": "GRANTED"},
        "userIdentifiers": [{"hashedEmail": HASH, "userIdentifierSource": "FIRST_PARTY"}],
    })
}

fn upload(rows: &[Value]) -> Value {
    json!({"conversions": rows, "partialFailure": true})
}

fn allowed() -> World {
    world(json!({"google": {"allow_listed": ["*"]}}))
}

#[test]
fn rows_that_are_right_are_taken() {
    let bare = with(&row(), "/userIdentifiers", Value::Null);
    let table = [
        row(),
        bare.clone(),
        with(&row(), "/gclid", Value::Null),
        with(&with(&bare, "/gclid", Value::Null), "/wbraid", json!("w")),
        with(&row(), "/conversionDateTime", json!("2026-11-20 10:00:00-05:30")),
    ];

    for row in table {
        let answer = body(&Trial::json(UPLOAD, LOGIN, &upload(std::slice::from_ref(&row))).send(&allowed()));
        assert_eq!(answer.get("partialFailureError"), None, "{row}: {answer}");
        assert_eq!(answer["results"][0]["conversionAction"], row["conversionAction"]);
    }
}

#[test]
fn a_row_that_is_wrong_fails_alone_and_at_its_index() {
    let bare = with(&row(), "/userIdentifiers", Value::Null);
    let table = [
        (with(&row(), "/conversionAction", Value::Null), "fieldError", "REQUIRED"),
        (
            with(&row(), "/conversionAction", json!("987")),
            "requestError",
            "RESOURCE_NAME_MALFORMED",
        ),
        (
            with(&row(), "/conversionDateTime", json!("2026-11-20T10:00:00Z")),
            "dateError",
            "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET",
        ),
        (
            with(&row(), "/conversionDateTime", json!("2026-11-20 10:00:00")),
            "dateError",
            "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET",
        ),
        (
            with(&row(), "/conversionDateTime", json!("2026-12-20 10:00:00+00:00")),
            "dateError",
            "LATER_THAN_MAXIMUM_DATE",
        ),
        (
            with(&row(), "/currencyCode", json!("euro")),
            "currencyCodeError",
            "UNSUPPORTED",
        ),
        (
            with(&row(), "/orderId", json!("a@b.c")),
            "conversionUploadError",
            "ORDER_ID_CONTAINS_PII",
        ),
        (
            with(&row(), "/consent/adPersonalization", json!("GRANTED")),
            "fieldError",
            "VALUE_MUST_BE_UNSET",
        ),
        (
            with(&with(&bare, "/gbraid", json!("g")), "/wbraid", json!("w")),
            "conversionUploadError",
            "GBRAID_WBRAID_BOTH_SET",
        ),
        (with(&bare, "/gbraid", json!("g")), "fieldError", "VALUE_MUST_BE_UNSET"),
        (
            with(&with(&row(), "/gclid", Value::Null), "/wbraid", json!("w")),
            "fieldError",
            "VALUE_MUST_BE_UNSET",
        ),
        (with(&bare, "/gclid", Value::Null), "fieldError", "REQUIRED"),
        (
            with(&row(), "/userIdentifiers", json!(vec![json!({"hashedEmail": HASH}); 6])),
            "collectionSizeError",
            "TOO_MANY",
        ),
        (
            with(&row(), "/userIdentifiers/0/hashedEmail", json!("a@b.c")),
            "conversionUploadError",
            "INVALID_USER_IDENTIFIER",
        ),
        (
            with(&row(), "/userIdentifiers/0", json!({"addressInfo": {"city": "x"}})),
            "conversionUploadError",
            "UNSUPPORTED_USER_IDENTIFIER",
        ),
    ];

    for (bad, category, value) in table {
        let good = with(&row(), "/orderId", json!("good"));
        let world = allowed();
        let answer = body(&Trial::json(UPLOAD, LOGIN, &upload(&[good, bad])).send(&world));
        let error = &answer["partialFailureError"]["details"][0]["errors"][0];
        assert_eq!(error["errorCode"], json!({category: value}), "{answer}");
        assert_eq!(
            error["location"]["fieldPathElements"][0],
            json!({"fieldName": "conversions", "index": 1})
        );
        assert_eq!(answer["results"][1], json!({}));
        assert_eq!(totals(&world), (1, 1, 0, 1));
    }
}

#[test]
fn copies_are_refused_by_order_and_by_click() {
    let by_click = with(&row(), "/orderId", Value::Null);
    let world = allowed();
    let code = |rows: &[Value]| {
        let answer = body(&Trial::json(UPLOAD, LOGIN, &upload(rows)).send(&world));
        answer["partialFailureError"]["details"][0]["errors"][0]["errorCode"]["conversionUploadError"].clone()
    };

    assert_eq!(code(&[row(), row()]), "DUPLICATE_ORDER_ID");
    assert_eq!(
        code(&[by_click.clone(), by_click.clone()]),
        "DUPLICATE_CLICK_CONVERSION_IN_REQUEST"
    );
    assert_eq!(code(&[row(), by_click.clone()]), Value::Null);
    assert_eq!(code(&[row()]), "ORDER_ID_ALREADY_IN_USE");
    assert_eq!(code(&[by_click]), "CLICK_CONVERSION_ALREADY_EXISTS");
    assert_eq!(totals(&world).1, 2);
}

#[test]
fn clicks_and_actions_decide_about_rows() {
    let world = world(json!({
        "google": {"allow_listed": [CUSTOMER], "customers": {CUSTOMER: {"actions": ["987"]}}},
        "clicks": {"google": {
            "missing": {"outcome": "CLICK_NOT_FOUND"}, "young": {"clicked_at": "2026-11-21T15:00:00Z"},
        }},
    }));
    let young = with(
        &with(&row(), "/gclid", json!("young")),
        "/conversionDateTime",
        json!("2026-11-21 15:00:01+00:00"),
    );
    let rows = [
        with(&with(&row(), "/orderId", json!("a")), "/gclid", json!("missing")),
        with(&young, "/orderId", json!("b")),
        with(&row(), "/conversionAction", json!("customers/1/conversionActions/1")),
    ];

    let answer = body(&Trial::json(UPLOAD, LOGIN, &upload(&rows)).send(&world));

    let errors = answer["partialFailureError"]["details"][0]["errors"]
        .as_array()
        .unwrap();
    let values: Vec<_> = errors
        .iter()
        .map(|error| error["errorCode"]["conversionUploadError"].clone())
        .collect();
    assert_eq!(
        values,
        ["EVENT_NOT_FOUND", "TOO_RECENT_EVENT", "NO_CONVERSION_ACTION_FOUND"]
    );
}

#[test]
fn newcomers_are_not_allow_listed() {
    let rows = world(json!({}));
    let request = world(json!({"google": {"not_allow_listed": "request"}}));
    let trial = Trial::json(UPLOAD, LOGIN, &upload(&[row()]));

    let answer = body(&trial.send(&rows));

    let code = json!({"notAllowlistedError": "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"});
    assert_eq!(
        answer["partialFailureError"]["details"][0]["errors"][0]["errorCode"],
        code
    );
    assert_eq!(totals(&rows), (0, 0, 0, 1));
    assert_eq!(
        trial.verdict(&request),
        (403, "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE".to_owned())
    );
}

#[test]
fn upload_requests_that_are_wrong_are_refused_whole() {
    let state = json!({
        "google": {"allow_listed": ["*"], "customers": {CUSTOMER: {"managers": ["9876543210"]}}},
        "tokens": {"dm-only": {"scopes": ["https://www.googleapis.com/auth/datamanager"]}},
    });
    let send = |path: &str, extra: (&'static str, &str), token: &str, request: &Value| {
        let mut trial = Trial::json(path, ("authorization", &format!("Bearer {token}")), request);
        trial.headers.push((extra.0, extra.1.to_owned()));
        trial.verdict(&world(state.clone()))
    };
    let manager = ("login-customer-id", "9876543210");
    let good = upload(&[row()]);
    let table = [
        (UPLOAD, manager, "any", good.clone(), (200, "OK")),
        (
            UPLOAD,
            ("x-none", ""),
            "any",
            good.clone(),
            (403, "USER_PERMISSION_DENIED"),
        ),
        (
            UPLOAD,
            ("login-customer-id", ""),
            "any",
            good.clone(),
            (400, "INVALID_LOGIN_CUSTOMER_ID"),
        ),
        (
            UPLOAD,
            ("login-customer-id", "987-654-3210"),
            "any",
            good.clone(),
            (400, "INVALID_LOGIN_CUSTOMER_ID"),
        ),
        (
            UPLOAD,
            manager,
            "dm-only",
            good.clone(),
            (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
        ),
        (
            "/v22/customers/1234567890:uploadClickConversions",
            manager,
            "any",
            good.clone(),
            (400, "UNSUPPORTED_VERSION"),
        ),
        (
            "/v26/customers/123-456-7890:uploadClickConversions",
            manager,
            "any",
            good.clone(),
            (400, "INVALID_CUSTOMER_ID"),
        ),
        (
            UPLOAD,
            manager,
            "any",
            with(&good, "/partialFailure", Value::Null),
            (400, "PARTIAL_FAILURE_MODE_REQUIRED"),
        ),
        (
            UPLOAD,
            manager,
            "any",
            with(&good, "/debugEnabled", json!(true)),
            (400, "INVALID_JSON"),
        ),
        (
            UPLOAD,
            manager,
            "any",
            with(&good, "/conversions/0/eventName", json!("x")),
            (400, "INVALID_JSON"),
        ),
        (
            UPLOAD,
            manager,
            "any",
            with(&good, "/conversions", json!([])),
            (400, "REQUIRED"),
        ),
        (
            UPLOAD,
            manager,
            "any",
            upload(&vec![row(); 2001]),
            (400, "TOO_MANY_CONVERSIONS_IN_REQUEST"),
        ),
    ];

    for (path, extra, token, request, (status, code)) in table {
        assert_eq!(
            send(path, extra, token, &request),
            (status, code.to_owned()),
            "{path} {extra:?}"
        );
    }
}

#[test]
fn a_dry_run_of_an_upload_has_no_results() {
    let world = allowed();

    let answer = body(&Trial::json(UPLOAD, LOGIN, &with(&upload(&[row()]), "/validateOnly", json!(true))).send(&world));

    assert_eq!(answer, json!({}));
    assert_eq!(totals(&world).0, 0);
}
