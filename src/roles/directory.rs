//! Keeps the newest directory in memory: polls its version, reloads on a change, and asks at once when something is missing.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::Directory,
    store::{Store, StoreError},
};

/// Between two looks that a missing entry asks for: many misses make one query.
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);

/// The directory as it stands, for everyone in this process.
pub struct DirectoryWatch {
    store: Store,
    current: ArcSwap<Directory>,
    last_look: Mutex<Option<Look>>,
}

/// The directory cannot be read now; the last one still stands.
#[derive(Clone, Debug, thiserror::Error)]
#[error("read the directory")]
pub struct DirectoryUnavailable(#[source] pub Arc<StoreError>);

struct Look {
    began: Instant,
    result: Result<(), DirectoryUnavailable>,
}

impl DirectoryWatch {
    /// Loads the directory once.
    pub async fn load(store: Store) -> Result<Self, StoreError> {
        let current = ArcSwap::from_pointee(store.directory().await?);
        Ok(Self {
            store,
            current,
            last_look: Mutex::new(None),
        })
    }

    /// The newest directory that this process knows; never waits.
    pub fn current(&self) -> Arc<Directory> {
        self.current.load_full()
    }

    /// A directory that is no older than this call: for whoever misses something in [`Self::current`]. Many calls make one query, and
    /// there is at most one every 200 ms.
    pub async fn refresh(&self) -> Result<Arc<Directory>, DirectoryUnavailable> {
        let asked = Instant::now();
        let mut last_look = self.last_look.lock().await;
        if let Some(look) = &*last_look {
            // Somebody looked after we asked; what they found is new enough for us, too.
            if look.began >= asked {
                return look.result.clone().map(|()| self.current());
            }
            tokio::time::sleep_until(look.began + REFRESH_INTERVAL).await;
        }
        let began = Instant::now();
        let result = self.look().await.map_err(|error| DirectoryUnavailable(Arc::new(error)));
        *last_look = Some(Look {
            began,
            result: result.clone(),
        });
        result.map(|()| self.current())
    }

    /// Polls until it is cancelled. While Postgres is away the last directory stands.
    pub async fn run(&self, interval: Duration, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_away = false;
        while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
            match cancel.run_until_cancelled(self.refresh()).await {
                None => return,
                Some(Ok(_)) if is_away => {
                    is_away = false;
                    tracing::info!("directory can be read again");
                }
                Some(Err(error)) if !is_away => {
                    is_away = true;
                    tracing::warn!(error = ?error.0, "directory cannot be read, the last one stands");
                }
                Some(_) => {}
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        // The version alone costs next to nothing; the whole directory of a large agency does not.
        if self.store.directory_version().await? == self.current.load().version {
            return Ok(());
        }
        let directory = self.store.directory().await?;
        tracing::debug!(version = directory.version, "directory changed");
        self.current.store(Arc::new(directory));
        Ok(())
    }
}
