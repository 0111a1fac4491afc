//! Tests of receipts; T numbers are the vectors of Google's fact sheet.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{domain::outcome::Reach, platform::google::sample};

fn status(status: &str, record_count: &str, counts: &[(&str, &str)]) -> Value {
    let counts: Vec<Value> = counts
        .iter()
        .map(|(reason, count)| json!({ "reason": format!("PROCESSING_ERROR_REASON_{reason}"), "recordCount": count }))
        .collect();
    json!({ "requestStatusPerDestination": [{
        "destination": { "reference": "a0", "productDestinationId": "987" },
        "requestStatus": status,
        "errorInfo": { "errorCounts": counts },
        "eventsIngestionStatus": { "recordCount": record_count }
    }] })
}

fn answered(body: &Value) -> ReceiptAnswer {
    match classify(&sample::answer(200, body)) {
        Reply::Answered(mut destinations) if destinations.len() == 1 => destinations.remove(0).answer,
        other => panic!("{other:?}"),
    }
}

fn failed_for(reason: &str) -> Verdict {
    match answered(&status("FAILED", "1", &[(reason, "1")])) {
        ReceiptAnswer::Failed { outcome } => {
            assert_eq!(outcome.code.as_deref(), Some(reason));
            outcome.verdict
        }
        other => panic!("{reason}: {other:?}"),
    }
}

#[test]
fn a_question_names_the_receipt_and_nothing_secret() {
    let request = question("r/1 &x", &Endpoints::default());

    assert_eq!(
        request.url,
        "https://datamanager.googleapis.com/v1/requestStatus:retrieve?requestId=r%2F1+%26x"
    );
    assert_eq!((request.method, request.token), (Method::Get, TokenHeader::Bearer));
    assert!(request.body.is_empty());
}

#[test]
fn t35_what_was_there_already_is_confirmed() {
    let body = status("PARTIAL_SUCCESS", "10", &[("DUPLICATE_TRANSACTION_ID", "2")]);

    assert_eq!(answered(&body), ReceiptAnswer::Confirmed);
    assert_eq!(
        answered(&status("FAILED", "1", &[("DUPLICATE_GCLID", "1")])),
        ReceiptAnswer::Confirmed
    );
    assert_eq!(answered(&status("SUCCESS", "10", &[])), ReceiptAnswer::Confirmed);
}

#[test]
fn t36_a_single_event_that_failed_has_its_verdict() {
    let too_recent = Verdict::Deferred {
        cause: Cause::ClickTooRecent,
        wait: Some(Duration::from_secs(21_600)),
    };
    let again = Verdict::Deferred {
        cause: Cause::PlatformError,
        wait: None,
    };
    let cases = [
        ("TOO_RECENT_CLICK", too_recent),
        (
            "CONVERSION_PRECEDES_CLICK",
            Verdict::Refused {
                cause: Cause::InvalidField,
            },
        ),
        (
            "CLICK_NOT_FOUND",
            Verdict::NotSent {
                cause: Cause::ClickNotFound,
            },
        ),
        (
            "DENIED_CONSENT",
            Verdict::NotSent {
                cause: Cause::ConsentDenied,
            },
        ),
        (
            "EVENT_TOO_OLD",
            Verdict::Refused {
                cause: Cause::EventTooOld,
            },
        ),
        ("INTERNAL_ERROR", again.clone()),
        ("BRAND_NEW", again),
    ];
    for (reason, verdict) in cases {
        assert_eq!(failed_for(reason), verdict, "{reason}");
    }
}

#[test]
fn the_one_reason_that_google_spells_otherwise_is_known_too() {
    let mut body = status("FAILED", "1", &[]);
    body["requestStatusPerDestination"][0]["errorInfo"]["errorCounts"] = json!([
        { "reason": "PROCESSING_ERROR_OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER", "recordCount": "1" }
    ]);

    assert!(matches!(answered(&body), ReceiptAnswer::Failed { outcome }
        if outcome.verdict == Verdict::NotSent { cause: Cause::ClickKindElsewhere }));
}

#[test]
fn mixed_counts_name_nobody() {
    let body = status(
        "PARTIAL_SUCCESS",
        "10",
        &[
            ("INVALID_GCLID", "2"),
            ("DUPLICATE_GCLID", "1"),
            ("CLICK_NOT_FOUND", "3"),
        ],
    );

    assert_eq!(
        answered(&body),
        ReceiptAnswer::Mixed {
            failed: 5,
            of: 10,
            reasons: vec![("CLICK_NOT_FOUND".into(), 3), ("INVALID_GCLID".into(), 2)]
        }
    );
    let two_reasons = status("FAILED", "2", &[("INVALID_GCLID", "1"), ("CLICK_NOT_FOUND", "1")]);
    assert!(matches!(
        answered(&two_reasons),
        ReceiptAnswer::Mixed { failed: 2, of: 2, .. }
    ));
    let some_were_there = status("FAILED", "2", &[("INVALID_GCLID", "1"), ("DUPLICATE_GCLID", "1")]);
    assert!(matches!(
        answered(&some_were_there),
        ReceiptAnswer::Mixed { failed: 1, of: 2, .. }
    ));
}

