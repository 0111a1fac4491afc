//! The person in Meta's form: keys `em`, `ph`, `fn`, `ln`, `db`, `ge`, `ct`, `st`, `zp`, `country` and `external_id`, all hashed.
//!
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/customer-information-parameters>
//! Meta's page, its Business SDK and its Parameter Builder disagree on blanks, punctuation and accents; the rule that was chosen stands at
//! each key.

use chrono::{Datelike, NaiveDate};

use super::{cookies::is_appendix, places};
use crate::domain::{
    hash::{Identity, already_hashed, sha256_hex},
    person::{Person, Personal},
    phone,
};

const MALE: [&str; 8] = ["m", "male", "man", "boy", "mr", "mister", "he", "him"];
const FEMALE: [&str; 9] = ["f", "female", "woman", "girl", "mrs", "ms", "miss", "she", "her"];

/// Normalises and hashes what is known of the person. What cannot be normalised is left out: a wrong hash matches nobody.
pub(super) fn identity(person: &Person, country: Option<&str>) -> Identity {
    let own_country = person.country.as_ref().and_then(|text| places::country(text.expose()));
    let country = own_country.or(country);
    let mut identity = Identity::default();
    let mut add = |key: &str, given: Option<&Personal>, normalise: &dyn Fn(&str) -> Option<String>| {
        if let Some(hash) = given.and_then(|personal| hashed(personal, normalise)) {
            identity.add(key, hash);
        }
    };
    for given in &person.emails {
        add("em", Some(given), &email);
    }
    for given in &person.phones {
        add("ph", Some(given), &|text| phone_digits(text, country));
    }
    for given in &person.external_ids {
        add("external_id", Some(given), &external_id);
    }
    add("fn", person.first_name.as_ref(), &letters);
    add("ln", person.last_name.as_ref(), &letters);
    add("db", person.date_of_birth.as_ref(), &date_of_birth);
    add("ge", person.gender.as_ref(), &gender);
    add("ct", person.city.as_ref(), &letters);
    add("st", person.state.as_ref(), &|text| state(text, country));
    add("zp", person.postal_code.as_ref(), &|text| postal_code(text, country));
    add("country", person.country.as_ref(), &|text| {
        places::country(text).map(str::to_ascii_lowercase)
    });
    identity
}

/// Hashes the normalised text. A hash stays a hash: bare in lower case, with the appendix of Meta's Parameter Builder
/// (`<64 hex>.AQQCAQMC`) unchanged. Only SHA-256 counts; Meta's own libraries also pass MD5, which matches nobody.
fn hashed(personal: &Personal, normalise: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let text = personal.expose().trim();
    if let Some(hash) = already_hashed(text) {
        return Some(hash);
    }
    if let Some((hash, appendix)) = text.split_once('.')
        && already_hashed(hash).is_some()
        && is_appendix(appendix)
    {
        return Some(text.to_owned());
    }
    normalise(text)
        .filter(|normalised| !normalised.is_empty())
        .map(|normalised| sha256_hex(&normalised))
}

/// Trimmed and in lower case; the local part may be Unicode, which Meta's Node library wrongly refuses.
fn email(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let (local, domain) = text.split_once('@')?;
    let has_domain = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
    let valid = !local.is_empty() && has_domain && !domain.contains('@') && !text.contains(char::is_whitespace);
    valid.then_some(text)
}

/// Digits with country code, by libphonenumber: unlike Meta's libraries it knows that the zero of `+44 (0)20` is not dialled. A country code is
/// never invented. `+00`, which those libraries read as `+`, is read so too.
fn phone_digits(text: &str, country: Option<&str>) -> Option<String> {
    let text = text
        .strip_prefix('+')
        .filter(|rest| rest.starts_with("00"))
        .unwrap_or(text);
    Some(phone::canonical(text, country)?.trim_start_matches('+').to_owned())
}

/// Lower case without white space. Meta only advises to hash it; the browser pixel's value must be the same, and its Parameter Builder
/// hashes by this rule.
fn external_id(text: &str) -> Option<String> {
    Some(text.to_lowercase().split_whitespace().collect())
}

