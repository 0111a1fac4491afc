//! A delivery: held from the broker, settled once.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    holder::Holder,
    message::{HeaderValue, Headers, headers_from},
    tags::Verdict,
};

/// The header in which a quorum queue counts how often a message came back.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// A message held from the broker.
///
/// It is settled by [`ack`](Delivery::ack) or [`requeue`](Delivery::requeue). Dropped without either, it goes back to
/// the queue, and is counted and logged as abandoned. If its channel has gone in the meantime, the broker has already
/// taken it back, and settling it does nothing.
pub struct Delivery {
    /// The payload, byte for byte.
    pub body: Bytes,
    /// The `message_id` property.
    pub message_id: Option<String>,
    /// The `timestamp` property, seconds since 1970.
    pub timestamp_seconds: Option<u64>,
    /// The key it was published with.
    pub routing_key: String,
    /// Its headers; see [`Headers`].
    pub headers: Headers,
    /// It was delivered before, to us or to another consumer.
    pub redelivered: bool,
    /// How often it came back unsettled (header `x-delivery-count`), 0 at first.
    pub delivery_count: u32,
    /// It came back at least [`CRASH_LOOP_AT`](super::CRASH_LOOP_AT) times that this process did not outlive, and is
    /// now alone in flight: do not touch it, put it aside.
    pub crash_looping: bool,
    hold: Option<Hold>,
}

/// The right to settle one delivery.
struct Hold {
    tag: u64,
    holder: Arc<Holder>,
    /// Whether a role has seen it.
    handed_out: bool,
    /// Whether it waits for its channel to close when it is dropped.
    leaves_on_drop: bool,
    /// Held by suspects, so that there is one in flight at a time.
    _alone: Option<OwnedSemaphorePermit>,
}

impl Delivery {
    pub(super) fn new(delivery: lapin::message::Delivery, holder: &Arc<Holder>) -> Self {
        let properties = &delivery.properties;
        let headers = properties.headers().as_ref().map(headers_from).unwrap_or_default();
        holder.queue_one();
        Delivery {
            message_id: properties.message_id().as_ref().map(ToString::to_string),
            timestamp_seconds: *properties.timestamp(),
            delivery_count: delivery_count(&headers),
            headers,
            routing_key: delivery.routing_key.to_string(),
            redelivered: delivery.redelivered,
            crash_looping: false,
            body: Bytes::from(delivery.data),
            hold: Some(Hold {
                tag: delivery.delivery_tag,
                holder: Arc::clone(holder),
                handed_out: false,
                leaves_on_drop: false,
                _alone: None,
            }),
        }
    }

    /// Keeps other suspects waiting until this delivery is gone.
    pub(super) fn keep_alone(&mut self, permit: OwnedSemaphorePermit) {
        if let Some(hold) = &mut self.hold {
            hold._alone = Some(permit);
        }
    }

    /// Whether settling it still means something: its channel is the one that delivered it.
    pub fn is_held(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.holder.is_open())
    }

    /// Tells the broker that all that follows from it is durable.
    pub fn ack(mut self) {
        if let Some(hold) = self.hold.take() {
            hold.holder.settle(hold.tag, Verdict::Ack);
        }
    }

    /// Gives it back to the queue, near its head. Its count rises, and from [`SOLO_FROM`](super::SOLO_FROM) on it is
    /// read alone: so this is no way to wait.
    pub fn requeue(mut self) {
        if let Some(hold) = self.hold.take()
            && hold.holder.settle(hold.tag, Verdict::Requeue)
        {
            hold.holder.metrics.requeued.increment(1);
        }
    }

    /// Says that dropping it is no mistake: it then goes back to the queue when its channel closes, and not before. For a role that closes its
    /// channel whenever it gives up on deliveries, so that a message's count rises once and not twice.
    pub fn leave_on_drop(&mut self) {
        if let Some(hold) = &mut self.hold {
            hold.leaves_on_drop = true;
        }
    }

    /// Marks it as given to the role. From here on it counts as in flight.
    pub(super) fn hand_out(&mut self) {
        if let Some(hold) = &mut self.hold {
            hold.handed_out = true;
            hold.holder.hand_out_one();
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        if hold.handed_out && hold.leaves_on_drop {
            return;
        }
        if !hold.handed_out {
            // No role has seen it: the broker takes it back when the channel closes.
            hold.holder.unqueue_one();
        } else if hold.holder.settle(hold.tag, Verdict::Requeue) {
            hold.holder.metrics.abandoned.increment(1);
            tracing::warn!(
                queue = %hold.holder.queue,
                "delivery dropped without a verdict, it goes back to the queue"
            );
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Delivery")
            .field("routing_key", &self.routing_key)
            .field("body_bytes", &self.body.len())
            .field("delivery_count", &self.delivery_count)
            .finish_non_exhaustive()
    }
}

/// Reads the count of a message's returns; what does not fit is the largest count.
fn delivery_count(headers: &Headers) -> u32 {
    match headers.get(DELIVERY_COUNT).and_then(HeaderValue::as_integer) {
        Some(count) => u32::try_from(count.max(0)).unwrap_or(u32::MAX),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_or_strange_count_is_read_without_a_panic() {
        let count = |value: Option<HeaderValue>| {
            let header = value.map(|value| (DELIVERY_COUNT.to_owned(), value));
            delivery_count(&header.into_iter().collect())
        };

        assert_eq!(count(None), 0);
        assert_eq!(count(Some(HeaderValue::Integer(7))), 7);
        assert_eq!(count(Some(HeaderValue::Integer(-1))), 0);
        assert_eq!(count(Some(HeaderValue::Integer(i64::MAX))), u32::MAX);
        assert_eq!(count(Some("many".into())), 0);
    }
}
