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

    /// The digests of all identities of a person, under the current key: those that are stored; `country` serves phone numbers without a
    /// country code.
    pub fn digests(&self, person: &Person, country: Option<&str>) -> Vec<Uuid> {
        let identities = identities(person).filter_map(|(kind, value)| Some((kind, canonical(kind, value, country)?)));
        in_order(identities.map(|(kind, canonical)| self.digest(0, kind, &canonical)))
    }

    /// The digests under which something may be stored about a person: of all identities, under every key, and of phone numbers also in the form
    /// in which they come hashed for Google and TikTok.
    pub fn sought(&self, person: &Person, country: Option<&str>) -> Vec<Uuid> {
        in_order(identities(person).flat_map(|(kind, value)| self.search(kind, value, country)))
    }

    /// The digests under every key of an identity that someone searches for.
    pub fn search(&self, kind: IdentityKind, value: &str, country: Option<&str>) -> Vec<Uuid> {
        let forms = canonical(kind, value, country)
            .into_iter()
            .chain(hashed_elsewhere(kind, value, country));
        forms
            .flat_map(|form| (0..self.0.len()).map(move |key| (key, form.clone())))
            .map(|(key, form)| self.digest(key, kind, &form))
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

fn identities(person: &Person) -> impl Iterator<Item = (IdentityKind, &str)> {
    let all = [
        (IdentityKind::Email, &person.emails),
        (IdentityKind::Phone, &person.phones),
        (IdentityKind::ExternalId, &person.external_ids),
        (IdentityKind::WhatsappUser, &person.whatsapp_users),
    ];
    all.into_iter()
        .flat_map(|(kind, values)| values.iter().map(move |value| (kind, value.expose())))
}

fn in_order(digests: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
    let mut digests: Vec<Uuid> = digests.collect();
    digests.sort_unstable();
    digests.dedup();
    digests
}

/// One form for all spellings: the hash that an identity may come as, for phone numbers in Meta's form, digits alone.
fn canonical(kind: IdentityKind, value: &str, country: Option<&str>) -> Option<String> {
    let value = value.trim();
    match kind {
        IdentityKind::Email | IdentityKind::ExternalId => {
            already_hashed(value).or_else(|| (!value.is_empty()).then(|| sha256_hex(&value.to_lowercase())))
        }
        IdentityKind::Phone => {
            already_hashed(value).or_else(|| Some(sha256_hex(phone::matching(value, country)?.trim_start_matches('+'))))
        }
        // An opaque ID in its own case.
        IdentityKind::WhatsappUser => (!value.is_empty()).then(|| value.to_owned()),
    }
}

/// The form in which a plain phone number comes hashed where it was hashed for Google or TikTok: with its plus.
fn hashed_elsewhere(kind: IdentityKind, value: &str, country: Option<&str>) -> Option<String> {
    let is_plain_phone = kind == IdentityKind::Phone && already_hashed(value.trim()).is_none();
    if !is_plain_phone {
        return None;
    }
    Some(sha256_hex(&phone::matching(value, country)?))
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
            assert!(stored.contains(&found[0]), "{kind:?}");
        }
    }

    #[test]
    fn a_phone_number_that_comes_hashed_finds_the_plain_one_and_the_other_way_round() {
        let person = |phone: &str| Person {
            phones: vec![Personal::new(phone)],
            ..Person::default()
        };
        let plain = person("+55 11 98765-4321");

        let of_meta = person(&sha256_hex("5511987654321"));
        let of_google = person(&sha256_hex("+5511987654321"));

        let finds = |one: &Person, other: &Person| {
            let stored = keys().digests(other, None);
            keys().sought(one, None).iter().any(|digest| stored.contains(digest))
        };
        assert!(finds(&of_meta, &plain) && finds(&plain, &of_meta));
        assert!(finds(&plain, &of_google));
        assert!(finds(&person("+55 11 8765-4321"), &plain));
        assert!(!finds(&person("+55 11 98765-4322"), &plain));
    }

    #[test]
    fn what_was_stored_under_a_former_key_is_still_found() {
        let former = SearchKeys::new(vec![b"former key 01234".to_vec()]).unwrap();
        let person = Person {
            whatsapp_users: vec![Personal::new("US.13491208655302741918")],
            ..Person::default()
        };

        let sought = keys().sought(&person, None);

        assert!(
            former
                .digests(&person, None)
                .iter()
                .all(|digest| sought.contains(digest))
        );
        assert!(
            keys()
                .digests(&person, None)
                .iter()
                .all(|digest| sought.contains(digest))
        );
    }

    #[test]
    fn short_or_missing_keys_are_refused() {
        assert!(SearchKeys::new(vec![]).is_err());
        assert!(SearchKeys::new(vec![b"short".to_vec()]).is_err());
    }
}
