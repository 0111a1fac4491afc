//! The answer of `uploadClickConversions`: one result a conversion, with those that failed named in `partialFailureError`; or an error
//! of the whole request. Both carry a `GoogleAdsFailure`; its paths are in snake case although the body is in camel case.
//! <https://developers.google.com/google-ads/api/docs/best-practices/partial-failures> (read 2026-11-21)

use std::time::Duration;

use serde_json::Value;

use super::{super::build::sent_order_id, codes};
use crate::{
    domain::{Account, Cause, Classification, Dispatch, Outcome, Verdict, outcome::Reach},
    platform::{
        Answer,
        google::{
            classify::{is_success, is_test, without_body},
            codes::Meaning,
            error_body::{ErrorBody, details, duration},
            findings::{Finding, Place, refusal, worst},
        },
    },
};

/// Where Google keeps its own errors, whatever the version.
const FAILURE: &str = ".GoogleAdsFailure";

/// How far apart conversions of one order or moment are sent again, so that they do not meet a second time; at most six hours.
const TWIN_STEP: Duration = Duration::from_secs(10 * 60);
const TWIN_STEPS_MAX: u32 = 36;

/// Says what an answer means.
pub(in crate::platform::google) fn classify(
    answer: &Answer,
    dispatches: &[&Dispatch],
    account: &Account,
) -> Classification {
    let count = dispatches.len();
    let body = answer.json();
    if let Some(error) = body.as_ref().and_then(ErrorBody::read) {
        let found = whole_request(&error, answer, count);
        return refusal(&found, count).unwrap_or_else(|| without_body(answer, count));
    }
    match body {
        Some(body) if is_success(answer) && body.is_object() => {
            Classification::Each(rows(&body, answer, dispatches, account))
        }
        _ => without_body(answer, count),
    }
}

fn whole_request(error: &ErrorBody<'_>, answer: &Answer, count: usize) -> Vec<Finding> {
    let general_wait = error.wait().or_else(|| answer.retry_after());
    let mut found: Vec<Finding> = error
        .details(FAILURE)
        .flat_map(|failure| failures(failure, count))
        .map(|finding| Finding {
            wait: finding.wait.or(general_wait),
            ..finding
        })
        .collect();
    if found.is_empty() {
        let (meaning, code) = error.meaning(&[]);
        found.push(Finding {
            place: Place::Request,
            meaning,
            code: code.to_owned(),
            message: error.message.to_owned(),
            wait: general_wait,
        });
    }
    found
}

/// The errors of one `GoogleAdsFailure`. There is one such detail however many conversions failed.
fn failures(failure: &Value, count: usize) -> Vec<Finding> {
    list(failure.get("errors"))
        .iter()
        .map(|error| finding(error, count))
        .collect()
}

fn finding(error: &Value, count: usize) -> Finding {
    let quota = error.pointer("/details/quotaErrorDetails");
    let (category, value) = error_code(error);
    let mut meaning = codes::meaning(category, value);
    if let (Meaning::Quota(_, usual), Some("ACCOUNT")) = (meaning, quota.and_then(|q| q.get("rateScope")?.as_str())) {
        meaning = Meaning::Quota(Reach::Account, usual);
    }
    Finding {
        place: place(error, count),
        meaning,
        code: match (category, value) {
            (codes::CONVERSION_UPLOAD, value) => value.to_owned(),
            (category, value) => format!("{category}.{value}"),
        },
        message: error
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        wait: quota.and_then(|quota| duration(quota.get("retryDelay")?.as_str()?)),
    }
}

/// Category and value: `errorCode` has exactly one key. A code newer than our version stands in `details.unpublishedErrorCode`.
fn error_code(error: &Value) -> (&str, &str) {
    let code = error.get("errorCode").and_then(Value::as_object);
    code.and_then(|code| {
        code.iter()
            .find_map(|(category, value)| Some((category.as_str(), value.as_str()?)))
    })
    .or_else(|| Some(("unpublished", error.pointer("/details/unpublishedErrorCode")?.as_str()?)))
    .unwrap_or(("unpublished", "UNKNOWN"))
}

