//! Tests of the answers of `uploadClickConversions`; T numbers are the vectors of Google's fact sheet.

use serde_json::json;

use super::*;
use crate::{
    domain::{
        Mode,
        account::{TransactionId, Transport},
    },
    platform::google::sample::{account as account_of, answer, dispatches},
};

fn account() -> Account {
    account_of(Transport::AdsApi)
}

fn classified(count: usize, status: u16, body: &Value) -> Classification {
    let dispatches = dispatches(count);
    classify(
        &answer(status, body),
        &dispatches.iter().collect::<Vec<_>>(),
        &account(),
    )
}

fn verdicts(classification: Classification) -> Vec<Verdict> {
    let Classification::Each(outcomes) = classification else {
        panic!("expected one outcome each: {classification:?}");
    };
    outcomes.into_iter().map(|outcome| outcome.verdict).collect()
}

fn row_error(index: Option<usize>, category: &str, value: &str) -> Value {
    let mut element = json!({ "fieldName": "conversions" });
    if let Some(index) = index {
        element["index"] = json!(index);
    }
    json!({
        "errorCode": { category: value }, "message": "m", "trigger": { "stringValue": "jane@example.com" },
        "location": { "fieldPathElements": [element, { "fieldName": "gclid" }] }
    })
}

fn upload_error(index: usize, value: &str) -> Value {
    row_error(Some(index), "conversionUploadError", value)
}

fn failure(errors: &[Value]) -> Value {
    json!({ "@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure", "errors": errors, "requestId": "R" })
}

/// The 200 with the results of `taken` (1: taken, 0: empty) and these errors.
fn partial(taken: &[u8], errors: &[Value]) -> Value {
    let results: Vec<Value> = taken
        .iter()
        .map(|taken| {
            if *taken == 1 {
                json!({ "gclid": "g" })
            } else {
                json!({})
            }
        })
        .collect();
    json!({
        "partialFailureError": { "code": 3, "message": "Multiple errors in 'details'.", "details": [failure(errors)] },
        "results": results, "jobId": "4294967301"
    })
}

fn whole(status: &str, errors: &[Value]) -> Value {
    json!({ "error": { "code": 400, "message": "m", "status": status, "details": [failure(errors)] } })
}

fn unplaced(category: &str, value: &str) -> Value {
    json!({ "errorCode": { category: value }, "message": "m" })
}

fn deferred(cause: Cause, seconds: Option<u64>) -> Verdict {
    Verdict::Deferred {
        cause,
        wait: seconds.map(Duration::from_secs),
    }
}

fn refused(cause: Cause) -> Verdict {
    Verdict::Refused { cause }
}

fn blocked(cause: Cause, reach: Reach) -> Verdict {
    Verdict::Blocked {
        cause,
        reach,
        wait: None,
    }
}

#[test]
fn t18_a_click_that_is_too_young_waits_six_hours_and_the_others_are_delivered() {
    let body = partial(&[0, 1], &[upload_error(0, "TOO_RECENT_EVENT")]);

    assert_eq!(
        verdicts(classified(2, 200, &body)),
        [deferred(Cause::ClickTooRecent, Some(21_600)), Verdict::Delivered]
    );
}

#[test]
fn t19_of_several_errors_of_one_row_the_worst_decides() {
    let errors = [
        upload_error(0, "EXPIRED_EVENT"),
        upload_error(2, "ORDER_ID_ALREADY_IN_USE"),
        upload_error(2, "UNPARSEABLE_GCLID"),
    ];

    assert_eq!(
        verdicts(classified(4, 200, &partial(&[0, 1, 0, 1], &errors))),
        [
            Verdict::NotSent {
                cause: Cause::ClickTooOld
            },
            Verdict::Delivered,
            refused(Cause::InvalidClickId),
            Verdict::Delivered
        ]
    );
}

