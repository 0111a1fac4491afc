//! The keeper's duties, each safe to be cut off anywhere: what is taken out of the ledger is stamped first, published and confirmed, and only then
//! counts as on its way.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use rand::RngExt;
use tracing::{error, info, warn};

use super::awaiting;
use crate::{
    broker::{BrokerError, PublishFailure, Publisher},
    domain::{
        Dispatch, DispatchKey, Platform, Scope,
        account::AfterAmbiguity,
        retry::{Next, ambiguous_deadline, next_try},
    },
    metrics::conversions,
    roles::{
        context::Context,
        directory::DirectoryUnavailable,
        messages::{Lane, dead_message, dispatch_message},
    },
    store::{StoreError, keeping::Resumption},
};

/// How long a publish may take to be confirmed.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(30);
/// The most rows of one statement.
const ROWS_MAX: i64 = 500;

/// What a keeper works with.
pub(super) struct Duties {
    pub(super) context: Arc<Context>,
    pub(super) publisher: Publisher,
}

/// A duty could not be done; it is done again.
#[derive(Debug, thiserror::Error)]
pub(super) enum DutyFailure {
    /// Postgres.
    #[error("look after the ledger")]
    Store(#[from] StoreError),
    /// Postgres, while the directory was to be read anew.
    #[error("look up an ad account")]
    Directory(#[from] DirectoryUnavailable),
    /// The broker took no message.
    #[error("publish what is due")]
    Publish(#[from] PublishFailure),
}

impl DutyFailure {
    pub(super) fn is_passing(&self) -> bool {
        match self {
            DutyFailure::Store(failure) => failure.is_passing(),
            DutyFailure::Directory(failure) => failure.0.is_passing(),
            DutyFailure::Publish(_) => true,
        }
    }
}

impl Duties {
    /// Does each duty once. What must not wait for a rate comes first.
    pub(super) async fn all(&self) -> Result<(), DutyFailure> {
        self.take_back().await?;
        self.expire_paused().await?;
        self.bury().await?;
        self.context.store.drop_ended_pauses().await?;
        self.probe().await?;
        self.republish_silent().await?;
        let seconds = self.context.pace.keeper_interval.as_secs_f64().max(0.001);
        let at_once = ((f64::from(self.context.pace.wake_rate) * seconds).ceil() as i64).max(1);
        let mut budget = at_once;
        while budget > 0 {
            let woken = self.wake(budget.min(ROWS_MAX)).await?;
            budget -= woken;
            if woken == 0 {
                break;
            }
        }
        while budget > 0 {
            let released = self.release(budget.min(ROWS_MAX)).await?;
            budget -= released;
            if released == 0 {
                break;
            }
        }
        // A budget of its own, lest a long queue of others stops it.
        let mut budget = at_once;
        while budget > 0 {
            let decided = self.end_waits(budget.min(ROWS_MAX)).await?;
            budget -= decided;
            if decided == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Takes back what a sender claimed and never recorded.
    async fn take_back(&self) -> Result<(), DutyFailure> {
        let backoff = self.context.backoff();
        let directory = self.context.directory.current();
        let taken = self
            .context
            .store
            .take_back(ROWS_MAX, |abandoned| {
                let deadline = ambiguous_deadline(abandoned.platform, abandoned.deadline, abandoned.first_ambiguous_at);
                let delay = backoff.delay(abandoned.deferrals, rand::rng().random_range(0.0..1.0));
                conversions::abandoned(abandoned.platform);
                // A sender that went away is the same as an answer that did not come.
                let rule = directory
                    .account(abandoned.key.account)
                    .map_or(AfterAmbiguity::Resend, |account| account.rules.after_ambiguity);
                let due = match (rule, next_try(Utc::now(), delay, None, deadline)) {
                    (AfterAmbiguity::Resend, Next::At(due)) => Some(due),
                    (AfterAmbiguity::Never, _) | (_, Next::DeadlinePassed) => None,
                };
                Resumption { due, deadline }
            })
            .await?;
        if taken > 0 {
            warn!(
                count = taken,
                "conversions taken back from a sender that went away: their attempt is ambiguous"
            );
        }
        crate::crash_point!("keeper.after_take_back");
        Ok(())
    }

    async fn expire_paused(&self) -> Result<(), DutyFailure> {
        let expired = self.context.store.expire_paused(ROWS_MAX).await?;
        if expired > 0 {
            error!(count = expired, "paused conversions failed: their deadline has passed");
        }
        Ok(())
    }

    /// Makes good dead copies that are missing.
    async fn bury(&self) -> Result<(), DutyFailure> {
        let missing = self.context.store.missing_dead_copies(ROWS_MAX).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let copies = missing
            .iter()
            .map(|(dispatch, facts)| dead_message(&self.context.topology, dispatch, facts))
            .collect();
        crate::crash_point!("keeper.before_dead_letter");
        self.publisher.publish(copies, PUBLISH_PATIENCE).await?;
        crate::crash_point!("keeper.after_dead_letter");
        for (dispatch, facts) in &missing {
            conversions::dead_letter(dispatch.platform.as_str(), facts.cause);
        }
        let keys: Vec<DispatchKey> = missing.iter().map(|(dispatch, _)| dispatch.key()).collect();
        self.context.store.dead_copies_confirmed(&keys).await?;
        Ok(())
    }

    /// Sends one conversion ahead of each pause without an end, to see whether it can end.
    async fn probe(&self) -> Result<(), DutyFailure> {
        let probes = self.context.store.take_probes(self.context.pace.probe_interval).await?;
        self.publish("probe", probes).await?;
        Ok(())
    }

    /// Publishes again what was queued and vanished, for platforms whose lanes are empty: there it cannot be lying.
    async fn republish_silent(&self) -> Result<(), DutyFailure> {
        let mut drained = Vec::new();
        for platform in Platform::ALL {
            if self.is_drained(platform).await {
                drained.push(platform);
            }
        }
        let silent = self.context.store.take_silent(ROWS_MAX, &drained).await?;
        for dispatch in &silent {
            conversions::silent(dispatch.platform);
        }
        if !silent.is_empty() {
            warn!(
                count = silent.len(),
                "queued conversions were not heard of and are published again"
            );
        }
        self.publish("silent", silent).await?;
        Ok(())
    }

    async fn is_drained(&self, platform: Platform) -> bool {
        // A paused platform is not consumed: its messages lie where they are.
        if self.context.is_paused(&Scope::Platform(platform)) {
            return false;
        }
        let name = platform.as_str();
        let depth = async {
            let live = self
                .context
                .broker
                .queue_depth(&self.context.topology.send_queue(name))
                .await?;
            let bulk = self
                .context
                .broker
                .queue_depth(&self.context.topology.bulk_queue(name))
                .await?;
            Ok::<u32, BrokerError>(live + bulk)
        };
        depth.await.is_ok_and(|depth| depth == 0)
    }

    /// Decides anew about what waited for a click; gives about how much.
    async fn end_waits(&self, limit: i64) -> Result<i64, DutyFailure> {
        let decided = awaiting::decide_anew(&self.context, limit).await?;
        self.publish("click_awaited", decided.queued).await?;
        Ok(i64::try_from(decided.parts).unwrap_or(i64::MAX))
    }

    async fn wake(&self, limit: i64) -> Result<i64, DutyFailure> {
        let due = self.context.store.wake(limit).await?;
        crate::crash_point!("keeper.after_wake");
        self.publish("due", due).await
    }

    async fn release(&self, limit: i64) -> Result<i64, DutyFailure> {
        let released = self.context.store.release(limit).await?;
        if !released.is_empty() {
            info!(
                count = released.len(),
                "paused conversions go out: nothing holds them back any more"
            );
        }
        self.publish("pause_ended", released).await
    }

    /// Publishes what was taken out of the ledger, and notes that it is confirmed. Cut off before the note, it is published again a minute later.
    async fn publish(&self, reason: &'static str, dispatches: Vec<Dispatch>) -> Result<i64, DutyFailure> {
        if dispatches.is_empty() {
            return Ok(0);
        }
        let messages = dispatches
            .iter()
            .map(|dispatch| dispatch_message(&self.context.topology, dispatch, Lane::Bulk))
            .collect();
        self.publisher.publish(messages, PUBLISH_PATIENCE).await?;
        crate::crash_point!("keeper.after_publish");
        let keys: Vec<DispatchKey> = dispatches.iter().map(Dispatch::key).collect();
        self.context.store.published(&keys, self.context.pace.silence).await?;
        conversions::woken(reason, keys.len());
        Ok(i64::try_from(keys.len()).unwrap_or(i64::MAX))
    }
}
