//! The keeper's housekeeping: partitions, retention, and the gauges that tell how much waits.

use std::collections::HashMap;

use chrono::{TimeDelta, Utc};
use tracing::info;

use super::duties::DutyFailure;
use crate::{
    domain::{Platform, State},
    metrics::conversions,
    roles::context::Context,
};

/// How many months of `attempts` partitions are made ahead.
const MONTHS_AHEAD: u32 = 3;
/// How many events, or clicks, go in one step of retention.
const EXPIRED_MAX: i64 = 1_000;

/// What cannot wait for the others: a new ledger outgrows its statistics within seconds.
pub(super) async fn statistics(context: &Context) -> Result<(), DutyFailure> {
    for table in context.store.refresh_statistics().await? {
        info!(table, "ledger has grown: its statistics were refreshed");
    }
    Ok(())
}

/// Does all others once.
pub(super) async fn all(context: &Context) -> Result<(), DutyFailure> {
    context.store.make_partitions(Utc::now(), MONTHS_AHEAD).await?;
    while context.store.drop_expired_events(EXPIRED_MAX).await? > 0 {}
    let kept = TimeDelta::from_std(context.pace.clicks_kept).unwrap_or(TimeDelta::MAX);
    while context.store.drop_old_clicks(kept, EXPIRED_MAX).await? > 0 {}
    gauges(context).await
}

async fn gauges(context: &Context) -> Result<(), DutyFailure> {
    let counts: HashMap<(Platform, State), i64> = context
        .store
        .unsettled()
        .await?
        .into_iter()
        .map(|(platform, state, count)| ((platform, state), count))
        .collect();
    for platform in Platform::ALL {
        for state in [
            State::Queued,
            State::Sending,
            State::Waiting,
            State::Paused,
            State::Failed,
        ] {
            conversions::unsettled(platform, state, counts.get(&(platform, state)).copied().unwrap_or(0));
        }
    }
    let deadlines: HashMap<Platform, _> = context.store.nearest_paused_deadline().await?.into_iter().collect();
    for platform in Platform::ALL {
        let seconds = deadlines
            .get(&platform)
            .map_or(f64::INFINITY, |at| (*at - Utc::now()).as_seconds_f64());
        conversions::paused_deadline(platform, seconds);
    }
    let pauses = context.store.pauses().await?;
    for kind in ["login", "account", "quota", "platform"] {
        conversions::pauses(kind, pauses.iter().filter(|pause| pause.scope.kind() == kind).count());
    }
    Ok(())
}
