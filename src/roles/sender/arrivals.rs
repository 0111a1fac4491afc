//! What the lanes bring: dispatches to hold, and messages that are none or that no worker survives.

use tracing::{error, warn};
use uuid::Uuid;

use super::{
    PUBLISH_PATIENCE, Parcel, Sender,
    pending::{Held, Way},
};
use crate::{
    broker::{Arrivals, Delivery},
    domain::{Cause, Dispatch, DispatchKey, State},
    metrics::conversions,
    roles::{
        chain, messages,
        trial::{self, Trial},
    },
    wire::dispatch::decode,
};

impl Sender {
    /// Takes in what a lane brought; false when nothing comes any more.
    pub(super) async fn arrived(&mut self, arrivals: Arrivals, way: Way) -> bool {
        match arrivals {
            Arrivals::Deliveries(deliveries) => {
                for delivery in deliveries {
                    self.take_in(delivery, way).await;
                }
            }
            // What was not begun is given out again; what was begun goes on, and its acks do nothing.
            Arrivals::Reopened => drop(self.pending.clear(way)),
            Arrivals::Closed => return false,
        }
        true
    }

    async fn take_in(&mut self, mut delivery: Delivery, way: Way) {
        delivery.leave_on_drop();
        let dispatch = match decode(&delivery.body) {
            Ok(dispatch) if dispatch.platform == self.platform => dispatch,
            _ => return self.put_aside(delivery, Cause::MalformedJson).await,
        };
        let key = dispatch.key();
        match trial::begin(&self.context.store, &delivery).await {
            Ok(Trial::None) => {}
            Ok(Trial::Begun(digest)) => {
                self.trials.insert(key, digest);
            }
            Ok(Trial::CrashLoop(digest)) => {
                self.trials.insert(key, digest);
                self.fail_crash_loop(delivery, &dispatch).await;
                return self.end_trials(&[key]).await;
            }
            Err(failure) => {
                warn!(error = %chain(&failure), "trial of a message could not begin");
                return self.hold_on().await;
            }
        }
        let held = Held {
            key,
            way,
            item: Parcel {
                delivery,
                dispatch,
                key,
            },
        };
        if let Err(second) = self.pending.add(held) {
            // The one that is held already speaks for it, and the ledger for both.
            second.delivery.ack();
        }
    }

    /// Ends the trials of messages that are done with: they did not kill the worker.
    pub(super) async fn end_trials(&mut self, keys: &[DispatchKey]) {
        if self.trials.is_empty() {
            return;
        }
        let digests: Vec<Uuid> = keys.iter().filter_map(|key| self.trials.remove(key)).collect();
        if digests.is_empty() {
            return;
        }
        if let Err(failure) = self.context.store.end_trials(&digests).await {
            warn!(error = %chain(&failure), "trial of a message could not be ended");
        }
    }

    /// Puts a message that is none of ours among the dead letters, as it came.
    async fn put_aside(&mut self, delivery: Delivery, cause: Cause) {
        let message = messages::unreadable_message(&self.context.topology, self.platform, &delivery, cause);
        match self.publisher.publish(vec![message], PUBLISH_PATIENCE).await {
            Ok(()) => {
                conversions::dead_letter(self.platform.as_str(), cause);
                warn!(platform = %self.platform, %cause, "message in a sender's queue dead-lettered");
                delivery.ack();
            }
            Err(_) => delivery.requeue(),
        }
    }

    async fn fail_crash_loop(&mut self, delivery: Delivery, dispatch: &Dispatch) {
        match self
            .context
            .store
            .fail_queued(&[dispatch.key()], Cause::CrashLoop)
            .await
        {
            Ok(()) => {
                error!(platform = %self.platform, dispatch.id = %dispatch.key(), state = State::Failed.as_str(), "conversion stops the worker: failed as crash_loop");
                delivery.ack();
            }
            Err(_) => delivery.requeue(),
        }
    }
}
