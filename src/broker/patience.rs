//! Waiting for the broker, but not for ever: every wait of this module has an end.

use std::time::Duration;

use tokio::time::Instant;

use super::error::BrokerError;

/// For one request to the broker that should take milliseconds.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// What "for ever" is cut down to, because a clock has an end.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The time after which patience is over, also for a patience beyond all clocks.
pub(super) fn deadline(patience: Duration) -> Instant {
    Instant::now() + patience.min(A_YEAR)
}

/// Waits for the broker's answer for so long.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| BrokerError::from_lapin(doing, error)),
        Err(_) => Err(BrokerError::TimedOut {
            doing: doing.to_owned(),
            after: limit,
        }),
    }
}
