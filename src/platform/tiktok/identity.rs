//! Identity: the person in TikTok's form, its `user` object. Hashed: email, phone, external_id, first_name, last_name, zip_code; plain:
//! city, state, country. <https://github.com/tiktok/tiktok-business-api-sdk>, `js_sdk/docs/PixelContextUser.md`
//!
//! TikTok has no place for a date of birth or a gender.

use crate::domain::{
    hash::{Identity, already_hashed, sha256_hex},
    person::{Person, Personal},
    phone,
};

/// The person under TikTok's key names; what cannot be normalised is left out, and so is what is empty: the hash of nothing matches nobody.
pub(super) fn identity(person: &Person, country: Option<&str>) -> Identity {
    let mut identity = Identity::default();
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            identity.add(key, value);
        }
    };
    for address in &person.emails {
        add("email", email(address));
    }
    for number in &person.phones {
        add("phone", phone_number(number, country));
    }
    for id in &person.external_ids {
        add("external_id", external_id(id));
    }
    add("first_name", person.first_name.as_ref().and_then(name));
    add("last_name", person.last_name.as_ref().and_then(name));
    add("zip_code", person.postal_code.as_ref().and_then(zip_code));
    add("city", person.city.as_ref().and_then(place));
    add("state", person.state.as_ref().and_then(place));
    add("country", person.country.as_ref().and_then(country_code));
    identity
}

fn email(address: &Personal) -> Option<String> {
    let address = address.expose().trim();
    if let Some(hash) = already_hashed(address) {
        return Some(hash);
    }
    let (local, domain) = address.split_once('@')?;
    (!local.is_empty() && !domain.is_empty()).then(|| sha256_hex(&address.to_lowercase()))
}

/// TikTok hashes E.164 with its plus sign. A number that came as a hash is left out: most feeds are made for Meta, which hashes it without the
/// plus, such a hash matches nobody at TikTok, and nothing in the event tells the two apart.
fn phone_number(number: &Personal, country: Option<&str>) -> Option<String> {
    let number = number.expose().trim();
    if already_hashed(number).is_some() {
        return None;
    }
    phone::canonical(number, country).map(|e164| sha256_hex(&e164))
}

/// Its case is kept, as TikTok's own server tag does: with other letters it would not match what the browser's pixel hashed.
/// <https://github.com/tiktok/gtm-template-eapi>
fn external_id(id: &Personal) -> Option<String> {
    hashed(id.expose().trim(), str::to_owned)
}

fn name(name: &Personal) -> Option<String> {
    hashed(name.expose().trim(), |name| {
        let name: String = name.to_lowercase().chars().filter(|c| !is_punctuation(*c)).collect();
        name.trim().to_owned()
    })
}

fn zip_code(code: &Personal) -> Option<String> {
    hashed(code.expose().trim(), |code| {
        let is_separator = |c: char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}');
        code.to_lowercase().chars().filter(|c| !is_separator(*c)).collect()
    })
}

/// A city or a state: plain, lower case, without blanks and punctuation; letters of any script stay. One that came as a hash (Meta's feeds
/// hash them) is of no use here.
fn place(place: &Personal) -> Option<String> {
    let place = place.expose().trim();
    if already_hashed(place).is_some() {
        return None;
    }
    let place: String = place
        .to_lowercase()
        .chars()
        .filter(|c| !c.is_whitespace() && !is_punctuation(*c))
        .collect();
    (!place.is_empty()).then_some(place)
}

/// Two letters, plain; a country's name or a hash is left out.
fn country_code(country: &Personal) -> Option<String> {
    let country = country.expose().trim();
    (country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic())).then(|| country.to_ascii_lowercase())
}

/// The hash of the text in its normal form, or the text itself if it is a hash already.
fn hashed(text: &str, normalise: impl Fn(&str) -> String) -> Option<String> {
    already_hashed(text).or_else(|| {
        let normal = normalise(text);
        (!normal.is_empty()).then(|| sha256_hex(&normal))
    })
}

