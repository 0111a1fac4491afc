//! A sender: takes dispatches of one platform from both lanes, claims them, sends what is ready of each ad account in one request, records every
//! answer, and only then acks.
//!
//! An ad account sends at once when it has no request in flight; otherwise its batch grows until the answer is back. Nothing lingers. Where a quota
//! is shared (Google), it needs a token of it as well.

mod arrivals;
mod claim;
mod excess;
mod halts;
mod metering;
mod pending;
mod round;
mod storm;
mod tokens;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use uuid::Uuid;

use self::{
    claim::{ClaimedBatch, Claiming, claim},
    halts::Halt,
    metering::Granting,
    pending::{Pending, Way},
    round::{Round, RoundEnd, Trouble},
    storm::Storms,
    tokens::{Token, Tokens},
};
use super::context::Context;
use crate::{
    broker::{Delivery, Intake, Publisher},
    domain::{AccountId, Dispatch, DispatchKey, Platform},
    platform::adapter,
};

/// How long a dead copy or a message of excess may take to be confirmed.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(30);
/// How far apart claims are. What comes alone never waits; under load what came meanwhile shares a claim, a request and a record, which costs a
/// fraction of what each by itself would.
const CLAIM_INTERVAL: Duration = Duration::from_millis(40);
/// How often the sender looks whether an ad account holds more than its share, and whether a pause of the platform is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A message from a lane with the dispatch in it.
pub(super) struct Parcel {
    pub(super) delivery: Delivery,
    pub(super) dispatch: Dispatch,
    /// Of the dispatch; it is a hash, and asked for at every step.
    pub(super) key: DispatchKey,
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
    /// When the last claim began.
    claimed_at: Instant,
    /// Whether something could be claimed for, were it not too soon.
    is_resting: bool,
    rounds: JoinSet<RoundEnd>,
    /// Since when an ad account's request is in flight, and what it is about.
    in_flight: HashMap<AccountId, (Instant, Vec<DispatchKey>)>,
    /// Which ad accounts a task serves, so that they are free again even if it panics.
    serving: HashMap<Id, Vec<AccountId>>,
    /// Smaller limits of ad accounts whose requests had to be split.
    limits: HashMap<AccountId, usize>,
    storms: Storms,
    /// Requests of a shared quota that may be made.
    tokens: Tokens,
    /// Those that ad accounts with a request in flight have taken.
    held_tokens: HashMap<AccountId, Token>,
    granting: JoinSet<Granting>,
    /// Whose turn it was when, where tokens are short.
    turns: HashMap<AccountId, u64>,
    turn: u64,
    /// When the ledger last heard of what waits for quota.
    vouched: Instant,
    /// Why nothing is consumed now, if so.
    halted: Option<Halt>,
    /// Messages that came back often and are being handled alone.
    trials: HashMap<DispatchKey, Uuid>,
    /// How often in a row Postgres did not take something; the pause grows with it.
    store_failures: u32,
    /// Whether both lanes are consumed, or rest on purpose.
    consuming: Arc<AtomicBool>,
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
        claimed_at: Instant::now(),
        is_resting: false,
        rounds: JoinSet::new(),
        in_flight: HashMap::new(),
        serving: HashMap::new(),
        limits: HashMap::new(),
        storms: Storms::default(),
        tokens: Tokens::default(),
        held_tokens: HashMap::new(),
        granting: JoinSet::new(),
        turns: HashMap::new(),
        turn: 0,
        vouched: Instant::now(),
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
                Some(granted) = self.granting.join_next() => self.granted(granted).await,
                arrivals = self.live.next(most) => if !self.arrived(arrivals, Way::Live).await { break },
                arrivals = self.bulk.next(most) => if !self.arrived(arrivals, Way::Bulk).await { break },
                _ = looks.tick() => self.look_around().await,
                () = tokio::time::sleep_until((self.claimed_at + CLAIM_INTERVAL).into()), if self.is_resting => {}
            }
            // Rounds that were recorded together end together, and their ad accounts are claimed for together.
            while let Some(end) = self.rounds.try_join_next_with_id() {
                self.round_ended(end).await;
            }
            self.begin();
        }
        self.stop().await;
    }

    /// Claims for every ad account that may send now, in one statement.
    fn begin(&mut self) {
        self.is_resting = false;
        if self.halted.is_some() || !self.claiming.is_empty() {
            return;
        }
        self.is_resting = !self.pending.ready().is_empty() && self.claimed_at.elapsed() < CLAIM_INTERVAL;
        if self.is_resting {
            return;
        }
        let directory = self.context.directory.current();
        let mut parcels = Vec::new();
        let starts = self.starts(&directory);
        let begun = starts.iter().map(|(id, _)| *id).collect();
        for (id, allowed) in starts {
            let most = directory
                .account(id)
                .map_or(1, |account| adapter(self.platform).limits(account).events)
                .min(allowed);
            let limit = self.limits.get(&id).map_or(most, |limit| most.min(*limit));
            let held = self.pending.begin(id, limit);
            self.in_flight
                .insert(id, (Instant::now(), held.iter().map(|held| held.key).collect()));
            parcels.extend(held.into_iter().map(|held| held.item));
        }
        if parcels.is_empty() {
            return;
        }
        self.claimed_at = Instant::now();
        let task = self
            .claiming
            .spawn(claim(Arc::clone(&self.context), self.publisher.clone(), parcels));
        self.serving.insert(task.id(), begun);
    }

    async fn claimed(&mut self, joined: Result<(Id, Claiming), JoinError>) {
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
                    if let Some(token) = self.held_tokens.remove(&account) {
                        self.tokens.give_back(&token);
                    }
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
        let mut round = Round::new(Arc::clone(&self.context), self.publisher.clone(), self.platform, batch);
        round.granted = usize::from(self.held_tokens.contains_key(&account));
        let task = self.rounds.spawn(round.run());
        self.serving.insert(task.id(), vec![account]);
    }

    async fn round_ended(&mut self, joined: Result<(Id, RoundEnd), JoinError>) {
        let end = match joined {
            Ok((task, end)) => {
                self.serving.remove(&task);
                end
            }
            Err(failure) => return self.abandon(&failure).await,
        };
        let account = end.account;
        let keys = self.keys_in_flight(account);
        if let Some(token) = self.held_tokens.remove(&account).filter(|_| end.has_token_left) {
            self.tokens.give_back(&token);
        }
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

    fn keys_in_flight(&self, account: AccountId) -> Vec<DispatchKey> {
        self.in_flight
            .get(&account)
            .map(|(_, keys)| keys.clone())
            .unwrap_or_default()
    }

    async fn free(&mut self, account: AccountId, keys: &[DispatchKey]) {
        self.in_flight.remove(&account);
        self.held_tokens.remove(&account);
        self.pending.finished(account, keys);
        self.end_trials(keys).await;
    }

    /// A task ended by a panic: its claims end with their lease, and its deliveries go back when the lanes are closed.
    async fn abandon(&mut self, failure: &JoinError) {
        error!(platform = %self.platform, panicked = failure.is_panic(), "sender task failed; its conversions are taken back when their lease ends");
        for account in self.serving.remove(&failure.id()).unwrap_or_default() {
            let keys = self.keys_in_flight(account);
            self.free(account, &keys).await;
        }
        self.hold_on().await;
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
