//! Keys of the gateway, each of which speaks for one client. The key itself is shown once and stored nowhere.

use sha2::{Digest, Sha256};

use super::ids::ClientId;

/// What every key begins with, so that scanners for leaked secrets know one.
pub const PREFIX: &str = "crk_";
/// Characters of the public part, which is the key's ID.
pub const ID_CHARACTERS: usize = 8;
/// Characters of the secret part: 256 bits in base 62.
pub const SECRET_CHARACTERS: usize = 43;

/// A key that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// What people call it by.
    pub id: String,
    /// The client that it speaks for.
    pub client: ClientId,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
}

/// A whole key, `crk_<id>_<secret>`, from its two parts.
pub fn written(id: &str, secret: &str) -> String {
    format!("{PREFIX}{id}_{secret}")
}

/// The hash by which a key is known; `None` if the text has not the form of one.
pub fn hash_of(text: &str) -> Option<[u8; 32]> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let is_part = |part: &str, characters| part.len() == characters && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let has_form = is_part(id, ID_CHARACTERS) && is_part(secret, SECRET_CHARACTERS);
    has_form.then(|| Sha256::digest(text.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_the_form_of_a_key_has_a_hash() {
        let key = written("a1B2c3D4", &"x".repeat(SECRET_CHARACTERS));

        assert!(hash_of(&key).is_some());
        for wrong in [
            "",
            "crk_",
            &key[1..],
            &key[..key.len() - 1],
            &format!("{key}x"),
            &key.replace('x', "-"),
        ] {
            assert_eq!(hash_of(wrong), None, "{wrong}");
        }
    }
}
