//! One channel's deliveries in our hands: how many there are, and where their verdicts go.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};

use super::tags::Verdict;
use crate::metrics::broker::IntakeMetrics;

/// What the ack-writer of a channel is told.
pub(super) enum Settlement {
    /// A verdict on a tag.
    Verdict(u64, Verdict),
    /// Answer when everything told before is written.
    Flush(oneshot::Sender<()>),
}

/// The deliveries of one channel. A new channel gets a new one, so that a late verdict can never reach another message.
pub(super) struct Holder {
    pub(super) queue: String,
    pub(super) metrics: IntakeMetrics,
    counts: Mutex<Counts>,
    settlements: mpsc::UnboundedSender<Settlement>,
    fewer: Notify,
}

struct Counts {
    open: bool,
    /// On their way to the role.
    queued: usize,
    /// With the role, unsettled.
    held: usize,
}

impl Holder {
    pub(super) fn new(queue: String, metrics: IntakeMetrics, settlements: mpsc::UnboundedSender<Settlement>) -> Self {
        let counts = Mutex::new(Counts {
            open: true,
            queued: 0,
            held: 0,
        });
        Holder {
            queue,
            metrics,
            counts,
            settlements,
            fewer: Notify::new(),
        }
    }

    /// Whether the channel still stands.
    pub(super) fn is_open(&self) -> bool {
        self.counts().open
    }

    /// How many the role holds unsettled.
    pub(super) fn held(&self) -> usize {
        self.counts().held
    }

    /// One more is on its way to the role.
    pub(super) fn queue_one(&self) {
        self.counts().queued += 1;
    }

    /// One that was on its way will not get there.
    pub(super) fn unqueue_one(&self) {
        let mut counts = self.counts();
        counts.queued = counts.queued.saturating_sub(1);
        self.wake_if_fewer(&counts);
    }

    /// One that was on its way is with the role.
    pub(super) fn hand_out_one(&self) {
        let mut counts = self.counts();
        counts.queued = counts.queued.saturating_sub(1);
        if counts.open {
            counts.held += 1;
            self.metrics.in_flight.increment(1.0);
        }
    }

    /// Passes a verdict on; `false` if the channel is gone and the broker has the message back already.
    pub(super) fn settle(&self, tag: u64, verdict: Verdict) -> bool {
        let mut counts = self.counts();
        if !counts.open {
            return false;
        }
        // The verdict goes first: whoever sees the count at zero relies on a flush to cover it.
        let passed_on = self.settlements.send(Settlement::Verdict(tag, verdict)).is_ok();
        if counts.held > 0 {
            counts.held -= 1;
            self.metrics.in_flight.decrement(1.0);
        }
        self.wake_if_fewer(&counts);
        passed_on
    }

    /// The channel is gone: verdicts on its deliveries mean nothing any more. Returns how many the role still held.
    pub(super) fn close(&self) -> usize {
        let mut counts = self.counts();
        counts.open = false;
        let held = std::mem::take(&mut counts.held);
        self.metrics.in_flight.decrement(held as f64);
        self.fewer.notify_waiters();
        held
    }

    /// Waits until the role holds nothing.
    pub(super) async fn all_settled(&self) {
        self.wait_until(|counts| counts.held == 0).await;
    }

    /// Waits until nothing is with the role or on its way there.
    pub(super) async fn idle(&self) {
        self.wait_until(|counts| counts.held == 0 && counts.queued == 0).await;
    }

    /// Waits until all verdicts given so far are on the wire; `false` if the writer is gone.
    pub(super) async fn flush(&self) -> bool {
        let (written, flushed) = oneshot::channel();
        self.settlements.send(Settlement::Flush(written)).is_ok() && flushed.await.is_ok()
    }

    async fn wait_until(&self, done: impl Fn(&Counts) -> bool) {
        loop {
            // Interest first, look second: else a change in between is missed.
            let fewer = self.fewer.notified();
            tokio::pin!(fewer);
            fewer.as_mut().enable();
            if done(&self.counts()) {
                return;
            }
            fewer.await;
        }
    }

    fn wake_if_fewer(&self, counts: &Counts) {
        if counts.held == 0 {
            self.fewer.notify_waiters();
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