/// The conversion that an error speaks of. Google has been seen to leave the index out; with a single conversion that does not matter.
fn place(error: &Value, count: usize) -> Place {
    let path = list(error.pointer("/location/fieldPathElements"));
    let conversions = path
        .iter()
        .find(|element| element.get("fieldName").and_then(Value::as_str) == Some("conversions"));
    let index = conversions
        .and_then(|element| element.get("index")?.as_u64())
        .and_then(|index| usize::try_from(index).ok());
    match index {
        Some(index) if index < count => Place::Dispatch(index),
        _ if conversions.is_some() && count == 1 => Place::Dispatch(0),
        _ => Place::Request,
    }
}

/// One outcome each. The errors decide; an empty result without an error, or results that do not fit, are never a delivery.
fn rows(body: &Value, answer: &Answer, dispatches: &[&Dispatch], account: &Account) -> Vec<Outcome> {
    let count = dispatches.len();
    let partial = body.get("partialFailureError").filter(|partial| !partial.is_null());
    let findings: Vec<Finding> = partial
        .map(|partial| details(list(partial.get("details")), FAILURE))
        .into_iter()
        .flatten()
        .flat_map(|failure| failures(failure, count))
        .collect();
    let results = body.get("results").map(|results| list(Some(results)));
    // Google has been seen to send `partialFailureError` with code 0, or none, when all went well.
    let claims_failure = partial.is_some_and(|partial| !partial.is_object() || has_code(partial));
    let rows = Rows {
        results: results.filter(|results| results.len() == count).unwrap_or_default(),
        is_validated_only: results.is_none() && is_test(account),
        explains: !claims_failure || !findings.is_empty(),
        findings,
        unclear: answer.without_platform_body(),
    };
    let mut twins = 0;
    let outcomes = dispatches.iter().enumerate();
    outcomes
        .map(|(index, dispatch)| rows.outcome(index, dispatch, account, &mut twins))
        .collect()
}

struct Rows<'a> {
    /// As many as there are conversions, or none.
    results: &'a [Value],
    findings: Vec<Finding>,
    /// Whether there are no results because Google only looked at the request.
    is_validated_only: bool,
    /// Whether the failure, if there is one, says what failed.
    explains: bool,
    /// The outcome where nothing tells.
    unclear: Outcome,
}

impl Rows<'_> {
    fn outcome(&self, index: usize, dispatch: &Dispatch, account: &Account, twins: &mut u32) -> Outcome {
        let own = self
            .findings
            .iter()
            .filter(|finding| finding.place == Place::Dispatch(index));
        if let Some(finding) = worst(own) {
            return failed(finding, dispatch, account, twins);
        }
        let mut unplaced = self
            .findings
            .iter()
            .filter(|finding| finding.place == Place::Request)
            .peekable();
        if self.is_validated_only || self.results.get(index).is_some_and(is_taken) {
            // An error that no empty result claims may be of any of them.
            let is_claimed = unplaced.peek().is_none() || !self.results.iter().all(is_taken);
            return if is_claimed && self.explains {
                Outcome::plain(Verdict::Delivered)
            } else {
                self.unclear.clone()
            };
        }
        worst(unplaced).map_or_else(
            || self.unclear.clone(),
            |finding| failed(finding, dispatch, account, twins),
        )
    }
}

/// The outcome of a conversion that failed. An order ID in use is our own repetition when event IDs go out; when order IDs go out it may
/// be another event of the same order as well, and then this one did not count. Either way Google has the order.
fn failed(finding: &Finding, dispatch: &Dispatch, account: &Account, twins: &mut u32) -> Outcome {
    let mut outcome = finding.outcome();
    match finding.meaning {
        Meaning::Already if finding.code == "ORDER_ID_ALREADY_IN_USE" && sent_order_id(dispatch, account).is_some() => {
            outcome.verdict = Verdict::NotSent {
                cause: Cause::DuplicateAtPlatform,
            };
        }
        Meaning::Twin => {
            let wait = (*twins > 0).then(|| TWIN_STEP * (*twins).min(TWIN_STEPS_MAX));
            outcome.verdict = Meaning::Twin.verdict(wait);
            *twins = twins.saturating_add(1);
        }
        _ => {}
    }
    outcome
}

fn has_code(partial: &Value) -> bool {
    partial.get("code").is_some_and(|code| code.as_i64() != Some(0))
}

fn is_taken(result: &Value) -> bool {
    result.as_object().is_some_and(|result| !result.is_empty())
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
