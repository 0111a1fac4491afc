//! Reads a field of a secret from Vault's key-value engine, version 2.
//! <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version>

use std::{collections::HashMap, time::Duration};

use secrecy::ExposeSecret;
use serde_json::Value;
use vaultrs::{
    client::{VaultClient, VaultClientSettings, VaultClientSettingsBuilder},
    error::ClientError,
    kv2,
};

use super::error::SecretProblem;
use crate::config::{VaultConfig, VaultToken};

/// How long Vault may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where in Vault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address<'a> {
    pub mount: &'a str,
    pub path: &'a str,
    pub field: &'a str,
}

/// Reads the field's text; what is no text comes as JSON.
pub(super) async fn read(config: &VaultConfig, address: Address<'_>) -> Result<String, SecretProblem> {
    let settings = settings(config).await?;
    // Its errors hold what the server answered, perhaps with the secret in it: none of them is kept.
    let client = VaultClient::new(settings).map_err(|_| SecretProblem::VaultSettings)?;
    let mut fields: HashMap<String, Value> = kv2::read(&client, address.mount, address.path)
        .await
        .map_err(|error| problem(&error))?;
    match fields.remove(address.field) {
        None | Some(Value::Null) => Err(SecretProblem::VaultNoField),
        Some(Value::String(text)) => Ok(text),
        // A service account's key is often stored as the object that it is.
        Some(other) => Ok(other.to_string()),
    }
}

async fn settings(config: &VaultConfig) -> Result<VaultClientSettings, SecretProblem> {
    let token = match &config.token {
        VaultToken::Text(token) => token.expose_secret().to_owned(),
        VaultToken::File(path) => {
            let text = tokio::fs::read_to_string(path).await;
            text.map_err(|error| SecretProblem::VaultToken(error.kind()))?
                .trim()
                .to_owned()
        }
    };
    let authorities = config.ca.iter().map(|path| path.to_string_lossy().into_owned());
    let mut builder = VaultClientSettingsBuilder::default();
    builder
        .address(&config.address)
        .token(token)
        .ca_certs(authorities.collect())
        .namespace(config.namespace.clone())
        // Otherwise VAULT_SKIP_VERIFY of the process decides.
        .verify(true)
        .timeout(Some(TIMEOUT));
    builder.build().map_err(|_| SecretProblem::VaultSettings)
}

fn problem(error: &ClientError) -> SecretProblem {
    let status = match error {
        ClientError::APIError { code, .. } => *code,
        ClientError::RestClientError { source } => match source {
            rustify::errors::ClientError::ServerResponseError { code, .. } => *code,
            rustify::errors::ClientError::RequestError { .. } => return SecretProblem::VaultUnreachable,
            _ => return SecretProblem::VaultUnreadable,
        },
        _ => return SecretProblem::VaultUnreadable,
    };
    match status {
        404 => SecretProblem::VaultNoSecret,
        other => SecretProblem::VaultRefuses(other),
    }
}
