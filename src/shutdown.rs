//! Two-stage shutdown: the first signal asks for an orderly end, the second one ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The tokens of the two stages.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Cancelled by the first SIGTERM or SIGINT: take nothing new in, finish what is begun.
    pub soft: CancellationToken,
    /// Cancelled by the second one: end at once.
    pub hard: CancellationToken,
}

impl Shutdown {
    /// Listens for signals from now on.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let tokens = shutdown.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if tokens.soft.is_cancelled() {
                    warn!("second signal: ends at once");
                    tokens.hard.cancel();
                    return;
                }
                info!("signal: finishes what is begun");
                tokens.soft.cancel();
            }
        });
        Ok(shutdown)
    }
}
