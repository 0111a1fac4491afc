//! The router: takes funnel events in micro-batches, decides per ad account, stores, publishes what is to go out, and only then acks.

mod batch;
mod consulting;
mod faults;
pub mod inputs;
mod reading;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::batch::{Batch, BatchFailure};
use super::context::Context;
use crate::{
    broker::{Arrivals, Delivery, Intake, topology::Topology},
    domain::mapping::Input,
    metrics::conversions,
};

/// How many deliveries are handled at a time.
const BATCH_MAX: usize = 150;
/// How many batches are on their way at a time: while one waits for Postgres or the broker, a full one does not wait for it. They are to each other
/// what two routers are.
const BATCHES: usize = 2;
/// How many events, or clicks, go to Postgres at a time: one message of another system may hold thousands.
const EVENTS_A_STEP: usize = 500;
/// How many events are worked on before others have their turn.
const EVENTS_A_BREATH: usize = 32;
/// How long a batch may try to get its messages confirmed before the channel is given up.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(30);
/// How often the router says whether it consumes.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// The first and the longest pause while Postgres or the broker does not take anything.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Where messages come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The queue of funnel events.
    Events,
    /// The queue of webhooks.
    Webhooks,
    /// Somebody else's queue, whose messages a mapping makes events of.
    Input(Arc<Input>),
}

impl Inbound {
    /// The word for it in metrics and log lines.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Inbound::Events => "events",
            Inbound::Webhooks => "webhooks",
            Inbound::Input(_) => "inputs",
        }
    }

    /// The dead letters that its faulty messages belong to.
    const fn dead(&self) -> &'static str {
        match self {
            Inbound::Events => "events",
            Inbound::Webhooks | Inbound::Input(_) => "webhooks",
        }
    }

    fn queue(&self, topology: &Topology) -> String {
        match self {
            Inbound::Events => topology.events_queue(),
            Inbound::Webhooks => topology.webhooks_queue(),
            Inbound::Input(input) => input.queue.clone(),
        }
    }
}

/// Runs until `shutdown`, then finishes what it has begun.
pub async fn run(context: Arc<Context>, inbound: Inbound, shutdown: CancellationToken) {
    let queue = inbound.queue(&context.topology);
    // A queue of somebody else's that is not there costs the others nothing, so this process is ready without it.
    let consuming = match inbound {
        Inbound::Events | Inbound::Webhooks => context.readiness.expect(&queue),
        Inbound::Input(_) => Arc::default(),
    };
    let mut intake = context.intake(queue.clone(), "router");
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    let publisher = context.broker.publisher("router");
    let mut batches: JoinSet<Result<(), BatchFailure>> = JoinSet::new();
    let mut arrived: Vec<Delivery> = Vec::new();
    let mut failures = 0;
    loop {
        // What has come goes at once when nothing is on its way, and otherwise grows until that is back or the batch is full.
        let is_time = batches.is_empty() && !arrived.is_empty() || arrived.len() >= BATCH_MAX;
        if is_time && batches.len() < BATCHES {
            let batch = Batch {
                context: Arc::clone(&context),
                publisher: publisher.clone(),
                inbound: inbound.clone(),
            };
            batches.spawn(batch.handle(std::mem::take(&mut arrived)));
        }
        let failure = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = batches.join_next() => failure_of(ended),
            _ = looks.tick() => {
                consuming.store(intake.is_consuming(), Ordering::Relaxed);
                continue;
            }
            arrivals = intake.next(BATCH_MAX - arrived.len()), if arrived.len() < BATCH_MAX => match arrivals {
                Arrivals::Deliveries(mut deliveries) => {
                    // Whatever is dropped on the way goes back when the router closes its channel, which it does after every failure.
                    deliveries.iter_mut().for_each(Delivery::leave_on_drop);
                    arrived.append(&mut deliveries);
                    continue;
                }
                Arrivals::Reopened => {
                    arrived.clear();
                    continue;
                }
                Arrivals::Closed => break,
            },
        };
        let Some(failure) = failure else {
            failures = 0;
            continue;
        };
        conversions::store_failed("router");
        warn!(inbound = inbound.as_str(), queue, error = failure, "router holds on");
        consuming.store(false, Ordering::Relaxed);
        // Those that are on their way end as they can; what they leave unsettled goes back together with the rest.
        arrived.clear();
        while batches.join_next().await.is_some() {}
        hold_on(&context, &mut intake, &shutdown, failures).await;
        failures += 1;
    }
    arrived.into_iter().for_each(Delivery::requeue);
    let deadline = tokio::time::Instant::now() + context.pace.shutdown_deadline;
    let finished = tokio::time::timeout_at(deadline, async { while batches.join_next().await.is_some() {} })
        .await
        .is_ok();
    let left = deadline
        .saturating_duration_since(tokio::time::Instant::now())
        .max(Duration::from_secs(1));
    let drained = intake.drain(left).await;
    info!(
        inbound = inbound.as_str(),
        queue,
        clean = finished && drained.clean,
        unsettled = drained.unsettled,
        "router stopped"
    );
}

/// Why a batch could not be finished, if it could not.
fn failure_of(ended: Result<Result<(), BatchFailure>, JoinError>) -> Option<String> {
    match ended {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(super::chain(&failure)),
        Err(failure) => Some(format!(
            "the batch's task ended: {}",
            if failure.is_panic() { "panic" } else { "cancelled" }
        )),
    }
}

/// Closes the channel once, so that everything unsettled goes back to the queue, and opens it when Postgres answers and the broker takes messages.
async fn hold_on(context: &Context, intake: &mut Intake, shutdown: &CancellationToken, failures: u32) {
    intake.suspend().await;
    // The broker's count of each message rises with every closed channel, so a router that fails again and again does so ever more slowly.
    let mut pause = PAUSE.0.saturating_mul(1 << failures.min(10)).min(PAUSE.1);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let broker = context.broker.health();
        match context.store.ping().await {
            Ok(()) if broker.publish_connected && broker.blocked.is_none() => break,
            Ok(()) => {}
            Err(failure) if failure.is_passing() => {}
            Err(failure) => error!(error = %super::chain(&failure), "database refuses"),
        }
        pause = (pause * 2).min(PAUSE.1);
    }
    intake.resume();
}

/// Lets others of this thread have their turn now and then: a batch is tens of milliseconds of work.
async fn breathe(index: usize) {
    if index % EVENTS_A_BREATH == EVENTS_A_BREATH - 1 {
        tokio::task::yield_now().await;
    }
}

/// Acks deliveries.
fn ack(deliveries: impl IntoIterator<Item = Delivery>) {
    for delivery in deliveries {
        delivery.ack();
    }
}
