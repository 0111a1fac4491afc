//! A round: what was claimed for one ad account is built, sent, classified and recorded, request by request, until every dispatch is decided or the
//! round has taken enough.

mod advice;
mod asking;
mod recording;
mod work;

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;

use self::work::{Work, chunks, part};
use super::{Parcel, claim::ClaimedBatch};
use crate::{
    broker::Publisher,
    domain::{Account, AccountId, Cause, Classification, Dispatch, DispatchKey, Login, Mode, Platform, State},
    platform::{Rejection, adapter},
    roles::context::Context,
    store::sending::{Claimed, NewPause},
};

/// The most requests of one round; a whole-batch refusal that needs more goes on in another round, with a smaller limit.
const REQUESTS_MAX: usize = 24;
/// The longest round.
const ROUND_MAX: Duration = Duration::from_secs(60);

/// One ad account's turn.
pub(super) struct Round {
    context: Arc<Context>,
    publisher: Publisher,
    platform: Platform,
    batch: ClaimedBatch,
    started: Instant,
    lease_renewed: Instant,
    requests: usize,
    /// Requests of a shared quota that it may still make.
    pub(super) granted: usize,
    trouble: Trouble,
    /// Pauses that the last answer advises; they begin when it is recorded.
    rests: Vec<NewPause>,
}

/// How a round ended.
pub(super) struct RoundEnd {
    pub(super) account: AccountId,
    /// A smaller limit for the ad account's next requests.
    pub(super) limit: Option<usize>,
    pub(super) trouble: Trouble,
    /// Postgres did not take what was to be recorded.
    pub(super) is_store_away: bool,
    /// Nothing was sent with the token that it had.
    pub(super) has_token_left: bool,
}

/// What the round says about the platform's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It dealt with a request.
    None,
    /// It failed on a request.
    Platform,
    /// It was not asked.
    Unknown,
}

/// Something claimed and not decided.
struct Item {
    parcel: Parcel,
    claimed: Claimed,
}

impl Item {
    fn key(&self) -> DispatchKey {
        self.parcel.key
    }
}

/// The ad account of a round with all that sending to it takes.
struct Target {
    account: Arc<Account>,
    login: Arc<Login>,
    mode: Mode,
}

/// Postgres did not take a record. What was held is dropped, and goes back to its queue when the sender closes its channels.
struct StoreAway;

