//! How long to wait between tries: doubling, jittered, capped.

use std::time::Duration;

use backoff::{ExponentialBackoff, backoff::Backoff};

/// A sequence of pauses that doubles from `min` to `max`, each between half and one and a half times its step.
///
/// The only place that knows the crate `backoff`, which is no longer maintained.
pub(super) struct Pauses {
    steps: ExponentialBackoff,
    max: Duration,
}

impl Pauses {
    /// Pauses from about `min` up to `max`, without an end.
    pub(super) fn between(min: Duration, max: Duration) -> Self {
        let mut steps = ExponentialBackoff {
            initial_interval: min,
            max_interval: max,
            multiplier: 2.0,
            randomization_factor: 0.5,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        steps.reset();
        Pauses { steps, max }
    }

    /// The next pause, never longer than the maximum.
    pub(super) fn next(&mut self) -> Duration {
        self.steps.next_backoff().unwrap_or(self.max).min(self.max)
    }

    /// Starts over from the shortest pause.
    pub(super) fn reset(&mut self) {
        self.steps.reset();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_stays_between_half_the_minimum_and_the_maximum(
            min_ms in 1u64..2_000,
            times in 1u64..100,
            tries in 1usize..40,
        ) {
            let (min, max) = (Duration::from_millis(min_ms), Duration::from_millis(min_ms * times));
            let mut pauses = Pauses::between(min, max);

            for _ in 0..tries {
                let pause = pauses.next();
                prop_assert!(pause >= min / 2 - Duration::from_nanos(1) && pause <= max, "{pause:?}");
            }
            pauses.reset();
            prop_assert!(pauses.next() <= min + min / 2 + Duration::from_nanos(1));
        }
    }
}
