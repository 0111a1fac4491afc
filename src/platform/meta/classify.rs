//! What Meta's answer means.
//!
//! A 2xx says `{"events_received": n, "messages": [..]}`, anything else `{"error": {"code", "error_subcode", ..}}` for the whole request: one
//! bad event refuses all, and nothing of it is taken.
//! <https://developers.facebook.com/docs/graph-api/guides/error-handling>; `error_user_*` come in the language of the token's owner, so only
//! numbers decide.

use serde_json::{Map, Value};

use super::{
    codes::{self, Meaning},
    culprits::culprits,
    pace::limit_wait,
};
use crate::{
    domain::{Cause, Classification, Outcome, Verdict, outcome::Reach},
    platform::{Answer, answer::outcome},
};

/// Says what the answer to a request of `count` events means.
pub(super) fn classify(answer: &Answer, count: usize) -> Classification {
    let Some(Value::Object(body)) = answer.json() else {
        return all(answer.without_platform_body(), count);
    };
    if let Some(error) = body.get("error").and_then(Value::as_object)
        && let Some(code) = number(error, "code")
    {
        return refusal(answer, error, code, count);
    }
    let received = number(&body, "events_received").filter(|_| (200..300).contains(&answer.status));
    all(
        match received {
            Some(received) => received_outcome(received, &body, count),
            None => answer.without_platform_body(),
        },
        count,
    )
}

fn all(outcome: Outcome, count: usize) -> Classification {
    Classification::Each(vec![outcome; count])
}

/// Success only if all were received. With none received nothing is lost by sending again; with some, nobody knows which, so all are
/// ambiguous: they go again under the same event IDs while Meta still recognises repetitions.
fn received_outcome(received: u64, body: &Map<String, Value>, count: usize) -> Outcome {
    let remarks = remarks(body);
    if received == count as u64 && remarks.is_empty() {
        return Outcome::plain(Verdict::Delivered);
    }
    if received == count as u64 {
        // Received, but not without a word: the audit keeps it.
        return outcome(Verdict::Delivered, "messages", &remarks);
    }
    let verdict = match received {
        0 => Verdict::Deferred {
            cause: Cause::PlatformError,
            wait: None,
        },
        _ => Verdict::Ambiguous,
    };
    let message = format!("{received} of {count} events received {remarks}");
    outcome(verdict, "events_received", &message)
}

fn remarks(body: &Map<String, Value>) -> String {
    let remarks = body.get("messages").and_then(Value::as_array).into_iter().flatten();
    let texts: Vec<String> = remarks
        .map(|remark| remark.as_str().map_or_else(|| remark.to_string(), str::to_owned))
        .collect();
    texts.join("; ")
}

fn refusal(answer: &Answer, error: &Map<String, Value>, code: u64, count: usize) -> Classification {
    let subcode = number(error, "error_subcode").filter(|subcode| *subcode != 0);
    let name = subcode.map_or_else(|| code.to_string(), |subcode| format!("{code}/{subcode}"));
    let is_transient = error.get("is_transient").and_then(Value::as_bool) == Some(true);
    let meaning = match codes::meaning(code, subcode) {
        // A limit says that it is transient, too.
        Some(meaning @ Meaning::Slower(_)) => meaning,
        _ if is_transient => Meaning::Again,
        _ if wants_app_secret_proof(error) => Meaning::Blocked(Cause::LoginRefused, Reach::Login),
        Some(meaning) => meaning,
        None if answer.status == 429 => Meaning::Slower(Reach::Account),
        None => Meaning::Again,
    };
    let outcome = outcome(verdict(meaning, answer), name, &words(error));
    match meaning {
        Meaning::Again | Meaning::Slower(_) | Meaning::Blocked(..) => all(outcome, count),
        Meaning::Refused(_) | Meaning::NotSent(_) => {
            let culprits = culprits(error, count);
            if culprits.is_empty() {
                return Classification::Unnamed(outcome);
            }
            Classification::Named(culprits.into_iter().map(|index| (index, outcome.clone())).collect())
        }
    }
}

