//! The keeper: looks after every row of the ledger whose time has come. Several keepers share the work by SKIP LOCKED.

mod awaiting;
mod chores;
mod duties;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::duties::{Duties, DutyFailure};
use super::{chain, context::Context};
use crate::metrics::conversions;

/// How often housekeeping is done: partitions, retention, gauges.
const CHORES_INTERVAL: Duration = Duration::from_secs(30);
/// The longest pause while Postgres or the broker does not answer.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let duties = Duties {
        publisher: context.broker.publisher("keeper"),
        context: Arc::clone(&context),
    };
    let mut ticks = tokio::time::interval(context.pace.keeper_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut chores_due = Instant::now();
    let mut pause = context.pace.keeper_interval;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let result = async {
            chores::statistics(&context).await?;
            duties.all().await?;
            if Instant::now() >= chores_due {
                chores_due = Instant::now() + CHORES_INTERVAL;
                chores::all(&context).await?;
            }
            Ok::<(), DutyFailure>(())
        };
        match result.await {
            Ok(()) => pause = context.pace.keeper_interval,
            Err(failure) => {
                conversions::store_failed("keeper");
                if failure.is_passing() {
                    warn!(error = %chain(&failure), "keeper waits");
                } else {
                    error!(error = %chain(&failure), "keeper cannot do its work");
                }
                pause = (pause * 2).min(PAUSE_MAX);
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
    info!("keeper stopped");
}
