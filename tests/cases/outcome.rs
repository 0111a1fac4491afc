//! The answer half of a case: an answer in, one outcome for each event out.

use conversion_relay::{
    domain::{Classification, Dispatch, Outcome, Verdict},
    platform::{Answer, adapter},
};
use serde_json::{Map, Value, json};

use super::{case::Case, request::route};

/// Compares what the answer is taken for with `outcomes.json`.
pub fn check(case: &Case) -> Result<(), String> {
    let (Some(answer), Some(expected)) = (&case.answer, &case.outcomes) else {
        return Ok(());
    };
    let (_, dispatches) = route(case);
    if dispatches.len() != case.events.len() {
        return Err("  an event of it does not go out at all".to_owned());
    }
    let dispatches: Vec<&Dispatch> = dispatches.iter().collect();
    let classification = adapter(case.account.platform).classify(&answer_of(answer), &dispatches, &case.account);
    let given = described(&classification, expected);
    if given == *expected {
        Ok(())
    } else {
        Err(format!("  given    {given}\n  expected {expected}"))
    }
}

/// `answer.json`: `body` is JSON, `text` is anything else.
fn answer_of(answer: &Value) -> Answer {
    let headers = answer.get("headers").and_then(Value::as_object).into_iter().flatten();
    let text = answer.get("text").and_then(Value::as_str).map(str::to_owned);
    let body = text.unwrap_or_else(|| answer.get("body").map(Value::to_string).unwrap_or_default());
    Answer {
        status: answer["status"]
            .as_u64()
            .and_then(|status| status.try_into().ok())
            .expect("a status"),
        headers: headers
            .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()))
            .collect(),
        body: body.into(),
    }
}

/// The classification in the words of `outcomes.json`, with codes and messages only where `expected` has them.
fn described(classification: &Classification, expected: &Value) -> Value {
    match classification {
        Classification::Each(outcomes) => {
            let wanted = &expected["each"];
            if wanted.is_object() && outcomes.iter().all(|outcome| *outcome == outcomes[0]) {
                return json!({"each": worded(&outcomes[0], wanted)});
            }
            let each = outcomes.iter().enumerate();
            json!({"each": each.map(|(index, outcome)| worded(outcome, &wanted[index])).collect::<Value>()})
        }
        Classification::Named(named) => {
            let word = |(index, outcome): &(usize, Outcome)| {
                let index = index.to_string();
                let worded = worded(outcome, &expected["named"][&index]);
                (index, worded)
            };
            json!({"named": named.iter().map(word).collect::<Map<_, _>>()})
        }
        Classification::Unnamed(outcome) => json!({"unnamed": worded(outcome, &expected["unnamed"])}),
        Classification::Reauthenticate(outcome) => {
            json!({"reauthenticate": worded(outcome, &expected["reauthenticate"])})
        }
    }
}

fn worded(outcome: &Outcome, expected: &Value) -> Value {
    let mut words = verdict(&outcome.verdict);
    for (key, value) in [("code", &outcome.code), ("message", &outcome.message)] {
        if expected.get(key).is_some() {
            words.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(words)
}

fn verdict(verdict: &Verdict) -> Map<String, Value> {
    let (name, cause, wait) = match verdict {
        Verdict::Delivered => ("delivered", None, None),
        Verdict::Accepted { .. } => ("accepted", None, None),
        Verdict::Ambiguous => ("ambiguous", None, None),
        Verdict::Deferred { cause, wait } => ("deferred", Some(cause), *wait),
        Verdict::Blocked { cause, wait, .. } => ("blocked", Some(cause), *wait),
        Verdict::Refused { cause } => ("refused", Some(cause), None),
        Verdict::NotSent { cause } => ("not_sent", Some(cause), None),
    };
    let mut words = Map::new();
    words.insert("verdict".to_owned(), json!(name));
    words.extend(cause.map(|cause| ("cause".to_owned(), json!(cause))));
    words.extend(wait.map(|wait| ("wait_seconds".to_owned(), json!(wait.as_secs()))));
    if let Verdict::Accepted { receipt } = verdict {
        words.insert("receipt".to_owned(), json!(receipt));
    }
    if let Verdict::Blocked { reach, .. } = verdict {
        words.insert("reach".to_owned(), json!(format!("{reach:?}").to_lowercase()));
    }
    words
}
