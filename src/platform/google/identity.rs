//! The person in Google's form: SHA-256 in lower-case hex, except region and postal code, which Google wants plain.
//!
//! The rules are those of Google's formatting guide and of its own library (`google-ads-datamanager-util` 0.4.0). Where the guide and
//! the library disagree (punctuation in names), the library decides: it is what others run.
//! <https://developers.google.com/data-manager/api/devguides/concepts/formatting> (read 2026-11-21)

use crate::domain::{
    hash::{Identity, already_hashed, sha256_hex},
    person::{Person, Personal},
    phone,
};

/// Hashed e-mail addresses.
pub(super) const EMAIL: &str = "email";
/// Hashed phone numbers.
pub(super) const PHONE: &str = "phone";
/// Hashed given name; there only together with the three other parts of the address.
pub(super) const GIVEN_NAME: &str = "given_name";
/// Hashed family name; likewise.
pub(super) const FAMILY_NAME: &str = "family_name";
/// Plain country code, two upper-case letters; also there alone, since whether the IP address may be sent depends on it.
pub(super) const REGION_CODE: &str = "region_code";
/// Plain postal code; there only together with the three other parts of the address.
pub(super) const POSTAL_CODE: &str = "postal_code";

/// The domains whose addresses Google reads without dots and without what follows a plus.
const GMAIL_DOMAINS: [&str; 2] = ["gmail.com", "googlemail.com"];

/// What Google can match of a person; what it would refuse is left out, each for itself.
pub(super) fn identity(person: &Person, country: Option<&str>) -> Identity {
    let mut identity = Identity::default();
    for hash in person.emails.iter().filter_map(hashed_email) {
        identity.add(EMAIL, hash);
    }
    for hash in person.phones.iter().filter_map(|number| hashed_phone(number, country)) {
        identity.add(PHONE, hash);
    }
    add_address(&mut identity, person);
    identity
}

/// Google takes an address whole or not at all. The client's country does not stand in for the person's: that would be invented.
fn add_address(identity: &mut Identity, person: &Person) {
    let Some(region) = person.country.as_ref().and_then(region_code) else {
        return;
    };
    identity.add(REGION_CODE, region);
    let given = person.first_name.as_ref().and_then(hashed_name);
    let family = person.last_name.as_ref().and_then(hashed_name);
    let postal = person.postal_code.as_ref().and_then(postal_code);
    if let (Some(given), Some(family), Some(postal)) = (given, family, postal) {
        identity.add(GIVEN_NAME, given);
        identity.add(FAMILY_NAME, family);
        identity.add(POSTAL_CODE, postal);
    }
}

fn hashed_email(email: &Personal) -> Option<String> {
    let trimmed = email.expose().trim();
    already_hashed(trimmed).or_else(|| normalised_email(trimmed).map(|email| sha256_hex(&email)))
}

/// Google's sample for Python strips dots and pluses of every domain, against the guide: only Gmail ignores them.
fn normalised_email(trimmed: &str) -> Option<String> {
    let lower = trimmed.to_lowercase();
    let (local, domain) = lower.split_once('@')?;
    let broken = lower.contains(char::is_whitespace) || domain.contains('@');
    if broken || local.is_empty() || domain.is_empty() {
        return None;
    }
    if !GMAIL_DOMAINS.contains(&domain) {
        return Some(lower);
    }
    let local = local.split('+').next().unwrap_or_default().replace('.', "");
    (!local.is_empty()).then(|| format!("{local}@{domain}"))
}

fn hashed_phone(number: &Personal, country: Option<&str>) -> Option<String> {
    let trimmed = number.expose().trim();
    already_hashed(trimmed).or_else(|| {
        let canonical = phone::canonical(trimmed, country)?;
        // The plus is hashed along; E.164 has at most 15 digits, and Google wants at least 8.
        let digits = canonical.len() - 1;
        (8..=15).contains(&digits).then(|| sha256_hex(&canonical))
    })
}

fn hashed_name(name: &Personal) -> Option<String> {
    let lower = name.expose().trim().to_lowercase();
    if lower.is_empty() {
        return None;
    }
    Some(already_hashed(&lower).unwrap_or_else(|| sha256_hex(&lower)))
}