/// Lower case without white space and ASCII punctuation, accents kept: Parameter Builder's rule for names and, as Meta's page has it
/// (`sãopaulo`, where the Builder drops the accent), for cities.
fn letters(text: &str) -> Option<String> {
    let is_kept = |c: &char| !c.is_whitespace() && !c.is_ascii_punctuation();
    Some(text.to_lowercase().chars().filter(is_kept).collect())
}

/// Only unambiguous forms, `YYYY-MM-DD` and `YYYYMMDD`: in `2/3/1997` nobody knows the month.
fn date_of_birth(text: &str) -> Option<String> {
    let is_compact = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let format = if is_compact { "%Y%m%d" } else { "%Y-%m-%d" };
    let date = NaiveDate::parse_from_str(text, format).ok()?;
    (1_800..2_200)
        .contains(&date.year())
        .then(|| date.format("%Y%m%d").to_string())
}

fn gender(text: &str) -> Option<String> {
    let word = text.to_lowercase();
    let word = word.trim_end_matches('.');
    let letter = if MALE.contains(&word) {
        "m"
    } else if FEMALE.contains(&word) {
        "f"
    } else {
        return None;
    };
    Some(letter.to_owned())
}

/// Two letters in the USA and Canada, elsewhere the whole name: Parameter Builder would cut `Bahia` to `ba`.
fn state(text: &str, country: Option<&str>) -> Option<String> {
    let name = letters(text)?;
    Some(places::state_letters(&name, country).map_or(name, str::to_owned))
}

