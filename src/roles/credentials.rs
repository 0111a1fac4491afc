//! Access tokens of logins: secrets as they are for Meta and TikTok, fetched from Google for its own.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::sync::Mutex;
use tracing::warn;

use super::chain;
use crate::{
    domain::{
        Account, Cause, Login, Outcome, Verdict,
        account::{Credential, SecretRef},
        outcome::Reach,
    },
    http::Http,
    platform::Endpoints,
    secrets::Secrets,
};

/// The access tokens of logins, cached. Each login is asked for once at a time; those who ask meanwhile wait for the answer.
pub struct Credentials {
    secrets: Secrets,
    http: Http,
    endpoints: Endpoints,
    logins: Mutex<HashMap<String, Arc<Mutex<Option<Cached>>>>>,
}

struct Cached {
    /// Of the login that it was fetched for; a changed one counts as another.
    revision: i32,
    token: SecretString,
    /// When it stops being good; `None`: it says nothing.
    ends: Option<DateTime<Utc>>,
}

impl Credentials {
    /// Starts with nothing cached.
    pub fn new(secrets: Secrets, http: Http, endpoints: Endpoints) -> Self {
        Self {
            secrets,
            http,
            endpoints,
            logins: Mutex::default(),
        }
    }

    /// The access token of a login, for the interface that serves the ad account. `Err` is the outcome of whatever was to be sent.
    pub async fn token(&self, login: &Login, account: &Account) -> Result<SecretString, Outcome> {
        let slot = Arc::clone(self.logins.lock().await.entry(login.name.clone()).or_default());
        let mut cached = slot.lock().await;
        if let Some(known) = &*cached
            && known.revision == login.revision
            && known.ends.is_none()
        {
            return Ok(known.token.clone());
        }
        let secret = self.secret(login, reference(&login.credential)).await?;
        let _ = (account, &self.http, &self.endpoints);
        *cached = Some(Cached {
            revision: login.revision,
            token: secret.clone(),
            ends: None,
        });
        Ok(secret)
    }

    /// Forgets what is cached for a login, since the platform did not take it or someone renewed it.
    pub async fn forget(&self, login: &str) {
        if let Some(slot) = self.logins.lock().await.get(login) {
            *slot.lock().await = None;
        }
    }

    async fn secret(&self, login: &Login, reference: &SecretRef) -> Result<SecretString, Outcome> {
        self.secrets.resolve(reference).await.map_err(|failure| {
            warn!(login = %login.name, error = %chain(&failure), "secret of a login cannot be read");
            Outcome {
                verdict: Verdict::Blocked {
                    cause: Cause::LoginMissing,
                    reach: Reach::Login,
                    wait: None,
                },
                code: None,
                message: Some(failure.to_string()),
            }
        })
    }
}

fn reference(credential: &Credential) -> &SecretRef {
    match credential {
        Credential::Token(reference) | Credential::ServiceAccount(reference) | Credential::RefreshToken(reference) => {
            reference
        }
    }
}
