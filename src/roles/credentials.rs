//! Access tokens of logins: secrets as they are for Meta and TikTok, fetched and cached for Google.

use std::{collections::HashMap, sync::Arc};

use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::{
    domain::{Login, account::Credential},
    secrets::{SecretError, Secrets},
};

/// The access tokens of logins, cached; each login is asked for once at a time.
pub struct Credentials {
    secrets: Secrets,
    cached: Mutex<HashMap<String, Arc<Mutex<Option<Cached>>>>>,
}

struct Cached {
    revision: i32,
    token: SecretString,
}

/// A login has no token now.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// The secret cannot be read.
    #[error("read the secret of the login")]
    Secret(#[from] SecretError),
}
