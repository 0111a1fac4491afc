//! Classify: what an answer means for each dispatch of a request.
//!
//! TikTok answers 200 to nearly everything; the verdict is `code` in the body, at any status: `{code, message, request_id, data}`.
//! <https://github.com/tiktok/tiktok-business-api-sdk>, `js_sdk/docs/InlineResponse200.md`

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use super::codes::{self, Meaning};
use crate::{
    domain::{Cause, Classification, Outcome, Verdict},
    platform::{Answer, answer::outcome},
};

/// TikTok's codes are 0 or have five digits; a smaller number is a gateway's.
const CODE_MIN: i64 = 10_000;

/// Says what the answer to a request of `count` events means.
pub(super) fn classify(answer: &Answer, count: usize) -> Classification {
    let Some(reply) = Reply::read(answer) else {
        return unreadable(answer, count);
    };
    match reply.meaning() {
        // Whoever says both, that all is well and that it is not, is not believed; repetitions do no harm.
        Meaning::Taken | Meaning::PartlyTaken if !(200..=299).contains(&answer.status) => {
            each(&reply.outcome(Verdict::Ambiguous), count)
        }
        Meaning::Taken => each(&reply.outcome(Verdict::Delivered), count),
        Meaning::PartlyTaken => reply.partly_taken(count),
        Meaning::Culprit(cause) => {
            let refused = reply.outcome(Verdict::Refused { cause });
            match culprits(&[&reply.message], count) {
                Some(named) => Classification::Named(named.into_iter().map(|index| (index, refused.clone())).collect()),
                None => Classification::Unnamed(refused),
            }
        }
        Meaning::Halves => {
            let cause = Cause::PlatformError;
            let wait = answer.retry_after();
            Classification::Unnamed(reply.outcome(Verdict::Deferred { cause, wait }))
        }
        Meaning::Again(cause, seconds) => {
            let wait = wait(answer, seconds);
            each(&reply.outcome(Verdict::Deferred { cause, wait }), count)
        }
        Meaning::Blocked(cause, reach, seconds) => {
            // A refused login or permission does not come back by waiting, whatever a header says.
            let wait = seconds.and_then(|_| wait(answer, seconds));
            each(&reply.outcome(Verdict::Blocked { cause, reach, wait }), count)
        }
    }
}

fn each(outcome: &Outcome, count: usize) -> Classification {
    Classification::Each(vec![outcome.clone(); count])
}

/// What the answer asks for, else what the code implies. A pause of no length would be none at all, and spends no try either.
fn wait(answer: &Answer, seconds: Option<u64>) -> Option<Duration> {
    let asked = answer.retry_after().filter(|wait| !wait.is_zero());
    asked.or(seconds.map(Duration::from_secs))
}

/// A body that TikTok would not write. Where the status says that the request itself was bad, halves find out which of its events.
fn unreadable(answer: &Answer, count: usize) -> Classification {
    let outcome = answer.without_platform_body();
    match answer.status {
        400 | 413 | 414 | 422 => Classification::Unnamed(outcome),
        _ => each(&outcome, count),
    }
}

/// TikTok's own answer.
struct Reply {
    code: i64,
    message: String,
    data: Value,
}

impl Reply {
    fn read(answer: &Answer) -> Option<Self> {
        let mut body = answer.json()?;
        let code = match body.get("code")? {
            Value::String(digits) => digits.parse().ok()?,
            number => number.as_i64()?,
        };
        (code == 0 || code >= CODE_MIN).then(|| Self {
            code,
            message: body
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            data: body.get_mut("data").map(Value::take).unwrap_or_default(),
        })
    }

    fn outcome(&self, verdict: Verdict) -> Outcome {
        let message = if self.message == "OK" { "" } else { &self.message };
        outcome(verdict, self.code.to_string(), message)
    }

    /// What the code means, except where the words say that it is the ad account and not an event: TikTok gives 40002 for both.
    fn meaning(&self) -> Meaning {
        let meaning = codes::meaning(self.code);
        if !matches!(meaning, Meaning::Culprit(_)) {
            return meaning;
        }
        // At the beginning, so that no event can pause its ad account by having such words in it.
        let message = self.message.trim_start().to_ascii_lowercase();
        if message.starts_with("no permission") {
            codes::NO_PERMISSION
        } else if message.starts_with("invalid value for event_source") {
            codes::NOT_SET_UP
        } else {
            meaning
        }
    }

    /// The events that are named are refused; the others were taken, and so were all if none can be made out: TikTok has them, and does not want
    /// the request again. What its `data` then holds is nowhere written; all its texts are searched.
    fn partly_taken(&self, count: usize) -> Classification {
        let mut words = vec![self.message.as_str()];
        collect_texts(&self.data, &mut words);
        let named = culprits(&words, count).unwrap_or_default();
        let outcomes = (0..count).map(|index| {
            let cause = Cause::Refused;
            self.outcome(if named.contains(&index) {
                Verdict::Refused { cause }
            } else {
                Verdict::Delivered
            })
        });
        Classification::Each(outcomes.collect())
    }
}

