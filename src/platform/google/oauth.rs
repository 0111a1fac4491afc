//! OAuth: how a Google login gets its access tokens. Pure: the request is built here, and its answer judged; `http` carries it.
//! <https://developers.google.com/identity/protocols/oauth2/service-account>
//! <https://developers.google.com/identity/protocols/oauth2/web-server#offline> (both read 2026-11-21)

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    domain::{account::Transport, redact},
    platform::Answer,
};

/// How long before its end a token is renewed: 3 min 45 s, as Google's own library has it.
pub const REFRESH_BEFORE_END: Duration = Duration::from_secs(225);

/// How long an assertion of a service account is good for; Google takes no more.
const ASSERTION_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// How long a token is taken to be good for if Google does not say: what it always was.
const LIFETIME_USUAL: Duration = Duration::from_secs(3_600);

/// Errors at which Google's own library tries again.
const TEMPORARY: [&str; 3] = ["internal_failure", "server_error", "temporarily_unavailable"];

/// The scope that a token for this interface must have.
pub const fn scope(transport: Transport) -> &'static str {
    match transport {
        Transport::DataManager => "https://www.googleapis.com/auth/datamanager",
        Transport::AdsApi => "https://www.googleapis.com/auth/adwords",
    }
}

/// Says whether a token that ends at `end` is to be renewed.
pub fn is_stale(end: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    end.signed_duration_since(now)
        .to_std()
        .map_or(true, |left| left <= REFRESH_BEFORE_END)
}

/// What a login proves itself with. Its debug form shows nothing secret.
#[derive(Clone, Debug)]
pub enum Grant {
    /// A grant that a person gave once.
    RefreshToken {
        /// Of the OAuth client.
        client_id: String,
        /// Of the OAuth client.
        client_secret: SecretString,
        /// Of the person.
        refresh_token: SecretString,
    },
    /// A service account's key.
    ServiceAccount {
        /// The account's name, an address of Google's.
        client_email: String,
        /// RSA in PEM, PKCS #8.
        private_key: SecretString,
        /// Which of the account's keys it is.
        private_key_id: Option<String>,
    },
}

/// The secret is no grant. It names the field, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// It cannot be read.
    #[error("the secret is not a JSON object with text in it")]
    NotJson,
    /// A field is missing.
    #[error("the secret lacks {0}")]
    Missing(&'static str),
    /// The key is none.
    #[error("private_key is not an RSA key in PEM")]
    InvalidKey,
}

/// Both kinds at once. It has no debug form, and its texts become secrets as soon as they are read.
#[derive(Deserialize)]
struct GrantJson {
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
}

impl Grant {
    /// Reads `{"client_id":…,"client_secret":…,"refresh_token":…}`.
    pub fn refresh_token(json: &SecretString) -> Result<Self, GrantError> {
        let read = read(json)?;
        Ok(Grant::RefreshToken {
            client_id: read.client_id.ok_or(GrantError::Missing("client_id"))?,
            client_secret: secret(read.client_secret, "client_secret")?,
            refresh_token: secret(read.refresh_token, "refresh_token")?,
        })
    }

    /// Reads the key file that Google gives out for a service account. Its `token_uri` is not used: the endpoint is a setting.
    pub fn service_account(json: &SecretString) -> Result<Self, GrantError> {
        let read = read(json)?;
        Ok(Grant::ServiceAccount {
            client_email: read.client_email.ok_or(GrantError::Missing("client_email"))?,
            private_key: secret(read.private_key, "private_key")?,
            private_key_id: read.private_key_id,
        })
    }
}

fn secret(text: Option<String>, field: &'static str) -> Result<SecretString, GrantError> {
    text.map(SecretString::from).ok_or(GrantError::Missing(field))
}

fn read(json: &SecretString) -> Result<GrantJson, GrantError> {
    serde_json::from_str(json.expose_secret()).map_err(|_| GrantError::NotJson)
}

/// A request for a token: a POST of `application/x-www-form-urlencoded`. The form is a secret.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The token endpoint.
    pub url: String,
    /// The body.
    pub form: SecretString,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

/// Builds the request for a token of `transport` at `endpoint`. `now` goes into a service account's assertion: with a clock that is wrong
/// Google answers `invalid_grant`.
pub fn token_request(
    grant: &Grant,
    transport: Transport,
    endpoint: &str,
    now: DateTime<Utc>,
) -> Result<TokenRequest, GrantError> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    match grant {
        // No scope: the token has what the person granted.
        Grant::RefreshToken {
            client_id,
            client_secret,
            refresh_token,
        } => form
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", client_id)
            .append_pair("client_secret", client_secret.expose_secret())
            .append_pair("refresh_token", refresh_token.expose_secret()),
        Grant::ServiceAccount {
            client_email,
            private_key,
            private_key_id,
        } => {
            let claims = Claims {
                iss: client_email,
                scope: scope(transport),
                aud: endpoint,
                iat: now.timestamp(),
                exp: (now + ASSERTION_LIFETIME).timestamp(),
            };
            let assertion = sign(&claims, private_key, private_key_id.clone())?;
            form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
                .append_pair("assertion", assertion.expose_secret())
        }
    };
    Ok(TokenRequest {
        url: endpoint.to_owned(),
        form: form.finish().into(),
    })
}

fn sign(claims: &Claims<'_>, key: &SecretString, key_id: Option<String>) -> Result<SecretString, GrantError> {
    let key = EncodingKey::from_rsa_pem(key.expose_secret().as_bytes()).map_err(|_| GrantError::InvalidKey)?;
    let mut header = Header::new(Algorithm::RS256);
    header.kid = key_id;
    let token = jsonwebtoken::encode(&header, claims, &key).map_err(|_| GrantError::InvalidKey)?;
    Ok(token.into())
}

/// What the token endpoint says. Its debug form shows nothing secret.
#[derive(Clone, Debug)]
pub enum TokenAnswer {
    /// A token.
    Token {
        /// What goes into the `Authorization` header.
        access_token: SecretString,
        /// How long it is good for.
        expires_in: Duration,
    },
    /// The login is not accepted, and asking again does not help: `invalid_grant` (revoked, expired, unused for long; of a service
    /// account also a wrong clock), `invalid_client`, `unauthorized_client`, `invalid_scope`, …
    Refused {
        /// Google's code.
        code: String,
    },
    /// Nothing is said about the login; ask again.
    Retry,
}

/// Reads the answer of the token endpoint. Total: any status, any body.
pub fn classify(answer: &Answer) -> TokenAnswer {
    let body = answer.json().unwrap_or_default();
    if let Some(token) = (answer.status == 200).then(|| token(&body)).flatten() {
        return token;
    }
    let is_busy = matches!(answer.status, 408 | 429 | 500..=599);
    match body.get("error").and_then(Value::as_str) {
        Some(code) if (400..=499).contains(&answer.status) && !is_busy && !TEMPORARY.contains(&code) => {
            TokenAnswer::Refused {
                code: redact::text(code),
            }
        }
        _ => TokenAnswer::Retry,
    }
}

/// `expires_in` comes as a number, and has been seen as text.
fn token(body: &Value) -> Option<TokenAnswer> {
    let access_token = body.get("access_token")?.as_str().filter(|token| !token.is_empty())?;
    let seconds = body
        .get("expires_in")
        .and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    Some(TokenAnswer::Token {
        access_token: access_token.to_owned().into(),
        expires_in: seconds.map_or(LIFETIME_USUAL, Duration::from_secs),
    })
}

#[cfg(test)]
mod tests;
