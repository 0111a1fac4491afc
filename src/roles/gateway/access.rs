//! Access: which client a request speaks for, and how often its key may.

use std::{num::NonZeroU32, time::Duration};

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::{InMemoryState, NotKeyed, keyed::HashMapStateStore},
};

use super::problem::Problem;
use crate::{
    domain::{
        ClientId,
        api_key::{ApiKey, hash_of},
    },
    metrics::gateway::Refusal,
    roles::directory::DirectoryWatch,
};

/// How long the database may take to say whether it knows a key.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// How often a second a key that nobody knows makes us ask the database.
const LOOKS: NonZeroU32 = NonZeroU32::new(2).expect("two are more than none");

/// Judges keys.
pub(super) struct Access {
    requests: RateLimiter<String, HashMapStateStore<String>, DefaultClock>,
    looks: RateLimiter<NotKeyed, InMemoryState, DefaultClock>,
}

impl Access {
    /// So many requests a second are allowed a key.
    pub fn new(rate: NonZeroU32) -> Self {
        Self {
            requests: RateLimiter::hashmap(Quota::per_second(rate)),
            looks: RateLimiter::direct(Quota::per_second(LOOKS)),
        }
    }

    /// The client that a request speaks for, if its key may ask now.
    pub async fn client(&self, headers: &HeaderMap, directory: &DirectoryWatch) -> Result<ClientId, Problem> {
        let hash = key_hash(headers).ok_or(Refusal::BadKey)?;
        let key = self.known(&hash, directory).await?;
        let span = tracing::Span::current();
        span.record("client", key.client.as_str());
        span.record("key.id", &key.id);
        if let Err(early) = self.requests.check_key(&key.id) {
            let wait = early.wait_time_from(DefaultClock::default().now());
            return Err(Problem::from(Refusal::RateLimited).after(wait.as_secs() + 1));
        }
        Ok(key.client)
    }

    /// The key with this hash; of a client that is removed there is none.
    async fn known(&self, hash: &[u8; 32], directory: &DirectoryWatch) -> Result<ApiKey, Problem> {
        let find = |directory: &crate::domain::Directory| {
            let key = directory.api_key(hash)?;
            directory.client(&key.client).map(|_| key.clone())
        };
        if let Some(key) = find(&directory.current()) {
            return Ok(key);
        }
        // It may be a second old. Whoever guesses keys must not keep the database busy.
        if self.looks.check().is_err() {
            return Err(Refusal::BadKey.into());
        }
        match tokio::time::timeout(LOOK_PATIENCE, directory.refresh()).await {
            Ok(Ok(directory)) => find(&directory).ok_or_else(|| Refusal::BadKey.into()),
            Ok(Err(_)) | Err(_) => Err(Refusal::DatabaseAway.into()),
        }
    }
}

/// The hash of the key in a request's headers, if there is one.
pub(super) fn key_hash(headers: &HeaderMap) -> Option<[u8; 32]> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    hash_of(&key_of(given)?)
}

/// The key in an `Authorization` header: `Bearer KEY`, `Basic KEY`, or HTTP's own Basic with the key as password, or as user alone.
fn key_of(authorization: &str) -> Option<String> {
    let (scheme, rest) = authorization.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    if hash_of(rest).is_some() {
        return Some(rest.to_owned());
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    let key = if password.is_empty() { user } else { password };
    Some(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_every_form_that_clients_know() {
        let key = format!("crk_a1B2c3D4_{}", "x".repeat(43));
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for given in [
            format!("Bearer {key}"),
            format!("bearer  {key}"),
            format!("Basic {key}"),
            basic(&format!("anyone:{key}")),
            basic(&format!("{key}:")),
            basic(&format!(":{key}")),
        ] {
            assert_eq!(key_of(&given).as_deref(), Some(key.as_str()), "{given}");
        }
        for wrong in ["", "Bearer", "Digest x", "Basic !", &key, &basic("no colon")] {
            assert_eq!(key_of(wrong), None, "{wrong}");
        }
    }
}
