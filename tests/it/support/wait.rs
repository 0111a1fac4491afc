//! Waiting for a condition, with a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Asks again and again until the answer is `Ok`; panics with the last `Err` after `patience`.
pub async fn until<T>(what: &str, patience: Duration, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(20);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(standing) if Instant::now() >= deadline => panic!("{what}: not within {patience:?}: {standing}"),
            Err(_) => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}
