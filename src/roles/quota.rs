//! The quota of a Google Cloud project, shared by all logins, workers and roles: who draws on it, and who goes first.

use super::context::Context;
use crate::{
    config::QuotaConfig,
    domain::{Account, Directory, Platform},
    metrics::google,
    store::{
        StoreError,
        quotas::{QuotaGrant, QuotaRequest, Reserve},
    },
};

/// What a request is for; those before leave nothing to those behind, who leave them a reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A conversion that just happened.
    Live,
    /// A conversion that woke from waiting, or goes out again.
    Bulk,
    /// A question about a receipt.
    Receipts,
}

impl Purpose {
    /// The part of a minute's quota that is left to those before it.
    const fn reserve(self) -> Reserve {
        let (always, at_first) = match self {
            Purpose::Live => (0.0, 0.0),
            Purpose::Bulk => (0.1, 0.1),
            // Questions have time: they take what sales have left over.
            Purpose::Receipts => (0.2, 0.8),
        };
        Reserve { always, at_first }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Purpose::Live => "live",
            Purpose::Bulk => "bulk",
            Purpose::Receipts => "receipts",
        }
    }
}

/// The quota that an ad account's requests to the Data Manager API draw on; `None`: they are not counted.
pub fn quota_of<'a>(account: &Account, directory: &'a Directory, config: QuotaConfig) -> Option<&'a str> {
    let is_counted = config.per_minute > 0 && account.platform == Platform::Google;
    let login = directory.login(&account.login).filter(|_| is_counted)?;
    Some(login.quota_name())
}

impl Context {
    /// Takes requests out of a quota: as many as there are, at most as many as are wanted.
    pub async fn take_quota(&self, name: &str, wanted: u32, purpose: Purpose) -> Result<QuotaGrant, StoreError> {
        let config = self.pace.google_quota;
        let request = QuotaRequest {
            name,
            wanted,
            per_minute: config.per_minute,
            per_day: if config.per_day == 0 { u32::MAX } else { config.per_day },
            reserve: purpose.reserve(),
        };
        let grant = self.store.take_quota(&request).await?;
        google::quota_asked(purpose.as_str(), wanted, grant.granted);
        Ok(grant)
    }
}
