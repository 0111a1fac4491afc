//! Excess: what a slow ad account, or one without quota, holds beyond its share makes room for others.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tracing::warn;

use super::{
    PUBLISH_PATIENCE, Parcel, Sender,
    pending::{Held, Way},
};
use crate::{
    domain::DispatchKey,
    roles::{
        chain,
        messages::{Lane, dispatch_message},
    },
};

/// How long an ad account's request may be in flight before what it holds beyond its share makes room for others.
const SLOW_AFTER: Duration = Duration::from_secs(2);
/// How long excess of the bulk lane rests in the ledger.
const EXCESS_REST: TimeDelta = TimeDelta::seconds(10);

impl Sender {
    /// Where a lane is full because an ad account is slow, what that account holds beyond its share makes way: from the live lane to the bulk lane,
    /// from the bulk lane to the ledger.
    pub(super) async fn make_room(&mut self) {
        let prefetch = usize::from(self.context.pace.prefetch);
        let is_slow = self.in_flight.values().any(|(since, _)| since.elapsed() > SLOW_AFTER);
        let is_full = |way| self.pending.count(way) >= prefetch / 2;
        if !is_full(Way::Live) && !is_full(Way::Bulk) {
            return;
        }
        let starved = self.starved(SLOW_AFTER);
        if !is_slow && starved.is_empty() {
            return;
        }
        let share = (prefetch / 8).max(1);
        if self.pending.count(Way::Live) >= prefetch / 2 {
            let excess = self.pending.excess(Way::Live, share, &starved);
            self.move_to_bulk(excess).await;
        }
        if self.pending.count(Way::Bulk) >= prefetch / 2 {
            let excess = self.pending.excess(Way::Bulk, share, &starved);
            self.lay_aside(excess).await;
        }
    }

    async fn move_to_bulk(&mut self, excess: Vec<Held<Parcel>>) {
        if excess.is_empty() {
            return;
        }
        let messages = excess
            .iter()
            .map(|held| dispatch_message(&self.context.topology, &held.item.dispatch, Lane::Bulk))
            .collect();
        match self.publisher.publish(messages, PUBLISH_PATIENCE).await {
            Ok(()) => excess.into_iter().for_each(|held| held.item.delivery.ack()),
            Err(failure) => {
                warn!(error = %chain(&failure), "excess could not be moved to the bulk lane");
                excess.into_iter().for_each(|held| held.item.delivery.requeue());
            }
        }
    }

    async fn lay_aside(&mut self, excess: Vec<Held<Parcel>>) {
        if excess.is_empty() {
            return;
        }
        let keys: Vec<DispatchKey> = excess.iter().map(|held| held.key).collect();
        match self.context.store.lay_aside(&keys, Utc::now() + EXCESS_REST).await {
            Ok(()) => excess.into_iter().for_each(|held| held.item.delivery.ack()),
            Err(failure) => {
                warn!(error = %chain(&failure), "excess could not be laid aside");
                excess.into_iter().for_each(|held| held.item.delivery.requeue());
            }
        }
    }
}
