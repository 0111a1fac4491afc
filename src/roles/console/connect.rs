//! Waits for the broker, as long as a person would.

use std::time::Duration;

use crate::broker::Broker;

/// How long a command waits for its connections.
const PATIENCE: Duration = Duration::from_secs(20);

/// The broker cannot be used now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBroker {
    /// It does not answer, or does not let us in.
    #[error("connect to the broker: {0}")]
    Away(String),
    /// It takes no messages.
    #[error("the broker takes no messages now ({0}): see its memory and disk")]
    Blocked(String),
}

/// Waits until both connections stand and messages are taken.
pub async fn connected(broker: &Broker) -> Result<(), NoBroker> {
    let mut changes = broker.changes();
    let good = tokio::time::timeout(PATIENCE, changes.wait_for(|health| health.is_good())).await;
    if matches!(good, Ok(Ok(_))) {
        return Ok(());
    }
    let health = broker.health();
    match health.blocked {
        Some(reason) => Err(NoBroker::Blocked(reason)),
        None => Err(NoBroker::Away(
            health.last_error.unwrap_or_else(|| "no answer".to_owned()),
        )),
    }
}
