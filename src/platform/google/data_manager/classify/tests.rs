//! Tests of the answers of `events:ingest`; T numbers are the vectors of Google's fact sheet.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::{
    domain::{Mode, account::Transport},
    platform::google::sample::{account as account_of, answer, dispatch, dispatches},
};

fn account() -> Account {
    account_of(Transport::DataManager)
}

fn classified(count: usize, status: u16, body: &Value) -> Classification {
    let dispatches = dispatches(count);
    classify(
        &answer(status, body),
        &dispatches.iter().collect::<Vec<_>>(),
        &account(),
    )
}

/// An error as Google writes it.
fn error(status: &str, reason: &str, violations: &Value) -> Value {
    json!({ "error": { "code": 400, "message": "There was a problem with the request.", "status": status, "details": [
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "datamanager.googleapis.com",
          "metadata": { "requestId": "r" } },
        { "@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "r" },
        { "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations }
    ] } })
}

fn violation(field: &str, reason: &str) -> Value {
    json!({ "field": field, "description": "d", "reason": reason })
}

fn refused_for(count: usize, violations: &Value) -> Classification {
    classified(count, 400, &error("INVALID_ARGUMENT", "INVALID_ARGUMENT", violations))
}

fn blocked(cause: Cause, reach: Reach, wait: Option<Duration>) -> Verdict {
    Verdict::Blocked { cause, reach, wait }
}

/// The verdict that all of `count` dispatches share.
fn of_all(classification: Classification, count: usize) -> Verdict {
    let Classification::Each(outcomes) = classification else {
        panic!("expected one outcome each: {classification:?}");
    };
    assert_eq!(outcomes.len(), count);
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    outcomes[0].verdict.clone()
}

#[test]
fn a_request_that_was_taken_gives_every_event_the_receipt() {
    let receipt = of_all(classified(3, 200, &json!({ "requestId": "r" })), 3);

    assert_eq!(receipt, Verdict::Accepted { receipt: "r".into() });
}

#[test]
fn t34_a_warning_refuses_nothing_and_goes_along() {
    let body = json!({ "requestId": "r", "fieldWarnings": [
        { "reason": "WARNING_REASON_CUSTOM_VARIABLE_NOT_ENABLED", "description": "d", "field": "events.events[1].custom_variables" }
    ] });

    let Classification::Each(outcomes) = classified(2, 200, &body) else {
        panic!("expected one outcome each");
    };

    assert!(
        outcomes
            .iter()
            .all(|o| o.verdict == Verdict::Accepted { receipt: "r".into() })
    );
    assert_eq!(outcomes[0].code, None);
    assert_eq!(
        outcomes[1].code.as_deref(),
        Some("WARNING_REASON_CUSTOM_VARIABLE_NOT_ENABLED")
    );
}

#[test]
fn a_success_without_a_receipt_is_never_taken_for_one() {
    for body in [
        json!({}),
        json!({ "requestId": "" }),
        json!({ "requestId": 7 }),
        json!([]),
        json!("ok"),
    ] {
        assert_eq!(of_all(classified(2, 200, &body), 2), Verdict::Ambiguous, "{body}");
    }
}

#[test]
fn a_test_has_no_receipt_to_ask_for() {
    let dispatches = dispatches(1);
    let mut account = account();
    account.rules.mode = Mode::Test;

    let classification = classify(
        &answer(200, &json!({ "requestId": "r" })),
        &dispatches.iter().collect::<Vec<_>>(),
        &account,
    );

    assert_eq!(of_all(classification, 1), Verdict::Delivered);
}

#[test]
fn t32_a_violation_names_its_event_and_the_rest_goes_again() {
    for field in [
        "events.events[3].user_data.user_identifiers[0]",
        "events[3].user_data",
        "events[3]",
    ] {
        let classification = refused_for(10, &json!([violation(field, "INVALID_SHA256_FORMAT")]));

        let Classification::Named(named) = classification else {
            panic!("{classification:?}");
        };
        assert_eq!(named.len(), 1);
        assert_eq!(named[0].0, 3);
        assert_eq!(
            named[0].1.verdict,
            Verdict::Refused {
                cause: Cause::PersonalDataRefused
            }
        );
        assert_eq!(named[0].1.code.as_deref(), Some("INVALID_SHA256_FORMAT"));
    }
}

#[test]
fn several_violations_name_several_events_each_with_its_own_cause() {
    let classification = refused_for(
        5,
        &json!([
            violation("events[4].currency", "INVALID_CURRENCY_CODE"),
            violation("events[0]", "NO_IDENTIFIERS_PROVIDED"),
            violation("events[2].x", "BRAND_NEW"),
        ]),
    );

    let Classification::Named(named) = classification else {
        panic!("{classification:?}");
    };
    let verdicts: Vec<(usize, Verdict)> = named.into_iter().map(|(i, outcome)| (i, outcome.verdict)).collect();
    assert_eq!(
        verdicts,
        [
            (
                0,
                Verdict::Refused {
                    cause: Cause::NoIdentifiers
                }
            ),
            (
                2,
                Verdict::Deferred {
                    cause: Cause::PlatformError,
                    wait: None
                }
            ),
            (
                4,
                Verdict::Refused {
                    cause: Cause::InvalidCurrency
                }
            ),
        ]
    );
}

#[test]
fn a_violation_without_a_reason_still_names_its_event() {
    let classification = refused_for(
        3,
        &json!([{ "field": "events[1].event_timestamp", "description": "d" }]),
    );

    let Classification::Named(named) = classification else {
        panic!("{classification:?}");
    };
    assert_eq!(named[0].0, 1);
    assert_eq!(named[0].1.verdict, Verdict::Refused { cause: Cause::Refused });
}

#[test]
fn an_event_outside_the_request_names_nobody() {
    let classification = refused_for(3, &json!([violation("events[3].currency", "INVALID_FORMAT")]));

    assert!(
        matches!(classification, Classification::Unnamed(_)),
        "{classification:?}"
    );
}

#[test]
fn t33_what_is_wrong_with_a_destination_parks_the_account() {
    for reason in ["INVALID_CONVERSION_ACTION_ID", "INVALID_FORMAT", "BRAND_NEW"] {
        let field = "destinations[0].product_destination_id";

        let verdict = of_all(refused_for(10, &json!([violation(field, reason)])), 10);

        assert_eq!(
            verdict,
            blocked(Cause::AccountNotSetUp, Reach::Account, None),
            "{reason}"
        );
    }
}

#[test]
fn a_conversion_action_that_is_too_young_holds_back_only_its_own_events() {
    let mut dispatches = dispatches(2);
    dispatches.insert(1, dispatch("lead", "Lead"));
    let field = "destinations[0]";
    let body = error(
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        &json!([violation(field, "CONVERSION_ACTION_TOO_RECENTLY_CREATED")]),
    );

    let classification = classify(&answer(400, &body), &dispatches.iter().collect::<Vec<_>>(), &account());

    // Destination 0 is action 654, the lead's.
    let Classification::Named(named) = classification else {
        panic!("{classification:?}");
    };
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].0, 1);
    assert_eq!(
        named[0].1.verdict,
        Verdict::Deferred {
            cause: Cause::AccountNotSetUp,
            wait: Some(Duration::from_secs(21_600))
        }
    );
}

