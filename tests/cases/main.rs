//! Fidelity: what the adapters send, and how they read answers, case by case against the platforms' own documents.
//!
//! A case is a folder below `tests/fixtures/cases`; see the README there. Nothing here knows a single one of them.

mod case;
mod outcome;
mod request;
mod robust;
#[path = "../it/support/simulator.rs"]
#[expect(dead_code, reason = "each test program uses a part of it")]
mod simulator;
mod taken;

use std::collections::BTreeSet;

use serde_json::Value;

use case::Case;

/// What went wrong in a case, with its name before it.
fn faults(check: impl Fn(&Case) -> Result<(), String>) -> Vec<String> {
    let judge = |case: &Case| check(case).err().map(|fault| format!("{}\n{fault}", case.name));
    case::all().iter().filter_map(judge).collect()
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} cases:\n\n{}", faults.len(), faults.join("\n\n"));
}

#[test]
fn every_event_becomes_the_request_that_the_platform_documents() {
    assert_none(&faults(request::check));
}

#[test]
fn every_answer_means_what_the_platform_documents() {
    assert_none(&faults(outcome::check));
}

#[test]
fn every_case_says_what_comes_of_what() {
    let halves = |case: &Case| {
        let request = case.request.is_some();
        let answer = case.answer.is_some() && case.outcomes.is_some();
        match (request, answer, case.answer.is_some() == case.outcomes.is_some()) {
            (_, _, false) => Err("answer.json and outcomes.json belong together".to_owned()),
            (false, false, _) => Err("neither request.json nor answer.json".to_owned()),
            _ => Ok(()),
        }
    };

    assert_none(&faults(halves));
    assert!(case::all().len() >= 680);
}

/// The texts in all answers of a platform's cases.
fn words_of_answers(platform: &str) -> BTreeSet<String> {
    fn collect(value: &Value, words: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => drop(words.insert(text.clone())),
            Value::Number(number) => drop(words.insert(number.to_string())),
            Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
            Value::Object(fields) => fields.values().for_each(|field| collect(field, words)),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let mut words = BTreeSet::new();
    for case in case::all().iter().filter(|case| case.name.starts_with(platform)) {
        collect(case.answer.as_ref().unwrap_or(&Value::Null), &mut words);
    }
    words
}

#[test]
fn every_error_of_an_upload_has_a_case() {
    let listed: Value = serde_json::from_str(include_str!("../fixtures/google/conversion_upload_error.json")).unwrap();
    let answered = words_of_answers("google");

    let missing: Vec<&String> = listed["values"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| !answered.contains(*name))
        .collect();

    assert_eq!(missing, Vec::<&String>::new());
}