impl Round {
    pub(super) fn new(context: Arc<Context>, publisher: Publisher, platform: Platform, batch: ClaimedBatch) -> Self {
        let now = Instant::now();
        Self {
            context,
            publisher,
            platform,
            batch,
            started: now,
            lease_renewed: now,
            requests: 0,
            granted: 0,
            trouble: Trouble::Unknown,
            rests: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) -> RoundEnd {
        let account = self.batch.account;
        let items: Vec<Item> = std::mem::take(&mut self.batch.parcels)
            .into_iter()
            .map(|(parcel, claimed)| Item { parcel, claimed })
            .collect();
        let result = match self.target(&items).await {
            Ok(target) => self.send_all(&target, items).await,
            Err(cause) => self
                .settle(items, |_| (State::Failed, cause, None))
                .await
                .map(|()| None),
        };
        let (limit, is_store_away) = match result {
            Ok(limit) => (limit, false),
            Err(StoreAway) => (None, true),
        };
        RoundEnd {
            account,
            limit,
            trouble: self.trouble,
            is_store_away,
            has_token_left: self.granted > 0,
        }
    }

    /// The ad account and its login as they stand now. That it is not there, or points elsewhere than what is to be sent, is not believed before
    /// Postgres was asked.
    async fn target(&self, items: &[Item]) -> Result<Target, Cause> {
        let mut directory = self.context.directory.current();
        let is_as_meant = directory.account(self.batch.account).is_some_and(|account| {
            items
                .iter()
                .all(|item| item.parcel.dispatch.destination == account.destination)
        });
        if !is_as_meant && let Ok(newer) = self.context.directory.refresh().await {
            directory = newer;
        }
        let account = directory.account(self.batch.account).filter(|account| !account.removed);
        let account = Arc::clone(account.ok_or(Cause::AccountRemoved)?);
        let login = Arc::clone(directory.login(&account.login).ok_or(Cause::AccountRemoved)?);
        let mode = account.mode_at(Utc::now());
        Ok(Target { account, login, mode })
    }

    /// Sends until everything is decided; gives a smaller limit for the next round if this one had to stop half-way.
    async fn send_all(&mut self, target: &Target, items: Vec<Item>) -> Result<Option<usize>, StoreAway> {
        let items = self.settle_unsendable(target, items).await?;
        let most = match target.mode {
            Mode::Test => 1,
            Mode::Live | Mode::Shadow => adapter(self.platform).limits(&target.account).events,
        };
        let mut work = Work {
            batches: chunks(items, most),
            smallest: None,
            reauthenticated: false,
        };
        while let Some(batch) = work.batches.pop_front() {
            if self.requests >= REQUESTS_MAX || self.started.elapsed() >= ROUND_MAX {
                let left: Vec<Item> = batch.into_iter().chain(work.batches.into_iter().flatten()).collect();
                let limit = work.smallest.unwrap_or(left.len()).div_ceil(2).max(1);
                self.give_up(left, Cause::BatchSplit).await?;
                return Ok(Some(limit));
            }
            if !self.may_ask(target).await? {
                let left: Vec<Item> = batch.into_iter().chain(work.batches.into_iter().flatten()).collect();
                self.give_up(left, Cause::QuotaExhausted).await?;
                return Ok(work.smallest);
            }
            self.step(target, batch, &mut work).await?;
        }
        Ok(None)
    }

    /// Sends one batch, and puts back into the work what of it is to be sent again.
    async fn step(&mut self, target: &Target, batch: Vec<Item>, work: &mut Work) -> Result<(), StoreAway> {
        let request = match self.build(target, &batch) {
            Ok(request) => request,
            Err(_) if batch.len() > 1 => {
                work.again_in_halves(batch);
                return Ok(());
            }
            Err(cause) => return self.settle(batch, |_| (State::Failed, cause, None)).await,
        };
        let Some(batch) = self.keep_lease(batch).await? else {
            return Ok(());
        };
        let (classification, facts) = self.ask(target, &batch, &request).await;
        match classification {
            Classification::Each(outcomes) => {
                self.record(target, batch.into_iter().zip(outcomes).collect(), &facts)
                    .await?;
            }
            Classification::Named(named) => {
                let (culprits, rest) = part(batch, named);
                work.again_without_culprits(rest);
                self.record(target, culprits, &facts).await?;
            }
            Classification::Unnamed(_) if batch.len() > 1 => work.again_in_halves(batch),
            Classification::Unnamed(outcome) => {
                let outcomes = batch.into_iter().map(|item| (item, outcome.clone())).collect();
                self.record(target, outcomes, &facts).await?;
            }
            Classification::Reauthenticate(outcome) => {
                self.context.credentials.forget(&target.login, &target.account).await;
                if work.reauthenticated {
                    let outcomes = batch.into_iter().map(|item| (item, outcome.clone())).collect();
                    self.record(target, outcomes, &facts).await?;
                } else {
                    work.reauthenticated = true;
                    work.batches.push_front(batch);
                }
            }
        }
        Ok(())
    }

    /// Settles what must not reach the platform: another destination was meant, the ad account no longer sends, or the platform would refuse it.
    async fn settle_unsendable(&mut self, target: &Target, items: Vec<Item>) -> Result<Vec<Item>, StoreAway> {
        let mut sendable = Vec::with_capacity(items.len());
        let mut unsendable = Vec::new();
        let mut verdicts = HashMap::new();
        for item in items {
            match self.obstacle(target, &item.parcel.dispatch) {
                None => sendable.push(item),
                Some(verdict) => {
                    verdicts.insert(item.key(), verdict);
                    unsendable.push(item);
                }
            }
        }
        if !unsendable.is_empty() {
            self.settle(unsendable, |key| verdicts[&key]).await?;
        }
        Ok(sendable)
    }

    fn obstacle(&self, target: &Target, dispatch: &Dispatch) -> Option<(State, Cause, Option<&'static str>)> {
        if dispatch.destination != target.account.destination {
            return Some((State::Failed, Cause::AccountChanged, None));
        }
        if target.mode == Mode::Shadow {
            return Some((State::NotSent, Cause::Shadow, None));
        }
        // A panic over one conversion is that conversion's bug, not the batch's; so it is below.
        let checked = catch_unwind(AssertUnwindSafe(|| {
            adapter(self.platform).check(dispatch, &target.account)
        }));
        match checked.unwrap_or(Err(Rejection::Failed(Cause::Bug, None))) {
            Ok(()) => None,
            Err(Rejection::NotSent(cause)) => Some((State::NotSent, cause, None)),
            Err(Rejection::Failed(cause, detail)) => Some((State::Failed, cause, detail)),
        }
    }
}