#[test]
fn a_refusal_that_names_nobody_is_halved() {
    for body in [
        error("INVALID_ARGUMENT", "INVALID_ARGUMENT", &json!([])),
        error("INVALID_ARGUMENT", "BRAND_NEW", &json!([])),
        error("INVALID_ARGUMENT", "TOO_MANY_EVENTS", &json!([])),
        error(
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            &json!([violation("validate_only", "INVALID_FORMAT")]),
        ),
    ] {
        let classification = classified(4, 400, &body);

        assert!(matches!(classification, Classification::Unnamed(_)), "{body}");
    }
}

#[test]
fn an_unknown_reason_is_never_a_refusal() {
    let classification = classified(1, 400, &error("INVALID_ARGUMENT", "BRAND_NEW", &json!([])));

    let Classification::Unnamed(outcome) = classification else {
        panic!("{classification:?}");
    };
    assert_eq!(
        outcome.verdict,
        Verdict::Deferred {
            cause: Cause::PlatformError,
            wait: None
        }
    );
    assert_eq!(outcome.code.as_deref(), Some("BRAND_NEW"));
}

#[test]
fn t38_a_missing_scope_is_the_logins_matter_and_a_missing_permission_the_accounts() {
    let scope = error("PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", &json!([]));
    let permission = error("PERMISSION_DENIED", "PERMISSION_DENIED", &json!([]));

    assert_eq!(
        of_all(classified(2, 403, &scope), 2),
        blocked(Cause::LoginRefused, Reach::Login, None)
    );
    assert_eq!(
        of_all(classified(2, 403, &permission), 2),
        blocked(Cause::PermissionMissing, Reach::Account, None)
    );
}

#[test]
fn t38_quota_pauses_the_quota_and_trouble_is_tried_again() {
    let mut quota = error("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", &json!([]));
    let minute = Some(Duration::from_secs(60));
    assert_eq!(
        of_all(classified(2, 429, &quota), 2),
        blocked(Cause::QuotaExhausted, Reach::Quota, minute)
    );

    let info = json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "30s" });
    quota["error"]["details"].as_array_mut().unwrap().push(info);
    assert_eq!(
        of_all(classified(2, 429, &quota), 2),
        blocked(Cause::QuotaExhausted, Reach::Quota, Some(Duration::from_secs(30)))
    );

    for (status, name) in [
        (503, "UNAVAILABLE"),
        (409, "ABORTED"),
        (500, "INTERNAL"),
        (504, "DEADLINE_EXCEEDED"),
    ] {
        let body = json!({ "error": { "code": status, "status": name, "message": "m" } });

        assert_eq!(
            of_all(classified(2, status, &body), 2),
            Verdict::Deferred {
                cause: Cause::PlatformError,
                wait: None
            },
            "{name}"
        );
    }
}

#[test]
fn a_401_asks_for_a_fresh_token_with_and_without_a_body() {
    for body in [
        json!({ "error": { "code": 401, "status": "UNAUTHENTICATED", "message": "m" } }),
        Value::Null,
    ] {
        let Classification::Reauthenticate(outcome) = classified(2, 401, &body) else {
            panic!("{body}");
        };
        assert_eq!(outcome.verdict, blocked(Cause::LoginRefused, Reach::Login, None));
    }
}

#[test]
fn an_answer_of_a_gateway_is_judged_by_its_status() {
    let gateway = json!({ "error": "upstream" });

    assert_eq!(of_all(classified(2, 502, &gateway), 2), Verdict::Ambiguous);
    assert!(matches!(
        of_all(classified(2, 403, &gateway), 2),
        Verdict::Deferred {
            cause: Cause::AnswerUnreadable,
            ..
        }
    ));
}

#[test]
fn what_google_says_is_cleaned_of_personal_data() {
    let classification = refused_for(
        2,
        &json!([{ "field": "events[0].x", "description": "bad value jane@example.com", "reason": "INVALID_FORMAT" }]),
    );

    let Classification::Named(named) = classification else {
        panic!("{classification:?}");
    };
    assert_eq!(named[0].1.message.as_deref(), Some("events[0].x: bad value <cut>"));
}
