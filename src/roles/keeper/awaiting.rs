//! Decides anew about events that waited for a click: with the one that came meanwhile, or without one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, Utc};

use super::duties::DutyFailure;
use crate::{
    domain::{Account, Cause, Directory, Dispatch, State},
    metrics::conversions,
    roles::{
        context::Context,
        plan::{Remembered, ask, decide, question, wants},
    },
    store::{
        awaiting::{Awaiting, AwaitingPart},
        resend::Renewal,
        routing::NewDispatch,
    },
};

/// Decides about so many parts at the most; gives those that must be published now.
pub(super) async fn decide_anew(context: &Context, limit: i64) -> Result<Vec<Dispatch>, DutyFailure> {
    let events = context.store.waits_over(limit).await?;
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let directory = context.directory.current();
    let questions = events.iter().map(|event| {
        let accounts = directory.accounts_of(&event.record.client).iter().map(AsRef::as_ref);
        question((&event.record).into(), accounts, &event.identities)
    });
    let remembered = ask(&context.store, questions.collect()).await?;
    let now = Utc::now();
    let renewals: Vec<Renewal> = events
        .iter()
        .zip(&remembered)
        .flat_map(|(event, remembered)| renewals(event, remembered, &directory, now))
        .collect();
    crate::crash_point!("keeper.before_decided_anew");
    let renewed = context.store.renew_decisions(&renewals).await?;
    crate::crash_point!("keeper.after_decided_anew");
    let mut dispatches = Vec::new();
    for renewal in renewals {
        let decision = renewal.decision;
        let event = events.iter().find(|event| event.record.key() == renewal.event);
        let Some(event) = event else { continue };
        let dispatch = Dispatch {
            account: decision.account,
            platform: decision.platform,
            destination: decision.destination,
            click: decision.click,
            deadline: decision.deadline,
            event: event.record.for_platform(decision.platform),
        };
        // What another keeper was quicker with is its.
        if !renewed.contains(&dispatch.key()) {
            continue;
        }
        conversions::decided(decision.platform, decision.state, decision.cause, 1);
        if decision.state == State::Queued {
            dispatches.push(dispatch);
        }
    }
    Ok(dispatches)
}

fn renewals(event: &Awaiting, remembered: &Remembered, directory: &Directory, now: DateTime<Utc>) -> Vec<Renewal> {
    let wanting: Vec<&Account> = directory
        .accounts_of(&event.record.client)
        .iter()
        .map(AsRef::as_ref)
        .filter(|account| wants(account, &event.record.name))
        .collect();
    // A panic over one event is that event's bug.
    let decisions = catch_unwind(AssertUnwindSafe(|| decide(&event.record, &wanting, remembered, now)));
    let of_part = |part: &AwaitingPart| match &decisions {
        Ok(decisions) => decisions
            .iter()
            .find(|decision| decision.account == part.account)
            .cloned()
            .unwrap_or_else(|| failed(part, Cause::AccountRemoved)),
        Err(_) => failed(part, Cause::Bug),
    };
    event
        .parts
        .iter()
        .map(|part| Renewal {
            event: event.record.key(),
            decision: of_part(part),
            stood: Some(part.updated_at),
        })
        .collect()
}

fn failed(part: &AwaitingPart, cause: Cause) -> NewDispatch {
    NewDispatch {
        account: part.account,
        platform: part.platform,
        destination: part.destination.clone(),
        state: State::Failed,
        cause: Some(cause),
        detail: None,
        due: None,
        deadline: part.deadline,
        click: None,
    }
}
