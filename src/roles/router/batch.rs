//! One batch of the router: parse and plan, store, publish, ack. Whatever fails half-way leaves every delivery unsettled, and nothing that was
//! done before harms when it is done again.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tracing::warn;

use super::{
    Inbound, PUBLISH_PATIENCE, ack,
    plan::{Plan, Recipients, plan},
};
use crate::{
    broker::{Delivery, HeaderValue, Outgoing, PublishFailure, Publisher, headers_for_republish, topology},
    domain::{Cause, ClientId, Directory, EventKey, TraceParent, event::Event},
    metrics::conversions,
    roles::{
        context::Context,
        directory::DirectoryUnavailable,
        messages::{Lane, dispatch_message},
        trial::{self, Trial},
    },
    store::{
        StoreError,
        routing::{NewEvent, StoredEvent},
    },
    wire::{
        dispatch::header,
        event::{Envelope, Malformed, parse},
    },
};

/// How many events are read before others have their turn.
const EVENTS_A_BREATH: usize = 32;

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

/// What a batch is handled with.
pub(super) struct Batch {
    pub(super) context: Arc<Context>,
    pub(super) publisher: Publisher,
    pub(super) inbound: Inbound,
}

/// A delivery and why it cannot become an event.
struct Rejected {
    delivery: Delivery,
    fault: Malformed,
}

/// What a batch comes to before anything is stored.
#[derive(Default)]
struct Sorted {
    rejected: Vec<Rejected>,
    /// Deliveries by the event they hold; repetitions in one batch share it.
    events: Vec<NewEvent>,
    holding: HashMap<EventKey, Vec<Delivery>>,
    contradicted: Vec<EventKey>,
    unwanted: Vec<Delivery>,
    unwanted_counts: BTreeMap<(ClientId, String), i64>,
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
        let result = self.handle_all(deliveries, &condemned).await;
        if !under_trial.is_empty() {
            // However it went, the worker is alive.
            self.context.store.end_trials(&under_trial).await?;
        }
        result
    }

    async fn handle_all(&self, deliveries: Vec<Delivery>, condemned: &[Bytes]) -> Result<(), BatchFailure> {
        let now = Utc::now();
        conversions::events_received(self.inbound.as_str(), deliveries.len());
        let (parsed, mut sorted) = self.parse_all(deliveries, condemned, now).await;
        let directory = self.known_clients(&parsed).await?;
        for (index, (delivery, event)) in parsed.into_iter().enumerate() {
            breathe(index).await;
            let client = directory.client(&event.client);
            let recipients = Recipients {
                client,
                accounts: directory.accounts_of(&event.client),
            };
            // A panic in one event is that event's bug, not the batch's.
            let planning = || {
                crate::crash_point!("router.plan");
                plan(&event, recipients, now)
            };
            let planned = catch_unwind(AssertUnwindSafe(planning)).unwrap_or(Err(Malformed {
                cause: Cause::Bug,
                field: None,
            }));
            match planned {
                Ok(Plan::Store(mut new)) => {
                    let country = client.and_then(|client| client.country.as_deref());
                    new.record.trace = trace_of(&delivery);
                    new.identities = self.context.search_keys.digests(&event.person, country);
                    sorted.add(delivery, *new);
                }
                Ok(Plan::Unwanted) => sorted.add_unwanted(delivery, event),
                Err(fault) => sorted.rejected.push(Rejected { delivery, fault }),
            }
        }
        crate::crash_point!("router.before_commit");
        self.settle_events(sorted.events, sorted.holding, sorted.contradicted)
            .await?;
        self.settle_unwanted(sorted.unwanted, sorted.unwanted_counts, now)
            .await?;
        self.settle_rejected(sorted.rejected, now).await
    }

    async fn parse_all(
        &self,
        deliveries: Vec<Delivery>,
        condemned: &[Bytes],
        now: DateTime<Utc>,
    ) -> (Vec<(Delivery, Event)>, Sorted) {
        let mut parsed = Vec::with_capacity(deliveries.len());
        let mut sorted = Sorted::default();
        for (index, delivery) in deliveries.into_iter().enumerate() {
            breathe(index).await;
            let envelope = Envelope {
                message_id: delivery.message_id.as_deref(),
                timestamp: delivery
                    .timestamp_seconds
                    .and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)),
                now,
            };
            let result = if condemned.contains(&delivery.body) {
                Err(Malformed {
                    cause: Cause::CrashLoop,
                    field: None,
                })
            } else if self.inbound == Inbound::Webhooks {
                Err(Malformed {
                    cause: Cause::UnknownWebhookSource,
                    field: Some(webhook_source(&delivery)),
                })
            } else {
                catch_unwind(AssertUnwindSafe(|| parse(&delivery.body, envelope))).unwrap_or(Err(Malformed {
                    cause: Cause::Bug,
                    field: None,
                }))
            };
            match result {
                Ok(event) => parsed.push((delivery, event)),
                Err(fault) => sorted.rejected.push(Rejected { delivery, fault }),
            }
        }
        (parsed, sorted)
    }

    /// The directory, read anew if it misses a client of the batch: no event is called unknown on the word of a cache.
    async fn known_clients(&self, parsed: &[(Delivery, Event)]) -> Result<Arc<Directory>, DirectoryUnavailable> {
        let current = self.context.directory.current();
        if parsed.iter().all(|(_, event)| current.client(&event.client).is_some()) {
            return Ok(current);
        }
        self.context.directory.refresh().await
    }

    async fn settle_events(
        &self,
        mut events: Vec<NewEvent>,
        mut holding: HashMap<EventKey, Vec<Delivery>>,
        mut differing: Vec<EventKey>,
    ) -> Result<(), BatchFailure> {
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
        let mut deliveries = Vec::new();
        for (event, standing) in events.iter().zip(stored) {
            let key = event.record.key();
            let held = holding.remove(&key).unwrap_or_default();
            note(event, &standing);
            // Those that came with it in the same batch.
            let contradicting = differing.iter().filter(|contradicted| **contradicted == key).count();
            conversions::events_repeated(true, contradicting);
            conversions::events_repeated(false, held.len().saturating_sub(1 + contradicting));
            if standing.differs {
                differing.push(key);
            }
            outgoing.extend(
                standing
                    .queued
                    .iter()
                    .map(|dispatch| dispatch_message(&self.context.topology, dispatch, Lane::Live)),
            );
            deliveries.extend(held);
        }
        if !differing.is_empty() {
            self.context.store.count_differing(&differing).await?;
        }
        if !outgoing.is_empty() {
            crate::crash_point!("router.before_publish");
            self.publisher.publish(outgoing, PUBLISH_PATIENCE).await?;
        }
        crate::crash_point!("router.before_ack");
        ack(deliveries);
        crate::crash_point!("router.after_ack");
        Ok(())
    }

    async fn settle_unwanted(
        &self,
        deliveries: Vec<Delivery>,
        counts: BTreeMap<(ClientId, String), i64>,
        now: DateTime<Utc>,
    ) -> Result<(), BatchFailure> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let counts: Vec<_> = counts
            .into_iter()
            .map(|((client, name), count)| (client, name, count))
            .collect();
        conversions::events_unwanted(deliveries.len());
        self.context.store.count_unwanted(now.date_naive(), &counts).await?;
        ack(deliveries);
        Ok(())
    }

    async fn settle_rejected(&self, rejected: Vec<Rejected>, now: DateTime<Utc>) -> Result<(), BatchFailure> {
        if rejected.is_empty() {
            return Ok(());
        }
        let copies = rejected.iter().map(|rejected| self.dead_copy(rejected, now)).collect();
        crate::crash_point!("router.before_dead_letter");
        self.publisher.publish(copies, PUBLISH_PATIENCE).await?;
        for rejected in rejected {
            let cause = rejected.fault.cause;
            conversions::dead_letter(self.inbound.as_str(), cause);
            warn!(inbound = self.inbound.as_str(), %cause, field = rejected.fault.field, "message dead-lettered");
            rejected.delivery.ack();
        }
        Ok(())
    }

    /// The message as it came, byte for byte, with the cause beside it.
    fn dead_copy(&self, rejected: &Rejected, now: DateTime<Utc>) -> Outgoing {
        let Rejected { delivery, fault } = rejected;
        let mut headers = headers_for_republish(&delivery.headers);
        headers.insert(
            header::CAUSE.to_owned(),
            HeaderValue::Text(fault.cause.as_str().to_owned()),
        );
        headers.insert(header::FAILED_AT.to_owned(), HeaderValue::Text(now.to_rfc3339()));
        headers.insert(
            header::ROUTING_KEY.to_owned(),
            HeaderValue::Text(delivery.routing_key.clone()),
        );
        if let Some(field) = &fault.field {
            headers.insert(header::DETAIL.to_owned(), HeaderValue::Text(field.clone()));
        }
        Outgoing {
            exchange: self.context.topology.dead(),
            routing_key: topology::dead(self.inbound.as_str()),
            message_id: delivery.message_id.clone().unwrap_or_default(),
            body: delivery.body.clone(),
            headers,
            timestamp_seconds: delivery.timestamp_seconds,
            message_type: None,
        }
    }
}

