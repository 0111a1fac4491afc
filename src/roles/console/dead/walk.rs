//! A walk over a queue of dead letters: what lay in it at the start, each once. What is kept goes to the tail, confirmed before its former copy is
//! acked: so nothing is ever without a copy, and the walk can be cut off anywhere.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use super::{Tools, choice::DeadQueue, letter::Letter};
use crate::{
    broker::{
        Arrivals, HeaderValue, Intake, IntakeSettings, Outgoing, PublishFailure, Publisher, headers_for_republish,
        topology,
    },
    roles::console::ConsoleError,
    wire::dispatch::header,
};

/// The most letters that are in hand at a time.
pub(super) const WINDOW: usize = 50;
/// A queue that gives nothing for so long has nothing more for us: others hold the rest.
const QUIET: Duration = Duration::from_secs(10);
/// How long a window may take to be confirmed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a queue may take to have back what a closed channel held.
const TAKEN_BACK: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The header that marks what a walk has passed, so that it stops when it meets its own tail.
const MARK: &str = "relay-replay-run";

/// A walk over one queue.
pub(super) struct Walk<'a> {
    tools: Tools<'a>,
    queue: DeadQueue,
    intake: Intake,
    publisher: Publisher,
    mark: HeaderValue,
    total: u32,
    left: u32,
    /// How many letters went to the tail.
    kept: u32,
}

impl<'a> Walk<'a> {
    /// Begins a walk over what lies in a queue now.
    pub(super) async fn begin(tools: Tools<'a>, queue: DeadQueue) -> Result<Self, ConsoleError> {
        let name = tools.topology.dead_queue(queue.as_str());
        let total = tools.broker.queue_depth(&name).await?;
        let most = u32::try_from(WINDOW).unwrap_or(u32::MAX).min(total.max(1));
        let intake = tools.broker.intake(IntakeSettings {
            queue: name,
            prefetch: u16::try_from(most).unwrap_or(u16::MAX),
            role: "console",
        });
        Ok(Self {
            tools,
            queue,
            intake,
            publisher: tools.broker.publisher("console"),
            mark: Uuid::now_v7().to_string().into(),
            total,
            left: total,
            kept: 0,
        })
    }

    /// How many letters lay in the queue at the start.
    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// How many of them have been met.
    pub(super) fn met(&self) -> u32 {
        self.total - self.left
    }

    /// The next letters, at most so many; none at the end. Every letter is to be acked before the next ones are asked for.
    pub(super) async fn next(&mut self, most: usize) -> Vec<Letter> {
        let most = most.min(WINDOW).min(usize::try_from(self.left).unwrap_or(WINDOW));
        let mut letters = Vec::new();
        while most > 0 && letters.is_empty() {
            match tokio::time::timeout(QUIET, self.intake.next(most)).await {
                Ok(Arrivals::Deliveries(deliveries)) => {
                    for mut delivery in deliveries {
                        if delivery.headers.get(MARK) == Some(&self.mark) {
                            self.left = 0;
                            delivery.requeue();
                            continue;
                        }
                        // If the walk breaks off, it goes back when the channel closes, and its count rises once.
                        delivery.leave_on_drop();
                        letters.push(Letter::open(self.queue, delivery));
                    }
                    if self.left == 0 {
                        break;
                    }
                }
                // Nothing is in hand now, so nothing is lost.
                Ok(Arrivals::Reopened) => {}
                Ok(Arrivals::Closed) | Err(_) => break,
            }
        }
        self.left = self
            .left
            .saturating_sub(u32::try_from(letters.len()).unwrap_or(u32::MAX));
        letters
    }

    /// The copy of a letter that goes to the tail, byte for byte.
    pub(super) fn copy(&self, letter: &Letter) -> Outgoing {
        let delivery = &letter.delivery;
        let mut headers = headers_for_republish(&delivery.headers);
        headers.insert(MARK.to_owned(), self.mark.clone());
        Outgoing {
            exchange: self.tools.topology.dead(),
            routing_key: topology::dead(self.queue.as_str()),
            message_id: delivery.message_id.clone().unwrap_or_default(),
            body: delivery.body.clone(),
            headers,
            timestamp_seconds: delivery.timestamp_seconds,
            message_type: self.queue.platform().map(|_| "dispatch"),
        }
    }

    /// Publishes, and waits until all is confirmed.
    pub(super) async fn publish(&self, messages: Vec<Outgoing>) -> Result<(), PublishFailure> {
        if messages.is_empty() {
            return Ok(());
        }
        self.publisher.publish(messages, PATIENCE).await
    }

    /// Passes letters by: copies at the tail, then acks.
    pub(super) async fn keep(&mut self, letters: Vec<Letter>) -> Result<(), ConsoleError> {
        let copies = letters.iter().map(|letter| self.copy(letter)).collect();
        self.publish(copies).await.map_err(|source| ConsoleError::Unconfirmed {
            done: format!("{} letters were looked at", self.met()),
            source,
        })?;
        self.settle(Vec::new(), letters);
        Ok(())
    }

    /// Tells the broker that all that follows from these letters is durable: those that are done with, and those whose copies lie at the tail.
    pub(super) fn settle(&mut self, done: Vec<Letter>, kept: Vec<Letter>) {
        self.kept = self.kept.saturating_add(u32::try_from(kept.len()).unwrap_or(u32::MAX));
        for letter in done.into_iter().chain(kept) {
            letter.delivery.ack();
        }
    }

    /// Ends the walk; the broker has then processed every ack, and what it gave out beyond is back in the queue.
    pub(super) async fn end(mut self) {
        self.intake.drain(PATIENCE).await;
        // A quorum queue takes back what a closed channel held a moment later, and until then counts it for nobody: the next command would
        // find fewer letters than there are.
        let name = self.tools.topology.dead_queue(self.queue.as_str());
        let least = self.kept.saturating_add(self.left);
        let deadline = Instant::now() + TAKEN_BACK;
        while Instant::now() < deadline {
            match self.tools.broker.queue_depth(&name).await {
                Ok(depth) if depth < least => tokio::time::sleep(LOOK_AGAIN).await,
                Ok(_) | Err(_) => break,
            }
        }
    }
}

/// The headers of a letter that are not of the relay's own making, as they came in.
pub(super) fn original_headers(letter: &Letter) -> BTreeMap<String, HeaderValue> {
    let mut headers = headers_for_republish(&letter.delivery.headers);
    // What its publisher said of it, the relay's own names included.
    let of_the_publisher = [header::CLIENT, header::CLICKS_KNOWN];
    headers.retain(|name, _| !name.starts_with("relay-") || of_the_publisher.contains(&name.as_str()));
    headers
}