fn collect_texts<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, texts)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            texts.push(key);
            collect_texts(value, texts);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The events that texts name, as `data[1].user.email`, `data.1.event_id` or `Batch.1.properties`; `None` if there is none, or one
/// that the request does not have: then nothing of it can be trusted.
fn culprits(texts: &[&str], count: usize) -> Option<BTreeSet<usize>> {
    let mut named = BTreeSet::new();
    for text in texts {
        let mut before = ' ';
        for (start, character) in text.char_indices() {
            // A path begins a word; one in quotation marks may be something that an event said.
            if (before.is_whitespace() || ",;:([{".contains(before))
                && let Some(index) = index_at(&text[start..])
            {
                if index >= count {
                    return None;
                }
                named.insert(index);
            }
            before = character;
        }
    }
    (!named.is_empty()).then_some(named)
}

/// The index in the path that the text begins with; one too large to be any gives the largest.
fn index_at(text: &str) -> Option<usize> {
    let has_prefix = |prefix: &str| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let (prefix, end) = [("data[", ']'), ("data.", '.'), ("batch.", '.')]
        .into_iter()
        .find(|(prefix, _)| has_prefix(prefix))?;
    let rest = &text[prefix.len()..];
    // No further than the digits, or a long text would be read again for every path in it.
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0 && rest[digits..].starts_with(end)).then(|| rest[..digits].parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::{domain::outcome::Reach, platform::sample};

    const NO_PERMISSION: &str =
        "No permission to operate pixel code: X. You must be an admin or operator of this advertiser account.";

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn coded(status: u16, code: i64, message: &str) -> Answer {
        let body = serde_json::json!({"code": code, "message": message, "request_id": "r1", "data": {}});
        answer(status, &body.to_string())
    }

    /// The one verdict of all.
    fn verdict(answer: &Answer) -> Verdict {
        let Classification::Each(outcomes) = classify(answer, 3) else {
            panic!("not one outcome each");
        };
        assert_eq!(outcomes.len(), 3);
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]));
        outcomes[0].verdict.clone()
    }

    fn unnamed(answer: &Answer) -> Outcome {
        match classify(answer, 4) {
            Classification::Unnamed(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn blocked(cause: Cause, reach: Reach, seconds: Option<u64>) -> Verdict {
        let wait = seconds.map(Duration::from_secs);
        Verdict::Blocked { cause, reach, wait }
    }

    fn deferred(cause: Cause, seconds: Option<u64>) -> Verdict {
        let wait = seconds.map(Duration::from_secs);
        Verdict::Deferred { cause, wait }
    }

    const REFUSED: Verdict = Verdict::Refused { cause: Cause::Refused };

    #[test]
    fn zero_is_a_delivery_r1() {
        let Classification::Each(outcomes) = classify(&coded(200, 0, "OK"), 2) else {
            panic!("not one outcome each");
        };

        assert_eq!(outcomes, vec![outcome(Verdict::Delivered, "0", ""); 2]);
    }

    #[test]
    fn a_remark_with_a_delivery_is_kept() {
        let Classification::Each(outcomes) = classify(&coded(200, 0, "pixel is inactive"), 1) else {
            panic!("not one outcome each");
        };

        assert_eq!(outcomes[0].message.as_deref(), Some("pixel is inactive"));
    }

    #[test]
    fn success_with_an_error_status_is_not_believed() {
        for status in [301, 401, 500, 502] {
            assert_eq!(verdict(&coded(status, 0, "OK")), Verdict::Ambiguous, "{status}");
            assert_eq!(verdict(&coded(status, 20001, "")), Verdict::Ambiguous, "{status}");
        }
    }

    #[test]
    fn a_partial_success_delivers_all_but_those_named_r2() {
        assert_eq!(verdict(&coded(200, 20001, "Partial success")), Verdict::Delivered);
        for data in [
            r#"["Batch.1.event_id: Not a valid string"]"#,
            r#"{"data[1].user.email": "Not a valid hash"}"#,
        ] {
            let body = format!(r#"{{"code":20001,"message":"Partial success","data":{data}}}"#);

            let Classification::Each(outcomes) = classify(&answer(200, &body), 3) else {
                panic!("not one outcome each");
            };

            let verdicts: Vec<_> = outcomes.into_iter().map(|outcome| outcome.verdict).collect();
            assert_eq!(verdicts, [Verdict::Delivered, REFUSED, Verdict::Delivered], "{data}");
        }
    }

    #[test]
    fn no_permission_blocks_the_ad_account_under_either_code_r3_r4() {
        for code in [40001, 40002, 40000] {
            assert_eq!(
                verdict(&coded(200, code, NO_PERMISSION)),
                blocked(Cause::PermissionMissing, Reach::Account, None),
                "{code}"
            );
        }
    }

    #[test]
    fn an_event_cannot_block_its_ad_account_with_what_it_says() {
        let echo = "Invalid value for event: 'No permission to operate pixel code' is too long";

        assert_eq!(unnamed(&coded(200, 40002, echo)).verdict, REFUSED);
    }

    #[test]
    fn a_wrong_pixel_is_the_ad_accounts_affair() {
        for message in [
            "Invalid value for event_source_id: not a valid string.",
            "Invalid value for event_source: must be web, app or offline.",
        ] {
            assert_eq!(
                verdict(&coded(200, 40002, message)),
                blocked(Cause::AccountNotSetUp, Reach::Account, None)
            );
        }
    }

    #[test]
    fn a_refused_event_alone_is_refused_r5() {
        let message = "Invalid value for event_id: not a valid string.";

        let refused = classify(&coded(200, 40002, message), 1);

        assert_eq!(refused, Classification::Unnamed(outcome(REFUSED, "40002", message)));
    }

    #[test]
    fn the_culprit_is_named_r6() {
        let cases = [
            ("Invalid value for data[1].user.email", vec![1]),
            ("Batch.0.properties.contents.0.content_id: Not a valid string", vec![0]),
            ("data.2.event_time: too old", vec![2]),
            (
                "Batch.2.event_id: Not a valid string; Batch.0.event: missing",
                vec![0, 2],
            ),
        ];
        for (message, indices) in cases {
            let refused = outcome(REFUSED, "40002", message);
            let named = indices.into_iter().map(|index| (index, refused.clone())).collect();

            assert_eq!(
                classify(&coded(200, 40002, message), 3),
                Classification::Named(named),
                "{message}"
            );
        }
    }

    #[test]
    fn without_a_culprit_the_request_goes_out_in_halves_r7() {
        let messages = [
            "Invalid payload",
            "data[4].user.email",
            "data[99999999999999999999].event",
            "metadata[1].x",
            "data[].x",
            "data[-1].x",
            "data.contents.1.x",
            "Batch.1",
            "Invalid event 'data[1].event'",
            "data[1].event, data[7].event",
        ];
        for message in messages {
            assert_eq!(unnamed(&coded(200, 40002, message)).verdict, REFUSED, "{message}");
        }
    }

    #[test]
    fn a_limit_of_pace_is_no_refused_login_r8() {
        for status in [200, 401] {
            for code in [40100, 40132, 61000] {
                let answer = coded(status, code, "Too many requests. Please retry in some time.");

                assert_eq!(verdict(&answer), blocked(Cause::RateLimited, Reach::Login, Some(60)));
            }
        }
    }

    #[test]
    fn a_limit_of_pace_lasts_as_long_as_the_answer_says() {
        for (header, seconds) in [("7", 7), ("0", 60), ("soon", 60)] {
            let mut answer = coded(200, 40100, "");
            answer.headers.push(("retry-after".to_owned(), header.to_owned()));

            assert_eq!(
                verdict(&answer),
                blocked(Cause::RateLimited, Reach::Login, Some(seconds)),
                "{header}"
            );
        }
    }

    #[test]
    fn a_refused_login_blocks_all_its_ad_accounts_r9() {
        for status in [200, 401] {
            for code in [40105, 40102, 40104, 40101] {
                let mut answer = coded(status, code, "Access token is incorrect or has been revoked.");
                answer.headers.push(("retry-after".to_owned(), "7".to_owned()));

                assert_eq!(
                    verdict(&answer),
                    blocked(Cause::LoginRefused, Reach::Login, None),
                    "{code}"
                );
            }
        }
    }

    #[test]
    fn errors_of_tiktoks_own_are_tried_again_despite_their_200_r10() {
        for code in [50000, 50002, 51010, 51000, 52103, 53102, 40200, 70001] {
            assert_eq!(
                verdict(&coded(200, code, "")),
                deferred(Cause::PlatformError, None),
                "{code}"
            );
        }
    }

    #[test]
    fn maintenance_holds_the_platform_for_minutes_r11() {
        assert_eq!(
            verdict(&coded(200, 60001, "")),
            blocked(Cause::PlatformDown, Reach::Platform, Some(300))
        );
    }

    #[test]
    fn a_gateways_page_is_ambiguous_r12() {
        assert_eq!(verdict(&answer(502, "<html>Bad Gateway</html>")), Verdict::Ambiguous);
    }

    #[test]
    fn a_200_without_a_code_is_never_a_delivery_r13() {
        for body in [
            "",
            "{}",
            "OK",
            "[0]",
            "null",
            r#"{"code":null}"#,
            r#"{"code":true}"#,
            r#"{"code":""}"#,
            r#"{"code":0.5}"#,
            r#"{"code":200}"#,
            r#"{"code":-1}"#,
            r#"{"status":0}"#,
            r#"{"data":{"code":0}}"#,
        ] {
            assert_eq!(verdict(&answer(200, body)), Verdict::Ambiguous, "{body}");
        }
    }

    #[test]
    fn a_bad_request_without_a_code_goes_out_in_halves_and_is_no_verdict_r14() {
        for status in [400, 413, 422] {
            assert_eq!(
                unnamed(&answer(status, "<html>")).verdict,
                deferred(Cause::AnswerUnreadable, None)
            );
        }
    }

    #[test]
    fn plain_personal_data_is_refused_r15() {
        let cause = Cause::PersonalDataRefused;

        assert_eq!(unnamed(&coded(200, 40062, "")).verdict, Verdict::Refused { cause });
    }

    #[test]
    fn a_batch_that_is_too_large_goes_out_in_halves_r16() {
        for code in [40061, 40700, 40064] {
            assert_eq!(
                unnamed(&coded(200, code, "")).verdict,
                deferred(Cause::PlatformError, None)
            );
        }
    }

    #[test]
    fn an_unknown_code_among_the_login_codes_is_tried_again_slowly_r17() {
        for code in [40133, 40150] {
            assert_eq!(verdict(&coded(200, code, "")), deferred(Cause::RateLimited, Some(60)));
        }
    }

    #[test]
    fn an_interface_that_is_gone_stops_the_platform_r18() {
        for (status, code) in [(404, 40400), (200, 41001)] {
            assert_eq!(
                verdict(&coded(status, code, "")),
                blocked(Cause::InterfaceGone, Reach::Platform, None)
            );
        }
    }

    #[test]
    fn a_429_without_a_body_is_a_limit_of_pace_r19() {
        let mut answer = answer(429, "");
        assert_eq!(verdict(&answer), blocked(Cause::RateLimited, Reach::Account, Some(60)));

        answer.headers.push(("retry-after".to_owned(), "30".to_owned()));
        assert_eq!(verdict(&answer), blocked(Cause::RateLimited, Reach::Account, Some(30)));
    }

    #[test]
    fn a_repeated_request_is_a_delivery() {
        assert_eq!(verdict(&coded(200, 40050, "Duplicated request")), Verdict::Delivered);
    }

    #[test]
    fn a_code_in_quotation_marks_counts() {
        assert_eq!(
            verdict(&answer(200, r#"{"code":"50000"}"#)),
            deferred(Cause::PlatformError, None)
        );
    }

    #[test]
    fn what_tiktok_repeats_of_a_person_or_a_token_is_not_kept() {
        let message = "Invalid value for data[0].user.email: jane@example.com, token 3f2a9c81d07b4e65a1c0ffee12345678";

        let Classification::Named(named) = classify(&coded(200, 40002, message), 2) else {
            panic!("nobody was named");
        };

        let kept = named[0].1.message.as_deref().unwrap();
        assert!(!kept.contains("jane") && !kept.contains("3f2a9c"), "{kept}");
    }

    fn any_body() -> impl Strategy<Value = Vec<u8>> {
        let message = prop_oneof![
            "\\PC{0,40}",
            (0..9_usize, ".{0,5}").prop_map(|(index, text)| format!("data[{index}].{text}")),
            Just("No permission".to_owned()),
        ];
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            (prop_oneof![any::<i64>(), 0..70_010_i64, 40_000..40_140_i64], message).prop_map(|(code, message)| {
                serde_json::json!({"code": code, "message": message, "data": [message]})
                    .to_string()
                    .into_bytes()
            }),
        ]
    }

    fn says_success(answer: &Answer) -> bool {
        let code = answer.json().and_then(|body| body.get("code")?.as_i64());
        (200..=299).contains(&answer.status) && matches!(code, Some(0 | 20001 | 40050))
    }

    proptest! {
        #[test]
        fn any_answer_gives_an_outcome_for_each_and_success_only_to_success(
            status in 100..600_u16, body in any_body(), count in 1..8_usize,
        ) {
            let answer = Answer { status, headers: Vec::new(), body: Bytes::from(body) };

            let classification = classify(&answer, count);

            let outcomes = sample::outcomes(&classification, count);
            prop_assert!(outcomes.is_some(), "{:?}", classification);
            let delivered = outcomes.unwrap().into_iter().any(sample::is_success);
            prop_assert!(!delivered || says_success(&answer));
        }
    }
}
