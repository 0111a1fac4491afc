//! Receipts: what became of the events that Data Manager took. Google tells counts by reason for each destination, never which event.
//! <https://developers.google.com/data-manager/api/devguides/diagnostics> (read 2026-11-21)

mod codes;

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::Value;

use self::codes::PROCESSING_REASONS;
use super::{
    classify::{is_success, without_body},
    codes::{Meaning, find},
    data_manager,
    error_body::ErrorBody,
    findings::{Finding, Place},
};
use crate::{
    domain::{Account, Cause, Classification, Dispatch, Outcome, Verdict, redact},
    platform::{
        Answer, Endpoints, Request,
        request::{Method, TokenHeader},
    },
};

/// Hours between the questions about a receipt, after the first one; Google asks for growing pauses. It mostly settles within a day.
const PAUSES: [i64; 11] = [1, 1, 2, 4, 8, 12, 24, 24, 24, 24, 24];

/// How long after the event was taken Google first knows anything.
const FIRST_QUESTION: TimeDelta = TimeDelta::minutes(30);

/// Why a receipt is not known: too old, only validated, or never given out.
const GONE: [&str; 3] = ["REQUEST_TOO_OLD", "INVALID_REQUEST_ID", "NOT_FOUND"];

/// How long to wait before the next question when `asked` have been asked already; `None`: give up, it stays unconfirmed. The first comes
/// 30 minutes after the event was taken, the last after six days; Google keeps the answer for about 50.
pub fn next_question(asked: usize) -> Option<TimeDelta> {
    match asked.checked_sub(1) {
        None => Some(FIRST_QUESTION),
        Some(index) => PAUSES.get(index).map(|hours| TimeDelta::hours(*hours)),
    }
}

/// What Google says to a question about a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What became of each conversion action's events.
    Answered(Vec<DestinationReply>),
    /// Google does not know the receipt, or not any more; to ask again is useless.
    Gone {
        /// Google's code.
        code: String,
    },
    /// The question was not answered; the verdict is deferred or blocked, and says when to ask again.
    NotAnswered(Outcome),
    /// The access token is not accepted: get a fresh one and ask again, once; the second time this is the outcome.
    Reauthenticate(Outcome),
}

/// What became of the events of one conversion action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationReply {
    /// The conversion action's ID, where Google repeats it; else they come in the order of [`destinations`].
    pub action: Option<String>,
    /// What became of them.
    pub answer: ReceiptAnswer,
}

/// What became of the events of one receipt and conversion action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptAnswer {
    /// Not decided yet: ask again.
    Processing,
    /// All were processed, or were there already.
    Confirmed,
    /// None was, all for the same reason. The verdict is refused, not sent or deferred: a deferred one may go again after its wait,
    /// since Google certainly did not count it.
    Failed {
        /// The outcome of each of them.
        outcome: Outcome,
    },
    /// Some were and some were not, or for several reasons; nobody knows which.
    Mixed {
        /// How many were not.
        failed: u64,
        /// Of how many; 0: Google does not say.
        of: u64,
        /// The reasons in Google's words, with how many events each.
        reasons: Vec<(String, u64)>,
    },
    /// Google says nothing that can be read: ask again.
    Unknown,
}

/// Builds the question about a receipt.
pub fn question(receipt: &str, endpoints: &Endpoints) -> Request {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("requestId", receipt)
        .finish();
    Request {
        method: Method::Get,
        url: format!("{}/v1/requestStatus:retrieve?{query}", endpoints.google_data_manager),
        headers: Vec::new(),
        token: TokenHeader::Bearer,
        body: Bytes::new(),
    }
}

/// The conversion actions of the request that these dispatches went out in, in the order of its destinations.
pub fn destinations<'a>(dispatches: &[&Dispatch], account: &'a Account) -> Vec<&'a str> {
    data_manager::destinations(dispatches, account)
}

/// Reads the answer to a question. Total: any status, any body.
pub fn classify(answer: &Answer) -> Reply {
    let body = answer.json();
    if let Some(error) = body.as_ref().and_then(ErrorBody::read) {
        return refused(&error, answer);
    }
    let destinations = body
        .as_ref()
        .filter(|_| is_success(answer))
        .and_then(|body| body.get("requestStatusPerDestination")?.as_array())
        .filter(|destinations| !destinations.is_empty());
    match destinations {
        Some(destinations) => Reply::Answered(destinations.iter().map(destination).collect()),
        None => match without_body(answer, 1) {
            Classification::Reauthenticate(outcome) => Reply::Reauthenticate(outcome),
            _ => Reply::NotAnswered(unreadable(answer)),
        },
    }
}

/// A question changes nothing at Google, so no answer to it is ambiguous.
fn unreadable(answer: &Answer) -> Outcome {
    let outcome = answer.without_platform_body();
    match outcome.verdict {
        Verdict::Ambiguous => Outcome {
            verdict: Verdict::Deferred {
                cause: Cause::AnswerUnreadable,
                wait: answer.retry_after(),
            },
            ..outcome
        },
        _ => outcome,
    }
}

