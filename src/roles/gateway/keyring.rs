//! The secrets that webhooks are checked with, kept for a minute at most.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use tokio::sync::Mutex;
use tracing::warn;

use super::problem::Problem;
use crate::{domain::account::SecretRef, metrics::gateway::Refusal, roles::chain, secrets::Secrets};

/// How long a secret is kept; after that a new one holds.
const KEPT: Duration = Duration::from_secs(60);
/// How long it is remembered that a secret cannot be read, so that a burst of webhooks does not become one at Vault.
const FAILURE_KEPT: Duration = Duration::from_secs(2);
/// How long it may take to read one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Secrets by where they lie. Each is read once at a time; those who ask meanwhile wait for it.
pub(super) struct Keyring {
    secrets: Secrets,
    slots: Mutex<HashMap<String, Slot>>,
}

type Slot = Arc<Mutex<Option<Read>>>;

struct Read {
    at: Instant,
    /// `None`: it could not be read.
    secret: Option<SecretString>,
}

impl Keyring {
    /// Begins with none.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            slots: Mutex::default(),
        }
    }

    /// The secret that lies there.
    pub async fn secret(&self, reference: &SecretRef) -> Result<SecretString, Problem> {
        let slot = Arc::clone(self.slots.lock().await.entry(reference.0.clone()).or_default());
        let mut read = slot.lock().await;
        let known = read.as_ref().filter(|read| {
            let kept = if read.secret.is_some() { KEPT } else { FAILURE_KEPT };
            read.at.elapsed() < kept
        });
        let secret = match known {
            Some(known) => known.secret.clone(),
            None => {
                let secret = self.read(reference).await;
                *read = Some(Read {
                    at: Instant::now(),
                    secret: secret.clone(),
                });
                secret
            }
        };
        secret.ok_or_else(|| Refusal::SecretUnreadable.into())
    }

    async fn read(&self, reference: &SecretRef) -> Option<SecretString> {
        match tokio::time::timeout(PATIENCE, self.secrets.resolve(reference)).await {
            Ok(Ok(secret)) => Some(secret),
            Ok(Err(failure)) => {
                warn!(error = %chain(&failure), "secret of a webhook cannot be read");
                None
            }
            Err(_) => {
                warn!("secret of a webhook is not read in time");
                None
            }
        }
    }
}
