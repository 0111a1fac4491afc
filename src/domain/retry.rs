//! When a deferred dispatch is tried again, and until when.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::platform::Platform;

/// How long after the first ambiguous attempt Meta and TikTok certainly still recognise a repetition; both say 48 hours.
pub const AMBIGUITY_WINDOW: TimeDelta = TimeDelta::hours(47);

/// How long before its deadline a dispatch gets its last try.
const LAST_TRY_BEFORE_DEADLINE: TimeDelta = TimeDelta::seconds(60);

/// Exponential backoff with equal jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Delay after the first deferral, before jitter.
    pub base: Duration,
    /// The longest delay.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(5),
            cap: Duration::from_secs(3 * 60 * 60),
        }
    }
}

impl Backoff {
    /// The delay after the `deferrals`-th deferral (the first is 1): half of it fixed, half of it spread by `jitter` in `0.0..1.0`.
    pub fn delay(&self, deferrals: u32, jitter: f64) -> Duration {
        let doublings = deferrals.saturating_sub(1).min(31);
        let full = self.base.saturating_mul(1 << doublings).min(self.cap);
        full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }
}

/// What to do with a dispatch that was deferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is due again at this time.
    At(DateTime<Utc>),
    /// Its deadline has passed, or is so near that no further try is possible.
    DeadlinePassed,
}

/// Decides when a dispatch is tried again: after `delay`, never before `wait` has passed; a time past the deadline becomes one try
/// shortly before it.
pub fn next_try(now: DateTime<Utc>, delay: Duration, wait: Option<Duration>, deadline: DateTime<Utc>) -> Next {
    let floor = wait.unwrap_or_default();
    let due = now + TimeDelta::from_std(delay.max(floor)).unwrap_or(TimeDelta::MAX);
    if due <= deadline {
        return Next::At(due);
    }
    let last = deadline - LAST_TRY_BEFORE_DEADLINE;
    let earliest = now + TimeDelta::from_std(floor).unwrap_or(TimeDelta::MAX);
    if last > now && last >= earliest {
        Next::At(last)
    } else {
        Next::DeadlinePassed
    }
}

/// The deadline of a dispatch whose first attempt without an answer was at `first_ambiguous_at`: Meta and TikTok recognise repetitions for 48 hours only.
pub fn ambiguous_deadline(
    platform: Platform,
    deadline: DateTime<Utc>,
    first_ambiguous_at: DateTime<Utc>,
) -> DateTime<Utc> {
    match platform {
        Platform::Google => deadline,
        Platform::Meta | Platform::Tiktok => deadline.min(first_ambiguous_at + AMBIGUITY_WINDOW),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_try_past_the_deadline_becomes_one_shortly_before_it() {
        let next = next_try(at(0), Duration::from_secs(3_600), None, at(1_000));

        assert_eq!(next, Next::At(at(940)));
    }

    #[test]
    fn a_wait_past_the_deadline_ends_the_matter() {
        let wait = Some(Duration::from_secs(2_000));

        assert_eq!(
            next_try(at(0), Duration::from_secs(1), wait, at(1_000)),
            Next::DeadlinePassed
        );
        assert_eq!(
            next_try(at(950), Duration::from_secs(100), None, at(1_000)),
            Next::DeadlinePassed
        );
    }

    proptest! {
        #[test]
        fn a_delay_is_between_half_and_all_of_the_step_and_never_over_the_cap(deferrals in 0u32..10_000, jitter in 0.0f64..1.0) {
            let backoff = Backoff::default();

            let delay = backoff.delay(deferrals, jitter);

            let step = backoff.base.saturating_mul(2u32.saturating_pow(deferrals.saturating_sub(1).min(31))).min(backoff.cap);
            prop_assert!(delay >= step / 2 && delay <= step);
        }

        #[test]
        fn a_retry_after_only_ever_delays(delay in 0u64..100_000, wait in 0u64..100_000, deadline in 0i64..1_000_000) {
            let without = next_try(at(0), Duration::from_secs(delay), None, at(deadline));
            let with = next_try(at(0), Duration::from_secs(delay), Some(Duration::from_secs(wait)), at(deadline));

            if let (Next::At(without), Next::At(with)) = (without, with) {
                prop_assert!(with >= without);
                prop_assert!(with >= at(wait as i64));
            }
        }

        #[test]
        fn no_try_lies_past_the_deadline(now in 0i64..2_000, delay in 0u64..5_000, deadline in 0i64..2_000) {
            if let Next::At(due) = next_try(at(now), Duration::from_secs(delay), None, at(deadline)) {
                prop_assert!(due <= at(deadline));
                prop_assert!(due >= at(now));
            }
        }
    }
}