/// Lower case, without blanks, up to the dash, in the USA five digits; a single character is no postal code.
fn postal_code(text: &str, country: Option<&str>) -> Option<String> {
    let code: String = text
        .to_lowercase()
        .split('-')
        .next()?
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let length = if country == Some("US") { 5 } else { usize::MAX };
    let code: String = code.chars().take(length).collect();
    (code.chars().count() >= 2).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key, what is given, country, hash: the table of hashes in Meta's forms, and vectors 2 to 5.
    const HASHES: &str = "\
em|John_Smith@gmail.com||62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f
em| John_Smith@GMAIL.com ||62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f
ph|(650)555-1212|US|e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176
ph|+1 (650) 555-1212||e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176
ph|+1 (616) 954-78 88||bb2fa2e6d2cea4746530c99686d0c7886ab2019875dca2d7e9e171c0e6ada00d
ph|+001 (616) 954-78 88||bb2fa2e6d2cea4746530c99686d0c7886ab2019875dca2d7e9e171c0e6ada00d
ph|+54 9 11 5555-1234||b0b7f4230a313dfa54a0f8a1dfa57d7be527ebcd12a4e60b5c56bf528eaa57f8
ph|0044 20 7946 0958||35e206e5dec4c89b9e8b71b8c32724a5bb518483ac5a20c6617d738375b3b823
ph|+44 (0)20 7946 0958||35e206e5dec4c89b9e8b71b8c32724a5bb518483ac5a20c6617d738375b3b823
fn|Mary||6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec
fn|Valéry||08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c
fn|정||8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14
fn| Mary Ann||16b3f07f0ec2f9dd127b71dc2e6c791b7d93116a1c3bc99d057eaa7a8a077e73
ln|O'Brien ||b4cb6cb33fe4b865868de825023a1e2790dc12ac01ecc8d7c5afe8254071c8ba
ln|García-López||ad1e862a35683ea9f2ec848c253db99ebe974aa2bc945216c32d8626d08a2526
db|1997-02-16||01acdbf6ec7b4f478a225f1a246e5d6767eeab1a7ffa17f025265b5b94f40f0c
db|19970216||01acdbf6ec7b4f478a225f1a246e5d6767eeab1a7ffa17f025265b5b94f40f0c
ge|Male||62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a
ge|Female||252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111
ct|San Francisco||1a6bd4d9d79dc0a79b53795c70d3349fa9e38968a3fbefbfe8783efb1d2b6aac
ct|São Paulo||3eda1428ae1aece064071f8d40f08fe2bc59ffa66c171a163caf15122ec4d7f0
st|California|US|6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126
st|CA||6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126
st| C.A. ||6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126
zp|94035-1234|US|1794327a4d443904421f5ca1f3d72d0a62ba2f0770d80755ec2220fc0efb052e
zp|940351234|US|1794327a4d443904421f5ca1f3d72d0a62ba2f0770d80755ec2220fc0efb052e
zp|M1 1AE|GB|1dc694c2070e697769fb959b50671d76cafd430d8ca191fbdd0affcaea344ac5
country|US||79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621
country|AR||ab5b62081b1d305e78d0daadb2cd23470b3faeb65af7370627798b7219ea2061
country|UK||0b407281768f0e833afef47ed464b6571d01ca4d53c12ce5c51d1462f4ad6677
external_id| User-42||6d894aa3ee802549d7f340e7c1cf0d1c1cb14cd84f768d92ffaa6785337c4997";

    /// The hashes under `key` of a person of whom only this is known.
    fn hashes(key: &str, text: &str, country: Option<&str>) -> Vec<String> {
        let mut person = Person::default();
        let text = Personal::new(text);
        match key {
            "em" => person.emails.push(text),
            "ph" => person.phones.push(text),
            "external_id" => person.external_ids.push(text),
            "fn" => person.first_name = Some(text),
            "ln" => person.last_name = Some(text),
            "db" => person.date_of_birth = Some(text),
            "ge" => person.gender = Some(text),
            "ct" => person.city = Some(text),
            "st" => person.state = Some(text),
            "zp" => person.postal_code = Some(text),
            "country" => person.country = Some(text),
            _ => panic!("no key {key}"),
        }
        identity(&person, country).get(key).to_vec()
    }

    #[test]
    fn vectors_02_to_05_every_spelling_gives_the_hash_that_meta_has() {
        for line in HASHES.lines() {
            let [key, text, country, expected] = line.split('|').collect::<Vec<_>>()[..] else {
                panic!("four columns: {line}");
            };

            let country = (!country.is_empty()).then_some(country);
            assert_eq!(hashes(key, text, country), [expected], "{line}");
        }
    }

    #[test]
    fn vectors_02_and_05_what_cannot_be_normalised_leaves_its_key_out() {
        for (key, text) in [
            ("em", "not-an-email"),
            ("em", "a@b"),
            ("em", "@b.c"),
            ("em", "a@b."),
            ("em", "a b@c.d"),
            ("em", "a@b.c,d@e.f"),
            ("ph", "(650)555-1212"),
            ("ph", "call me"),
            ("fn", " - "),
            ("db", "2/16/1997"),
            ("db", "1997-02-30"),
            ("db", "0001-01-01"),
            ("ge", "unknown"),
            ("zp", "1"),
            ("zp", "-1234"),
            ("country", "Narnia"),
            ("external_id", "  "),
        ] {
            assert!(hashes(key, text, None).is_empty(), "{key} {text}");
        }
    }

    #[test]
    fn a_unicode_address_and_a_foreign_state_are_kept_whole() {
        assert_eq!(
            hashes("em", "Müller@example.de", None),
            [sha256_hex("müller@example.de")]
        );
        assert_eq!(hashes("st", "Bahia", Some("BR")), [sha256_hex("bahia")]);
    }

    #[test]
    fn the_persons_own_country_goes_before_the_clients() {
        let person = Person {
            country: Some(Personal::new("us")),
            phones: vec![Personal::new("(650)555-1212")],
            ..Person::default()
        };

        assert_eq!(identity(&person, Some("DE")).get("ph"), [sha256_hex("16505551212")]);
    }

    #[test]
    fn vectors_06_and_07_a_hash_is_never_hashed_again() {
        let hash = sha256_hex("john_smith@gmail.com");
        let appended = format!("{hash}.AQQCAQMC");
        for (key, given, expected) in [
            ("em", &hash.to_uppercase(), &hash),
            ("fn", &hash, &hash),
            ("em", &appended, &appended),
            ("ph", &appended, &appended),
        ] {
            assert_eq!(hashes(key, given, None), [expected.as_str()], "{key} {given}");
        }

        // MD5, and something that only looks like an appended hash.
        assert!(hashes("em", "d41d8cd98f00b204e9800998ecf8427e", None).is_empty());
        assert!(hashes("em", &format!("{appended}.x"), None).is_empty());
    }

    #[test]
    fn vector_30_a_repeated_value_is_sent_once() {
        let person = Person {
            external_ids: vec![Personal::new(" User-42"), Personal::new("user-42 ")],
            ..Person::default()
        };

        assert_eq!(identity(&person, None).get("external_id"), [sha256_hex("user-42")]);
    }
}