impl Sorted {
    fn add(&mut self, delivery: Delivery, new: NewEvent) {
        let key = new.record.key();
        let holding = self.holding.entry(key).or_default();
        if holding.is_empty() {
            self.events.push(new);
        } else if self
            .events
            .iter()
            .any(|event| event.record.key() == key && event.fingerprint != new.fingerprint)
        {
            // The first of a batch stands, as the first that is stored does.
            self.contradicted.push(key);
        }
        holding.push(delivery);
    }

    fn add_unwanted(&mut self, delivery: Delivery, event: Event) {
        *self.unwanted_counts.entry((event.client, event.name)).or_default() += 1;
        self.unwanted.push(delivery);
    }
}

/// The trace that the producer named; one that cannot be read is none.
fn trace_of(delivery: &Delivery) -> Option<TraceParent> {
    delivery.headers.get(header::TRACE)?.as_text()?.parse().ok()
}

/// Lets others of this thread have their turn now and then: a batch is tens of milliseconds of work.
async fn breathe(index: usize) {
    if index % EVENTS_A_BREATH == EVENTS_A_BREATH - 1 {
        tokio::task::yield_now().await;
    }
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
    }
}

/// The word after `webhooks.` in the routing key, without what a sender may have hidden there.
fn webhook_source(delivery: &Delivery) -> String {
    let source = delivery.routing_key.strip_prefix("webhooks.").unwrap_or("none");
    source
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-')
        .take(32)
        .collect()
}
