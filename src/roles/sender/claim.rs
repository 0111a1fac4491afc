//! Claiming: one statement over all ad accounts that may send now, and what follows for those that are not ours to send.

use std::{collections::HashMap, sync::Arc};

use tracing::warn;
use uuid::Uuid;

use super::{PUBLISH_PATIENCE, Parcel};
use crate::{
    broker::Publisher,
    domain::{AccountId, Cause, DispatchKey, EventKey},
    metrics::conversions,
    roles::{chain, context::Context, messages::dead_message},
    store::sending::{Claim, Claimed, DeadFacts},
};

/// What came of claiming.
pub(super) enum Claiming {
    /// The ledger answered.
    Done {
        /// What is ours to send, by ad account.
        batches: Vec<ClaimedBatch>,
        /// Ad accounts of which nothing is ours to send.
        idle: Vec<(AccountId, Vec<DispatchKey>)>,
        /// Whether the platform is paused as a whole.
        platform_paused: bool,
    },
    /// Postgres did not answer; every delivery waits for its channel to close.
    StoreAway {
        /// The ad accounts that are free again.
        accounts: Vec<(AccountId, Vec<DispatchKey>)>,
    },
}

/// What is ours to send to one ad account.
pub(super) struct ClaimedBatch {
    pub(super) account: AccountId,
    pub(super) lease: Uuid,
    pub(super) parcels: Vec<(Parcel, Claimed)>,
}

/// Claims, acks what others look after, and publishes the dead copies of what has failed.
pub(super) async fn claim(context: Arc<Context>, publisher: Publisher, parcels: Vec<Parcel>) -> Claiming {
    let lease = Uuid::now_v7();
    let keys: Vec<DispatchKey> = parcels.iter().map(|parcel| parcel.key).collect();
    let mut by_account: HashMap<AccountId, Vec<DispatchKey>> = HashMap::new();
    for key in &keys {
        by_account.entry(key.account).or_default().push(*key);
    }
    crate::crash_point!("sender.before_claim");
    let claims = match context.store.claim(&keys, lease, context.pace.lease).await {
        Ok(claims) => claims,
        Err(failure) => {
            warn!(error = %chain(&failure), "claim failed");
            return Claiming::StoreAway {
                accounts: by_account.into_iter().collect(),
            };
        }
    };
    crate::crash_point!("sender.after_claim");
    let mut ours: HashMap<AccountId, Vec<(Parcel, Claimed)>> = HashMap::new();
    let mut dead = Vec::new();
    let mut platform_paused = false;
    for (parcel, claim) in parcels.into_iter().zip(claims) {
        match claim {
            Claim::Ours(claimed) => ours.entry(parcel.dispatch.account).or_default().push((parcel, claimed)),
            Claim::NotOurs => parcel.delivery.ack(),
            Claim::Parked { scope } => {
                platform_paused |= scope.starts_with("platform:");
                parcel.delivery.ack();
            }
            Claim::Failed(facts) => dead.push((parcel, facts)),
            Claim::Unknown => {
                let facts = unknown_to_the_ledger();
                dead.push((parcel, facts));
            }
        }
    }
    bury(&context, &publisher, dead).await;
    let idle = by_account
        .into_iter()
        .filter(|(account, _)| !ours.contains_key(account))
        .collect();
    let batches = ours
        .into_iter()
        .map(|(account, parcels)| ClaimedBatch {
            account,
            lease,
            parcels,
        })
        .collect();
    Claiming::Done {
        batches,
        idle,
        platform_paused,
    }
}

/// Publishes dead copies, and acks those that are confirmed. Of a forgotten person no copy is left.
pub(super) async fn bury(context: &Context, publisher: &Publisher, dead: Vec<(Parcel, DeadFacts)>) {
    if dead.is_empty() {
        return;
    }
    let events: Vec<EventKey> = dead.iter().map(|(parcel, _)| parcel.key.event).collect();
    let forgotten = match context.store.forgotten_among(&events).await {
        Ok(forgotten) => forgotten,
        Err(failure) => {
            warn!(error = %chain(&failure), "dead copies not published; the keeper makes them good");
            dead.into_iter().for_each(|(parcel, _)| parcel.delivery.requeue());
            return;
        }
    };
    let (forgotten, dead): (Vec<_>, Vec<_>) = dead
        .into_iter()
        .partition(|(parcel, _)| forgotten.contains(&parcel.key.event));
    note_confirmed(context, forgotten).await;
    if dead.is_empty() {
        return;
    }
    let copies = dead
        .iter()
        .map(|(parcel, facts)| dead_message(&context.topology, &parcel.dispatch, facts))
        .collect();
    crate::crash_point!("sender.before_dead_letter");
    if let Err(failure) = publisher.publish(copies, PUBLISH_PATIENCE).await {
        warn!(error = %chain(&failure), "dead copies not confirmed; the keeper makes them good");
        for (parcel, _) in dead {
            parcel.delivery.requeue();
        }
        return;
    }
    crate::crash_point!("sender.after_dead_letter");
    for (parcel, facts) in &dead {
        conversions::dead_letter(parcel.dispatch.platform.as_str(), facts.cause);
    }
    note_confirmed(context, dead).await;
}

/// Notes that nobody need look after these any more, and acks them.
async fn note_confirmed(context: &Context, dead: Vec<(Parcel, DeadFacts)>) {
    if dead.is_empty() {
        return;
    }
    let keys: Vec<DispatchKey> = dead.iter().map(|(parcel, _)| parcel.key).collect();
    if let Err(failure) = context.store.dead_copies_confirmed(&keys).await {
        // The keeper publishes them once more then, and replay takes a second copy for what it is.
        warn!(error = %chain(&failure), "confirmed dead copies could not be noted");
    }
    dead.into_iter().for_each(|(parcel, _)| parcel.delivery.ack());
}

/// A message that the ledger knows nothing of: an older backup of the database, or one whose time of keeping is over.
fn unknown_to_the_ledger() -> DeadFacts {
    DeadFacts {
        cause: Cause::NotInLedger,
        detail: None,
        dead_count: 0,
        attempts: 0,
        failed_at: chrono::Utc::now(),
    }
}
