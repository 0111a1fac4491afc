//! `appsecret_proof`: shows that whoever calls with an access token knows the secret of the app that the token belongs to.
//!
//! <https://developers.facebook.com/docs/graph-api/guides/secure-requests> (read 2026-11-21)

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The parameter that carries the proof.
pub const PARAMETER: &str = "appsecret_proof";

/// The proof for an access token: its HMAC-SHA256 under the app's secret, in lower-case hexadecimal.
pub fn app_secret_proof(token: &SecretString, app_secret: &SecretString) -> SecretString {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(app_secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(token.expose_secret().as_bytes());
    SecretString::from(hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_the_one_that_metas_own_sdk_makes() {
        let proof = app_secret_proof(&"access-token-234".into(), &"appsecret-123".into());

        assert_eq!(
            proof.expose_secret(),
            "cdfcbc87edc90f8123cd3797a0d6f6f7eedf63d97038a15d1693d297f653d7f2"
        );
        assert!(!format!("{proof:?}").contains("cdfc"));
    }
}
