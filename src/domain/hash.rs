//! SHA-256 as the platforms want it, and the hashed identities of a person in one platform's own form.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Hashes a normalised text: SHA-256 over UTF-8, lower-case hex.
pub fn sha256_hex(normalised: &str) -> String {
    hex::encode(Sha256::digest(normalised.as_bytes()))
}

/// Takes a text that is a SHA-256 already (64 hex digits, nothing around them), in lower case.
pub fn already_hashed(text: &str) -> Option<String> {
    (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

/// The identities of a person in one platform's own form and under its own key names, hashed except where the platform demands
/// plain text. A key has at least one value, and no value twice.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Identity(BTreeMap<String, Vec<String>>);

impl Identity {
    /// Adds a value under a key; a repeated one counts once.
    pub fn add(&mut self, key: &str, value: String) {
        let values = self.0.entry(key.to_owned()).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    /// The values under a key, in the order in which they came; none if there is no such key.
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// The first value under a key.
    pub fn first(&self, key: &str) -> Option<&str> {
        self.get(key).first().map(String::as_str)
    }

    /// Says whether there is a value under a key.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Says whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All keys with their values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Identity")
            .field(&self.0.keys().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_hex_digits_count_as_hashed() {
        let digest = sha256_hex("a@b.c");

        assert_eq!(already_hashed(&digest.to_uppercase()), Some(digest.clone()));
        assert_eq!(already_hashed(&digest[1..]), None);
        assert_eq!(already_hashed(&format!(" {digest}")), None);
        assert_eq!(already_hashed(&"g".repeat(64)), None);
    }

    #[test]
    fn a_repeated_value_counts_once() {
        let mut identity = Identity::default();
        identity.add("em", "x".into());
        identity.add("em", "x".into());

        assert_eq!(identity.get("em"), ["x"]);
    }
}