/// The app demands `appsecret_proof` and got none or a wrong one. This too is a 100 without a subcode, and would refuse every event one by one;
/// only `message`, which is never translated, tells it from a bad event.
fn wants_app_secret_proof(error: &Map<String, Value>) -> bool {
    let message = error.get("message").and_then(Value::as_str);
    message.is_some_and(|message| message.contains("appsecret_proof"))
}

fn verdict(meaning: Meaning, answer: &Answer) -> Verdict {
    match meaning {
        Meaning::Again => Verdict::Deferred {
            cause: Cause::PlatformError,
            wait: answer.retry_after(),
        },
        Meaning::Slower(reach) => Verdict::Blocked {
            cause: Cause::RateLimited,
            reach,
            wait: Some(limit_wait(answer)),
        },
        Meaning::Blocked(cause, reach) => Verdict::Blocked {
            cause,
            reach,
            wait: None,
        },
        Meaning::Refused(cause) => Verdict::Refused { cause },
        Meaning::NotSent(cause) => Verdict::NotSent { cause },
    }
}

/// A whole number, also if it comes as text.
pub(super) fn number(fields: &Map<String, Value>, key: &str) -> Option<u64> {
    let value = fields.get(key)?;
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Meta's own words; `message` alone is often no more than "Invalid parameter".
fn words(error: &Map<String, Value>) -> String {
    let mut words: Vec<&str> = ["message", "error_user_title", "error_user_msg"]
        .into_iter()
        .filter_map(|key| error.get(key)?.as_str())
        .filter(|text| !text.trim().is_empty())
        .collect();
    words.dedup();
    words.join(" - ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::platform::meta::pace::LIMIT_WAIT;

    fn answer(status: u16, body: &Value) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Bytes::from(body.to_string()),
        }
    }

    fn error(code: u64, subcode: Option<u64>) -> Value {
        json!({"error": {
            "message": "Invalid parameter", "type": "OAuthException", "code": code, "error_subcode": subcode, "is_transient": false,
            "error_user_title": "Titre", "error_user_msg": "Un message", "fbtrace_id": "AbCdEf"
        }})
    }

    /// The verdict, and whether the request is to be sent in halves.
    fn verdict_of(classification: &Classification) -> (&Verdict, bool) {
        match classification {
            Classification::Each(outcomes) => {
                assert_eq!(outcomes.len(), 10);
                assert!(outcomes.iter().all(|outcome| outcome == &outcomes[0]));
                (&outcomes[0].verdict, false)
            }
            Classification::Unnamed(outcome) => (&outcome.verdict, true),
            other => panic!("nobody was named: {other:?}"),
        }
    }

    fn blocked(cause: Cause, reach: Reach) -> Verdict {
        Verdict::Blocked {
            cause,
            reach,
            wait: (cause == Cause::RateLimited).then_some(LIMIT_WAIT),
        }
    }

    const AGAIN: Verdict = Verdict::Deferred {
        cause: Cause::PlatformError,
        wait: None,
    };

    #[test]
    fn success_is_every_event_received() {
        let classification = classify(
            &answer(200, &json!({"events_received": 10, "messages": [], "fbtrace_id": "A"})),
            10,
        );

        assert_eq!(classification, all(Outcome::plain(Verdict::Delivered), 10));
        assert_eq!(
            classify(&answer(200, &json!({"events_received": 1})), 1),
            all(Outcome::plain(Verdict::Delivered), 1)
        );
    }

    #[test]
    fn vector_26_a_200_that_is_no_success_is_none() {
        for (body, expected) in [
            (json!({"events_received": 0}), AGAIN),
            (json!({"events_received": 9}), Verdict::Ambiguous),
            (json!({"events_received": 11}), Verdict::Ambiguous),
            (json!({"messages": []}), Verdict::Ambiguous),
            (json!({"events_received": "all"}), Verdict::Ambiguous),
            (json!({}), Verdict::Ambiguous),
            (json!([]), Verdict::Ambiguous),
            (json!("ok"), Verdict::Ambiguous),
        ] {
            let classification = classify(&answer(200, &body), 10);

            assert_eq!(verdict_of(&classification), (&expected, false), "{body}");
        }
    }

    #[test]
    fn vector_26_remarks_to_a_success_are_kept() {
        let body = json!({"events_received": 10, "messages": ["Some fields are not known: foo"]});
        let Classification::Each(outcomes) = classify(&answer(200, &body), 10) else {
            panic!("one outcome each");
        };

        assert_eq!(outcomes[0].verdict, Verdict::Delivered);
        assert_eq!(outcomes[0].message.as_deref(), Some("Some fields are not known: foo"));
    }

    #[test]
    fn vectors_25_27_and_28_every_code_has_its_meaning() {
        let refused = |cause| (Verdict::Refused { cause }, true);
        let not_sent = |cause| (Verdict::NotSent { cause }, true);
        let limited = |reach| (blocked(Cause::RateLimited, reach), false);
        let again = || (AGAIN, false);
        let login = || (blocked(Cause::LoginRefused, Reach::Login), false);
        let permission = || (blocked(Cause::PermissionMissing, Reach::Account), false);
        let set_up = || (blocked(Cause::AccountNotSetUp, Reach::Account), false);
        let cases = [
            (1, None, again()),
            (1, Some(99), refused(Cause::Refused)),
            (2, None, again()),
            (3, None, permission()),
            (4, None, limited(Reach::Login)),
            (4, Some(1_504_022), limited(Reach::Login)),
            (4, Some(1_504_039), limited(Reach::Login)),
            (10, None, permission()),
            (17, Some(2_446_079), limited(Reach::Login)),
            (32, None, limited(Reach::Account)),
            (102, None, login()),
            (190, None, login()),
            (190, Some(458), login()),
            (190, Some(459), login()),
            (190, Some(460), login()),
            (190, Some(463), login()),
            (190, Some(467), login()),
            (200, None, permission()),
            (299, None, permission()),
            (341, None, limited(Reach::Login)),
            (368, None, login()),
            (613, None, limited(Reach::Account)),
            (613, Some(1_487_742), limited(Reach::Account)),
            (613, Some(5_044_001), limited(Reach::Account)),
            (803, None, set_up()),
            (2_500, None, set_up()),
            (2_635, None, (blocked(Cause::InterfaceGone, Reach::Platform), false)),
            (5_000, None, again()),
            (21_009, None, again()),
            (80_000, None, limited(Reach::Account)),
            (80_001, None, limited(Reach::Account)),
            (80_003, None, limited(Reach::Account)),
            (80_004, None, limited(Reach::Account)),
            (80_014, None, limited(Reach::Account)),
            (100, None, refused(Cause::Refused)),
            (100, Some(33), set_up()),
            (100, Some(2_804_001), refused(Cause::InvalidClickId)),
            (100, Some(2_804_003), refused(Cause::EventTooOld)),
            (100, Some(2_804_007), refused(Cause::Refused)),
            (100, Some(2_804_009), refused(Cause::MissingValue)),
            (100, Some(2_804_016), refused(Cause::Refused)),
            (100, Some(2_804_017), refused(Cause::Refused)),
            (100, Some(2_804_019), refused(Cause::Refused)),
            (100, Some(2_804_043), refused(Cause::Refused)),
            (100, Some(2_804_048), refused(Cause::Refused)),
            (100, Some(2_804_050), not_sent(Cause::NoIdentifiers)),
            (100, Some(2_804_065), set_up()),
            (100, Some(2_804_066), not_sent(Cause::EventNameNotTaken)),
            (100, Some(2_804_072), refused(Cause::InvalidClickId)),
            (100, Some(2_804_073), refused(Cause::InvalidClickId)),
            (100, Some(2_804_079), refused(Cause::Refused)),
            (100, Some(2_804_087), refused(Cause::InvalidClickId)),
            (100, Some(2_804_131), set_up()),
            (100, Some(2_804_132), set_up()),
            (100, Some(1), refused(Cause::Refused)),
            (987_654, None, again()),
            (0, None, again()),
        ];
        for (code, subcode, (verdict, in_halves)) in cases {
            // The body decides, whatever the status says.
            for status in [200, 400, 401, 403, 500, 503] {
                let classification = classify(&answer(status, &error(code, subcode)), 10);

                assert_eq!(
                    verdict_of(&classification),
                    (&verdict, in_halves),
                    "{code}/{subcode:?} at {status}"
                );
            }
        }
    }

    #[test]
    fn vector_25_a_refusal_names_its_code_and_keeps_metas_words() {
        let classification = classify(&answer(400, &error(100, Some(2_804_003))), 10);

        let Classification::Unnamed(outcome) = classification else {
            panic!("nobody was named: {classification:?}");
        };
        assert_eq!(outcome.code.as_deref(), Some("100/2804003"));
        assert_eq!(
            outcome.message.as_deref(),
            Some("Invalid parameter - Titre - Un message")
        );
    }

    #[test]
    fn vector_27_a_limit_waits_as_long_as_the_headers_say() {
        let mut answer = answer(400, &error(80_004, None));
        let usage = r#"{"1":[{"type":"ads_management","estimated_time_to_regain_access":19}]}"#;
        answer.headers = vec![("x-business-use-case-usage".to_owned(), usage.to_owned())];

        let expected = Verdict::Blocked {
            cause: Cause::RateLimited,
            reach: Reach::Account,
            wait: Some(Duration::from_secs(19 * 60)),
        };
        assert_eq!(verdict_of(&classify(&answer, 10)), (&expected, false));
    }

    #[test]
    fn what_meta_calls_transient_is_tried_again_and_a_limit_still_waits() {
        for (code, expected) in [
            (100, AGAIN),
            (200, AGAIN),
            (987_654, AGAIN),
            (4, blocked(Cause::RateLimited, Reach::Login)),
        ] {
            let mut body = error(code, None);
            body["error"]["is_transient"] = json!(true);

            assert_eq!(
                verdict_of(&classify(&answer(400, &body), 10)),
                (&expected, false),
                "{code}"
            );
        }
    }

    #[test]
    fn a_missing_proof_of_the_app_holds_the_login_back_and_refuses_no_event() {
        let mut body = error(100, None);
        body["error"]["message"] = json!("API calls from the server require an appsecret_proof argument");

        assert_eq!(
            verdict_of(&classify(&answer(400, &body), 10)),
            (&blocked(Cause::LoginRefused, Reach::Login), false)
        );
    }

    #[test]
    fn vector_27_an_answer_that_is_not_metas_is_judged_by_its_status() {
        for (status, expected) in [
            (500, AGAIN),
            (502, Verdict::Ambiguous),
            (503, AGAIN),
            (200, Verdict::Ambiguous),
        ] {
            for body in [
                "<html>Sorry, something went wrong.</html>",
                "",
                "{\"error\":\"oops\"}",
                "{\"error\":{\"message\":\"no code\"}}",
            ] {
                let answer = Answer {
                    status,
                    headers: Vec::new(),
                    body: Bytes::from_static(body.as_bytes()),
                };

                assert_eq!(
                    verdict_of(&classify(&answer, 10)),
                    (&expected, false),
                    "{status} {body}"
                );
            }
        }
    }

    #[test]
    fn a_429_of_an_unknown_code_is_a_limit() {
        let classification = classify(&answer(429, &error(987_654, None)), 10);

        assert_eq!(
            verdict_of(&classification),
            (&blocked(Cause::RateLimited, Reach::Account), false)
        );
    }

    #[test]
    fn a_culprit_that_is_named_is_refused_alone() {
        let mut body = error(100, None);
        body["error"]["message"] = json!("(#100) Param data[3][event_time] must be a valid time");

        let Classification::Named(named) = classify(&answer(400, &body), 10) else {
            panic!("it is named");
        };
        assert_eq!(named.len(), 1);
        assert_eq!(
            (named[0].0, &named[0].1.verdict),
            (3, &Verdict::Refused { cause: Cause::Refused })
        );
    }

    #[test]
    fn personal_data_in_metas_words_is_cut() {
        let mut body = error(100, None);
        body["error"]["message"] = json!("bad value jane@example.com for em");

        let Classification::Unnamed(outcome) = classify(&answer(400, &body), 10) else {
            panic!("nobody was named");
        };
        assert!(!outcome.message.unwrap().contains("jane"));
    }
}
