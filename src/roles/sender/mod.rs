//! A sender: takes dispatches of one platform from both lanes, claims them, sends what is ready of each ad account in one request, records every
//! answer, and only then acks.
//!
//! An ad account sends at once when it has no request in flight; otherwise its batch grows until the answer is back. Nothing lingers.

mod claim;
pub mod decide;
mod pending;
mod round;
mod storm;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use self::{
    claim::{ClaimedBatch, Claiming, claim},
    pending::{Held, Pending, Way},
    round::{Round, RoundEnd, Trouble},
    storm::Storms,
};
use super::{
    chain,
    context::Context,
    messages::{Lane, dispatch_message},
    trial::{self, Trial},
};
use crate::{
    broker::{Arrivals, Delivery, Intake, Publisher},
    domain::{AccountId, Cause, Dispatch, DispatchKey, Platform, Scope, State},
    metrics::conversions,
    platform::adapter,
    store::sending::NewPause,
    wire::dispatch::decode,
};

/// How long a dead copy or a message of excess may take to be confirmed.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(30);
/// How often the sender looks whether an ad account holds more than its share, and whether a pause of the platform is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long an ad account's request may be in flight before what it holds beyond its share makes room for others.
const SLOW_AFTER: Duration = Duration::from_secs(2);
/// How long excess of the bulk lane rests in the ledger.
const EXCESS_REST: TimeDelta = TimeDelta::seconds(10);
/// The first and the longest pause while Postgres does not answer.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// A message from a lane with the dispatch in it.
pub(super) struct Parcel {
    pub(super) delivery: Delivery,
    pub(super) dispatch: Dispatch,
}

/// One platform's sender.
struct Sender {
    context: Arc<Context>,
    platform: Platform,
    publisher: Publisher,
    live: Intake,
    bulk: Intake,
    pending: Pending<Parcel>,
    claiming: JoinSet<Claiming>,
    rounds: JoinSet<RoundEnd>,
    /// Since when an ad account's request is in flight, and what it is about.
    in_flight: HashMap<AccountId, (Instant, Vec<DispatchKey>)>,
    /// Which ad accounts a task serves, so that they are free again even if it panics.
    serving: HashMap<tokio::task::Id, Vec<AccountId>>,
    /// Smaller limits of ad accounts whose requests had to be split.
    limits: HashMap<AccountId, usize>,
    storms: Storms,
    /// Why nothing is consumed now, if so.
    halted: Option<Halt>,
    /// Messages that came back often and are being handled alone.
    trials: HashMap<DispatchKey, Uuid>,
    /// How often in a row Postgres did not take something; the pause grows with it.
    store_failures: u32,
    /// Whether both lanes are consumed, or rest on purpose.
    consuming: Arc<AtomicBool>,
}

/// Why a sender does not consume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    /// Postgres is away.
    Store { next_look: Instant },
    /// The platform is paused as a whole.
    Platform,
}

/// Runs until `shutdown`, then finishes what it has begun.
pub async fn run(context: Arc<Context>, platform: Platform, shutdown: CancellationToken) {
    let name = platform.as_str();
    let sender = Sender {
        platform,
        publisher: context.broker.publisher("sender"),
        live: context.intake(context.topology.send_queue(name), "sender"),
        bulk: context.intake(context.topology.bulk_queue(name), "sender"),
        pending: Pending::default(),
        claiming: JoinSet::new(),
        rounds: JoinSet::new(),
        in_flight: HashMap::new(),
        serving: HashMap::new(),
        limits: HashMap::new(),
        storms: Storms::default(),
        halted: None,
        trials: HashMap::new(),
        store_failures: 0,
        consuming: context.readiness.expect(format!("sender of {platform}")),
        context,
    };
    sender.run(shutdown).await;
}

