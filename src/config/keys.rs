//! Keys: of the hashes by which people are found, and of secrets that lie sealed in Postgres.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{SecretSlice, SecretString};

use super::reader::Reader;

/// The shortest identity key, in characters.
const IDENTITY_KEY_CHARACTERS_MIN: usize = 16;

/// Length of the seal key, in bytes.
const SEAL_KEY_BYTES: usize = 32;

/// The relay's own keys.
#[derive(Clone, Debug)]
pub struct KeysConfig {
    /// `RELAY_IDENTITY_KEY`: at least one; the first is used for new rows, all of them to find rows.
    pub identity: Vec<SecretString>,
    /// `RELAY_SEAL_KEY`: exactly 32 bytes.
    pub seal: Option<SecretSlice<u8>>,
}

impl KeysConfig {
    /// Reads the variables of this part.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        let identity = reader.checked(
            "RELAY_IDENTITY_KEY",
            "keys of at least 16 characters each, with commas between them: openssl rand -hex 32",
            identity_keys,
        );
        let seal = seal_key(reader);
        Some(Self {
            identity: identity?,
            seal,
        })
    }
}

/// Reads `RELAY_SEAL_KEY`; `None` if it is not set.
pub fn seal_key(reader: &mut Reader) -> Option<SecretSlice<u8>> {
    const NAME: &str = "RELAY_SEAL_KEY";
    let text = reader.optional(NAME)?;
    let key = STANDARD
        .decode(text.trim())
        .ok()
        .filter(|key| key.len() == SEAL_KEY_BYTES);
    if key.is_none() {
        reader.wrong(NAME, "expected 32 bytes in base64: openssl rand -base64 32");
    }
    key.map(SecretSlice::from)
}

fn identity_keys(text: &str) -> Option<Vec<SecretString>> {
    text.split(',')
        .map(|key| {
            let key = key.trim();
            (key.chars().count() >= IDENTITY_KEY_CHARACTERS_MIN).then(|| SecretString::from(key))
        })
        .collect()
}
