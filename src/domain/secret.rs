//! Where secrets lie: references to them, never the secrets themselves.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// Where a secret lies: `env:NAME`, `file:/path`, `vault:mount/path#field` or `db:name`. Not the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretRef(pub String);

/// A reference, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretSource<'a> {
    /// An environment variable of the worker.
    Env(&'a str),
    /// A file on the worker's machine, by absolute path; a newline at its end does not count.
    File(&'a Path),
    /// A field of a secret in Vault's key-value engine, version 2.
    Vault {
        /// Where the engine is mounted.
        mount: &'a str,
        /// Path within the engine.
        path: &'a str,
        /// Name of the field.
        field: &'a str,
    },
    /// A secret that lies sealed in Postgres.
    Db(&'a str),
}

/// The text is no reference. It is not shown: it may be a secret, pasted into the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must say where the secret lies: env:NAME, file:/path, vault:mount/path#field or db:name")]
pub struct InvalidSecretRef;

impl SecretRef {
    /// Takes a text that is a reference.
    pub fn parse(text: &str) -> Result<Self, InvalidSecretRef> {
        let reference = Self(text.to_owned());
        reference.source()?;
        Ok(reference)
    }

    /// What it refers to.
    pub fn source(&self) -> Result<SecretSource<'_>, InvalidSecretRef> {
        let (kind, rest) = self.0.split_once(':').ok_or(InvalidSecretRef)?;
        let source = match kind {
            "env" => is_variable(rest).then_some(SecretSource::Env(rest)),
            "file" => {
                let path = Path::new(rest);
                path.is_absolute().then_some(SecretSource::File(path))
            }
            "vault" => vault(rest),
            "db" => is_name(rest).then_some(SecretSource::Db(rest)),
            _ => None,
        };
        source.ok_or(InvalidSecretRef)
    }
}

/// A secret as it lies in Postgres: without its key it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// Made anew each time that something is sealed.
    pub nonce: Vec<u8>,
    /// The secret, encrypted and authenticated together with its name.
    pub sealed: Vec<u8>,
}

/// Says whether a text can be the name of a sealed secret: 1 to 64 letters, digits, dots, dashes and underscores.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

fn is_variable(text: &str) -> bool {
    let starts_well = text
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    starts_well && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn vault(text: &str) -> Option<SecretSource<'_>> {
    let (place, field) = text.split_once('#')?;
    let (mount, path) = place.split_once('/')?;
    let is_complete = [mount, path, field]
        .iter()
        .all(|part| !part.is_empty() && !part.contains(char::is_whitespace));
    is_complete.then_some(SecretSource::Vault { mount, path, field })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_says_of_which_kind_it_is() {
        let source = |text| SecretRef::parse(text).unwrap().0;
        assert_eq!(source("env:META_TOKEN"), "env:META_TOKEN");

        let vault = SecretRef("vault:kv/agency/meta#token".to_owned());
        assert_eq!(
            vault.source(),
            Ok(SecretSource::Vault {
                mount: "kv",
                path: "agency/meta",
                field: "token"
            })
        );
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "EAABsbCS1iHgBAOZC9",
            "",
            "env:",
            "env:1A",
            "env:EAAB.x",
            "file:relative/path",
            "vault:kv#token",
            "vault:kv/a",
            "vault:/a#b",
            "db:a b",
            "https://host/secret",
        ] {
            assert_eq!(SecretRef::parse(text), Err(InvalidSecretRef), "{text}");
        }
    }
}