#[test]
fn t20_our_own_repetition_is_delivered_and_says_so() {
    let body = partial(&[1, 0], &[upload_error(1, "ORDER_ID_ALREADY_IN_USE")]);

    let Classification::Each(outcomes) = classified(2, 200, &body) else {
        panic!("expected one outcome each");
    };

    assert_eq!(outcomes[1].verdict, Verdict::Delivered);
    assert_eq!(outcomes[1].code.as_deref(), Some("ORDER_ID_ALREADY_IN_USE"));
}

#[test]
fn an_order_in_use_may_be_another_event_of_it_when_order_ids_go_out() {
    let mut dispatches = dispatches(2);
    dispatches[0].event.order_id = Some("o1".into());
    let mut account = account();
    account.rules.transaction_id = TransactionId::OrderId;
    let errors = [
        upload_error(0, "ORDER_ID_ALREADY_IN_USE"),
        upload_error(1, "ORDER_ID_ALREADY_IN_USE"),
    ];

    let classification = classify(
        &answer(200, &partial(&[0, 0], &errors)),
        &dispatches.iter().collect::<Vec<_>>(),
        &account,
    );

    // The second has no order, so its event ID went out.
    assert_eq!(
        verdicts(classification),
        [
            Verdict::NotSent {
                cause: Cause::DuplicateAtPlatform
            },
            Verdict::Delivered
        ]
    );
}

#[test]
fn t17_conversions_that_met_in_a_request_are_sent_again_apart() {
    let errors: Vec<Value> = (0..3).map(|i| upload_error(i, "DUPLICATE_ORDER_ID")).collect();

    assert_eq!(
        verdicts(classified(3, 200, &partial(&[0, 0, 0], &errors))),
        [
            deferred(Cause::BatchSplit, None),
            deferred(Cause::BatchSplit, Some(600)),
            deferred(Cause::BatchSplit, Some(1_200))
        ]
    );
}

#[test]
fn t21_a_failure_with_code_zero_is_none() {
    for partial in [json!({ "code": 0 }), json!({}), Value::Null] {
        let body = json!({ "partialFailureError": partial, "results": [{ "gclid": "a" }, { "gclid": "b" }] });

        assert_eq!(
            verdicts(classified(2, 200, &body)),
            vec![Verdict::Delivered; 2],
            "{body}"
        );
    }
}

#[test]
fn t22_an_error_without_an_index_goes_to_the_empty_results() {
    let error = row_error(None, "conversionUploadError", "UNPARSEABLE_GCLID");

    assert_eq!(
        verdicts(classified(3, 200, &partial(&[1, 0, 1], std::slice::from_ref(&error)))),
        [Verdict::Delivered, refused(Cause::InvalidClickId), Verdict::Delivered]
    );
    assert_eq!(
        verdicts(classified(1, 200, &partial(&[1], &[error]))),
        [refused(Cause::InvalidClickId)],
        "a single conversion needs no index"
    );
}

#[test]
fn t23_an_internal_error_of_one_row_is_that_rows_alone() {
    let error = row_error(Some(5), "internalError", "INTERNAL_ERROR");

    let verdicts = verdicts(classified(7, 200, &partial(&[1, 1, 1, 1, 1, 0, 1], &[error])));

    assert_eq!(verdicts[5], deferred(Cause::PlatformError, None));
    assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Delivered).count(), 6);
}

#[test]
fn t24_and_t25_who_is_not_listed_for_the_upload_is_stopped_in_either_envelope() {
    let stop = blocked(Cause::TransportNotAllowlisted, Reach::Account);
    let error = || {
        row_error(
            Some(0),
            "notAllowlistedError",
            "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
        )
    };

    assert_eq!(
        verdicts(classified(2, 200, &partial(&[0, 0], &[error()])))[0],
        stop,
        "partial"
    );
    assert_eq!(
        verdicts(classified(2, 403, &whole("PERMISSION_DENIED", &[error()]))),
        vec![stop; 2],
        "whole"
    );
}

