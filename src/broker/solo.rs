//! Crash loops: how a message that kills its reader is found without condemning those that were read with it.
//!
//! A quorum queue counts every return of a message, and at a crash everything prefetched returns. So a high count alone
//! proves nothing. From [`SOLO_FROM`] on a message is read alone: the channel holds one message at a time, and no other suspect
//! is in flight anywhere in the process. An innocent one is then settled and gone; only the culprit comes back, and at
//! [`CRASH_LOOP_AT`] it is named.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// From this count on, a message is suspected and read alone.
pub const SOLO_FROM: u32 = 5;
/// At this count, a message that is alone in flight is the culprit.
pub const CRASH_LOOP_AT: u32 = 15;

/// Suspects of several queues are drawn lots for over this time, so that the culprit does not always come first.
const LOTS: Duration = Duration::from_millis(200);

/// How much a channel lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One message at a time; so begins every channel.
    Narrow,
    /// The full prefetch.
    Wide,
}

/// What to do with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Hand it out.
    HandOut,
    /// Hand it out, and let in the full prefetch: it is not suspected, so neither are those behind it, as far as we know.
    HandOutAndWiden,
    /// Hand it out when no other suspect is in flight.
    Alone,
    /// Hand nothing out any more; when what is out is settled, open a new channel and read it alone.
    Reopen,
}

/// Decides what to do with a delivery that came back `delivery_count` times.
pub(super) fn admission(mode: Mode, delivery_count: u32) -> Admission {
    match (mode, delivery_count >= SOLO_FROM) {
        (Mode::Narrow, false) => Admission::HandOutAndWiden,
        (Mode::Narrow, true) => Admission::Alone,
        (Mode::Wide, false) => Admission::HandOut,
        (Mode::Wide, true) => Admission::Reopen,
    }
}

/// Whether a delivery that is alone in flight is the culprit.
pub(super) fn is_crash_looping(delivery_count: u32) -> bool {
    delivery_count >= CRASH_LOOP_AT
}

/// Lets one suspect of the process through at a time.
#[derive(Clone)]
pub(super) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(super) fn new() -> Self {
        Gate(Arc::new(Semaphore::new(1)))
    }

    /// Waits until no other suspect is in flight. The first suspect of a channel draws lots: two queues whose first messages
    /// are suspects are read in either order after each crash, so the innocent one gets through.
    pub(super) async fn pass(self, first: First) -> Option<OwnedSemaphorePermit> {
        if first == First::OfItsChannel {
            tokio::time::sleep(LOTS.mul_f64(rand::random::<f64>())).await;
        }
        self.0.acquire_owned().await.ok()
    }
}

/// Whether a suspect is the first of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Nothing came before it.
    OfItsChannel,
    /// Others were read alone before it.
    No,
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll};

    use super::*;

    #[test]
    fn a_message_is_read_alone_from_its_fifth_return_on() {
        let cases = [
            (Mode::Narrow, 0, Admission::HandOutAndWiden),
            (Mode::Narrow, 4, Admission::HandOutAndWiden),
            (Mode::Narrow, 5, Admission::Alone),
            (Mode::Narrow, u32::MAX, Admission::Alone),
            (Mode::Wide, 4, Admission::HandOut),
            (Mode::Wide, 5, Admission::Reopen),
        ];
        for (mode, count, expected) in cases {
            assert_eq!(admission(mode, count), expected, "{mode:?} {count}");
        }
    }

    #[tokio::test]
    async fn one_suspect_passes_at_a_time() {
        let gate = Gate::new();
        let first = gate.clone().pass(First::OfItsChannel).await.unwrap();

        let mut second = pin!(gate.clone().pass(First::No));
        let waits = poll_fn(|context| Poll::Ready(second.as_mut().poll(context).is_pending())).await;
        drop(first);

        assert!(waits, "two suspects in flight");
        assert!(second.await.is_some());
    }
}
