//! From what Google says of a receipt to what is recorded of its dispatches. Pure.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::{
    domain::{Account, Cause, Outcome, State, Verdict},
    platform::google::receipts::{DestinationReply, ReceiptAnswer, Reply, next_question},
    roles::decide::{Circumstances, decide, detail, new_pause, unsent},
    store::{
        receipts::{Again, Promise, Promised, ReceiptReport},
        sending::Record,
    },
};

/// When a question that was blocked is put again, once the pause is over.
const AFTER_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// However short the pause.
const AT_LEAST: TimeDelta = TimeDelta::seconds(5);

/// Says whether a receipt has been asked about so often that another question is useless; only a worker that died every time lets it come so far.
pub(super) fn is_exhausted(promise: &Promise) -> bool {
    next_question(promise.questions.saturating_sub(1)).is_none()
}

/// A receipt of which nothing more will be heard: it stays sent, and unconfirmed.
pub(super) fn given_up(promise: &Promise) -> ReceiptReport {
    let detail = format!("nothing was heard of request {}", promise.receipt);
    let records = promise.dispatches.iter();
    ReceiptReport {
        records: records.map(|promised| unconfirmed(promised, &detail)).collect(),
        ..open(promise)
    }
}

/// What follows from a reply, and the kinds of answer that are in it.
pub(super) fn judge(promise: &Promise, reply: Reply, at: Circumstances<'_>) -> (ReceiptReport, Vec<&'static str>) {
    match reply {
        Reply::Answered(destinations) => {
            let kinds = destinations.iter().map(|reply| kind(&reply.answer)).collect();
            (answered(promise, &destinations, at), kinds)
        }
        Reply::Gone { code } => {
            let detail = format!("it does not know request {} any more ({code})", promise.receipt);
            let records = promise.dispatches.iter();
            let report = ReceiptReport {
                records: records.map(|promised| unconfirmed(promised, &detail)).collect(),
                ..open(promise)
            };
            (report, vec!["gone"])
        }
        Reply::NotAnswered(outcome) | Reply::Reauthenticate(outcome) => not_answered(promise, &outcome, at),
    }
}

fn answered(promise: &Promise, destinations: &[DestinationReply], at: Circumstances<'_>) -> ReceiptReport {
    let actions: BTreeSet<&str> = promise
        .dispatches
        .iter()
        .map(|promised| action(promised, at.account))
        .collect();
    let records: Vec<Record> = promise
        .dispatches
        .iter()
        .filter_map(|promised| {
            let answer = answer_about(action(promised, at.account), &actions, destinations)?;
            settled(promised, answer, &promise.receipt, at)
        })
        .collect();
    let is_open = records.len() < promise.dispatches.len();
    match next_question(promise.questions) {
        None if is_open => {
            let known: BTreeSet<_> = records.iter().map(|record| record.key).collect();
            let left = given_up(promise).records;
            let left = left.into_iter().filter(|record| !known.contains(&record.key));
            ReceiptReport {
                records: records.iter().cloned().chain(left).collect(),
                ..open(promise)
            }
        }
        next => ReceiptReport {
            records,
            again: next.filter(|_| is_open).map(|wait| Again::Later(at.now + wait)),
            ..open(promise)
        },
    }
}

/// The conversion action of a dispatch, as it was when the request was built unless someone has changed it since.
fn action<'a>(promised: &Promised, account: &'a Account) -> &'a str {
    account
        .rules
        .actions
        .get(&promised.event_name)
        .map_or("", String::as_str)
}

