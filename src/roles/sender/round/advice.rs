//! What a platform advises before it refuses: who rests, and that the version of its interface will not be there much longer.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use tracing::{info, warn};

use super::{Round, Target};
use crate::{
    domain::Cause,
    metrics::conversions,
    platform::{Advice, Rest},
    roles::decide::scope_of,
    store::sending::NewPause,
};

/// The day since 1970 on which this process last spoke of a version.
static LAST_SPOKEN: AtomicI64 = AtomicI64::new(i64::MIN);

impl Round {
    /// Takes advice; the pauses begin with the next record, so that what was sent is not held up by them.
    pub(super) fn heed(&mut self, target: &Target, advice: Advice) {
        let now = Utc::now();
        if let Some(words) = advice.version_warning {
            conversions::version_warned(self.platform);
            if is_first_of_day(&LAST_SPOKEN, now) {
                warn!(platform = %self.platform, warning = words, "platform answers from another version of its interface than the one that is called");
            }
        }
        for rest in advice.rests {
            let pause = pause_of(target, rest, now);
            info!(platform = %self.platform, scope = %pause.scope, detail = pause.detail, until = ?pause.until, "a limit is near: conversions rest for a while");
            self.rests.push(pause);
        }
    }
}

fn pause_of(target: &Target, rest: Rest, now: DateTime<Utc>) -> NewPause {
    NewPause {
        scope: scope_of(rest.reach, &target.account, &target.login),
        cause: Cause::RateLimited,
        detail: Some(rest.detail),
        until: Some(now + TimeDelta::from_std(rest.wait).unwrap_or(TimeDelta::hours(1))),
        probe_at: None,
    }
}

/// Says whether nothing was said on this day before, and notes that it was now.
fn is_first_of_day(last: &AtomicI64, now: DateTime<Utc>) -> bool {
    let today = now.timestamp().div_euclid(TimeDelta::days(1).num_seconds());
    last.swap(today, Ordering::Relaxed) != today
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_spoken_of_once_a_day() {
        let last = AtomicI64::new(i64::MIN);
        let noon = DateTime::UNIX_EPOCH + TimeDelta::hours(12);

        let spoken = [0, 1, 11, 12, 13].map(|hours| is_first_of_day(&last, noon + TimeDelta::hours(hours)));

        assert_eq!(spoken, [true, false, false, true, false]);
    }
}