fn region_code(country: &Personal) -> Option<String> {
    let code = country.expose().trim().to_ascii_uppercase();
    (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(code)
}

/// A malformed postal code would sink the whole request (`INVALID_POSTAL_CODE`).
fn postal_code(code: &Personal) -> Option<String> {
    let code = code.expose().trim();
    let plausible = (1..=16).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-'));
    plausible.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(make: impl FnOnce(&mut Person), country: Option<&str>) -> Identity {
        let mut person = Person::default();
        make(&mut person);
        identity(&person, country)
    }

    fn email(text: &str) -> Option<String> {
        of(|person| person.emails = vec![Personal::new(text)], None)
            .first(EMAIL)
            .map(str::to_owned)
    }

    fn phone(text: &str, country: Option<&str>) -> Option<String> {
        of(|person| person.phones = vec![Personal::new(text)], country)
            .first(PHONE)
            .map(str::to_owned)
    }

    #[test]
    fn e_mail_addresses_hash_as_googles_own_vectors_say() {
        // The table of the formatting guide, T4 and T5.
        let cases = [
            (
                "  ALEXZ@example.com   ",
                "509e933019bb285a134a9334b8bb679dff79d0ce023d529af4bd744d47b4fd8a",
            ),
            (
                "Jefferson.Loves.hiking@gmail.com",
                "515d2f967f73864e76937ab2b897210a86fd286016903b1b08c3da07c75f513e",
            ),
            (
                "cloudy.sanfrancisco+shopping@gmail.com",
                "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4",
            ),
            (
                " Cloudy.SanFrancisco+Shopping@GMAIL.com ",
                "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4",
            ),
            (
                "user.name+NYC@Example.com",
                "f109a2a632fbcea5fc82049f50beed3d8621bf9034399f437fb622222acccdac",
            ),
            (
                "test@example.com",
                "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b",
            ),
        ];
        for (given, hash) in cases {
            assert_eq!(email(given).as_deref(), Some(hash), "{given}");
        }
    }

    #[test]
    fn googlemail_keeps_its_domain_and_loses_its_dots() {
        assert_eq!(
            normalised_email("j.d+x@googlemail.com").as_deref(),
            Some("jd@googlemail.com")
        );
    }

    #[test]
    fn a_broken_e_mail_address_is_left_out_and_costs_nothing_else() {
        // T7.
        for text in [
            "a b@x.com",
            "quinn",
            "...@gmail.com",
            "+x@gmail.com",
            "a@b@c.com",
            "@b.com",
            "a@",
            " ",
        ] {
            assert_eq!(email(text), None, "{text}");
        }

        let identity = of(
            |person| {
                person.emails = vec![Personal::new("quinn"), Personal::new("test@example.com")];
            },
            None,
        );

        assert_eq!(identity.get(EMAIL).len(), 1);
    }

    #[test]
    fn phone_numbers_hash_with_their_plus() {
        // The table of the formatting guide, and T6.
        let usa = "fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30";
        let cases = [
            ("1-800-555-0100   ", Some("US"), Some(usa)),
            ("+1 (800) 555-0100", None, Some(usa)),
            ("8005550100", Some("US"), Some(usa)),
            ("8005550100", None, None),
            (
                "+44-113-496-0987",
                None,
                Some("0fac52d27ec377f8ad2f9de75d1f9bace693237e31868ae6f4616b8bbd0e94fb"),
            ),
            (
                "+16502531234",
                None,
                Some("e101d1333c2310c83a1f96c4e0c12aa18b151ee0baaa2db3998ee3797d74b685"),
            ),
        ];
        for (given, country, hash) in cases {
            assert_eq!(phone(given, country).as_deref(), hash, "{given}");
        }
        assert_ne!(
            usa, "92cfdc5fbcd4a20fbe5d3857af6c1aba31762105bba7f21a17155e920653046c",
            "without the plus"
        );
    }

    #[test]
    fn what_came_hashed_stays_as_it_came_in_lower_case() {
        let hash = "973DFE463EC85785F5F95AF5BA3906EEDB2D931C24E69824A89EA65DBA4E813B";

        assert_eq!(email(hash), Some(hash.to_lowercase()));
        assert_eq!(phone(hash, None), Some(hash.to_lowercase()));
    }

    fn addressed(make: impl FnOnce(&mut Person)) -> Identity {
        of(
            |person| {
                person.first_name = Some(Personal::new("  GivenName  "));
                person.last_name = Some(Personal::new("  FamilyName "));
                person.country = Some(Personal::new(" uS "));
                person.postal_code = Some(Personal::new(" 1229-076  "));
                make(person);
            },
            Some("DE"),
        )
    }

    #[test]
    fn an_address_has_hashed_names_and_plain_codes() {
        let identity = addressed(|_| ());

        assert_eq!(
            identity.first(GIVEN_NAME),
            Some("128a07bfe2df877c52076e60d7774cf5baaa046c5a6c48daf30ff43ecca2f814")
        );
        assert_eq!(
            identity.first(FAMILY_NAME),
            Some("77762c287e61ce065bee5c15464012c6fbe088398b8057627d5577249430d574")
        );
        assert_eq!(identity.first(REGION_CODE), Some("US"));
        assert_eq!(identity.first(POSTAL_CODE), Some("1229-076"));
    }

    #[test]
    fn an_address_that_lacks_a_part_is_left_out() {
        // T10.
        let cases: [fn(&mut Person); 4] = [
            |person| person.first_name = None,
            |person| person.last_name = Some(Personal::new(" ")),
            |person| person.postal_code = Some(Personal::new("1229#076")),
            |person| person.country = None,
        ];
        for make in cases {
            let identity = addressed(make);

            for key in [GIVEN_NAME, FAMILY_NAME, POSTAL_CODE] {
                assert!(!identity.has(key), "{identity:?}");
            }
        }
    }

    #[test]
    fn the_clients_country_is_never_taken_for_the_persons() {
        assert!(!addressed(|person| person.country = None).has(REGION_CODE));
    }
}
