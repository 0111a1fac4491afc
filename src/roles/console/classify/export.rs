//! What machines read: one JSON object an answer.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    meaning::{Meaning, Whole},
    page::{Reason, reach_word, reason},
    question::{Malady, Question},
};
use crate::{
    domain::{Cause, Outcome, Verdict},
    roles::decide::outcome_name,
};

#[derive(Serialize)]
struct MeaningLine<'a> {
    platform: &'static str,
    status: u16,
    sent: usize,
    /// `decided`, `some_named`, `in_halves` or `new_token`.
    request: &'static str,
    outcomes: Vec<OutcomeObject<'a>>,
    /// Only with `in_halves`: the outcome of a conversion that is alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    alone: Option<OutcomeObject<'a>>,
}

#[derive(Serialize)]
struct OutcomeObject<'a> {
    /// From 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
    outcome: &'static str,
    cause: Option<Cause>,
    code: Option<&'a str>,
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'a str>,
    wait_seconds: Option<u64>,
    /// How far the pause reaches, if there is one.
    reach: Option<&'static str>,
    who: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sentence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
}

#[derive(Serialize)]
struct ErrorLine {
    line: u64,
    error: ErrorObject,
}

#[derive(Serialize)]
struct ErrorObject {
    cause: Cause,
    field: Option<&'static str>,
}

/// Writes what an answer means.
pub(super) fn meaning(question: &Question, meaning: &Meaning, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let outcomes = meaning.outcomes.iter().enumerate();
    let line = MeaningLine {
        platform: question.platform.as_str(),
        status: question.answer.status,
        sent: question.sent,
        request: match &meaning.request {
            Whole::Decided => "decided",
            Whole::SomeNamed => "some_named",
            Whole::InHalves(_) => "in_halves",
            Whole::NewToken => "new_token",
        },
        outcomes: outcomes
            .map(|(position, outcome)| object(Some(position), outcome.as_ref(), question))
            .collect(),
        alone: match &meaning.request {
            Whole::InHalves(outcome) => Some(object(None, Some(outcome), question)),
            _ => None,
        },
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}

/// Writes why a line asks nothing.
pub(super) fn error(line: u64, malady: Malady, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let error = ErrorObject {
        cause: malady.cause,
        field: malady.field,
    };
    serde_json::to_writer(&mut *out, &ErrorLine { line, error })?;
    writeln!(out)
}

fn object<'a>(position: Option<usize>, outcome: Option<&'a Outcome>, question: &Question) -> OutcomeObject<'a> {
    let reason = reason(outcome, question);
    let verdict = outcome.map(|outcome| &outcome.verdict);
    let (wait, reach) = match verdict {
        Some(Verdict::Deferred { wait, .. }) => (*wait, None),
        Some(Verdict::Blocked { wait, reach, .. }) => (*wait, Some(reach_word(*reach))),
        _ => (None, None),
    };
    let receipt = match verdict {
        Some(Verdict::Accepted { receipt }) => Some(receipt.as_str()),
        _ => None,
    };
    let Reason {
        cause,
        who,
        sentence,
        action,
    } = reason;
    OutcomeObject {
        position,
        outcome: verdict.map_or("undecided", outcome_name),
        cause,
        code: outcome.and_then(|outcome| outcome.code.as_deref()),
        message: outcome.and_then(|outcome| outcome.message.as_deref()),
        receipt,
        wait_seconds: wait.map(|wait| wait.as_secs()),
        reach,
        who,
        sentence,
        action,
    }
}
