//! The reading end of a queue, as a role sees it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{delivery::Delivery, holder::Holder, patience};

/// What comes in.
#[derive(Debug)]
pub enum Arrivals {
    /// At least one delivery.
    Deliveries(Vec<Delivery>),
    /// The channel is gone, and with it all deliveries handed out before: the broker gives them out again. Forget
    /// whatever of them has not been acted on; settling them does nothing.
    Reopened,
    /// Nothing comes any more: drained, or the broker's connections are closed.
    Closed,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Everything handed out was settled, and the broker has processed every ack.
    pub clean: bool,
    /// How many deliveries were still out; the broker gives them out again.
    pub unsettled: usize,
}

/// The reading end of one queue.
///
/// Dropped, it closes its channel; what is unsettled goes back to the queue.
pub struct Intake {
    pub(super) arriving: mpsc::UnboundedReceiver<Arriving>,
    pub(super) control: mpsc::UnboundedSender<Control>,
    pub(super) state: Arc<State>,
    /// Arrived, and not given out by `next` yet.
    pub(super) waiting: Vec<Arriving>,
}

/// What the consuming task sends to the handle.
pub(super) enum Arriving {
    Delivery(Delivery),
    /// The channel is gone; all deliveries before this are void.
    Lost,
}

/// What the handle asks of the consuming task.
pub(super) enum Control {
    /// Close the channel and stay closed; answer when it is closed.
    Suspend(oneshot::Sender<()>),
    /// Open again.
    Resume,
    /// Let nothing more in, wait for what is out, close.
    Drain {
        deadline: tokio::time::Instant,
        answer: oneshot::Sender<Drained>,
    },
}

/// What both ends know.
#[derive(Default)]
pub(super) struct State {
    /// The deliveries of the open channel; none while there is no channel.
    holder: Mutex<Option<Arc<Holder>>>,
    /// Why there is no channel.
    problem: Mutex<Option<String>>,
}

impl State {
    pub(super) fn holder(&self) -> Option<Arc<Holder>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn opened(&self, holder: Arc<Holder>) {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = Some(holder);
        self.set_problem(None);
    }

    pub(super) fn closed(&self) {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

impl Intake {
    /// Waits for something to come in, and takes what has come in by then, at most `max` deliveries.
    ///
    /// Cancel-safe: nothing is lost when the future is dropped. To be called again and again: `Reopened` arrives
    /// through it.
    pub async fn next(&mut self, max: usize) -> Arrivals {
        let max = max.max(1);
        loop {
            if self.waiting.is_empty() && self.arriving.recv_many(&mut self.waiting, max).await == 0 {
                return Arrivals::Closed;
            }
            let lost = self
                .waiting
                .iter()
                .rposition(|arrived| matches!(arrived, Arriving::Lost));
            if let Some(lost) = lost {
                self.waiting.drain(..=lost);
                return Arrivals::Reopened;
            }
            let mut deliveries = Vec::with_capacity(self.waiting.len().min(max));
            for arrived in self.waiting.drain(..self.waiting.len().min(max)) {
                // Of a channel that is gone; the word of that is on its way.
                if let Arriving::Delivery(mut delivery) = arrived
                    && delivery.is_held()
                {
                    delivery.hand_out();
                    deliveries.push(delivery);
                }
            }
            if !deliveries.is_empty() {
                return Arrivals::Deliveries(deliveries);
            }
        }
    }

    /// Closes the channel and stays closed until [`resume`](Intake::resume). All that is unsettled goes back to the
    /// queue, once; `next` says `Reopened` and then waits.
    pub async fn suspend(&mut self) {
        let (closed, answer) = oneshot::channel();
        if self.control.send(Control::Suspend(closed)).is_ok() && answer.await.is_ok() {
            self.discard();
            self.waiting.push(Arriving::Lost);
        }
    }

    /// Opens again after [`suspend`](Intake::suspend), as soon as there is a connection.
    pub fn resume(&mut self) {
        // Without the task there is nothing to resume, and `next` says so.
        let _ = self.control.send(Control::Resume);
    }

    /// Lets nothing more in, waits until what was handed out is settled, and closes the channel; the broker's answer to
    /// that proves that it has processed every ack. Afterwards `next` says `Closed`.
    pub async fn drain(&mut self, deadline: Duration) -> Drained {
        let (answer, drained) = oneshot::channel();
        let deadline = patience::deadline(deadline);
        if self.control.send(Control::Drain { deadline, answer }).is_err() {
            return Drained {
                clean: true,
                unsettled: 0,
            };
        }
        let drained = drained.await.unwrap_or(Drained {
            clean: false,
            unsettled: self.in_flight(),
        });
        self.discard();
        drained
    }

    /// How many deliveries are handed out and unsettled.
    pub fn in_flight(&self) -> usize {
        self.state.holder().map_or(0, |holder| holder.held())
    }

    /// Whether the channel stands and deliveries can come in.
    pub fn is_consuming(&self) -> bool {
        self.state.holder().is_some()
    }

    /// Why the channel was lost or could not be opened, in the broker's words where it said some; nothing while it
    /// stands.
    pub fn problem(&self) -> Option<String> {
        self.state
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Drops what arrived and was not handed out.
    fn discard(&mut self) {
        self.waiting.clear();
        while self.arriving.try_recv().is_ok() {}
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Intake")
            .field("consuming", &self.is_consuming())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