/// Punctuation of ASCII, Latin-1, Unicode's general block and CJK. Not "all but letters and digits": the vowel signs of many scripts are neither.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(
            c,
            '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b4}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
                | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALICE: &str = "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f";
    const PHONE: &str = "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd";

    fn personal(text: &str) -> Option<Personal> {
        Some(Personal::new(text))
    }

    fn emails(texts: &[&str]) -> Identity {
        let emails = texts.iter().map(|text| Personal::new(*text)).collect();
        identity(
            &Person {
                emails,
                ..Person::default()
            },
            None,
        )
    }

    fn phones(texts: &[&str], country: Option<&str>) -> Identity {
        let phones = texts.iter().map(|text| Personal::new(*text)).collect();
        identity(
            &Person {
                phones,
                ..Person::default()
            },
            country,
        )
    }

    fn external_ids(text: &str) -> Identity {
        identity(
            &Person {
                external_ids: vec![Personal::new(text)],
                ..Person::default()
            },
            None,
        )
    }

    #[test]
    fn emails_are_trimmed_and_lower_cased_v1_v2() {
        let cases = [
            (
                " Jane.Doe@Example.com ",
                "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d",
            ),
            (" ALICE_abc@gmail.com ", ALICE),
            (
                "test@TEST.com\n",
                "f660ab912ec121d1b1e928a0bb4bc61b15f5ad44d5efdc4e1c92a25e99b8e44a",
            ),
        ];
        for (raw, hash) in cases {
            assert_eq!(emails(&[raw]).get("email"), [hash]);
        }
    }

    #[test]
    fn phones_are_e164_with_their_plus_v3() {
        let cases = [
            ("(+1)2133734253", PHONE),
            (
                "+44 20 7946 0958",
                "f0bf0228144d9fe2bdf1da2d8ca698f17bf1410ee688b075c27062e47b6f0b6d",
            ),
            (
                "+1555-555-5555",
                "910a625c4ba147b544e6bd2f267e130ae14c591b6ba9c25cb8573322dedbebd0",
            ),
        ];
        for (raw, hash) in cases {
            assert_eq!(phones(&[raw], None).get("phone"), [hash], "{raw}");
        }
        assert_eq!(phones(&["2133734253"], Some("US")).get("phone"), [PHONE]);
    }

    #[test]
    fn a_phone_without_a_country_is_left_out_v4() {
        assert!(phones(&["2133734253"], None).is_empty());
    }

    #[test]
    fn a_phone_that_came_hashed_is_left_out_v5() {
        let without_plus = "1f81adb30e11317806be982cc82769fbf8627833a89dd87cb24d282f71828830";

        assert!(phones(&[without_plus, PHONE], Some("US")).is_empty());
    }

    #[test]
    fn external_ids_keep_their_case_v6() {
        let cases = [
            (
                " UserABC",
                "cf1c946b7e2c680eae1b76b911030ab8fa12f296c19b906e1896d7f88351c46e",
            ),
            (
                "user_123",
                "80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b",
            ),
        ];
        for (raw, hash) in cases {
            assert_eq!(external_ids(raw).get("external_id"), [hash]);
        }
    }

    #[test]
    fn what_came_hashed_is_not_hashed_twice_v7() {
        let upper = ALICE.to_uppercase();
        let person = Person {
            first_name: personal(&upper),
            postal_code: personal(&upper),
            ..Person::default()
        };

        assert_eq!(emails(&[&upper]).get("email"), [ALICE]);
        assert_eq!(external_ids(&upper).get("external_id"), [ALICE]);
        assert_eq!(identity(&person, None).get("first_name"), [ALICE]);
        assert_eq!(identity(&person, None).get("zip_code"), [ALICE]);
    }

    #[test]
    fn names_and_postal_codes_are_hashed_and_places_are_plain_v8() {
        let person = Person {
            first_name: personal("Jane"),
            last_name: personal(" O\u{2019}Neill-Grün "),
            postal_code: personal("M5V 3L9"),
            city: personal("New York"),
            state: personal("N.Y."),
            country: personal("US"),
            ..Person::default()
        };

        let identity = identity(&person, None);

        assert_eq!(
            identity.get("first_name"),
            ["81f8f6dde88365f3928796ec7aa53f72820b06db8664f5fe76a7eb13e24546a2"]
        );
        assert_eq!(identity.get("last_name"), [sha256_hex("oneillgrün")]);
        assert_eq!(
            identity.get("zip_code"),
            ["5c850751d57c5d887fe7807d3da801efe7e8faa1f105ea36cdcd913dd32a41c7"]
        );
        assert_eq!(identity.get("city"), ["newyork"]);
        assert_eq!(identity.get("state"), ["ny"]);
        assert_eq!(identity.get("country"), ["us"]);
    }

    #[test]
    fn postal_codes_of_digits_keep_them() {
        let person = Person {
            postal_code: personal("95110"),
            ..Person::default()
        };

        assert_eq!(
            identity(&person, None).get("zip_code"),
            ["383f7fffd99f3b1c3066086bcf991eae7ad543589d12bd792ecb6dc8b5acebc1"]
        );
    }

    #[test]
    fn letters_of_any_script_stay() {
        let person = Person {
            city: personal("दिल्ली, भारत"),
            first_name: personal("अश्विन"),
            ..Person::default()
        };

        assert_eq!(identity(&person, None).get("city"), ["दिल्लीभारत"]);
        assert_eq!(identity(&person, None).get("first_name"), [sha256_hex("अश्विन")]);
    }

    #[test]
    fn what_is_blank_or_of_no_use_is_left_out_v9() {
        let hash = Personal::new(ALICE);
        let person = Person {
            emails: vec![
                Personal::new(""),
                Personal::new(" "),
                Personal::new("nobody"),
                Personal::new("@"),
            ],
            phones: vec![Personal::new("   "), Personal::new("n/a")],
            external_ids: vec![Personal::new(" ")],
            first_name: personal("  "),
            last_name: personal("-"),
            city: Some(hash.clone()),
            state: Some(hash.clone()),
            postal_code: personal(" - "),
            country: Some(hash),
            ..Person::default()
        };

        assert!(identity(&person, Some("US")).is_empty());
    }

    #[test]
    fn several_values_stay_several() {
        let identity = emails(&["a@b.c", " A@B.C", "d@e.f"]);

        assert_eq!(identity.get("email"), [sha256_hex("a@b.c"), sha256_hex("d@e.f")]);
    }

    #[test]
    fn tiktoks_worked_examples_hold() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/tiktok/tiktok_hash_vectors.json")).unwrap();
        for vector in fixture["vectors"].as_array().unwrap() {
            let (raw, hash) = (vector["raw"].as_str().unwrap(), vector["sha256"].as_str().unwrap());

            let identity = match raw {
                _ if raw.contains('@') => emails(&[raw]),
                _ if raw.contains('+') => phones(&[raw], None),
                _ => external_ids(raw),
            };

            assert_eq!(identity.iter().next().unwrap().1, [hash], "{raw}");
        }
    }

    proptest! {
        #[test]
        fn any_person_is_either_hashed_or_a_plain_place(texts in proptest::collection::vec("\\PC{0,40}", 9)) {
            let value = |index: usize| Some(Personal::new(texts[index].clone()));
            let person = Person {
                emails: value(0).into_iter().collect(), phones: value(1).into_iter().collect(),
                external_ids: value(2).into_iter().collect(), first_name: value(3), last_name: value(4), city: value(5),
                state: value(6), postal_code: value(7), country: value(8), ..Person::default()
            };

            for (key, values) in identity(&person, Some("DE")).iter() {
                let plain = matches!(key, "city" | "state" | "country");
                for value in values {
                    prop_assert!(plain || already_hashed(value).as_ref() == Some(value), "{key}");
                    prop_assert!(!value.is_empty());
                }
            }
        }
    }
}
