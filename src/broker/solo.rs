//! Crash loops: how a message that kills its reader is found without condemning those that were read with it.
//!
//! A quorum queue counts every return of a message, and at a crash everything prefetched returns. So a high count alone
//! proves nothing. From [`SOLO_FROM`] on a message is read alone: the channel holds one message at a time, and no other
//! suspect is in flight anywhere in the process. An innocent one is then settled and gone; only the culprit comes back,
//! and at [`CRASH_LOOP_AT`] it is named. Returns that this process has outlived, such as a channel closed because
//! Postgres was away, are no crashes and do not count.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// From this count on, a message is suspected and read alone.
pub const SOLO_FROM: u32 = 5;
/// At this count, a message that is alone in flight is the culprit.
pub const CRASH_LOOP_AT: u32 = 15;

/// Suspects of several queues are drawn lots for over this time, so that the culprit does not always come first.
const LOTS: Duration = Duration::from_millis(200);

/// Suspects remembered; forgetting them all only makes the process a little quicker to condemn.
const REMEMBERED: usize = 4096;

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
    /// Hand it out, and let in the full prefetch: it is not suspected, so neither are those behind it, as far as we
    /// know.
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

/// Lets one suspect of the process through at a time, and remembers what the process has outlived.
#[derive(Clone)]
pub(super) struct Gate {
    turn: Arc<Semaphore>,
    suspects: Arc<Mutex<HashMap<String, Record>>>,
}

/// What this process knows of a suspect.
#[derive(Clone, Copy)]
struct Record {
    /// Its count when it was last handed out.
    last_count: u32,
    /// Returns since it was first handed out here: the process is still alive after them.
    outlived: u32,
}

impl Gate {
    pub(super) fn new() -> Self {
        Gate {
            turn: Arc::new(Semaphore::new(1)),
            suspects: Arc::default(),
        }
    }

    /// Waits until no other suspect is in flight. The first suspect of a channel draws lots: two queues whose first
    /// messages are suspects are read in either order after each crash, so the innocent one gets through.
    pub(super) async fn pass(self, first: First) -> Option<OwnedSemaphorePermit> {
        if first == First::OfItsChannel {
            tokio::time::sleep(LOTS.mul_f64(rand::random::<f64>())).await;
        }
        self.turn.acquire_owned().await.ok()
    }

    /// Whether a suspect that is about to be handed out alone is the culprit.
    pub(super) fn is_crash_looping(&self, message_id: Option<&str>, delivery_count: u32) -> bool {
        let outlived = message_id.map_or(0, |id| self.note(id, delivery_count).outlived);
        delivery_count.saturating_sub(outlived) >= CRASH_LOOP_AT
    }

    fn note(&self, message_id: &str, delivery_count: u32) -> Record {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        if suspects.len() >= REMEMBERED && !suspects.contains_key(message_id) {
            suspects.clear();
        }
        let fresh = Record {
            last_count: delivery_count,
            outlived: 0,
        };
        let record = suspects.entry(message_id.to_owned()).or_insert(fresh);
        record.outlived += delivery_count.saturating_sub(record.last_count);
        record.last_count = delivery_count;
        *record
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

    #[test]
    fn the_culprit_is_named_at_its_fifteenth_return() {
        let gate = Gate::new();

        assert!(!gate.is_crash_looping(Some("a"), 14));
        assert!(Gate::new().is_crash_looping(Some("a"), 15));
        assert!(gate.is_crash_looping(None, 15));
    }

    #[test]
    fn returns_that_the_process_outlived_do_not_count() {
        let gate = Gate::new();

        for count in 5..100 {
            assert!(!gate.is_crash_looping(Some("flapping"), count), "{count}");
        }
        assert!(gate.is_crash_looping(Some("another"), 15));
        assert!(!gate.is_crash_looping(Some("flapping"), 100), "still remembered");
    }

    #[test]
    fn it_remembers_only_so_many_suspects() {
        let gate = Gate::new();

        for suspect in 0..3 * REMEMBERED {
            gate.is_crash_looping(Some(&suspect.to_string()), 5);
        }

        assert!(gate.suspects.lock().unwrap().len() <= REMEMBERED);
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
