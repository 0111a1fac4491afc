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

/// The digests of a person's identities, each list in order.
#[derive(Clone, Debug, Default)]
pub struct Digests {
    /// Under the current key: what a click is remembered by.
    pub current: Vec<Uuid>,
    /// Under every key: what is asked for, and what an event is kept with, so that it can be asked again.
    pub all: Vec<Uuid>,
}

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

    /// The digests of a person; `country` serves phone numbers without a country code.
    pub fn digests(&self, person: &Person, country: Option<&str>) -> Digests {
        let mut digests = Digests::default();
        for (kind, value) in identities(person) {
            let Some(forms) = forms(kind, value, country) else {
                continue;
            };
            digests
                .current
                .extend(forms.all().map(|form| self.digest(0, kind, form)));
            digests.all.extend(self.under_every_key(kind, &forms));
        }
        for list in [&mut digests.current, &mut digests.all] {
            list.sort_unstable();
            list.dedup();
        }
        digests
    }

    /// The digests under which an identity may be stored that someone searches for.
    pub fn search(&self, kind: IdentityKind, value: &str, country: Option<&str>) -> Vec<Uuid> {
        forms(kind, value, country).map_or(Vec::new(), |forms| self.under_every_key(kind, &forms))
    }

    fn under_every_key(&self, kind: IdentityKind, forms: &Forms) -> Vec<Uuid> {
        let of_key = |key| forms.all().map(move |form| self.digest(key, kind, form));
        (0..self.0.len()).flat_map(of_key).collect()
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

/// One form for all spellings of an identity.
struct Forms {
    /// The hash that it may come as, for phone numbers in Meta's form, digits alone; a WhatsApp user's ID as it is.
    usual: String,
    /// The hash as which the same phone number comes where it was hashed for Google or TikTok, with its plus.
    elsewhere: Option<String>,
}

impl Forms {
    fn single(usual: String) -> Self {
        Self { usual, elsewhere: None }
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        [Some(self.usual.as_str()), self.elsewhere.as_deref()]
            .into_iter()
            .flatten()
    }
}

fn forms(kind: IdentityKind, value: &str, country: Option<&str>) -> Option<Forms> {
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    if kind == IdentityKind::WhatsappUser {
        return Some(Forms::single(value.to_owned()));
    }
    if let Some(hashed) = already_hashed(value) {
        return Some(Forms::single(hashed));
    }
    match kind {
        IdentityKind::Phone => {
            let number = phone::matching(value, country)?;
            Some(Forms {
                usual: sha256_hex(number.trim_start_matches('+')),
                elsewhere: Some(sha256_hex(&number)),
            })
        }
        _ => Some(Forms::single(sha256_hex(&value.to_lowercase()))),
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

        let stored = keys().digests(&person, Some("US")).current;

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
            let stored = keys().digests(other, None).current;
            keys()
                .digests(one, None)
                .all
                .iter()
                .any(|digest| stored.contains(digest))
        };
        assert!(finds(&of_meta, &plain) && finds(&plain, &of_meta));
        assert!(finds(&of_google, &plain) && finds(&plain, &of_google));
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

        let digests = keys().digests(&person, None);

        let are_sought = |stored: &[Uuid]| stored.iter().all(|digest| digests.all.contains(digest));
        assert!(are_sought(&former.digests(&person, None).current) && are_sought(&digests.current));
        assert_ne!(former.digests(&person, None).current, digests.current);
    }

    #[test]
    fn short_or_missing_keys_are_refused() {
        assert!(SearchKeys::new(vec![]).is_err());
        assert!(SearchKeys::new(vec![b"short".to_vec()]).is_err());
    }
}
