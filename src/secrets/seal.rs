//! Seals secrets that lie in Postgres, with a key that does not.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand::Rng;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::domain::secret::SealedSecret;

/// Length of a nonce, in bytes: long enough for random ones never to meet.
const NONCE_BYTES: usize = 24;

/// A secret could not be sealed or opened: wrong key, or changed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key does not fit the sealed secret")]
pub struct SealError;

/// Seals a secret under its name; the key has 32 bytes. It cannot be opened under another name.
pub fn seal(key: &SecretSlice<u8>, name: &str, secret: &SecretString) -> Result<SealedSecret, SealError> {
    let mut nonce = [0; NONCE_BYTES];
    rand::rng().fill_bytes(&mut nonce);
    let payload = Payload {
        msg: secret.expose_secret().as_bytes(),
        aad: name.as_bytes(),
    };
    let sealed = cipher(key)?
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| SealError)?;
    Ok(SealedSecret {
        nonce: nonce.to_vec(),
        sealed,
    })
}

/// Opens what [`seal`] sealed.
pub fn open(key: &SecretSlice<u8>, name: &str, sealed: &SealedSecret) -> Result<String, SealError> {
    let nonce: [u8; NONCE_BYTES] = sealed.nonce.as_slice().try_into().map_err(|_| SealError)?;
    let payload = Payload {
        msg: &sealed.sealed,
        aad: name.as_bytes(),
    };
    let plain = cipher(key)?
        .decrypt(&XNonce::from(nonce), payload)
        .map_err(|_| SealError)?;
    String::from_utf8(plain).map_err(|_| SealError)
}

fn cipher(key: &SecretSlice<u8>) -> Result<XChaCha20Poly1305, SealError> {
    XChaCha20Poly1305::new_from_slice(key.expose_secret()).map_err(|_| SealError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SecretSlice<u8> {
        SecretSlice::from(vec![byte; 32])
    }

    #[test]
    fn a_sealed_secret_opens_with_its_key_under_its_name_only() {
        let secret = SecretString::from("hunter2");

        let sealed = seal(&key(1), "meta", &secret).unwrap();

        assert_eq!(open(&key(1), "meta", &sealed).unwrap(), "hunter2");
        assert_eq!(open(&key(2), "meta", &sealed), Err(SealError));
        assert_eq!(open(&key(1), "google", &sealed), Err(SealError));
        assert!(!format!("{sealed:?}").contains("hunter2"));
    }

    #[test]
    fn the_same_secret_is_never_sealed_into_the_same_bytes() {
        let secret = SecretString::from("hunter2");

        let (one, other) = (
            seal(&key(1), "a", &secret).unwrap(),
            seal(&key(1), "a", &secret).unwrap(),
        );

        assert_ne!(one, other);
    }

    #[test]
    fn changed_bytes_do_not_open() {
        let mut sealed = seal(&key(1), "a", &SecretString::from("hunter2")).unwrap();
        sealed.sealed[0] ^= 1;

        assert_eq!(open(&key(1), "a", &sealed), Err(SealError));
        sealed.nonce.pop();
        assert_eq!(open(&key(1), "a", &sealed), Err(SealError));
    }
}