fn refused(error: &ErrorBody<'_>, answer: &Answer) -> Reply {
    let (meaning, code) = error.meaning(&[]);
    let violation = error
        .details("google.rpc.BadRequest")
        .filter_map(|bad_request| bad_request.get("fieldViolations")?.as_array())
        .flatten()
        .find_map(|violation| violation.get("reason")?.as_str());
    let is_gone = |code: &&str| GONE.contains(code);
    if let Some(code) = [Some(code), violation].into_iter().flatten().find(is_gone) {
        return Reply::Gone { code: code.to_owned() };
    }
    let meaning = match meaning {
        Meaning::Reauthenticate | Meaning::Quota(..) | Meaning::Block(..) | Meaning::Retry => meaning,
        _ => Meaning::Unknown,
    };
    let finding = Finding {
        place: Place::Request,
        meaning,
        code: code.to_owned(),
        message: error.message.to_owned(),
        wait: error.wait().or_else(|| answer.retry_after()),
    };
    match meaning {
        Meaning::Reauthenticate => Reply::Reauthenticate(finding.outcome()),
        _ => Reply::NotAnswered(finding.outcome()),
    }
}

fn destination(reply: &Value) -> DestinationReply {
    DestinationReply {
        action: reply
            .pointer("/destination/productDestinationId")
            .and_then(Value::as_str)
            .map(str::to_owned),
        answer: receipt_answer(reply),
    }
}

fn receipt_answer(reply: &Value) -> ReceiptAnswer {
    let status = reply.get("requestStatus").and_then(Value::as_str).unwrap_or_default();
    let of = reply
        .pointer("/eventsIngestionStatus/recordCount")
        .and_then(count)
        .unwrap_or_default();
    let reasons = reasons(reply);
    let failing: Vec<&(String, Meaning, u64)> = reasons
        .iter()
        .filter(|(_, meaning, _)| *meaning != Meaning::Already)
        .collect();
    let failed = failing
        .iter()
        .fold(0, |sum: u64, (_, _, count)| sum.saturating_add(*count));
    let all_failed = status.starts_with("FAIL") || (of > 0 && failed >= of);
    match (status, failing.as_slice()) {
        ("PROCESSING", _) => ReceiptAnswer::Processing,
        ("SUCCESS", []) => ReceiptAnswer::Confirmed,
        // All that failed was there already (T35).
        ("PARTIAL_SUCCESS" | "FAILED" | "FAILURE", []) if !reasons.is_empty() => ReceiptAnswer::Confirmed,
        ("FAILED" | "FAILURE", []) => ReceiptAnswer::Failed {
            outcome: failure("FAILED", Meaning::Unknown),
        },
        ("SUCCESS" | "PARTIAL_SUCCESS" | "FAILED" | "FAILURE", [(reason, meaning, _)])
            if all_failed && reasons.len() == 1 =>
        {
            ReceiptAnswer::Failed {
                outcome: failure(reason, *meaning),
            }
        }
        ("SUCCESS" | "PARTIAL_SUCCESS" | "FAILED" | "FAILURE", [_, ..]) => ReceiptAnswer::Mixed {
            failed,
            of,
            reasons: failing
                .into_iter()
                .map(|(reason, _, count)| (reason.clone(), *count))
                .collect(),
        },
        _ => ReceiptAnswer::Unknown,
    }
}

fn failure(reason: &str, meaning: Meaning) -> Outcome {
    Outcome {
        verdict: meaning.verdict(None),
        code: Some(reason.to_owned()),
        message: None,
    }
}

/// The reasons without their prefix, in alphabetical order, each once.
fn reasons(reply: &Value) -> Vec<(String, Meaning, u64)> {
    let counts = reply.pointer("/errorInfo/errorCounts").and_then(Value::as_array);
    let mut by_reason: BTreeMap<String, u64> = BTreeMap::new();
    for entry in counts.into_iter().flatten() {
        let name = entry.get("reason").and_then(Value::as_str).unwrap_or("UNKNOWN");
        // One of Google's names lacks the `REASON_`.
        let bare = name.strip_prefix("PROCESSING_ERROR_").unwrap_or(name);
        let bare = redact::text(bare.strip_prefix("REASON_").unwrap_or(bare));
        let total = by_reason.entry(bare).or_default();
        *total = total.saturating_add(entry.get("recordCount").and_then(count).unwrap_or(1));
    }
    by_reason
        .into_iter()
        .map(|(reason, count)| {
            let meaning = find(PROCESSING_REASONS, &reason).unwrap_or(Meaning::Unknown);
            (reason, meaning, count)
        })
        .collect()
}

/// A 64-bit number, which Google's JSON writes as text.
fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests;
