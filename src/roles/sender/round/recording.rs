//! What became of dispatches: recorded, buried where they failed, acked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use rand::RngExt;
use tracing::{error, warn};

use super::{Item, Round, StoreAway, Target};
use crate::{
    domain::{AccountId, Cause, DispatchKey, Outcome, State, Verdict},
    metrics::conversions,
    roles::{
        chain,
        decide::{Circumstances, decide, outcome_name, shows_that_access_works, undecided, unsent},
        sender::claim::bury,
    },
    store::sending::{DeadFacts, NewPause, Record, Recordings, Report, RequestFacts},
};

/// How long recording is tried while Postgres does not answer; a delivery that is recorded late still counts.
const RECORD_PATIENCE: Duration = Duration::from_secs(300);

impl Round {
    /// Records outcomes, publishes dead copies of what failed, and acks.
    pub(super) async fn record(
        &mut self,
        target: &Target,
        settled: Vec<(Item, Outcome)>,
        facts: &RequestFacts,
    ) -> Result<(), StoreAway> {
        let now = Utc::now();
        let mut records = Vec::with_capacity(settled.len());
        let mut pauses: Vec<NewPause> = Vec::new();
        let mut lifts = false;
        for (item, outcome) in &settled {
            let at = Circumstances {
                account: &target.account,
                login: &target.login,
                mode: target.mode,
                now,
                backoff: self.context.backoff(),
                jitter: rand::rng().random_range(0.0..1.0),
                probe_interval: self.context.pace.probe_interval,
            };
            let decision = decide(item.key(), &item.claimed, outcome, at);
            lifts |= item.claimed.is_probe && shows_that_access_works(&outcome.verdict);
            if let Some(pause) = decision.pause
                && !pauses.iter().any(|known| known.scope == pause.scope)
            {
                pauses.push(pause);
            }
            self.count(item, outcome, decision.record.cause, now);
            records.push(decision.record);
        }
        for pause in &pauses {
            error!(scope = %pause.scope, cause = %pause.cause, detail = pause.detail, until = ?pause.until, "pause begins: conversions wait");
        }
        // What the answer itself demands comes first.
        for rest in std::mem::take(&mut self.rests) {
            if !pauses.iter().any(|known| known.scope == rest.scope) {
                pauses.push(rest);
            }
        }
        let lifted = lifts.then_some(target.account.id);
        let items = settled.into_iter().map(|(item, _)| item).collect();
        self.store_and_close(items, records, facts, &pauses, lifted).await
    }

    /// Records dispatches that were not sent.
    pub(super) async fn settle(
        &mut self,
        items: Vec<Item>,
        verdict: impl Fn(DispatchKey) -> (State, Cause, Option<&'static str>),
    ) -> Result<(), StoreAway> {
        let records: Vec<Record> = items
            .iter()
            .map(|item| {
                let (state, cause, detail) = verdict(item.key());
                Record {
                    detail: detail.map(str::to_owned),
                    ..unsent(item.key(), &item.claimed, state, Some(cause))
                }
            })
            .collect();
        self.store_and_close(items, records, &RequestFacts::default(), &[], None)
            .await
    }

    /// Gives undecided dispatches back to the ledger, unspent.
    pub(super) async fn give_up(&mut self, items: Vec<Item>, cause: Cause) -> Result<(), StoreAway> {
        let now = Utc::now();
        let records: Vec<Record> = items
            .iter()
            .map(|item| undecided(item.key(), &item.claimed, cause, now))
            .collect();
        self.store_and_close(items, records, &RequestFacts::default(), &[], None)
            .await
    }

    /// Stores records; then publishes the dead copies of what failed, and acks.
    async fn store_and_close(
        &self,
        items: Vec<Item>,
        records: Vec<Record>,
        facts: &RequestFacts,
        pauses: &[NewPause],
        lifted: Option<AccountId>,
    ) -> Result<(), StoreAway> {
        let report = Arc::new(Report {
            lease: self.batch.lease,
            records,
            facts: facts.clone(),
        });
        let recorded = self.store_report(&report, pauses, lifted).await?;
        self.close(items, &report.records, &recorded).await;
        Ok(())
    }

    async fn store_report(
        &self,
        report: &Arc<Report>,
        pauses: &[NewPause],
        lifted: Option<AccountId>,
    ) -> Result<Recordings, StoreAway> {
        crate::crash_point!("sender.before_record");
        let started = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            let result = if pauses.is_empty() && lifted.is_none() {
                self.context.recorder.record(Arc::clone(report)).await
            } else {
                self.context.store.record(report, pauses, lifted).await
            };
            match result {
                Ok(recorded) => {
                    crate::crash_point!("sender.after_record");
                    return Ok(recorded);
                }
                Err(failure) if failure.is_passing() && started.elapsed() < RECORD_PATIENCE => {
                    conversions::store_failed("sender");
                    warn!(error = %chain(&failure), "answer could not be recorded, tried again");
                }
                Err(failure) => {
                    error!(error = %chain(&failure), "answer could not be recorded: these conversions become ambiguous");
                    return Err(StoreAway);
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// Publishes dead copies of what failed, and acks the rest.
    async fn close(&self, items: Vec<Item>, records: &[Record], recorded: &Recordings) {
        let now = Utc::now();
        let lost = records
            .iter()
            .filter(|record| !recorded.contains_key(&record.key))
            .count();
        if lost > 0 {
            conversions::leases_lost(self.platform, lost);
            warn!(platform = %self.platform, count = lost, "records came too late: another had taken over");
        }
        let mut dead = Vec::new();
        for (item, record) in items.into_iter().zip(records) {
            match (record.state, recorded.get(&record.key), record.cause) {
                (State::Failed, Some(standing), Some(cause)) => {
                    let facts = DeadFacts {
                        cause,
                        detail: record.detail.clone(),
                        dead_count: standing.dead_count,
                        attempts: standing.attempts,
                        failed_at: now,
                    };
                    dead.push((item.parcel, facts));
                }
                _ => item.parcel.delivery.ack(),
            }
        }
        bury(&self.context, &self.publisher, dead).await;
        crate::crash_point!("sender.after_ack");
    }

    fn count(&self, item: &Item, outcome: &Outcome, cause: Option<Cause>, now: DateTime<Utc>) {
        conversions::attempted(self.platform, outcome_name(&outcome.verdict), cause, 1);
        if matches!(outcome.verdict, Verdict::Delivered | Verdict::Accepted { .. }) {
            let age = now - item.parcel.dispatch.event.first_seen;
            conversions::delivered_at_age(self.platform, age.as_seconds_f64());
        }
    }
}
