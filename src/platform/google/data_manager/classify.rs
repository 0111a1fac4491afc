//! The answer of `events:ingest`: taken with a promise, or refused whole.
//!
//! A refusal names its culprits in `google.rpc.BadRequest` by paths such as `events.events[3].user_data` or `destinations[0].reference`.
//! <https://developers.google.com/data-manager/api/devguides/concepts/understand-errors> (read 2026-11-21)

use serde_json::Value;

use super::{super::build::action, codes::REQUEST_REASONS, destinations};
use crate::{
    domain::{Account, Cause, Classification, Dispatch, Outcome, Verdict, outcome::Reach, redact},
    platform::{
        Answer,
        answer::outcome,
        google::{
            classify::{is_success, is_test, without_body},
            codes::{Meaning, find},
            error_body::ErrorBody,
            findings::{Finding, Place, refusal},
        },
    },
};

/// Says what an answer means.
pub(in crate::platform::google) fn classify(
    answer: &Answer,
    dispatches: &[&Dispatch],
    account: &Account,
) -> Classification {
    let count = dispatches.len();
    let body = answer.json();
    if let Some(error) = body.as_ref().and_then(ErrorBody::read) {
        let found = findings(&error, answer, dispatches, account);
        return refusal(&found, count).unwrap_or_else(|| without_body(answer, count));
    }
    body.as_ref()
        .filter(|_| is_success(answer))
        .and_then(|body| taken(body, count, account))
        .map_or_else(|| without_body(answer, count), Classification::Each)
}

/// All were taken: queued, not yet counted. A test has no receipt, since nothing of it is processed.
fn taken(body: &Value, count: usize, account: &Account) -> Option<Vec<Outcome>> {
    let body = body.as_object()?;
    let receipt = body
        .get("requestId")
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty());
    let verdict = match receipt {
        _ if is_test(account) && !body.contains_key("error") => Verdict::Delivered,
        Some(receipt) => Verdict::Accepted {
            receipt: receipt.to_owned(),
        },
        None => return None,
    };
    let mut outcomes = vec![Outcome::plain(verdict.clone()); count];
    for warning in list(body.get("fieldWarnings")) {
        remark(&mut outcomes, warning, &verdict);
    }
    Some(outcomes)
}

/// A warning refuses nothing; it goes along with the event that it names, else with all.
fn remark(outcomes: &mut [Outcome], warning: &Value, verdict: &Verdict) {
    let code = redact::text(text(warning, "reason"));
    let remarked = outcome(verdict.clone(), code, text(warning, "description"));
    match index_after(text(warning, "field"), "events[") {
        Some(index) => outcomes
            .get_mut(index)
            .into_iter()
            .for_each(|slot| *slot = remarked.clone()),
        None => outcomes.fill(remarked),
    }
}

fn findings(error: &ErrorBody<'_>, answer: &Answer, dispatches: &[&Dispatch], account: &Account) -> Vec<Finding> {
    let wait = error.wait().or_else(|| answer.retry_after());
    let (general, general_code) = error.meaning(REQUEST_REASONS);
    let mut findings = Vec::new();
    for violation in error.details("google.rpc.BadRequest").flat_map(violations) {
        let reason = text(violation, "reason");
        let (meaning, code) = if reason.is_empty() {
            (general, general_code)
        } else {
            (find(REQUEST_REASONS, reason).unwrap_or(Meaning::Unknown), reason)
        };
        let finding = Finding {
            place: Place::Request,
            meaning,
            code: code.to_owned(),
            message: format!("{}: {}", text(violation, "field"), text(violation, "description")),
            wait,
        };
        findings.extend(placed(finding, text(violation, "field"), dispatches, account));
    }
    // Beside violations, the status INVALID_ARGUMENT or a reason that nobody knows adds nothing.
    if findings.is_empty() || !matches!(general, Meaning::Refuse(_) | Meaning::Unknown) {
        findings.push(Finding {
            place: Place::Request,
            meaning: general,
            code: general_code.to_owned(),
            message: error.message.to_owned(),
            wait,
        });
    }
    findings
}

/// Puts a finding where its field says. What is wrong with a destination is the account's matter, whatever the reason; only an action
/// that is too young concerns the events of that action alone.
fn placed(mut finding: Finding, field: &str, dispatches: &[&Dispatch], account: &Account) -> Vec<Finding> {
    if let Some(index) = index_after(field, "events[") {
        if index < dispatches.len() {
            finding.place = Place::Dispatch(index);
        }
        return vec![finding];
    }
    let Some(destination) = index_after(field, "destinations[") else {
        return vec![finding];
    };
    match finding.meaning {
        Meaning::RetryIn(..) => {
            let members = members(destination, dispatches, account);
            members
                .into_iter()
                .map(|index| Finding {
                    place: Place::Dispatch(index),
                    ..finding.clone()
                })
                .collect()
        }
        Meaning::Refuse(_) | Meaning::Expected(_) | Meaning::Unknown | Meaning::Already | Meaning::Twin => {
            finding.meaning = Meaning::Block(Reach::Account, Cause::AccountNotSetUp);
            vec![finding]
        }
        _ => vec![finding],
    }
}

/// The dispatches whose conversion action is the destination of this index; all of them if there is no such destination.
fn members(destination: usize, dispatches: &[&Dispatch], account: &Account) -> Vec<usize> {
    let actions = destinations(dispatches, account);
    let Some(wanted) = actions.get(destination) else {
        return (0..dispatches.len()).collect();
    };
    let of_action = |index: &usize| action(dispatches[*index], account) == *wanted;
    (0..dispatches.len()).filter(of_action).collect()
}

fn violations(bad_request: &Value) -> &[Value] {
    list(bad_request.get("fieldViolations"))
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The number that follows `name[` in a path.
fn index_after(path: &str, name: &str) -> Option<usize> {
    let (_, rest) = path.split_once(name)?;
    let (digits, _) = rest.split_once(']')?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests;
