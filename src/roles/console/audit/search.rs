//! What someone types to find a conversion: an ID, or an e-mail address or phone number, which is hashed here and goes no further.

use std::collections::BTreeSet;

use crate::{
    domain::{
        ClientId, Directory,
        search_key::{IdentityKind, SearchKeys},
    },
    roles::console::ConsoleError,
    store::audit::AuditTerm,
};

const NO_KEY: &str =
    "to look for an e-mail address or a phone number, RELAY_IDENTITY_KEY must be set as it is for the workers";

/// The countries in which a number without a country code may be meant.
pub(super) fn countries(directory: &Directory, client: Option<&ClientId>) -> BTreeSet<String> {
    let meant = directory
        .clients()
        .filter(|known| client.is_none_or(|id| known.id == *id));
    meant.filter_map(|client| client.country.clone()).collect()
}

/// Reads a term. What looks like an e-mail address or a phone number with its plus needs the keys; anything else may be an ID.
pub(super) fn term(
    text: &str,
    keys: Option<&SearchKeys>,
    countries: &BTreeSet<String>,
) -> Result<AuditTerm, ConsoleError> {
    let text = text.trim();
    let is_person = text.contains('@') || text.starts_with('+');
    let Some(keys) = keys else {
        return if is_person {
            Err(ConsoleError::Usage(NO_KEY.to_owned()))
        } else {
            Ok(AuditTerm {
                id: text.to_owned(),
                identities: Vec::new(),
            })
        };
    };
    let mut identities = keys.search(IdentityKind::ExternalId, text, None);
    if text.contains('@') || text.len() == 64 {
        identities.extend(keys.search(IdentityKind::Email, text, None));
    }
    identities.extend(keys.search(IdentityKind::Phone, text, None));
    for country in countries {
        identities.extend(keys.search(IdentityKind::Phone, text, Some(country)));
    }
    identities.sort_unstable();
    identities.dedup();
    Ok(AuditTerm {
        // An ID never holds an @: this one goes no further than its digest.
        id: if is_person { String::new() } else { text.to_owned() },
        identities,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::person::{Person, Personal};

    fn keys() -> SearchKeys {
        SearchKeys::new(vec![b"a key of 16 byte".to_vec()]).unwrap()
    }

    fn countries(codes: &[&str]) -> BTreeSet<String> {
        codes.iter().map(|code| (*code).to_owned()).collect()
    }

    #[test]
    fn a_person_is_found_by_address_or_by_number_with_or_without_country() {
        let person = Person {
            emails: vec![Personal::new("jane@example.com")],
            phones: vec![Personal::new("+49 170 1234567")],
            external_ids: vec![Personal::new("C-77")],
            ..Person::default()
        };
        let stored = keys().digests(&person, None).current;

        for text in [" Jane@Example.com", "+491701234567", "0170 1234567", "c-77"] {
            let found = term(text, Some(&keys()), &countries(&["DE", "US"])).unwrap();
            assert!(found.identities.iter().any(|digest| stored.contains(digest)), "{text}");
        }
    }

    #[test]
    fn an_address_is_hashed_and_goes_no_further() {
        let found = term("jane@example.com", Some(&keys()), &countries(&[])).unwrap();

        assert_eq!(found.id, "");
        assert!(matches!(
            term("jane@example.com", None, &countries(&[])),
            Err(ConsoleError::Usage(_))
        ));
    }

    #[test]
    fn an_order_needs_no_key() {
        let found = term("10482", None, &countries(&[])).unwrap();

        assert_eq!((found.id.as_str(), found.identities.len()), ("10482", 0));
    }
}