#[test]
fn all_of_several_events_may_fail_for_one_reason() {
    let body = status("PARTIAL_SUCCESS", "3", &[("INVALID_GCLID", "3")]);

    assert!(matches!(answered(&body), ReceiptAnswer::Failed { .. }));
}

#[test]
fn t37_what_is_not_decided_is_asked_again() {
    assert_eq!(answered(&status("PROCESSING", "10", &[])), ReceiptAnswer::Processing);
    for unknown in ["REQUEST_STATUS_UNKNOWN", "BRAND_NEW", "", "PARTIAL_SUCCESS"] {
        assert_eq!(
            answered(&status(unknown, "10", &[])),
            ReceiptAnswer::Unknown,
            "{unknown}"
        );
    }
}

#[test]
fn each_destination_has_its_own_answer_and_says_which_it_is() {
    let body = json!({ "requestStatusPerDestination": [
        { "requestStatus": "SUCCESS", "destination": { "productDestinationId": "654" } },
        { "requestStatus": "PROCESSING" }
    ] });

    assert_eq!(
        classify(&sample::answer(200, &body)),
        Reply::Answered(vec![
            DestinationReply {
                action: Some("654".into()),
                answer: ReceiptAnswer::Confirmed
            },
            DestinationReply {
                action: None,
                answer: ReceiptAnswer::Processing
            },
        ])
    );
}

fn refusal(status: &str, reason: &str) -> Value {
    json!({ "error": { "code": 400, "status": status, "message": "m", "details": [
        { "@type": "type.googleapis.com/google.rpc.BadRequest",
          "fieldViolations": [{ "field": "request_id", "description": "d", "reason": reason }] }
    ] } })
}

#[test]
fn a_receipt_that_google_does_not_know_is_gone() {
    for reason in ["REQUEST_TOO_OLD", "INVALID_REQUEST_ID"] {
        let reply = classify(&sample::answer(400, &refusal("INVALID_ARGUMENT", reason)));

        assert_eq!(reply, Reply::Gone { code: reason.into() });
    }
    let reply = classify(&sample::answer(404, &refusal("NOT_FOUND", "")));
    assert_eq!(
        reply,
        Reply::Gone {
            code: "NOT_FOUND".into()
        }
    );
}

#[test]
fn a_question_that_fails_says_when_to_ask_again() {
    let verdict = |http: u16, status: &str| match classify(&sample::answer(http, &refusal(status, ""))) {
        Reply::NotAnswered(outcome) => outcome.verdict,
        other => panic!("{status}: {other:?}"),
    };

    assert_eq!(
        verdict(429, "RESOURCE_EXHAUSTED"),
        Verdict::Blocked {
            cause: Cause::QuotaExhausted,
            reach: Reach::Quota,
            wait: Some(Duration::from_secs(60))
        }
    );
    for (http, status) in [(503, "UNAVAILABLE"), (400, "INVALID_ARGUMENT")] {
        assert!(matches!(
            verdict(http, status),
            Verdict::Deferred {
                cause: Cause::PlatformError,
                ..
            }
        ));
    }
    assert!(matches!(
        classify(&sample::answer(401, &Value::Null)),
        Reply::Reauthenticate(_)
    ));
    for http in [200, 502, 504] {
        assert!(
            matches!(classify(&sample::answer(http, &json!({}))), Reply::NotAnswered(outcome)
                if outcome.verdict == Verdict::Deferred { cause: Cause::AnswerUnreadable, wait: None }),
            "a question is never ambiguous"
        );
    }
}

#[test]
fn questions_come_ever_more_seldom_from_half_an_hour_to_six_days() {
    let pauses: Vec<TimeDelta> = (0..).map_while(next_question).collect();

    assert_eq!(pauses[0], TimeDelta::minutes(30));
    assert!(pauses.is_sorted());
    let last = pauses.iter().fold(TimeDelta::zero(), |sum, pause| sum + *pause);
    assert!(last > TimeDelta::days(6) && last < TimeDelta::days(7), "{last}");
    assert_eq!(next_question(usize::MAX), None);
}

proptest! {
    #[test]
    fn nothing_is_confirmed_that_google_did_not_call_a_success(status in "[A-Z_]{0,20}", body in "\\PC{0,60}", http in 100u16..600) {
        let named = json!({ "requestStatusPerDestination": [{ "requestStatus": status }] });
        let by_status = classify(&sample::answer(http, &named));
        let confirmed = matches!(&by_status, Reply::Answered(all) if all.iter().any(|one| one.answer == ReceiptAnswer::Confirmed));
        prop_assert!(!confirmed || (status == "SUCCESS" && (200..300).contains(&http)));

        let by_text = classify(&Answer { status: http, headers: Vec::new(), body: Bytes::from(body) });
        prop_assert!(!matches!(by_text, Reply::Answered(_)));
    }
}
