//! Why a secret cannot be read, without showing anything of it.

use std::io::ErrorKind;

use super::BoxError;
use crate::domain::secret::SecretRef;

/// A secret cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read the secret {reference}: {problem}")]
pub struct SecretError {
    /// The reference, such as `env:META_TOKEN`; `<malformed>` if it is none, for then it may be a secret itself.
    pub reference: String,
    /// What is wrong.
    pub problem: SecretProblem,
}

/// What is wrong with a secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretProblem {
    /// The reference is none.
    #[error("it must be env:NAME, file:/path, vault:mount/path#field or db:name")]
    Malformed,
    /// There is nothing in it.
    #[error("it is blank")]
    Blank,
    /// No such environment variable.
    #[error("this environment variable is not set in the worker's process")]
    NotSet,
    /// The file cannot be read.
    #[error("this file cannot be read: {0}")]
    File(ErrorKind),
    /// Vault is not set up.
    #[error("RELAY_VAULT_ADDR and RELAY_VAULT_TOKEN are not set")]
    NoVault,
    /// Vault's own token cannot be read.
    #[error("the file of RELAY_VAULT_TOKEN_FILE cannot be read: {0}")]
    VaultToken(ErrorKind),
    /// Vault, or its certificate authority, is set up in a way that cannot be used.
    #[error("Vault's address or certificate authority cannot be used")]
    VaultSettings,
    /// Vault does not answer.
    #[error("Vault does not answer")]
    VaultUnreachable,
    /// Vault does not give it out.
    #[error("Vault refuses it with status {0}")]
    VaultRefuses(u16),
    /// Vault has nothing there.
    #[error("Vault has no secret at this path of a key-value engine, version 2")]
    VaultNoSecret,
    /// Vault's answer is none of this engine's.
    #[error("Vault's answer cannot be read; is it a key-value engine, version 2?")]
    VaultUnreadable,
    /// Vault's secret lacks the field.
    #[error("the secret in Vault has no field of this name")]
    VaultNoField,
    /// No key to open it with.
    #[error("RELAY_SEAL_KEY is not set")]
    NoSealKey,
    /// No such secret in Postgres.
    #[error("no secret of this name lies in Postgres: `logins seal` puts one there")]
    NotSealed,
    /// It was sealed with another key, or changed.
    #[error("it was sealed with another RELAY_SEAL_KEY, or changed since")]
    SealBroken,
    /// Postgres could not be asked.
    #[error("ask Postgres: {0}")]
    Database(BoxError),
}

impl SecretError {
    pub(super) fn new(reference: &SecretRef, problem: SecretProblem) -> Self {
        Self {
            reference: reference.0.clone(),
            problem,
        }
    }

    pub(super) fn malformed() -> Self {
        Self {
            reference: "<malformed>".to_owned(),
            problem: SecretProblem::Malformed,
        }
    }

    /// Says whether it may be there in a moment without anybody doing anything: Vault or Postgres is away.
    pub fn is_passing(&self) -> bool {
        match self.problem {
            SecretProblem::VaultUnreachable | SecretProblem::Database(_) => true,
            SecretProblem::VaultRefuses(status) => status == 429 || status >= 500,
            _ => false,
        }
    }
}
