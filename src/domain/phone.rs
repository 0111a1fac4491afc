//! Phone numbers in canonical form, by libphonenumber's rules.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, enums::Region};

/// Gives the number in E.164 with its leading `+`, or nothing if it cannot be one.
///
/// `country` (ISO 3166 alpha-2, upper case) is used for numbers without a country code; without it such a number gives
/// nothing: a country code is never guessed. A leading `00` counts as `+`, as people write it, where the result is valid.
pub fn canonical(number: &str, country: Option<&str>) -> Option<String> {
    let trimmed = number.trim();
    let region = country.and_then(|code| code.parse::<Region>().ok());
    if let Some(digits) = trimmed.strip_prefix("00")
        && let Ok(parsed) = PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None)
        && parsed.is_valid()
    {
        return Some(parsed.format_as(PhoneNumberFormat::E164).into_owned());
    }
    let parsed = PHONE_NUMBER_UTIL.parse(trimmed, region).ok()?;
    PHONE_NUMBER_UTIL
        .is_possible_number(&parsed)
        .then(|| parsed.format_as(PhoneNumberFormat::E164).into_owned())
}

/// Gives one form for all numbers by which the same telephone is known, for comparing and for nothing else: what is sent or dialled is
/// [`canonical`].
///
/// Brazil put a 9 before its mobile numbers, and Mexico dropped a 1; WhatsApp still knows people by the number that they registered with.
pub fn matching(number: &str, country: Option<&str>) -> Option<String> {
    let number = canonical(number, country).or_else(|| former_mexican(number))?;
    if let Some(national) = number.strip_prefix("+55")
        && national.len() == 10
        && matches!(national.as_bytes()[2], b'6'..=b'9')
    {
        let (area, subscriber) = national.split_at(2);
        return Some(format!("+55{area}9{subscriber}"));
    }
    Some(number)
}

/// A Mexican mobile number of before 2019, with the 1 that libphonenumber does not know any more.
fn former_mexican(number: &str) -> Option<String> {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let national = digits.strip_prefix("521").filter(|national| national.len() == 10)?;
    canonical(&format!("+52{national}"), None).filter(|_| number.trim().starts_with('+'))
}

/// Says whether a text is a country (ISO 3166 alpha-2, upper case) whose phone numbers are known.
pub fn is_country(code: &str) -> bool {
    code.parse::<Region>()
        .is_ok_and(|region| PHONE_NUMBER_UTIL.get_supported_regions().any(|known| known == region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(serde::Deserialize)]
    struct Vector {
        form: String,
        input: String,
        default_region: Option<String>,
        libphonenumber: Parsed,
        canonical_e164: String,
    }

    #[derive(serde::Deserialize)]
    struct Parsed {
        e164: Option<String>,
    }

    #[test]
    fn every_spelling_gives_what_libphonenumber_makes_of_it_and_00_counts_as_plus() {
        let file = include_str!("../../tests/fixtures/phone_e164.json");
        let vectors: Vectors = serde_json::from_str(file).unwrap();

        let wrong: Vec<String> = vectors
            .vectors
            .iter()
            .filter_map(|vector| {
                let expected = match vector.form.as_str() {
                    "00prefix" => Some(&vector.canonical_e164),
                    _ => vector.libphonenumber.e164.as_ref(),
                };
                let given = canonical(&vector.input, vector.default_region.as_deref());
                (given.as_ref() != expected).then(|| format!("{} -> {given:?}", vector.input))
            })
            .collect();

        assert_eq!(vectors.vectors.len(), 1_200);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_country_code_is_never_guessed() {
        assert_eq!(canonical("(650) 555-1212", None), None);
        assert_eq!(canonical("2133734253", None), None);
        assert_eq!(canonical("(650) 555-1212", Some("US")).as_deref(), Some("+16505551212"));
    }

    #[test]
    fn one_telephone_is_found_by_its_old_and_its_new_number() {
        for (old, new) in [
            ("+55 11 8765-4321", "+55 11 98765-4321"),
            ("551187654321", "+5511987654321"),
            ("+52 1 55 1234 5678", "+52 55 1234 5678"),
        ] {
            let old = old
                .strip_prefix("55")
                .map_or(old.to_owned(), |rest| format!("+55{rest}"));
            assert_eq!(matching(&old, None), matching(new, None), "{old}");
        }
        // A landline of Brazil has eight digits and always had.
        assert_eq!(matching("+55 11 3071-2345", None).as_deref(), Some("+551130712345"));
        assert_eq!(
            matching("(11) 8765-4321", Some("BR")).as_deref(),
            Some("+5511987654321")
        );
        assert_eq!(canonical("+55 11 8765-4321", None).as_deref(), Some("+551187654321"));
    }

    #[test]
    fn what_is_no_number_gives_nothing() {
        for text in ["", "   ", "call me", "+", "12", "+1", &"9".repeat(10_000)] {
            assert_eq!(canonical(text, Some("US")), None, "{}", text.len());
        }
    }
}
