//! Secrets: reads what a reference names. They live in memory only, and no error or log shows one.

mod error;
mod seal;
mod vault;

use std::{path::Path, sync::Arc};

use futures_util::future::BoxFuture;
use secrecy::{SecretSlice, SecretString};

pub use self::{
    error::{SecretError, SecretProblem},
    seal::{SealError, open, seal},
};
use crate::{
    config::{Environment, VaultConfig},
    domain::secret::{SealedSecret, SecretRef, SecretSource},
};

/// Gives secrets that lie sealed somewhere; `None` if there is none of that name.
pub trait SealedSecrets: Send + Sync {
    /// The sealed secret of this name.
    fn sealed<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<SealedSecret>, BoxError>>;
}

/// Whatever a [`SealedSecrets`] fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where secrets are looked for.
pub struct SecretPlaces {
    /// For `env:`.
    pub environment: Arc<dyn Environment + Send + Sync>,
    /// For `vault:`, if there is one.
    pub vault: Option<VaultConfig>,
    /// For `db:`.
    pub sealed: Arc<dyn SealedSecrets>,
    /// What opens those, exactly 32 bytes.
    pub seal_key: Option<SecretSlice<u8>>,
}

/// Reads secrets. Each call reads anew; who calls often keeps what it got.
#[derive(Clone)]
pub struct Secrets {
    places: Arc<SecretPlaces>,
}

impl Secrets {
    /// Takes the places to look in.
    pub fn new(places: SecretPlaces) -> Self {
        Self {
            places: Arc::new(places),
        }
    }

    /// The secret that a reference names; never blank.
    pub async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let source = reference.source().map_err(|_| SecretError::malformed())?;
        let found = match source {
            SecretSource::Env(name) => self.environment_secret(name),
            SecretSource::File(path) => file_secret(path).await,
            SecretSource::Vault { mount, path, field } => match &self.places.vault {
                Some(config) => vault::read(config, vault::Address { mount, path, field }).await,
                None => Err(SecretProblem::NoVault),
            },
            SecretSource::Db(name) => self.database_secret(name).await,
        };
        found
            .and_then(not_blank)
            .map_err(|problem| SecretError::new(reference, problem))
    }

    fn environment_secret(&self, name: &str) -> Result<String, SecretProblem> {
        self.places
            .environment
            .variables()
            .remove(name)
            .ok_or(SecretProblem::NotSet)
    }

    async fn database_secret(&self, name: &str) -> Result<String, SecretProblem> {
        let key = self.places.seal_key.as_ref().ok_or(SecretProblem::NoSealKey)?;
        let sealed = self
            .places
            .sealed
            .sealed(name)
            .await
            .map_err(SecretProblem::Database)?
            .ok_or(SecretProblem::NotSealed)?;
        open(key, name, &sealed).map_err(|_| SecretProblem::SealBroken)
    }
}

async fn file_secret(path: &Path) -> Result<String, SecretProblem> {
    let mut text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| SecretProblem::File(error.kind()))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

