//! Receipts: asks Google later what became of what it took, a question a request, and writes the answer into the ledger. Several workers share
//! the work by SKIP LOCKED. Nothing that was accepted is sent again to learn more.

mod asking;
mod verdict;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::Utc;
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::asking::ask;
use super::{
    chain,
    context::Context,
    quota::{Purpose, quota_of},
};
use crate::{
    domain::{AccountId, Directory},
    metrics::conversions,
    store::StoreError,
};

/// How many questions are put at a time.
const TOGETHER: u32 = 16;
/// The longest pause while Postgres does not answer.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let working = context.readiness.expect("receipts");
    let mut ticks = tokio::time::interval(context.pace.keeper_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pause = context.pace.keeper_interval;
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let result = ask_all(&context, &shutdown).await;
        working.store(result.is_ok(), Ordering::Relaxed);
        match result {
            Ok(()) => pause = context.pace.keeper_interval,
            Err(failure) => {
                conversions::store_failed("receipts");
                if failure.is_passing() {
                    warn!(error = %chain(&failure), "receipts wait");
                } else {
                    error!(error = %chain(&failure), "receipts cannot be asked about");
                }
                pause = (pause * 2).min(PAUSE_MAX);
                if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    break;
                }
            }
        }
    }
    info!("receipts stopped");
}

/// Asks about everything whose time has come, as far as the quota goes.
async fn ask_all(context: &Arc<Context>, shutdown: &CancellationToken) -> Result<(), StoreError> {
    while !shutdown.is_cancelled() && ask_some(context).await? {}
    Ok(())
}

/// Asks about some; false if there is nothing to ask about, or no quota to do it with.
async fn ask_some(context: &Arc<Context>) -> Result<bool, StoreError> {
    let directory = context.directory.current();
    let due = context.store.due_receipts(&held(&directory)).await?;
    let mut asking = JoinSet::new();
    for (quota, receipts) in by_quota(due, &directory, context) {
        let wanted = receipts
            .values()
            .fold(0_u32, |sum, count| sum.saturating_add(*count))
            .min(TOGETHER);
        let granted = match &quota {
            Some(name) => context.take_quota(name, wanted, Purpose::Receipts).await?.granted,
            None => wanted,
        };
        if granted == 0 {
            continue;
        }
        let accounts: Vec<AccountId> = receipts.into_keys().collect();
        let promises = context
            .store
            .claim_receipts(&accounts, granted, context.pace.lease)
            .await?;
        for promise in promises {
            asking.spawn(ask(Arc::clone(context), promise, quota.clone()));
        }
    }
    let has_asked = !asking.is_empty();
    let mut result = Ok(has_asked);
    while let Some(asked) = asking.join_next().await {
        match asked {
            Ok(Ok(())) => {}
            // What could not be recorded is asked about again when its lease ends; the others are done with first.
            Ok(Err(failure)) => result = Err(failure),
            Err(failure) => error!(panicked = failure.is_panic(), "question about a receipt failed"),
        }
    }
    result
}

/// Ad accounts that are not asked for: paused, or without a login.
fn held(directory: &Directory) -> Vec<AccountId> {
    let now = Utc::now();
    let is_held = |account: &crate::domain::Account| {
        directory.login(&account.login).is_none()
            || directory
                .pauses()
                .any(|pause| pause.holds_at(now) && directory.concerns(&pause.scope, account))
    };
    let accounts = directory.accounts().filter(|account| is_held(account));
    accounts.map(|account| account.id).collect()
}

/// What is to be asked about, by the quota that the questions draw on. An ad account that this process does not know yet is left for the next look.
fn by_quota(
    due: HashMap<AccountId, u32>,
    directory: &Directory,
    context: &Context,
) -> HashMap<Option<String>, HashMap<AccountId, u32>> {
    let mut groups: HashMap<Option<String>, HashMap<AccountId, u32>> = HashMap::new();
    for (id, count) in due {
        let Some(account) = directory.account(id) else { continue };
        let quota = quota_of(account, directory, context.pace.google_quota).map(str::to_owned);
        groups.entry(quota).or_default().insert(id, count);
    }
    groups
}
