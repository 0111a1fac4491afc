//! A round: what was claimed for one ad account is built, sent, classified and recorded, request by request, until every dispatch is decided or the
//! round has taken enough.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use rand::RngExt;
use tracing::{error, info, warn};

use super::{
    Parcel,
    claim::{ClaimedBatch, bury},
    decide::{Circumstances, decide, outcome_name, shows_that_access_works, shows_trouble, undecided, unsent},
};
use crate::{
    broker::Publisher,
    domain::{
        Account, AccountId, Cause, Classification, Dispatch, DispatchKey, Login, Mode, Outcome, Platform, State,
        Verdict,
    },
    http::NoAnswer,
    metrics::conversions,
    platform::{Rejection, Request, Sending, adapter},
    roles::{chain, context::Context},
    store::sending::{Claimed, DeadFacts, NewPause, Record, Recorded, RequestFacts},
};

/// The most requests of one round; a whole-batch refusal that needs more goes on in another round, with a smaller limit.
const REQUESTS_MAX: usize = 24;
/// The longest round.
const ROUND_MAX: Duration = Duration::from_secs(60);
/// How long recording is tried while Postgres does not answer; a delivery that is recorded late still counts.
const RECORD_PATIENCE: Duration = Duration::from_secs(300);

/// One ad account's turn.
pub(super) struct Round {
    context: Arc<Context>,
    publisher: Publisher,
    platform: Platform,
    batch: ClaimedBatch,
    started: Instant,
    lease_renewed: Instant,
    requests: usize,
    trouble: Trouble,
}

