//! One batch of the router: parse and plan, store, publish, ack. Whatever fails half-way leaves every delivery unsettled, and nothing that was
//! done before harms when it is done again.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tracing::error;

use super::{
    EVENTS_A_STEP, Inbound, PUBLISH_PATIENCE, ack, breathe,
    consulting::{Candidate, Consultation, look_again},
    reading::{Contents, Reader},
};
use crate::{
    broker::{Delivery, PublishFailure, Publisher},
    domain::{Cause, ClientId, Directory, EventKey, State, TraceParent},
    metrics::{clicks, conversions},
    roles::{
        context::Context,
        directory::DirectoryUnavailable,
        messages::{Lane, dispatch_message},
        plan::{Plan, Recipients, plan},
        trial::{self, Trial},
    },
    store::{
        StoreError,
        clicks::ClickQuestion,
        routing::{NewEvent, StoredEvent},
    },
    wire::{dispatch::header, event::Malformed},
};

/// Why a batch could not be finished; all of its deliveries are handled again.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchFailure {
    /// Postgres.
    #[error("store the batch: {0}")]
    Store(#[from] StoreError),
    /// Postgres, while the directory was to be read anew.
    #[error("look up a client: {0}")]
    Directory(#[from] DirectoryUnavailable),
    /// The broker.
    #[error("publish what follows from the batch: {0}")]
    Publish(#[from] PublishFailure),
}

impl BatchFailure {
    /// Postgres's code, if it refuses what the messages say, so that trying again helps nobody.
    fn refused_value(&self) -> Option<&str> {
        match self {
            BatchFailure::Store(failure) if failure.is_of_the_data() => failure.sqlstate(),
            _ => None,
        }
    }
}

/// What a batch is handled with.
pub(super) struct Batch {
    pub(super) context: Arc<Context>,
    pub(super) publisher: Publisher,
    pub(super) inbound: Inbound,
}

/// What some events of a batch come to before they are stored.
#[derive(Default)]
struct Sorted {
    events: Vec<NewEvent>,
    /// How often each event occurs; repetitions share what is stored.
    occurring: HashMap<EventKey, usize>,
    contradicted: Vec<EventKey>,
    /// What the ledger was asked about those that wait for a click.
    waiting: HashMap<EventKey, ClickQuestion>,
}

/// Events that no ad account of their client wants.
#[derive(Default)]
struct Unwanted {
    count: usize,
    by_name: BTreeMap<(ClientId, String), i64>,
}

impl Batch {
    /// Handles a batch; every delivery that is not acked when this fails is given out again after the channel was reopened.
    pub(super) async fn handle(self, deliveries: Vec<Delivery>) -> Result<(), BatchFailure> {
        let mut under_trial = Vec::new();
        let mut condemned = Vec::new();
        for delivery in &deliveries {
            match trial::begin(&self.context.store, delivery).await? {
                Trial::None => {}
                Trial::Begun(digest) => under_trial.push(digest),
                Trial::CrashLoop(digest) => {
                    under_trial.push(digest);
                    condemned.push(delivery.body.clone());
                }
            }
        }
        let result = self.handle_part(deliveries, &condemned).await;
        if !under_trial.is_empty() {
            // However it went, the worker is alive.
            self.context.store.end_trials(&under_trial).await?;
        }
        result
    }

    /// Handles deliveries, and where Postgres refuses what is in them, each half for itself: so the one at fault ends as a dead letter, and
    /// costs no other.
    async fn handle_part(&self, mut deliveries: Vec<Delivery>, condemned: &[Bytes]) -> Result<(), BatchFailure> {
        let failure = match self.handle_all(&deliveries, condemned).await {
            Ok(()) => {
                crate::crash_point!("router.before_ack");
                ack(deliveries);
                crate::crash_point!("router.after_ack");
                return Ok(());
            }
            Err(failure) => failure,
        };
        let Some(sqlstate) = failure.refused_value() else {
            return Err(failure);
        };
        if deliveries.len() == 1 {
            // The code alone: Postgres's words may quote the value.
            error!(inbound = self.inbound.as_str(), sqlstate, "database refuses a message");
            let fault = [(0, Malformed::of(Cause::Bug))];
            self.settle_faults(&deliveries, &fault, Utc::now()).await?;
            ack(deliveries);
            return Ok(());
        }
        let rest = deliveries.split_off(deliveries.len() / 2);
        Box::pin(self.handle_part(deliveries, condemned)).await?;
        Box::pin(self.handle_part(rest, condemned)).await
    }

    async fn handle_all(&self, deliveries: &[Delivery], condemned: &[Bytes]) -> Result<(), BatchFailure> {
        let now = Utc::now();
        conversions::events_received(self.inbound.as_str(), deliveries.len());
        let (contents, directory) = self.read(deliveries, condemned, now).await?;
        let parts = [
            ("click", contents.clicks.len()),
            ("event", contents.events.len()),
            ("ignored", contents.ignored),
        ];
        let mut faults = contents.faults;
        let mut unwanted = Unwanted::default();
        let consultation = Consultation {
            context: &self.context,
            directory: &directory,
            deliveries,
            now,
        };
        consultation.remember_people(&contents.clicks).await?;
        // One message of another system may hold thousands of events.
        let mut events = contents.events.into_iter().peekable();
        while events.peek().is_some() {
            let step = events.by_ref().take(EVENTS_A_STEP).collect();
            let candidates = consultation.hold(step, &mut faults).await?;
            let sorted = self
                .sort(candidates, &directory, deliveries, &mut faults, &mut unwanted, now)
                .await;
            crate::crash_point!("router.before_commit");
            self.settle_events(sorted).await?;
        }
        self.settle_faults(deliveries, &faults, now).await?;
        // Last, since these would be counted again with every repetition.
        conversions::events_unwanted(unwanted.count);
        self.count_unwanted(unwanted.by_name, now).await?;
        if self.inbound != Inbound::Events {
            for (part, count) in parts {
                clicks::webhook_parts(part, count);
            }
        }
        Ok(())
    }

    /// Reads the batch, by a directory that is read anew if it misses something.
    async fn read(
        &self,
        deliveries: &[Delivery],
        condemned: &[Bytes],
        now: DateTime<Utc>,
    ) -> Result<(Contents, Arc<Directory>), DirectoryUnavailable> {
        let mut directory = self.context.directory.current();
        for is_last in [false, true] {
            let reader = Reader {
                inbound: &self.inbound,
                directory: &directory,
                condemned,
                now,
            };
            let contents = reader.read_all(deliveries).await;
            if is_last || !contents.misses_something(&directory) {
                return Ok((contents, directory));
            }
            directory = self.context.directory.refresh().await?;
        }
        unreachable!("the last reading is taken as it is")
    }

    async fn sort(
        &self,
        candidates: Vec<Candidate>,
        directory: &Directory,
        deliveries: &[Delivery],
        faults: &mut Vec<(usize, Malformed)>,
        unwanted: &mut Unwanted,
        now: DateTime<Utc>,
    ) -> Sorted {
        let mut sorted = Sorted::default();
        for (index, candidate) in candidates.into_iter().enumerate() {
            breathe(index).await;
            let Candidate {
                delivery,
                event,
                identities,
                question,
                remembered,
            } = candidate;
            let recipients = Recipients {
                client: directory.client(&event.client),
                accounts: directory.accounts_of(&event.client),
            };
            // A panic in one event is that event's bug, not the batch's.
            let planning = || {
                crate::crash_point!("router.plan");
                plan(&event, recipients, &remembered, now)
            };
            match catch_unwind(AssertUnwindSafe(planning)).unwrap_or_else(|_| Err(Malformed::of(Cause::Bug))) {
                Ok(Plan::Store(mut new)) => {
                    new.record.trace = trace_of(&deliveries[delivery]);
                    new.identities = identities;
                    sorted.add(*new, question);
                }
                Ok(Plan::Unwanted) => {
                    unwanted.count += 1;
                    *unwanted.by_name.entry((event.client, event.name)).or_default() += 1;
                }
                Err(fault) => faults.push((delivery, fault)),
            }
        }
        sorted
    }

    async fn settle_events(&self, sorted: Sorted) -> Result<(), BatchFailure> {
        let Sorted {
            mut events,
            occurring,
            contradicted: mut differing,
            mut waiting,
        } = sorted;
        if events.is_empty() {
            return Ok(());
        }
        // Two routers that insert the same events must do so in the same order.
        events.sort_by_cached_key(|event| event.record.key());
        let stored = self
            .context
            .store
            .store_events(&events, self.context.pace.silence)
            .await?;
        crate::crash_point!("router.after_commit");
        let mut outgoing = Vec::new();
        for (event, standing) in events.iter().zip(stored) {
            let key = event.record.key();
            note(event, &standing);
            // Those that came with it in the same batch.
            let contradicting = differing.iter().filter(|contradicted| **contradicted == key).count();
            conversions::events_repeated(true, contradicting);
            let repeated = occurring.get(&key).copied().unwrap_or(1);
            conversions::events_repeated(false, repeated.saturating_sub(1 + contradicting));
            if standing.differs {
                differing.push(key);
            }
            if standing.is_repetition {
                waiting.remove(&key);
            }
            outgoing.extend(
                standing
                    .queued
                    .iter()
                    .map(|dispatch| dispatch_message(&self.context.topology, dispatch, Lane::Live)),
            );
        }
        let waiting: Vec<ClickQuestion> = waiting.into_values().collect();
        look_again(&self.context, &waiting).await?;
        if !differing.is_empty() {
            self.context.store.count_differing(&differing).await?;
        }
        if !outgoing.is_empty() {
            crate::crash_point!("router.before_publish");
            self.publisher.publish(outgoing, PUBLISH_PATIENCE).await?;
        }
        Ok(())
    }

    async fn count_unwanted(
        &self,
        counts: BTreeMap<(ClientId, String), i64>,
        now: DateTime<Utc>,
    ) -> Result<(), BatchFailure> {
        if counts.is_empty() {
            return Ok(());
        }
        let counts: Vec<_> = counts
            .into_iter()
            .map(|((client, name), count)| (client, name, count))
            .collect();
        self.context.store.count_unwanted(now.date_naive(), &counts).await?;
        Ok(())
    }
}

impl Sorted {
    fn add(&mut self, new: NewEvent, question: Option<ClickQuestion>) {
        let key = new.record.key();
        let occurring = self.occurring.entry(key).or_default();
        *occurring += 1;
        if *occurring == 1 {
            let mut dispatches = new.dispatches.iter();
            let waits = dispatches.any(|dispatch| dispatch.cause == Some(Cause::WaitingForClick));
            if let Some(question) = question.filter(|_| waits) {
                self.waiting.insert(key, question);
            }
            self.events.push(new);
        } else if self
            .events
            .iter()
            .any(|event| event.record.key() == key && event.fingerprint != new.fingerprint)
        {
            // The first of a batch stands, as the first that is stored does.
            self.contradicted.push(key);
        }
    }
}

/// The trace that the producer named; one that cannot be read is none.
fn trace_of(delivery: &Delivery) -> Option<TraceParent> {
    delivery.headers.get(header::TRACE)?.as_text()?.parse().ok()
}

/// Counts what became of an event.
fn note(event: &NewEvent, standing: &StoredEvent) {
    if standing.is_repetition {
        conversions::events_repeated(standing.differs, 1);
        return;
    }
    conversions::event_stored(event.cause);
    for dispatch in &event.dispatches {
        conversions::decided(dispatch.platform, dispatch.state, dispatch.cause, 1);
        let click = dispatch.click.as_ref().filter(|_| dispatch.state != State::NotSent);
        if click.is_some_and(|click| event.record.clicks.get(click.kind) != Some(&click.value)) {
            clicks::recalled(dispatch.platform);
        }
    }
}
