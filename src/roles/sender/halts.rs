//! When a sender does not consume: Postgres is away, or the platform is paused as a whole.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use tracing::{info, warn};

use super::{Sender, pending::Way};
use crate::{
    domain::{AccountId, Cause, Scope},
    metrics::conversions,
    roles::chain,
    store::sending::NewPause,
};

/// The first and the longest pause while Postgres does not take anything.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Why a sender does not consume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Postgres is away.
    Store { next_look: Instant },
    /// The platform is paused as a whole.
    Platform,
}

impl Sender {
    /// Notes a failing request, and begins a pause if that makes a storm.
    pub(super) async fn weather(&mut self, account: AccountId) {
        let Some((scope, alone)) = self.storms.failed(self.platform, account) else {
            return;
        };
        warn!(platform = %self.platform, %scope, seconds = alone.as_secs(), "platform fails again and again: left alone for a while");
        let until = Some(Utc::now() + TimeDelta::from_std(alone).unwrap_or(TimeDelta::minutes(1)));
        let is_platform = matches!(scope, Scope::Platform(_));
        let pause = NewPause {
            scope,
            cause: Cause::PlatformDown,
            detail: None,
            until,
            probe_at: None,
        };
        match self.context.store.hold(&pause).await {
            Ok(_) if is_platform && self.halted.is_none() => self.halt(Halt::Platform).await,
            Ok(_) => {}
            Err(failure) => warn!(error = %chain(&failure), "pause could not be stored"),
        }
    }

    /// Stops consuming; what is not begun goes back to the queues, once.
    pub(super) async fn halt(&mut self, halt: Halt) {
        self.halted = Some(halt);
        self.live.suspend().await;
        self.bulk.suspend().await;
        for way in [Way::Live, Way::Bulk] {
            self.pending.clear(way);
        }
    }

    pub(super) async fn hold_on(&mut self) {
        conversions::store_failed("sender");
        if self.halted.is_none() {
            warn!(platform = %self.platform, "database is away: sender stops consuming");
        }
        let pause = PAUSE.0.saturating_mul(1 << self.store_failures.min(10)).min(PAUSE.1);
        self.store_failures += 1;
        self.halt(Halt::Store {
            next_look: Instant::now() + pause,
        })
        .await;
    }

    /// Makes room for others where an ad account is slow, and resumes when what halted the sender is over.
    pub(super) async fn look_around(&mut self) {
        let rests = self.halted == Some(Halt::Platform);
        self.consuming.store(
            rests || (self.live.is_consuming() && self.bulk.is_consuming()),
            Ordering::Relaxed,
        );
        match self.halted {
            None => {
                self.vouch().await;
                self.make_room().await;
            }
            Some(Halt::Platform) => {
                let paused = self.context.is_paused(&Scope::Platform(self.platform));
                if !paused {
                    self.resume("pause of the platform is over");
                }
            }
            Some(Halt::Store { next_look }) if Instant::now() >= next_look => {
                if self.context.store.ping().await.is_ok() {
                    self.resume("database answers");
                }
            }
            Some(Halt::Store { .. }) => {}
        }
    }

    fn resume(&mut self, why: &'static str) {
        info!(platform = %self.platform, why, "sender consumes again");
        self.halted = None;
        self.live.resume();
        self.bulk.resume();
    }
}
