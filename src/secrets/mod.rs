//! Secrets (temporary until merged).

use crate::domain::account::SecretRef;
use secrecy::SecretString;

pub struct Secrets;
#[derive(Debug, thiserror::Error)]
#[error("secret {0} cannot be read")]
pub struct SecretError(String);
impl Secrets {
    pub async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let text = &reference.0;
        if let Some(name) = text.strip_prefix("env:") {
            return std::env::var(name)
                .map(SecretString::from)
                .map_err(|_| SecretError(text.clone()));
        }
        if let Some(path) = text.strip_prefix("file:") {
            return std::fs::read_to_string(path)
                .map(|s| SecretString::from(s.trim_end().to_owned()))
                .map_err(|_| SecretError(text.clone()));
        }
        Err(SecretError(text.clone()))
    }
}