/// The answer about one conversion action: by its ID where Google repeats it, else by the order of the request's destinations; and where all answers
/// are the same, it does not matter which.
fn answer_about<'a>(
    action: &str,
    actions: &BTreeSet<&str>,
    destinations: &'a [DestinationReply],
) -> Option<&'a ReceiptAnswer> {
    let named = destinations
        .iter()
        .find(|reply| reply.action.as_deref() == Some(action));
    let by_order = || {
        let are_unnamed = destinations.iter().all(|reply| reply.action.is_none());
        let place = actions.iter().position(|known| *known == action)?;
        destinations
            .get(place)
            .filter(|_| are_unnamed && destinations.len() == actions.len())
    };
    let any = || {
        let first = destinations.first()?;
        destinations
            .iter()
            .all(|reply| reply.answer == first.answer)
            .then_some(first)
    };
    let reply = named.or_else(by_order).or_else(any)?;
    Some(&reply.answer)
}

/// What is recorded of one dispatch; `None`: nothing yet.
fn settled(promised: &Promised, answer: &ReceiptAnswer, receipt: &str, at: Circumstances<'_>) -> Option<Record> {
    match answer {
        ReceiptAnswer::Processing | ReceiptAnswer::Unknown => None,
        ReceiptAnswer::Confirmed => Some(unsent(promised.key, &promised.claimed, State::Confirmed, None)),
        ReceiptAnswer::Failed { outcome } => {
            let mut record = decide(promised.key, &promised.claimed, outcome, at).record;
            record.detail = record.detail.or_else(|| detail(outcome));
            Some(record)
        }
        ReceiptAnswer::Mixed { failed, of, reasons } => {
            let of = if *of == 0 { "?".to_owned() } else { of.to_string() };
            let reasons: Vec<String> = reasons
                .iter()
                .map(|(reason, count)| format!("{reason} {count}"))
                .collect();
            let detail = format!("{failed} of {of} in request {receipt} failed ({})", reasons.join(", "));
            Some(unconfirmed(promised, &detail))
        }
    }
}

fn not_answered(promise: &Promise, outcome: &Outcome, at: Circumstances<'_>) -> (ReceiptReport, Vec<&'static str>) {
    let report = open(promise);
    match &outcome.verdict {
        Verdict::Blocked { cause, reach, wait } => {
            let pause = new_pause(*cause, *reach, *wait, detail(outcome), at);
            let again = pause.until.unwrap_or(at.now + AFTER_PAUSE).max(at.now + AT_LEAST);
            let report = ReceiptReport {
                again: Some(Again::NotPut(again)),
                pauses: vec![pause],
                ..report
            };
            (report, vec!["blocked"])
        }
        verdict => {
            let asked_for = match verdict {
                Verdict::Deferred { wait: Some(wait), .. } => TimeDelta::from_std(*wait).unwrap_or(TimeDelta::days(1)),
                _ => TimeDelta::zero(),
            };
            let report = match next_question(promise.questions) {
                Some(wait) => ReceiptReport {
                    again: Some(Again::Later(at.now + wait.max(asked_for))),
                    ..report
                },
                None => given_up(promise),
            };
            (report, vec!["unanswered"])
        }
    }
}

fn unconfirmed(promised: &Promised, detail: &str) -> Record {
    Record {
        detail: Some(detail.to_owned()),
        ..unsent(promised.key, &promised.claimed, State::Sent, Some(Cause::Unconfirmed))
    }
}

/// A report in which nothing is decided.
fn open(promise: &Promise) -> ReceiptReport {
    ReceiptReport {
        account: promise.account,
        receipt: promise.receipt.clone(),
        records: Vec::new(),
        again: None,
        pauses: Vec::new(),
    }
}

/// The answer's name in metrics.
fn kind(answer: &ReceiptAnswer) -> &'static str {
    match answer {
        ReceiptAnswer::Processing => "processing",
        ReceiptAnswer::Unknown => "unknown",
        ReceiptAnswer::Confirmed => "confirmed",
        ReceiptAnswer::Mixed { .. } => "mixed",
        ReceiptAnswer::Failed { outcome } => match outcome.verdict {
            Verdict::Deferred { .. } => "deferred",
            Verdict::NotSent { .. } => "not_sent",
            _ => "failed",
        },
    }
}

#[cfg(test)]
mod tests;
