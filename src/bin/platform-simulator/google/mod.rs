//! Google: the token endpoint, the Data Manager API and `uploadClickConversions` of the Google Ads API.
mod access;
mod ads_api;
mod conversion;
mod data_manager;
mod destination;
mod errors;
mod event;
mod oauth;
mod receipts;
mod request;
mod schema;

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::answer::Answer;
use crate::call::Endpoint;

pub use ads_api::upload;
pub use data_manager::{ingest, request_status};
pub use oauth::{login_asking, token};

use access::{Issued, Usage};
use receipts::Receipts;

/// Tokens beyond this number push out the expired ones, or else all.
const ISSUED_TOKENS: usize = 10_000;

/// What Google remembers: issued tokens, used quota and receipts.
#[derive(Debug, Default)]
pub struct GoogleState {
    issued: HashMap<String, Issued>,
    usage: HashMap<String, Usage>,
    receipts: Receipts,
}

impl GoogleState {
    /// Whom an access token was issued to.
    pub fn login_of(&self, access_token: &str) -> Option<String> {
        self.issued.get(access_token).map(|issued| issued.login.clone())
    }

    fn issue(&mut self, token: String, issued: Issued, now: DateTime<Utc>) {
        if self.issued.len() >= ISSUED_TOKENS {
            self.issued.retain(|_, other| other.expires_at > now);
            self.usage.clear();
        }
        if self.issued.len() >= ISSUED_TOKENS {
            self.issued.clear();
        }
        self.issued.insert(token, issued);
    }
}

/// The click ID that a conversion is attributed by: gclid before gbraid before wbraid.
fn click_id(identifiers: &serde_json::Value) -> Option<&str> {
    ["gclid", "gbraid", "wbraid"]
        .into_iter()
        .find_map(|key| identifiers[key].as_str().filter(|id| !id.is_empty()))
}

/// The answer of a quota that is used up.
pub fn rate_limited(endpoint: &Endpoint, retry_after_seconds: u64) -> Answer {
    match endpoint {
        Endpoint::UploadClickConversions { .. } => errors::ads_quota(retry_after_seconds),
        Endpoint::GoogleToken => errors::oauth(429, "rate_limit_exceeded", "Too many requests."),
        _ => errors::resource_exhausted(retry_after_seconds),
    }
    .with_header("retry-after", retry_after_seconds.to_string())
}

/// The answer to a token, or at the token endpoint to a grant, that is not good.
pub fn bad_token(endpoint: &Endpoint) -> Answer {
    match endpoint {
        Endpoint::GoogleToken => errors::oauth(400, "invalid_grant", "Token has been expired or revoked."),
        _ => errors::unauthenticated(),
    }
}

/// Trouble of Google's own.
pub fn server_error(endpoint: &Endpoint) -> Answer {
    match endpoint {
        Endpoint::GoogleToken => errors::oauth(503, "temporarily_unavailable", "Try again later."),
        _ => errors::unavailable(),
    }
}

#[cfg(test)]
mod tests;