#[test]
fn t26_quota_waits_as_long_as_google_says_and_as_wide_as_it_says() {
    let quota = |scope: &str| {
        let mut error = unplaced("quotaError", "RESOURCE_EXHAUSTED");
        error["details"] = json!({ "quotaErrorDetails": { "rateScope": scope, "rateName": "n", "retryDelay": "30s" } });
        whole("RESOURCE_EXHAUSTED", &[error])
    };

    for (scope, reach) in [("DEVELOPER", Reach::Quota), ("ACCOUNT", Reach::Account)] {
        let expected = Verdict::Blocked {
            cause: Cause::QuotaExhausted,
            reach,
            wait: Some(Duration::from_secs(30)),
        };

        assert_eq!(verdicts(classified(2, 429, &quota(scope))), vec![expected; 2]);
    }
}

#[test]
fn t27_and_t28_a_fresh_token_is_tried_where_it_can_help() {
    let plain = json!({ "error": { "code": 401, "message": "m", "status": "UNAUTHENTICATED" } });
    let expired = whole(
        "UNAUTHENTICATED",
        &[unplaced("authenticationError", "OAUTH_TOKEN_EXPIRED")],
    );
    for body in [plain, expired, Value::Null] {
        let classification = classified(2, 401, &body);

        assert!(
            matches!(&classification, Classification::Reauthenticate(outcome)
                if outcome.verdict == blocked(Cause::LoginRefused, Reach::Login)),
            "{body}"
        );
    }

    for code in [
        "TWO_STEP_VERIFICATION_NOT_ENROLLED",
        "OAUTH_TOKEN_REVOKED",
        "NOT_ADS_USER",
    ] {
        let body = whole("UNAUTHENTICATED", &[unplaced("authenticationError", code)]);

        assert_eq!(
            verdicts(classified(2, 401, &body)),
            vec![blocked(Cause::LoginRefused, Reach::Login); 2],
            "{code}"
        );
    }
}

#[test]
fn t29_and_t30_what_the_account_lacks_and_a_version_that_is_gone_block_the_account() {
    let cases = [
        ("authorizationError", "USER_PERMISSION_DENIED", Cause::PermissionMissing),
        ("authorizationError", "CUSTOMER_NOT_ENABLED", Cause::AccountNotSetUp),
        ("requestError", "UNSUPPORTED_VERSION", Cause::InterfaceGone),
        ("requestError", "INVALID_CUSTOMER_ID", Cause::AccountNotSetUp),
        ("headerError", "INVALID_LOGIN_CUSTOMER_ID", Cause::AccountNotSetUp),
    ];
    for (category, value, cause) in cases {
        let body = whole("INVALID_ARGUMENT", &[unplaced(category, value)]);

        assert_eq!(
            verdicts(classified(2, 400, &body)),
            vec![blocked(cause, Reach::Account); 2],
            "{value}"
        );
    }
}

#[test]
fn t30_trouble_of_googles_own_is_tried_again() {
    for (status, name) in [
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (409, "ABORTED"),
    ] {
        let body = json!({ "error": { "code": status, "message": "m", "status": name } });

        assert_eq!(
            verdicts(classified(2, status, &body)),
            vec![deferred(Cause::PlatformError, None); 2],
            "{name}"
        );
    }
}

#[test]
fn an_error_array_is_read_as_well() {
    let body = json!([whole(
        "INVALID_ARGUMENT",
        &[unplaced("requestError", "UNSUPPORTED_VERSION")]
    )]);

    assert_eq!(
        verdicts(classified(1, 400, &body)),
        [blocked(Cause::InterfaceGone, Reach::Account)]
    );
}

#[test]
fn a_whole_refusal_names_its_conversion_or_is_halved() {
    let named = whole(
        "INVALID_ARGUMENT",
        &[row_error(Some(2), "fieldError", "VALUE_MUST_BE_UNSET")],
    );
    let unnamed = whole("INVALID_ARGUMENT", &[unplaced("fieldError", "REQUIRED")]);
    let too_large = whole(
        "INVALID_ARGUMENT",
        &[unplaced("sizeLimitError", "REQUEST_SIZE_LIMIT_EXCEEDED")],
    );
    let new = whole("INVALID_ARGUMENT", &[unplaced("adGroupError", "BRAND_NEW")]);

    assert!(matches!(classified(4, 400, &named), Classification::Named(named)
        if named.len() == 1 && named[0].0 == 2 && named[0].1.verdict == refused(Cause::Refused)));
    assert!(matches!(classified(4, 400, &unnamed), Classification::Unnamed(outcome)
        if outcome.verdict == refused(Cause::Refused)));
    assert!(
        matches!(classified(4, 400, &too_large), Classification::Unnamed(outcome)
        if outcome.verdict == refused(Cause::RequestTooLarge))
    );
    assert!(matches!(classified(4, 400, &new), Classification::Unnamed(outcome)
        if outcome.verdict == deferred(Cause::PlatformError, None)));
}

