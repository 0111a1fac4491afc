//! Publishing: many messages in, and an answer only when every one of them is confirmed or patience is over.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    error::{PublishCause, PublishFailure},
    health::BrokerHealth,
    lane::{Job, Lane, WINDOW_MESSAGES},
    link::LinkWatch,
    message::Outgoing,
    patience,
    reconnect::Pauses,
    window::Fate,
};
use crate::metrics::broker::PublisherMetrics;

/// Channels per exchange: while one window waits for the disk, the next is on its way.
const LANES: usize = 2;
/// Requests that wait for one lane before those who ask have to wait themselves.
const LANE_QUEUE: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A cheap handle on publishing.
///
/// Each exchange has channels of its own: a missing or forbidden one closes only its own.
#[derive(Clone)]
pub struct Publisher(Arc<Inner>);

/// What a publisher needs of the broker.
pub(super) struct Inner {
    pub(super) role: &'static str,
    pub(super) links: LinkWatch,
    pub(super) health: watch::Receiver<BrokerHealth>,
    pub(super) confirm_timeout: Duration,
    pub(super) closing: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) lanes: Mutex<HashMap<String, Lanes>>,
}

/// The lanes of one exchange, taken in turn.
#[derive(Clone)]
pub(super) struct Lanes {
    jobs: Arc<[mpsc::Sender<Job>]>,
    turn: Arc<AtomicUsize>,
}

impl Publisher {
    pub(super) fn new(inner: Inner) -> Self {
        Publisher(Arc::new(inner))
    }

    /// Publishes all messages; `Ok` only when a queue holds every one of them.
    ///
    /// What is nacked or without an answer is published again, under the same message ID, until `patience` is over: so
    /// a message may arrive twice, and one named in the failure may have arrived. What no retry can help (a missing
    /// exchange, no permission, no queue bound) fails at once, but the others are still seen through.
    pub async fn publish(&self, messages: Vec<Outgoing>, patience: Duration) -> Result<(), PublishFailure> {
        let deadline = patience::deadline(patience);
        let messages: Arc<[Outgoing]> = messages.into();
        let mut open: Vec<usize> = (0..messages.len()).collect();
        let mut hopeless = Vec::new();
        let mut cause = None;
        let mut last = PublishCause::TimedOut;
        let mut pauses = Pauses::between(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            for (index, fate) in self.publish_once(&messages, std::mem::take(&mut open), deadline).await {
                match fate {
                    Fate::Acked => {}
                    Fate::Nacked => {
                        last = PublishCause::Rejected;
                        open.push(index);
                    }
                    Fate::Unknown => {
                        // A try cut short by the deadline tells less than the one before it.
                        last = self.what_is_missing().unwrap_or(last);
                        open.push(index);
                    }
                    Fate::Returned => {
                        cause.get_or_insert(PublishCause::Unroutable);
                        hopeless.push(index);
                    }
                    Fate::Refused(text) => {
                        cause.get_or_insert(PublishCause::Refused(text));
                        hopeless.push(index);
                    }
                }
            }
            let again = Instant::now() + pauses.next();
            if open.is_empty() || again >= deadline || self.0.closing.is_cancelled() {
                break;
            }
            sleep_until(again).await;
        }
        open.append(&mut hopeless);
        if open.is_empty() {
            return Ok(());
        }
        open.sort_unstable();
        Err(PublishFailure {
            unconfirmed: open,
            cause: cause.unwrap_or(last),
        })
    }

    async fn publish_once(
        &self,
        messages: &Arc<[Outgoing]>,
        indices: Vec<usize>,
        deadline: Instant,
    ) -> Vec<(usize, Fate)> {
        let mut by_exchange: HashMap<&str, Vec<usize>> = HashMap::new();
        for index in indices {
            by_exchange.entry(&messages[index].exchange).or_default().push(index);
        }
        let mut windows = Vec::new();
        for (exchange, indices) in &by_exchange {
            let lanes = self.lanes(exchange);
            for window in indices.chunks(WINDOW_MESSAGES) {
                windows.push(ask(lanes.next(), messages, window, deadline));
            }
        }
        join_all(windows).await.into_iter().flatten().collect()
    }

    fn lanes(&self, exchange: &str) -> Lanes {
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes
            .entry(exchange.to_owned())
            .or_insert_with(|| self.start_lanes())
            .clone()
    }

    fn start_lanes(&self) -> Lanes {
        let inner = &self.0;
        let metrics = PublisherMetrics::new();
        let jobs = std::iter::repeat_with(|| {
            let (sender, jobs) = mpsc::channel(LANE_QUEUE);
            let lane = Lane {
                jobs,
                links: inner.links.clone(),
                confirm_timeout: inner.confirm_timeout,
                metrics: metrics.clone(),
                closing: inner.closing.clone(),
            };
            inner.tasks.spawn(lane.run());
            sender
        });
        Lanes {
            jobs: jobs.take(LANES).collect(),
            turn: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// Why there is no answer, if the state of the connection tells.
    fn what_is_missing(&self) -> Option<PublishCause> {
        let health = self.0.health.borrow();
        if self.0.closing.is_cancelled() {
            Some(PublishCause::Closed)
        } else if !health.publish_connected {
            Some(PublishCause::Disconnected)
        } else if health.blocked.is_some() {
            Some(PublishCause::Blocked)
        } else {
            None
        }
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Publisher")
            .field("role", &self.0.role)
            .finish_non_exhaustive()
    }
}

impl Lanes {
    fn next(&self) -> mpsc::Sender<Job> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.jobs[turn % self.jobs.len()].clone()
    }
}

/// Has one window published once. Without an answer until the deadline, all of it is unknown.
async fn ask(
    lane: mpsc::Sender<Job>,
    messages: &Arc<[Outgoing]>,
    indices: &[usize],
    deadline: Instant,
) -> Vec<(usize, Fate)> {
    let (answer, answered) = oneshot::channel();
    let job = Job {
        messages: Arc::clone(messages),
        indices: indices.to_vec(),
        answer,
    };
    let asked = async {
        lane.send(job).await.ok()?;
        answered.await.ok()
    };
    let fates = timeout_at(deadline, asked).await.ok().flatten();
    let fates = fates.unwrap_or_else(|| vec![Fate::Unknown; indices.len()]);
    indices.iter().copied().zip(fates).collect()
}
