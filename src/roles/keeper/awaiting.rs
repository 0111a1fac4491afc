//! Decides anew about events that waited for a click: with the one that came meanwhile, or without one.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::duties::DutyFailure;
use crate::{
    domain::{Account, Cause, Directory, Dispatch, DispatchKey, EventKey, State},
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

/// What was decided anew.
pub(super) struct Decided {
    /// About how many parts.
    pub(super) parts: usize,
    /// What must be published now.
    pub(super) queued: Vec<Dispatch>,
}

/// Decides about so many parts at the most, and what waits beside them.
pub(super) async fn decide_anew(context: &Context, limit: i64) -> Result<Decided, DutyFailure> {
    let events = context.store.waits_over(limit).await?;
    let mut decided = Decided {
        parts: events.iter().map(|event| event.parts.len()).sum(),
        queued: Vec::new(),
    };
    if events.is_empty() {
        return Ok(decided);
    }
    let directory = known_accounts(context, &events).await?;
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
    let by_key: HashMap<EventKey, &Awaiting> = events.iter().map(|event| (event.record.key(), event)).collect();
    for renewal in renewals {
        let decision = renewal.decision;
        let key = DispatchKey {
            event: renewal.event,
            account: decision.account,
        };
        // What has changed meanwhile is looked at again.
        if !renewed.contains(&key) {
            continue;
        }
        conversions::decided(decision.platform, decision.state, decision.cause, 1);
        if decision.state == State::Queued
            && let Some(event) = by_key.get(&renewal.event)
        {
            decided.queued.push(Dispatch {
                account: decision.account,
                platform: decision.platform,
                destination: decision.destination,
                click: decision.click,
                deadline: decision.deadline,
                event: event.record.for_platform(decision.platform),
            });
        }
    }
    Ok(decided)
}

/// The directory, read anew if it misses an ad account: none is called removed on the word of a cache.
async fn known_accounts(context: &Context, events: &[Awaiting]) -> Result<Arc<Directory>, DutyFailure> {
    let current = context.directory.current();
    let is_known = |event: &Awaiting| {
        let mut parts = event.parts.iter();
        parts.all(|part| current.account(part.account).is_some_and(|account| !account.removed))
    };
    if events.iter().all(is_known) {
        return Ok(current);
    }
    Ok(context.directory.refresh().await?)
}

fn renewals(event: &Awaiting, remembered: &Remembered, directory: &Directory, now: DateTime<Utc>) -> Vec<Renewal> {
    let accounts = directory.accounts_of(&event.record.client);
    // Whoever has said no to it does not take the credit from those who wait, and neither does one that came later.
    let is_concerned = |account: &Account| {
        let waits = event.parts.iter().any(|part| part.account == account.id);
        waits || event.served.contains(&account.id)
    };
    let wanting: Vec<&Account> = accounts
        .iter()
        .map(AsRef::as_ref)
        .filter(|account| wants(account, &event.record.name) && is_concerned(account))
        .collect();
    // A panic over one event is that event's bug.
    let decisions = catch_unwind(AssertUnwindSafe(|| decide(&event.record, &wanting, remembered, now)));
    let of_part = |part: &AwaitingPart| match &decisions {
        Ok(decisions) => {
            let decision = decisions.iter().find(|decision| decision.account == part.account);
            decision.cloned().unwrap_or_else(|| {
                let is_there = accounts.iter().any(|account| account.id == part.account);
                match is_there {
                    true => ended(part, State::NotSent, Cause::EventNotWanted),
                    false => ended(part, State::Failed, Cause::AccountRemoved),
                }
            })
        }
        Err(_) => ended(part, State::Failed, Cause::Bug),
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

fn ended(part: &AwaitingPart, state: State, cause: Cause) -> NewDispatch {
    NewDispatch {
        account: part.account,
        platform: part.platform,
        destination: part.destination.clone(),
        state,
        cause: Some(cause),
        detail: None,
        due: None,
        deadline: part.deadline,
        click: None,
    }
}
