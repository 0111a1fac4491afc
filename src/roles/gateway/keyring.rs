//! The secrets that webhooks are checked with, kept for a minute; for an hour while the place where they lie is away.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tracing::warn;

use super::problem::Problem;
use crate::{domain::account::SecretRef, metrics::gateway::Refusal, roles::chain, secrets::Secrets};

/// How long a secret is kept; after that a new one holds.
const KEPT: Duration = Duration::from_secs(60);
/// How long it is kept while it cannot be read for a reason that passes.
const KEPT_WHILE_AWAY: Duration = Duration::from_secs(60 * 60);
/// How often one is read at most, so that a burst of webhooks does not become one at Vault.
const READ_INTERVAL: Duration = Duration::from_secs(2);
/// How long it may take to read one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Secrets by where they lie. Each is read once at a time; those who ask meanwhile wait for it.
pub(super) struct Keyring {
    secrets: Secrets,
    slots: Mutex<HashMap<String, Arc<Mutex<Slot>>>>,
}

/// What is known of one secret.
#[derive(Default)]
struct Slot {
    /// When it was last read, or tried.
    tried: Option<Instant>,
    /// What was read last, and when. It stays while it cannot be read for a reason that passes.
    good: Option<(Instant, SecretString)>,
}

/// Why a secret could not be read.
enum Unread {
    /// Where it lies is away.
    Passing,
    /// It is not there any more, or cannot be.
    Lasting,
}

impl Slot {
    fn is_due(&self, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        let is_kept = self.good.as_ref().is_some_and(|(at, _)| since(*at) < KEPT);
        !is_kept && self.tried.is_none_or(|tried| since(tried) >= READ_INTERVAL)
    }

    fn secret(&self, now: Instant) -> Option<SecretString> {
        let (at, secret) = self.good.as_ref()?;
        (now.saturating_duration_since(*at) < KEPT_WHILE_AWAY).then(|| secret.clone())
    }