/// How a round ended.
pub(super) struct RoundEnd {
    pub(super) account: AccountId,
    /// A smaller limit for the ad account's next requests.
    pub(super) limit: Option<usize>,
    pub(super) trouble: Trouble,
    /// Postgres did not take what was to be recorded.
    pub(super) is_store_away: bool,
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
        self.parcel.dispatch.key()
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
            trouble: Trouble::Unknown,
        }
    }

    pub(super) async fn run(mut self) -> RoundEnd {
        let account = self.batch.account;
        let items: Vec<Item> = std::mem::take(&mut self.batch.parcels)
            .into_iter()
            .map(|(parcel, claimed)| Item { parcel, claimed })
            .collect();
        let result = match self.target().await {
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
        }
    }

    /// The ad account and its login as they stand now; a miss asks Postgres before it is believed.
    async fn target(&self) -> Result<Target, Cause> {
        let mut directory = self.context.directory.current();
        if directory.account(self.batch.account).is_none()
            && let Ok(newer) = self.context.directory.refresh().await
        {
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
                self.give_up(left).await?;
                return Ok(Some(limit));
            }
            self.step(target, batch, &mut work).await?;
        }
        Ok(None)
    }

    /// Sends one batch, and puts back into the work what of it is to be sent again.
    async fn step(&mut self, target: &Target, batch: Vec<Item>, work: &mut Work) -> Result<(), StoreAway> {
        let request = self.build(target, &batch);
        if request.body.len() > adapter(self.platform).limits(&target.account).bytes {
            if batch.len() > 1 {
                work.again_in_halves(batch);
                return Ok(());
            }
            return self
                .settle(batch, |_| (State::Failed, Cause::RequestTooLarge, None))
                .await;
        }
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
        match adapter(self.platform).check(dispatch, &target.account) {
            Ok(()) => None,
            Err(Rejection::NotSent(cause)) => Some((State::NotSent, cause, None)),
            Err(Rejection::Failed(cause, detail)) => Some((State::Failed, cause, detail)),
        }
    }

    fn build(&self, target: &Target, batch: &[Item]) -> Request {
        let dispatches: Vec<&Dispatch> = batch.iter().map(|item| &item.parcel.dispatch).collect();
        let test_code = match target.mode {
            Mode::Test => Some(target.account.rules.test_code.as_deref().unwrap_or("TEST")),
            Mode::Live | Mode::Shadow => None,
        };
        let sending = Sending {
            account: &target.account,
            endpoints: &self.context.endpoints,
            test_code,
        };
        adapter(self.platform).build(&dispatches, &sending)
    }

    /// Sends one request and says what came of it.
    async fn ask(&mut self, target: &Target, batch: &[Item], request: &Request) -> (Classification, RequestFacts) {
        let facts = RequestFacts {
            batch: i32::try_from(batch.len()).unwrap_or(i32::MAX),
            ..RequestFacts::default()
        };
        let all = |outcome: Outcome| Classification::Each(vec![outcome; batch.len()]);
        let token = match self.context.credentials.token(&target.login, &target.account).await {
            Ok(token) => token,
            Err(outcome) => return (all(outcome), facts),
        };
        self.requests += 1;
        crate::crash_point!("sender.before_request");
        let exchange = self.context.http.send(request, &token).await;
        crate::crash_point!("sender.after_answer");
        conversions::exchanged(self.platform, exchange.duration, batch.len());
        let mut facts = RequestFacts {
            duration_ms: i32::try_from(exchange.duration.as_millis()).unwrap_or(i32::MAX),
            ..facts
        };
        let classification = match exchange.result {
            Ok(answer) => {
                facts.http_status = i16::try_from(answer.status).ok();
                facts.request_id = answer.request_id();
                let dispatches: Vec<&Dispatch> = batch.iter().map(|item| &item.parcel.dispatch).collect();
                adapter(self.platform).classify(&answer, &dispatches, &target.account)
            }
            Err(NoAnswer::NotSent) => all(Outcome::plain(Verdict::Deferred {
                cause: Cause::PlatformUnreachable,
                wait: None,
            })),
            Err(NoAnswer::Ambiguous) => all(Outcome::plain(Verdict::Ambiguous)),
        };
        self.note_health(&classification);
        self.log(target, batch, &classification, &facts);
        (classification, facts)
    }

    /// The lease must outlast the HTTP timeout twice, or another may send the same while we wait. Gives the batch back if it is still ours.
    async fn keep_lease(&mut self, batch: Vec<Item>) -> Result<Option<Vec<Item>>, StoreAway> {
        let needed = self.context.http.timeout() * 2;
        if self.lease_renewed.elapsed() + needed < self.context.pace.lease {
            return Ok(Some(batch));
        }
        let keys: Vec<DispatchKey> = batch.iter().map(Item::key).collect();
        let store = &self.context.store;
        let failure = match store.renew(self.batch.lease, &keys, self.context.pace.lease).await {
            Ok(count) if count == keys.len() => {
                self.lease_renewed = Instant::now();
                return Ok(Some(batch));
            }
            // Another has some of them: sending them again would be a double send that we know of. What is still ours goes back unsent.
            Ok(count) => {
                conversions::leases_lost(self.platform, keys.len() - count);
                match store
                    .give_back(self.batch.lease, &keys, self.context.pace.silence)
                    .await
                {
                    Ok(()) => {
                        batch.into_iter().for_each(|item| item.parcel.delivery.requeue());
                        return Ok(None);
                    }
                    Err(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        warn!(error = %chain(&failure), "lease could not be renewed");
        Err(StoreAway)
    }

    fn note_health(&mut self, classification: &Classification) {
        let troubled = match classification {
            Classification::Each(outcomes) => outcomes.iter().all(|outcome| shows_trouble(&outcome.verdict)),
            Classification::Unnamed(outcome) => shows_trouble(&outcome.verdict),
            Classification::Named(_) | Classification::Reauthenticate(_) => false,
        };
        self.trouble = match (troubled, self.trouble) {
            (false, _) => Trouble::None,
            (true, Trouble::None) => Trouble::None,
            (true, _) => Trouble::Platform,
        };
    }

    /// Records outcomes, publishes dead copies of what failed, and acks.
    async fn record(
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
        let lifted = lifts.then_some(target.account.id);
        let items = settled.into_iter().map(|(item, _)| item).collect();
        self.store_and_close(items, records, facts, &pauses, lifted).await
    }

    /// Records dispatches that were not sent.
    async fn settle(
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
    async fn give_up(&mut self, items: Vec<Item>) -> Result<(), StoreAway> {
        let now = Utc::now();
        let records: Vec<Record> = items
            .iter()
            .map(|item| undecided(item.key(), &item.claimed, now))
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
        let recorded = self.store_records(&records, facts, pauses, lifted).await?;
        self.close(items, records, &recorded).await;
        Ok(())
    }

    async fn store_records(
        &self,
        records: &[Record],
        facts: &RequestFacts,
        pauses: &[NewPause],
        lifted: Option<AccountId>,
    ) -> Result<HashMap<DispatchKey, Recorded>, StoreAway> {
        crate::crash_point!("sender.before_record");
        let started = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            match self
                .context
                .store
                .record(self.batch.lease, records, facts, pauses, lifted)
                .await
            {
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
    async fn close(&self, items: Vec<Item>, records: Vec<Record>, recorded: &HashMap<DispatchKey, Recorded>) {
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
                        detail: record.detail,
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

    /// One wide line an attempt.
    fn log(&self, target: &Target, batch: &[Item], classification: &Classification, facts: &RequestFacts) {
        let first = match classification {
            Classification::Each(outcomes) => outcomes.first(),
            Classification::Named(named) => named.first().map(|(_, outcome)| outcome),
            Classification::Unnamed(outcome) | Classification::Reauthenticate(outcome) => Some(outcome),
        };
        let verdict = match classification {
            Classification::Each(_) => first.map_or("none", |outcome| outcome_name(&outcome.verdict)),
            Classification::Named(_) => "refused whole, culprits named",
            Classification::Unnamed(_) if batch.len() > 1 => "refused whole, sent again in halves",
            Classification::Unnamed(_) => first.map_or("none", |outcome| outcome_name(&outcome.verdict)),
            Classification::Reauthenticate(_) => "token refused, fetched anew",
        };
        info!(
            platform = %self.platform,
            account = %target.account.label(),
            login = %target.login.name,
            batch = batch.len(),
            outcome = verdict,
            code = first.and_then(|outcome| outcome.code.as_deref()),
            http.status = facts.http_status,
            request.id = facts.request_id,
            duration_ms = facts.duration_ms,
            attempt = batch.first().map(|item| item.claimed.attempt),
            dispatch.id = batch.first().map(|item| item.key().to_string()),
            "dispatch attempted"
        );
    }
}

/// What is still to be sent in a round.
struct Work {
    batches: VecDeque<Vec<Item>>,
    /// The size of the smallest part that a refused request was cut into.
    smallest: Option<usize>,
    reauthenticated: bool,
}

impl Work {
    fn again_in_halves(&mut self, batch: Vec<Item>) {
        let (first, second) = halves(batch);
        self.smallest = Some(first.len());
        self.batches.push_front(second);
        self.batches.push_front(first);
    }

    fn again_without_culprits(&mut self, rest: Vec<Item>) {
        if !rest.is_empty() {
            self.smallest = Some(rest.len());
            self.batches.push_front(rest);
        }
    }
}

/// Halves a batch of two or more; the second half is empty if there was only one.
fn halves(mut batch: Vec<Item>) -> (Vec<Item>, Vec<Item>) {
    let second = batch.split_off(batch.len().div_ceil(2));
    (batch, second)
}

fn chunks(items: Vec<Item>, most: usize) -> VecDeque<Vec<Item>> {
    let mut chunks = VecDeque::new();
    let mut rest = items;
    while rest.len() > most.max(1) {
        let next = rest.split_off(most.max(1));
        chunks.push_back(std::mem::replace(&mut rest, next));
    }
    if !rest.is_empty() {
        chunks.push_back(rest);
    }
    chunks
}

/// Parts the named ones from the rest, each keeping its order.
fn part(batch: Vec<Item>, named: Vec<(usize, Outcome)>) -> (Vec<(Item, Outcome)>, Vec<Item>) {
    let mut named: HashMap<usize, Outcome> = named.into_iter().collect();
    let mut culprits = Vec::new();
    let mut rest = Vec::new();
    for (index, item) in batch.into_iter().enumerate() {
        match named.remove(&index) {
            Some(outcome) => culprits.push((item, outcome)),
            None => rest.push(item),
        }
    }
    (culprits, rest)
}