fn not_blank(text: String) -> Result<SecretString, SecretProblem> {
    if text.trim().is_empty() {
        return Err(SecretProblem::Blank);
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use axum::{
        Json, Router,
        extract::Path as UrlPath,
        http::{HeaderMap, StatusCode},
        routing::get,
    };
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::VaultToken;

    struct Sealed(HashMap<&'static str, SealedSecret>);

    impl SealedSecrets for Sealed {
        fn sealed<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<SealedSecret>, BoxError>> {
            let found = match name {
                "away" => Err(BoxError::from("connection refused")),
                _ => Ok(self.0.get(name).cloned()),
            };
            Box::pin(async { found })
        }
    }

    fn key() -> SecretSlice<u8> {
        SecretSlice::from(vec![7; 32])
    }

    fn places() -> SecretPlaces {
        let sealed = seal(&key(), "meta", &SecretString::from("hunter2")).unwrap();
        SecretPlaces {
            environment: Arc::new([("META_TOKEN", "hunter2"), ("BLANK", " ")]),
            vault: None,
            sealed: Arc::new(Sealed(HashMap::from([("meta", sealed.clone()), ("moved", sealed)]))),
            seal_key: Some(key()),
        }
    }

    async fn resolve(places: SecretPlaces, reference: &str) -> Result<String, SecretError> {
        let secret = Secrets::new(places).resolve(&SecretRef(reference.to_owned())).await?;
        Ok(secret.expose_secret().to_owned())
    }

    /// Vault as far as this needs it: <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>.
    async fn vault_stub() -> VaultConfig {
        async fn read(UrlPath(path): UrlPath<String>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
            let token = headers.get("x-vault-token").map(|token| token.as_bytes().to_vec());
            if token.as_deref() != Some(b"s.good") {
                return (StatusCode::FORBIDDEN, Json(json!({ "errors": ["permission denied"] })));
            }
            let data = match path.as_str() {
                "agency/meta" => json!({ "token": "hunter2", "key": { "type": "service_account" }, "blank": "" }),
                "sealed" => {
                    return (
                        StatusCode::SERVICE_UNAVAILABLE,
                        Json(json!({ "errors": ["Vault is sealed"] })),
                    );
                }
                "deleted" => {
                    let gone = json!({ "data": { "data": null, "metadata": { "version": 2 } } });
                    return (StatusCode::NOT_FOUND, Json(gone));
                }
                "version-1" => return (StatusCode::OK, Json(json!({ "token": "hunter2" }))),
                _ => return (StatusCode::NOT_FOUND, Json(json!({ "errors": [] }))),
            };
            let metadata = json!({
                "created_time": "2026-01-01T00:00:00Z", "custom_metadata": null, "deletion_time": "", "destroyed": false, "version": 1
            });
            let answer = json!({
                "request_id": "r", "lease_id": "", "renewable": false, "lease_duration": 0, "wrap_info": null, "warnings": null,
                "auth": null, "data": { "data": data, "metadata": metadata }
            });
            (StatusCode::OK, Json(answer))
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/v1/kv/data/{*path}", get(read));
        tokio::spawn(async { axum::serve(listener, app).await });
        VaultConfig {
            address,
            token: VaultToken::Text(SecretString::from("s.good")),
            namespace: None,
            ca: None,
        }
    }

    #[tokio::test]
    async fn a_secret_is_found_in_the_environment() {
        assert_eq!(resolve(places(), "env:META_TOKEN").await.unwrap(), "hunter2");
    }

    #[tokio::test]
    async fn a_newline_at_the_end_of_a_file_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "hunter2\r\n").unwrap();

        let secret = resolve(places(), &format!("file:{}", path.display())).await;

        assert_eq!(secret.unwrap(), "hunter2");
    }

    #[tokio::test]
    async fn a_sealed_secret_is_opened() {
        assert_eq!(resolve(places(), "db:meta").await.unwrap(), "hunter2");
    }

    #[tokio::test]
    async fn a_field_of_vault_is_read_as_text_or_as_json() {
        let vault = Some(vault_stub().await);
        let with_vault = || SecretPlaces {
            vault: vault.clone(),
            ..places()
        };

        let token = resolve(with_vault(), "vault:kv/agency/meta#token").await.unwrap();
        let object = resolve(with_vault(), "vault:kv/agency/meta#key").await.unwrap();

        assert_eq!(token, "hunter2");
        assert_eq!(object, r#"{"type":"service_account"}"#);
    }

    #[tokio::test]
    async fn vaults_token_may_lie_in_a_file_that_an_agent_renews() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let vault = VaultConfig {
            token: VaultToken::File(file.path().to_owned()),
            ..vault_stub().await
        };
        let with_vault = || SecretPlaces {
            vault: Some(vault.clone()),
            ..places()
        };
        std::fs::write(file.path(), "s.old").unwrap();
        let refused = resolve(with_vault(), "vault:kv/agency/meta#token").await.unwrap_err();
        std::fs::write(file.path(), "s.good\n").unwrap();

        let secret = resolve(with_vault(), "vault:kv/agency/meta#token").await;

        assert!(matches!(refused.problem, SecretProblem::VaultRefuses(403)), "{refused}");
        assert_eq!(secret.unwrap(), "hunter2");
    }

    #[tokio::test]
    async fn every_failure_says_which_secret_and_why_and_never_the_secret() {
        let vault = vault_stub().await;
        let cases = [
            ("env:NOWHERE", "is not set in the worker's process", false),
            ("env:BLANK", "blank", false),
            ("file:/nowhere/token", "entity not found", false),
            ("vault:kv/agency/meta#tokn", "no field", false),
            ("vault:kv/agency/meta#blank", "blank", false),
            ("vault:kv/agency/none#token", "no secret at this path", false),
            ("vault:kv/deleted#token", "no secret at this path", false),
            ("vault:kv/version-1#token", "cannot be read", false),
            ("vault:kv/sealed#token", "status 503", true),
            ("db:none", "logins seal", false),
            ("db:moved", "another RELAY_SEAL_KEY", false),
            ("db:away", "ask Postgres", true),
        ];
        for (reference, expected, is_passing) in cases {
            let places = SecretPlaces {
                vault: Some(vault.clone()),
                ..places()
            };

            let error = resolve(places, reference).await.unwrap_err();

            let shown = error.to_string();
            assert!(shown.contains(reference) && shown.contains(expected), "{shown}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            assert_eq!(error.is_passing(), is_passing, "{shown}");
        }
    }

    #[tokio::test]
    async fn a_vault_that_does_not_answer_is_a_passing_failure() {
        // Port 9 is "discard": nobody listens there.
        let vault = VaultConfig {
            address: "http://127.0.0.1:9".to_owned(),
            ..vault_stub().await
        };
        let places = SecretPlaces {
            vault: Some(vault),
            ..places()
        };

        let error = resolve(places, "vault:kv/agency/meta#token").await.unwrap_err();

        assert!(error.is_passing(), "{error}");
    }

    #[tokio::test]
    async fn without_vault_or_key_the_error_names_the_missing_setting() {
        let no_vault = resolve(places(), "vault:kv/a#b").await.unwrap_err();
        let no_key = SecretPlaces {
            seal_key: None,
            ..places()
        };
        let no_key = resolve(no_key, "db:meta").await.unwrap_err();

        assert!(no_vault.to_string().contains("RELAY_VAULT_ADDR"), "{no_vault}");
        assert!(no_key.to_string().contains("RELAY_SEAL_KEY"), "{no_key}");
    }

    #[tokio::test]
    async fn a_malformed_reference_is_not_shown_for_it_may_be_the_secret() {
        let error = resolve(places(), "hunter2").await.unwrap_err();

        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}
