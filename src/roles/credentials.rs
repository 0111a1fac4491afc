//! Access tokens of logins: secrets as they are for Meta and TikTok, fetched from Google for its own.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use tokio::sync::Mutex;
use tracing::warn;

use super::chain;
use crate::{
    domain::{
        Account, Cause, Login, Outcome, Verdict,
        account::{Credential, SecretRef, Transport},
        outcome::Reach,
    },
    http::{Access, Http},
    platform::{
        Endpoints,
        google::oauth::{self, Grant, GrantError, TokenAnswer, is_stale, token_request},
        meta::proof::app_secret_proof,
    },
    secrets::Secrets,
};

/// The access tokens of logins, cached. Each login is asked for once at a time; those who ask meanwhile wait for the answer.
pub struct Credentials {
    secrets: Secrets,
    http: Http,
    endpoints: Endpoints,
    logins: Mutex<HashMap<(String, Transport), Slot>>,
}

/// What is cached of one login; locked while it is fetched.
type Slot = Arc<Mutex<Option<Cached>>>;

struct Cached {
    /// Of the login that it was fetched for; a changed one counts as another.
    revision: i32,
    access: Access,
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

    /// What a login proves itself with to the interface that serves the ad account. `Err` is the outcome of whatever was to be sent.
    pub async fn token(&self, login: &Login, account: &Account) -> Result<Access, Outcome> {
        let slot = self.slot(login, account).await;
        let mut cached = slot.lock().await;
        if let Some(known) = &*cached
            && known.revision == login.revision
            && !known.ends.is_some_and(|end| is_stale(end, Utc::now()))
        {
            return Ok(known.access.clone());
        }
        let fetched = self.fetch(login, account).await?;
        let access = fetched.access.clone();
        *cached = Some(fetched);
        Ok(access)
    }

    /// Google's tokens are good for one of its interfaces only, so each has its own.
    async fn slot(&self, login: &Login, account: &Account) -> Slot {
        let key = (login.name.clone(), account.rules.transport);
        Arc::clone(self.logins.lock().await.entry(key).or_default())
    }

    async fn fetch(&self, login: &Login, account: &Account) -> Result<Cached, Outcome> {
        let revision = login.revision;
        let secret = self.secret(login).await?;
        let grant = match &login.credential {
            Credential::Token(_) => {
                let proof = self.proof(login, &secret).await?;
                return Ok(Cached {
                    revision,
                    access: Access { token: secret, proof },
                    ends: None,
                });
            }
            Credential::ServiceAccount(_) => Grant::service_account(&secret),
            Credential::RefreshToken(_) => Grant::refresh_token(&secret),
        };
        let unusable = |failure: GrantError| {
            warn!(login = %login.name, error = %chain(&failure), "secret of a login cannot be used");
            blocked(Cause::LoginMissing, None, failure.to_string())
        };
        let now = Utc::now();
        let request = token_request(
            &grant.map_err(unusable)?,
            account.rules.transport,
            &self.endpoints.google_token,
            now,
        )
        .map_err(unusable)?;
        let answer = match self.http.post_form(&request.url, &request.form).await.result {
            Ok(answer) => oauth::classify(&answer),
            Err(_) => TokenAnswer::Retry,
        };
        match answer {
            TokenAnswer::Token {
                access_token,
                expires_in,
            } => {
                let ends = now + TimeDelta::from_std(expires_in).unwrap_or(TimeDelta::hours(1));
                Ok(Cached {
                    revision,
                    access: Access {
                        token: access_token,
                        proof: None,
                    },
                    ends: Some(ends),
                })
            }
            TokenAnswer::Refused { code } => {
                let text = "the token endpoint refuses the login".to_owned();
                Err(blocked(Cause::LoginRefused, Some(code), text))
            }
            // Nothing was sent to the platform, so nothing is ambiguous.
            TokenAnswer::Retry => Err(Outcome::plain(Verdict::Deferred {
                cause: Cause::PlatformUnreachable,
                wait: None,
            })),
        }
    }

    /// Forgets what is cached for a login, since the platform did not take it.
    pub async fn forget(&self, login: &Login, account: &Account) {
        *self.slot(login, account).await.lock().await = None;
    }

    /// The proof of the app secret, if the login has one.
    async fn proof(&self, login: &Login, token: &SecretString) -> Result<Option<SecretString>, Outcome> {
        let Some(reference) = &login.app_secret else {
            return Ok(None);
        };
        let app_secret = self.resolve(login, reference).await?;
        Ok(Some(app_secret_proof(token, &app_secret)))
    }

    async fn secret(&self, login: &Login) -> Result<SecretString, Outcome> {
        let (Credential::Token(reference)
        | Credential::ServiceAccount(reference)
        | Credential::RefreshToken(reference)) = &login.credential;
        self.resolve(login, reference).await
    }

    async fn resolve(&self, login: &Login, reference: &SecretRef) -> Result<SecretString, Outcome> {
        self.secrets.resolve(reference).await.map_err(|failure| {
            warn!(login = %login.name, error = %chain(&failure), "secret of a login cannot be read");
            blocked(Cause::LoginMissing, None, failure.to_string())
        })
    }
}

fn blocked(cause: Cause, code: Option<String>, message: String) -> Outcome {
    Outcome {
        verdict: Verdict::Blocked {
            cause,
            reach: Reach::Login,
            wait: None,
        },
        code,
        message: Some(message),
    }
}