#[test]
fn what_does_not_fit_is_never_delivered() {
    let cases = [
        json!({}),
        json!({ "jobId": "1" }),
        json!({ "results": [{ "gclid": "a" }] }),
        json!({ "results": "all" }),
        json!({ "results": [{}, {}] }),
        json!({ "results": [1, null] }),
        json!({ "results": [{ "gclid": "a" }, { "gclid": "b" }], "partialFailureError": { "code": 3, "message": "m" } }),
        json!({ "results": [{ "gclid": "a" }, { "gclid": "b" }], "partialFailureError": { "code": "3" } }),
        json!({ "results": [{ "gclid": "a" }, { "gclid": "b" }], "partialFailureError": "failed" }),
    ];
    for body in cases {
        assert_eq!(
            verdicts(classified(2, 200, &body)),
            vec![Verdict::Ambiguous; 2],
            "{body}"
        );
    }
}

#[test]
fn an_error_that_may_be_of_any_row_delivers_none() {
    let body = partial(&[1, 1], &[row_error(None, "conversionUploadError", "EVENT_NOT_FOUND")]);

    assert_eq!(verdicts(classified(2, 200, &body)), vec![Verdict::Ambiguous; 2]);
}

#[test]
fn an_empty_result_that_no_error_explains_is_sent_again() {
    let body = partial(&[0, 0, 1], &[upload_error(0, "EVENT_NOT_FOUND")]);

    assert_eq!(
        verdicts(classified(3, 200, &body)),
        [
            Verdict::NotSent {
                cause: Cause::ClickNotFound
            },
            Verdict::Ambiguous,
            Verdict::Delivered
        ]
    );
}

#[test]
fn an_error_goes_before_a_result_that_echoes_something() {
    let body = partial(&[1, 1], &[upload_error(1, "INVALID_USER_IDENTIFIER")]);

    assert_eq!(
        verdicts(classified(2, 200, &body)),
        [Verdict::Delivered, refused(Cause::PersonalDataRefused)]
    );
}

#[test]
fn a_test_that_was_only_validated_has_no_results() {
    let dispatches = dispatches(2);
    let mut account = account();
    account.rules.mode = Mode::Test;
    let of = |body: &Value| {
        verdicts(classify(
            &answer(200, body),
            &dispatches.iter().collect::<Vec<_>>(),
            &account,
        ))
    };

    assert_eq!(of(&json!({})), vec![Verdict::Delivered; 2]);
    let failed =
        json!({ "partialFailureError": { "code": 3, "details": [failure(&[upload_error(1, "UNPARSEABLE_GCLID")])] } });
    assert_eq!(of(&failed), [Verdict::Delivered, refused(Cause::InvalidClickId)]);
    let unread = json!({ "partialFailureError": { "code": 3 } });
    assert_eq!(of(&unread), vec![Verdict::Ambiguous; 2]);
}

#[test]
fn a_code_newer_than_our_version_is_tried_again_and_kept_verbatim() {
    let mut error = upload_error(0, "UNKNOWN");
    error["errorCode"] = json!({});
    error["details"] = json!({ "unpublishedErrorCode": "CLICK_ON_MARS" });

    let Classification::Each(outcomes) = classified(1, 200, &partial(&[0], &[error])) else {
        panic!("expected one outcome each");
    };

    assert_eq!(outcomes[0].verdict, deferred(Cause::PlatformError, None));
    assert_eq!(outcomes[0].code.as_deref(), Some("unpublished.CLICK_ON_MARS"));
}
