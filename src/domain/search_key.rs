//! Keyed digests of a person's identities: so that an order can be found by e-mail or phone without either being stored.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::{
    hash::{already_hashed, sha256_hex},
    person::Person,
    phone,
};

/// The keys of the digests: the first makes those that are stored, all of them serve to search, so that a key can be changed.
#[derive(Clone)]
pub struct SearchKeys(Vec<Vec<u8>>);

/// There is no key, or one is too short to keep anything secret.
#[derive(Debug, thiserror::Error)]
#[error("identity keys must be at least 16 bytes, and there must be one")]
pub struct InvalidKey;

/// Which identity a digest is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityKind {
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// The advertiser's own ID.
    ExternalId,
    /// WhatsApp's business-scoped ID of a user who shows no phone number.
    WhatsappUser,
}

impl SearchKeys {
    /// Takes the keys, the current one first.
    pub fn new(keys: Vec<Vec<u8>>) -> Result<Self, InvalidKey> {
        let valid = !keys.is_empty() && keys.iter().all(|key| key.len() >= 16);
        if valid { Ok(Self(keys)) } else { Err(InvalidKey) }
    }

    /// The digests of all identities of a person, under the current key; `country` serves phone numbers without a country code.
    pub fn digests(&self, person: &Person, country: Option<&str>) -> Vec<Uuid> {
        let emails = person.emails.iter().map(|email| (IdentityKind::Email, email));
        let phones = person.phones.iter().map(|phone| (IdentityKind::Phone, phone));
        let external = person.external_ids.iter().map(|id| (IdentityKind::ExternalId, id));
        let mut digests: Vec<Uuid> = emails
            .chain(phones)
            .chain(external)
            .filter_map(|(kind, value)| Some(self.digest(0, kind, &canonical(kind, value.expose(), country)?)))
            .collect();
        digests.sort_unstable();
        digests.dedup();
        digests
    }

    /// The digests under every key of an identity that someone searches for.
    pub fn search(&self, kind: IdentityKind, value: &str, country: Option<&str>) -> Vec<Uuid> {
        let Some(canonical) = canonical(kind, value, country) else {
            return Vec::new();
        };
        (0..self.0.len())
            .map(|key| self.digest(key, kind, &canonical))
            .collect()
    }

    fn digest(&self, key: usize, kind: IdentityKind, canonical: &str) -> Uuid {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0[key]).expect("HMAC takes keys of any length");
        mac.update(match kind {
            IdentityKind::Email => b"email\n",
            IdentityKind::Phone => b"phone\n",
            IdentityKind::ExternalId => b"id\n",
            IdentityKind::WhatsappUser => b"whatsapp\n",
        });
        mac.update(canonical.as_bytes());
        let digest = mac.finalize().into_bytes();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        Uuid::from_bytes(short)
    }
}

impl fmt::Debug for SearchKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SearchKeys(<redacted>)")
    }
}

/// One form for all spellings; of an e-mail address and an external ID it is the hash, for they may come hashed.
fn canonical(kind: IdentityKind, value: &str, country: Option<&str>) -> Option<String> {
    let value = value.trim();
    match kind {
        IdentityKind::Email | IdentityKind::ExternalId => {
            already_hashed(value).or_else(|| (!value.is_empty()).then(|| sha256_hex(&value.to_lowercase())))
        }
        IdentityKind::Phone => already_hashed(value).or_else(|| phone::canonical(value, country)),
        // An opaque ID in its own case.
        IdentityKind::WhatsappUser => (!value.is_empty()).then(|| value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::person::Personal;

    fn keys() -> SearchKeys {
        SearchKeys::new(vec![b"current key 0123".to_vec(), b"former key 01234".to_vec()]).unwrap()
    }

    #[test]
    fn a_person_is_found_by_any_spelling_of_their_identities() {
        let person = Person {
            emails: vec![Personal::new(" Jane@Example.com")],
            phones: vec![Personal::new("(650) 555-1212")],
            ..Person::default()
        };

        let stored = keys().digests(&person, Some("US"));

        for (kind, value) in [
            (IdentityKind::Email, "jane@example.com".to_owned()),
            (IdentityKind::Email, sha256_hex("jane@example.com").to_uppercase()),
            (IdentityKind::Phone, "+1 650 555 1212".to_owned()),
        ] {
            let found = keys().search(kind, &value, None);
            assert_eq!(found.len(), 2);
            assert!(stored.contains(&found[0]), "{kind:?}");
        }
    }

    #[test]
    fn short_or_missing_keys_are_refused() {
        assert!(SearchKeys::new(vec![]).is_err());
        assert!(SearchKeys::new(vec![b"short".to_vec()]).is_err());
    }
}