impl Sender {
    async fn run(mut self, shutdown: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let most = usize::from(self.context.pace.prefetch);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(claimed) = self.claiming.join_next_with_id() => self.claimed(claimed).await,
                Some(end) = self.rounds.join_next_with_id() => self.round_ended(end).await,
                arrivals = self.live.next(most) => if !self.arrived(arrivals, Way::Live).await { break },
                arrivals = self.bulk.next(most) => if !self.arrived(arrivals, Way::Bulk).await { break },
                _ = looks.tick() => self.look_around().await,
            }
            self.begin();
        }
        self.stop().await;
    }

    /// Takes in what a lane brought; false when nothing comes any more.
    async fn arrived(&mut self, arrivals: Arrivals, way: Way) -> bool {
        match arrivals {
            Arrivals::Deliveries(deliveries) => {
                for delivery in deliveries {
                    self.take_in(delivery, way).await;
                }
            }
            // What was not begun is given out again; what was begun goes on, and its acks do nothing.
            Arrivals::Reopened => drop(self.pending.clear(way)),
            Arrivals::Closed => return false,
        }
        true
    }

    async fn take_in(&mut self, mut delivery: Delivery, way: Way) {
        delivery.leave_on_drop();
        let dispatch = match decode(&delivery.body) {
            Ok(dispatch) if dispatch.platform == self.platform => dispatch,
            _ => return self.put_aside(delivery, Cause::MalformedJson).await,
        };
        let key = dispatch.key();
        match trial::begin(&self.context.store, &delivery).await {
            Ok(Trial::None) => {}
            Ok(Trial::Begun(digest)) => {
                self.trials.insert(key, digest);
            }
            Ok(Trial::CrashLoop(digest)) => {
                self.trials.insert(key, digest);
                self.fail_crash_loop(delivery, &dispatch).await;
                return self.end_trials(&[key]).await;
            }
            Err(failure) => {
                warn!(error = %chain(&failure), "trial of a message could not begin");
                return self.hold_on().await;
            }
        }
        let held = Held {
            key,
            way,
            item: Parcel { delivery, dispatch },
        };
        if let Err(second) = self.pending.add(held) {
            // The one that is held already speaks for it, and the ledger for both.
            second.delivery.ack();
        }
    }

    /// Claims for every ad account that may send now, in one statement.
    fn begin(&mut self) {
        if self.halted.is_some() || !self.claiming.is_empty() {
            return;
        }
        let directory = self.context.directory.current();
        let mut parcels = Vec::new();
        let begun = self.pending.ready();
        for &id in &begun {
            let most = directory
                .account(id)
                .map_or(1, |account| adapter(self.platform).limits(account).events);
            let limit = self.limits.get(&id).map_or(most, |limit| most.min(*limit));
            let held = self.pending.begin(id, limit);
            self.in_flight
                .insert(id, (Instant::now(), held.iter().map(|held| held.key).collect()));
            parcels.extend(held.into_iter().map(|held| held.item));
        }
        if parcels.is_empty() {
            return;
        }
        let task = self
            .claiming
            .spawn(claim(Arc::clone(&self.context), self.publisher.clone(), parcels));
        self.serving.insert(task.id(), begun);
    }

    async fn claimed(&mut self, joined: Result<(tokio::task::Id, Claiming), tokio::task::JoinError>) {
        let claiming = match joined {
            Ok((task, claiming)) => {
                self.serving.remove(&task);
                claiming
            }
            Err(failure) => return self.abandon(&failure).await,
        };
        match claiming {
            Claiming::Done {
                batches,
                idle,
                platform_paused,
            } => {
                for (account, keys) in idle {
                    self.free(account, &keys).await;
                }
                for batch in batches {
                    self.spawn_round(batch);
                }
                if platform_paused && self.halted.is_none() {
                    info!(platform = %self.platform, "platform is paused: sender stops consuming");
                    self.halt(Halt::Platform).await;
                }
            }
            Claiming::StoreAway { accounts } => {
                for (account, keys) in accounts {
                    self.free(account, &keys).await;
                }
                self.hold_on().await;
            }
        }
    }

    fn spawn_round(&mut self, batch: ClaimedBatch) {
        let account = batch.account;
        let round = Round::new(Arc::clone(&self.context), self.publisher.clone(), self.platform, batch);
        let task = self.rounds.spawn(round.run());
        self.serving.insert(task.id(), vec![account]);
    }

    async fn round_ended(&mut self, joined: Result<(tokio::task::Id, RoundEnd), tokio::task::JoinError>) {
        let end = match joined {
            Ok((task, end)) => {
                self.serving.remove(&task);
                end
            }
            Err(failure) => return self.abandon(&failure).await,
        };
        let account = end.account;
        let keys = self.keys_in_flight(account);
        self.free(account, &keys).await;
        if let Some(limit) = end.limit {
            self.limits.insert(account, limit);
        } else if let Some(limit) = self.limits.get_mut(&account) {
            *limit = limit.saturating_mul(2);
        }
        match end.trouble {
            Trouble::None => self.storms.succeeded(account),
            Trouble::Platform => self.weather(account).await,
            Trouble::Unknown => {}
        }
        if end.is_store_away {
            self.hold_on().await;
        } else {
            self.store_failures = 0;
        }
    }

    /// Notes a failing request, and begins a pause if that makes a storm.
    async fn weather(&mut self, account: AccountId) {
        let Some((scope, alone)) = self.storms.failed(self.platform, account) else {
            return;
        };
        warn!(platform = %self.platform, %scope, seconds = alone.as_secs(), "platform fails again and again: left alone for a while");
        let until = Some(Utc::now() + TimeDelta::from_std(alone).unwrap_or(TimeDelta::minutes(1)));
        let is_platform = matches!(scope, Scope::Platform(_));
        let pause = NewPause {
            scope,
            cause: Cause::PlatformDown,
            detail: None,
            until,
            probe_at: None,
        };
        match self.context.store.hold(&pause).await {
            Ok(_) if is_platform && self.halted.is_none() => self.halt(Halt::Platform).await,
            Ok(_) => {}
            Err(failure) => warn!(error = %chain(&failure), "pause could not be stored"),
        }
    }

    fn keys_in_flight(&self, account: AccountId) -> Vec<DispatchKey> {
        self.in_flight
            .get(&account)
            .map(|(_, keys)| keys.clone())
            .unwrap_or_default()
    }

    async fn free(&mut self, account: AccountId, keys: &[DispatchKey]) {
        self.in_flight.remove(&account);
        self.pending.finished(account, keys);
        self.end_trials(keys).await;
    }

    /// Ends the trials of messages that are done with: they did not kill the worker.
    async fn end_trials(&mut self, keys: &[DispatchKey]) {
        if self.trials.is_empty() {
            return;
        }
        let digests: Vec<Uuid> = keys.iter().filter_map(|key| self.trials.remove(key)).collect();
        if digests.is_empty() {
            return;
        }
        if let Err(failure) = self.context.store.end_trials(&digests).await {
            warn!(error = %chain(&failure), "trial of a message could not be ended");
        }
    }

    /// A task ended by a panic: its claims end with their lease, and its deliveries go back when the lanes are closed.
    async fn abandon(&mut self, failure: &tokio::task::JoinError) {
        error!(platform = %self.platform, panicked = failure.is_panic(), "sender task failed; its conversions are taken back when their lease ends");
        for account in self.serving.remove(&failure.id()).unwrap_or_default() {
            let keys = self.keys_in_flight(account);
            self.free(account, &keys).await;
        }
        self.hold_on().await;
    }

    /// Stops consuming; what is not begun goes back to the queues, once.
    async fn halt(&mut self, halt: Halt) {
        self.halted = Some(halt);
        self.live.suspend().await;
        self.bulk.suspend().await;
        for way in [Way::Live, Way::Bulk] {
            self.pending.clear(way);
        }
    }

    async fn hold_on(&mut self) {
        conversions::store_failed("sender");
        if self.halted.is_none() {
            warn!(platform = %self.platform, "database is away: sender stops consuming");
        }
        let pause = PAUSE.0.saturating_mul(1 << self.store_failures.min(10)).min(PAUSE.1);
        self.store_failures += 1;
        self.halt(Halt::Store {
            next_look: Instant::now() + pause,
        })
        .await;
    }

    /// Makes room for others where an ad account is slow, and resumes when what halted the sender is over.
    async fn look_around(&mut self) {
        let rests = self.halted == Some(Halt::Platform);
        self.consuming.store(
            rests || (self.live.is_consuming() && self.bulk.is_consuming()),
            Ordering::Relaxed,
        );
        match self.halted {
            None => self.make_room().await,
            Some(Halt::Platform) => {
                let paused = self.context.is_paused(&Scope::Platform(self.platform));
                if !paused {
                    self.resume("pause of the platform is over");
                }
            }
            Some(Halt::Store { next_look }) if Instant::now() >= next_look => {
                if self.context.store.ping().await.is_ok() {
                    self.resume("database answers");
                }
            }
            Some(Halt::Store { .. }) => {}
        }
    }

    fn resume(&mut self, why: &'static str) {
        info!(platform = %self.platform, why, "sender consumes again");
        self.halted = None;
        self.live.resume();
        self.bulk.resume();
    }

    /// Where a lane is full because an ad account is slow, what that account holds beyond its share makes way: from the live lane to the bulk lane,
    /// from the bulk lane to the ledger.
    async fn make_room(&mut self) {
        let prefetch = usize::from(self.context.pace.prefetch);
        let is_slow = self.in_flight.values().any(|(since, _)| since.elapsed() > SLOW_AFTER);
        if !is_slow {
            return;
        }
        let share = (prefetch / 8).max(1);
        if self.pending.count(Way::Live) >= prefetch / 2 {
            let excess = self.pending.excess(Way::Live, share);
            self.move_to_bulk(excess).await;
        }
        if self.pending.count(Way::Bulk) >= prefetch / 2 {
            let excess = self.pending.excess(Way::Bulk, share);
            self.lay_aside(excess).await;
        }
    }

    async fn move_to_bulk(&mut self, excess: Vec<Held<Parcel>>) {
        if excess.is_empty() {
            return;
        }
        let messages = excess
            .iter()
            .map(|held| dispatch_message(&self.context.topology, &held.item.dispatch, Lane::Bulk))
            .collect();
        match self.publisher.publish(messages, PUBLISH_PATIENCE).await {
            Ok(()) => excess.into_iter().for_each(|held| held.item.delivery.ack()),
            Err(failure) => {
                warn!(error = %chain(&failure), "excess could not be moved to the bulk lane");
                excess.into_iter().for_each(|held| held.item.delivery.requeue());
            }
        }
    }

    async fn lay_aside(&mut self, excess: Vec<Held<Parcel>>) {
        if excess.is_empty() {
            return;
        }
        let keys: Vec<DispatchKey> = excess.iter().map(|held| held.key).collect();
        match self.context.store.lay_aside(&keys, Utc::now() + EXCESS_REST).await {
            Ok(()) => excess.into_iter().for_each(|held| held.item.delivery.ack()),
            Err(failure) => {
                warn!(error = %chain(&failure), "excess could not be laid aside");
                excess.into_iter().for_each(|held| held.item.delivery.requeue());
            }
        }
    }

    /// Puts a message that is none of ours among the dead letters, as it came.
    async fn put_aside(&mut self, delivery: Delivery, cause: Cause) {
        let message = super::messages::unreadable_message(&self.context.topology, self.platform, &delivery, cause);
        match self.publisher.publish(vec![message], PUBLISH_PATIENCE).await {
            Ok(()) => {
                conversions::dead_letter(self.platform.as_str(), cause);
                warn!(platform = %self.platform, %cause, "message in a sender's queue dead-lettered");
                delivery.ack();
            }
            Err(_) => delivery.requeue(),
        }
    }

    async fn fail_crash_loop(&mut self, delivery: Delivery, dispatch: &Dispatch) {
        match self
            .context
            .store
            .fail_queued(&[dispatch.key()], Cause::CrashLoop)
            .await
        {
            Ok(()) => {
                error!(platform = %self.platform, dispatch.id = %dispatch.key(), state = State::Failed.as_str(), "conversion stops the worker: failed as crash_loop");
                delivery.ack();
            }
            Err(_) => delivery.requeue(),
        }
    }

    /// Finishes what is begun, gives back the rest, and closes the lanes cleanly.
    async fn stop(mut self) {
        let deadline = tokio::time::Instant::now() + self.context.pace.shutdown_deadline;
        for way in [Way::Live, Way::Bulk] {
            self.pending
                .clear(way)
                .into_iter()
                .for_each(|held| held.item.delivery.requeue());
        }
        let finish = async {
            while !self.claiming.is_empty() || !self.rounds.is_empty() {
                tokio::select! {
                    Some(claimed) = self.claiming.join_next() => if let Ok(Claiming::Done { batches, .. }) = claimed {
                        for batch in batches {
                            self.spawn_round(batch);
                        }
                    },
                    Some(_) = self.rounds.join_next() => {}
                    else => break,
                }
            }
        };
        let finished = tokio::time::timeout_at(deadline, finish).await.is_ok();
        let left = deadline
            .saturating_duration_since(tokio::time::Instant::now())
            .max(Duration::from_secs(1));
        let (live, bulk) = tokio::join!(self.live.drain(left), self.bulk.drain(left));
        info!(platform = %self.platform, clean = finished && live.clean && bulk.clean, "sender stopped");
    }
}
