//! Vault: where it is and what opens it.

use std::path::PathBuf;

use secrecy::SecretString;

use super::reader::Reader;

/// How Vault is reached. It may be missing whole: only secrets of the kind `vault:` need it.
#[derive(Clone, Debug)]
pub struct VaultConfig {
    /// `RELAY_VAULT_ADDR`, else `VAULT_ADDR`; no slash at the end.
    pub address: String,
    /// `RELAY_VAULT_TOKEN`, `RELAY_VAULT_TOKEN_FILE`, else `VAULT_TOKEN`.
    pub token: VaultToken,
    /// `RELAY_VAULT_NAMESPACE`, else `VAULT_NAMESPACE`.
    pub namespace: Option<String>,
    /// `RELAY_VAULT_CA`, else `VAULT_CACERT`: an own certificate authority in PEM.
    pub ca: Option<PathBuf>,
}

/// Where Vault's token is.
#[derive(Clone, Debug)]
pub enum VaultToken {
    /// Here.
    Text(SecretString),
    /// In a file that a Vault agent renews; it is read anew each time.
    File(PathBuf),
}

impl VaultConfig {
    /// Reads the variables of this part; `None` if there is no Vault.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        let address = reader
            .web_address("RELAY_VAULT_ADDR")
            .or_else(|| reader.web_address("VAULT_ADDR"));
        let token = token(reader);
        let namespace = reader
            .optional("RELAY_VAULT_NAMESPACE")
            .or_else(|| reader.optional("VAULT_NAMESPACE"));
        let ca = reader.file("RELAY_VAULT_CA").or_else(|| reader.file("VAULT_CACERT"));
        // VAULT_TOKEN alone is no mistake: people have it for other tools.
        let address = address?;
        if token.is_none() {
            reader.wrong("RELAY_VAULT_TOKEN", "is missing: Vault's address is set");
        }
        Some(Self {
            address,
            token: token?,
            namespace,
            ca,
        })
    }
}

fn token(reader: &mut Reader) -> Option<VaultToken> {
    if let Some(path) = reader.file_form("RELAY_VAULT_TOKEN") {
        return Some(VaultToken::File(path));
    }
    reader
        .optional("RELAY_VAULT_TOKEN")
        .or_else(|| reader.optional("VAULT_TOKEN"))
        .map(|text| VaultToken::Text(SecretString::from(text)))
}