    fn note(&mut self, read: Result<SecretString, Unread>, now: Instant) {
        self.tried = Some(now);
        match read {
            Ok(secret) => self.good = Some((now, secret)),
            Err(Unread::Passing) => {}
            Err(Unread::Lasting) => self.good = None,
        }
    }
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
        self.secret_at(reference, Instant::now()).await
    }

    /// Says whether the secret passes a check. One that does not may have been changed since it was read: it is read anew and checked again.
    pub async fn passes(&self, reference: &SecretRef, check: impl Fn(&SecretString) -> bool) -> Result<bool, Problem> {
        let secret = self.secret(reference).await?;
        if check(&secret) {
            return Ok(true);
        }
        let newer = self.newer_at(reference, &secret, Instant::now()).await;
        Ok(newer.is_some_and(|newer| check(&newer)))
    }

    async fn secret_at(&self, reference: &SecretRef, now: Instant) -> Result<SecretString, Problem> {
        let slot = self.slot(reference).await;
        let mut slot = slot.lock().await;
        if slot.is_due(now) {
            let read = self.read(reference).await;
            slot.note(read, now);
        }
        slot.secret(now).ok_or_else(|| Refusal::SecretUnreadable.into())
    }

    /// The secret that lies there now, if it is another than this one.
    async fn newer_at(&self, reference: &SecretRef, used: &SecretString, now: Instant) -> Option<SecretString> {
        let slot = self.slot(reference).await;
        let mut slot = slot.lock().await;
        let other = |slot: &Slot| {
            let secret = slot.secret(now)?;
            (secret.expose_secret() != used.expose_secret()).then_some(secret)
        };
        // Another request may just have read it.
        let known = other(&slot);
        let is_recent = slot
            .tried
            .is_some_and(|tried| now.saturating_duration_since(tried) < READ_INTERVAL);
        if known.is_some() || is_recent {
            return known;
        }
        let read = self.read(reference).await;
        slot.note(read, now);
        other(&slot)
    }

    async fn slot(&self, reference: &SecretRef) -> Arc<Mutex<Slot>> {
        Arc::clone(self.slots.lock().await.entry(reference.0.clone()).or_default())
    }

    async fn read(&self, reference: &SecretRef) -> Result<SecretString, Unread> {
        match tokio::time::timeout(PATIENCE, self.secrets.resolve(reference)).await {
            Ok(Ok(secret)) => Ok(secret),
            Ok(Err(failure)) => {
                warn!(error = %chain(&failure), "secret of a webhook cannot be read");
                Err(if failure.is_passing() {
                    Unread::Passing
                } else {
                    Unread::Lasting
                })
            }
            Err(_) => {
                warn!("secret of a webhook is not read in time");
                Err(Unread::Passing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::PoisonError};

    use futures_util::future::BoxFuture;
    use secrecy::SecretSlice;

    use super::*;
    use crate::{
        domain::secret::SealedSecret,
        secrets::{BoxError, SealedSecrets, SecretPlaces, seal},
    };

    const NAME: &str = "hook";

    /// Postgres, with one secret, with none, or away.
    #[derive(Default)]
    struct Database(std::sync::Mutex<Lies>);

    #[derive(Clone, Default)]
    enum Lies {
        There(SealedSecret),
        #[default]
        Nowhere,
        Away,
    }

    impl Database {
        fn becomes(&self, lies: Lies) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lies;
        }

        fn holds(&self, secret: &str) {
            self.becomes(Lies::There(seal(&key(), NAME, &SecretString::from(secret)).unwrap()));
        }
    }

    impl SealedSecrets for Database {
        fn sealed<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<SealedSecret>, BoxError>> {
            let found = match self.0.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                Lies::There(sealed) => Ok(Some(sealed)),
                Lies::Nowhere => Ok(None),
                Lies::Away => Err(BoxError::from("connection refused")),
            };
            Box::pin(async { found })
        }
    }

    fn key() -> SecretSlice<u8> {
        SecretSlice::from(vec![7; 32])
    }

    fn reference() -> SecretRef {
        SecretRef(format!("db:{NAME}"))
    }

    fn keyring() -> (Arc<Database>, Keyring) {
        let database = Arc::new(Database::default());
        let places = SecretPlaces {
            environment: Arc::new(NoVariables),
            vault: None,
            sealed: Arc::clone(&database) as Arc<dyn SealedSecrets>,
            seal_key: Some(key()),
        };
        (database, Keyring::new(Secrets::new(places)))
    }

    struct NoVariables;

    impl crate::config::Environment for NoVariables {
        fn variables(&self) -> BTreeMap<String, String> {
            BTreeMap::new()
        }
    }

    async fn read(keyring: &Keyring, at: Instant) -> Option<String> {
        let secret = keyring.secret_at(&reference(), at).await.ok()?;
        Some(secret.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn the_last_good_secret_holds_for_an_hour_while_its_place_is_away_and_no_longer() {
        let (database, keyring) = keyring();
        let start = Instant::now();
        database.holds("first");
        assert_eq!(read(&keyring, start).await.as_deref(), Some("first"));

        database.becomes(Lies::Away);

        assert_eq!(read(&keyring, start + KEPT).await.as_deref(), Some("first"));
        let late = start + KEPT_WHILE_AWAY;
        assert_eq!(read(&keyring, late - READ_INTERVAL).await.as_deref(), Some("first"));
        assert_eq!(read(&keyring, late).await, None);
    }

    #[tokio::test]
    async fn a_secret_that_is_taken_away_holds_no_longer() {
        let (database, keyring) = keyring();
        let start = Instant::now();
        database.holds("first");
        assert_eq!(read(&keyring, start).await.as_deref(), Some("first"));

        database.becomes(Lies::Nowhere);

        assert_eq!(read(&keyring, start + KEPT).await, None);
    }

    #[tokio::test]
    async fn a_changed_secret_is_read_anew_when_the_old_one_does_not_fit_and_not_more_often_than_every_2_seconds() {
        let (database, keyring) = keyring();
        let start = Instant::now();
        database.holds("first");
        let used = keyring.secret_at(&reference(), start).await.ok().unwrap();
        let newer = async |at: Instant| {
            let newer = keyring.newer_at(&reference(), &used, at).await;
            newer.map(|secret| secret.expose_secret().to_owned())
        };

        assert_eq!(newer(start + READ_INTERVAL).await, None);
        database.holds("second");

        assert_eq!(newer(start + READ_INTERVAL).await, None);
        assert_eq!(newer(start + 2 * READ_INTERVAL).await.as_deref(), Some("second"));
        assert_eq!(newer(start + 2 * READ_INTERVAL).await.as_deref(), Some("second"));
    }
}
