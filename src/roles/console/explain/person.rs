//! What was normalised to what: each thing that is known of the person, masked, and what of it goes out to one platform.

use super::{body::hidden, verdict::Given};
use crate::{
    domain::{
        Platform,
        hash::{Identity, already_hashed, sha256_hex},
        person::{Person, Personal},
        phone,
    },
    platform::adapter,
    roles::console::mask,
};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Email,
    Phone,
    ExternalId,
    FirstName,
    LastName,
    DateOfBirth,
    Gender,
    City,
    State,
    PostalCode,
    Country,
}

/// One value on its way to one platform; all but hashes are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Normalised {
    /// Such as `e-mail`.
    pub(super) name: &'static str,
    /// As it was given.
    pub(super) given: String,
    /// As it was read; blank if the given value says it already.
    pub(super) read_as: String,
    /// What goes out.
    pub(super) goes_out_as: String,
}

/// What goes to a platform.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) platform: Platform,
    /// The person in the platform's form; the request may hold less of it.
    pub(super) identity: &'a Identity,
    /// The request's body.
    pub(super) body: &'a str,
}

/// What becomes of the person at a platform, as far as it has a place for it.
pub(super) fn normalised(given: &Given, outgoing: Outgoing<'_>) -> Vec<Normalised> {
    let Outgoing { platform, identity, .. } = outgoing;
    let mut rows = Vec::new();
    for (field, value) in values(&given.person) {
        let Some(key) = field.key(platform) else { continue };
        let sent = match field {
            Field::Email | Field::Phone | Field::ExternalId => {
                of_one(field, value, given, platform).first(key).map(str::to_owned)
            }
            _ => identity.first(key).map(str::to_owned),
        };
        // Of several, the platform may take fewer.
        let sent = sent.filter(|sent| identity.get(key).contains(sent) && outgoing.holds(field, sent));
        rows.push(row(field, value, sent.as_deref(), given, platform));
    }
    rows
}

/// What goes out of a person of whom only hashes are kept.
pub(super) fn kept(outgoing: Outgoing<'_>) -> Vec<Normalised> {
    let mut rows = Vec::new();
    for field in Field::ALL {
        let key = field.key(outgoing.platform);
        let values = key.map_or(&[][..], |key| outgoing.identity.get(key)).iter();
        rows.extend(
            values
                .filter(|value| outgoing.holds(field, value))
                .map(|value| Normalised {
                    name: field.name(),
                    given: "(not kept)".to_owned(),
                    read_as: String::new(),
                    goes_out_as: outward(field, value),
                }),
        );
    }
    rows
}

impl Outgoing<'_> {
    /// Says whether the request holds a value: a hash is found by itself, what goes out plain by its key.
    fn holds(&self, field: Field, sent: &str) -> bool {
        match (self.platform, field) {
            _ if hash_of(sent).is_some() => self.body.contains(sent),
            // At Google the country may be known and go out only with the rest of the address.
            (Platform::Google, Field::Country | Field::PostalCode) => self.body.contains("\"postalCode\""),
            _ => true,
        }
    }
}

/// The hash that a value is, perhaps with the appendix of Meta's own library.
fn hash_of(sent: &str) -> Option<String> {
    already_hashed(sent.split_once('.').map_or(sent, |(hash, _)| hash))
}

fn row(field: Field, value: &Personal, sent: Option<&str>, given: &Given, platform: Platform) -> Normalised {
    let text = value.expose().trim();
    let is_hash = already_hashed(text).is_some();
    let read_as = sent.filter(|_| !is_hash).and_then(|sent| {
        candidates(field, text, given)
            .into_iter()
            .find(|form| is_form(form, sent))
    });
    Normalised {
        name: field.name(),
        given: if is_hash {
            "a hash".to_owned()
        } else {
            masked(field, text)
        },
        read_as: read_as.map(|form| masked(field, &form)).unwrap_or_default(),
        goes_out_as: match sent {
            Some(sent) => outward(field, sent),
            None => field.left_out(platform).to_owned(),
        },
    }
}

fn is_form(form: &str, sent: &str) -> bool {
    form == sent || sha256_hex(form) == sent
}

/// A hash in full, anything else masked.
fn outward(field: Field, sent: &str) -> String {
    if hash_of(sent).is_some() {
        sent.to_owned()
    } else {
        format!("{} (plain, as the platform demands)", masked(field, sent))
    }
}

/// A value by its kind; a short one shows nothing of itself.
fn masked(field: Field, text: &str) -> String {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    match field {
        Field::Email if text.contains('@') => mask::text(text),
        Field::Phone if digits >= 9 => mask::text(text),
        Field::DateOfBirth | Field::Gender | Field::Country => "***".to_owned(),
        _ => hidden(text),
    }
}

/// The identity of a person of whom this value alone is known.
fn of_one(field: Field, value: &Personal, given: &Given, platform: Platform) -> Identity {
    let mut person = Person {
        country: given.person.country.clone(),
        ..Person::default()
    };
    match field {
        Field::Email => person.emails.push(value.clone()),
        Field::Phone => person.phones.push(value.clone()),
        _ => person.external_ids.push(value.clone()),
    }
    adapter(platform).identity(&person, given.country.as_deref())
}

/// The forms in which a platform may have hashed a value. Which it was, the hash tells.
fn candidates(field: Field, text: &str, given: &Given) -> Vec<String> {
    let lower = text.to_lowercase();
    match field {
        Field::Email => {
            let gmail = lower.split_once('@').map(|(local, domain)| {
                let local = local.split('+').next().unwrap_or_default().replace('.', "");
                format!("{local}@{domain}")
            });
            [Some(lower), gmail].into_iter().flatten().collect()
        }
        Field::Phone => {
            let international = phone::canonical(text, given.country.as_deref());
            let bare = international
                .as_ref()
                .map(|number| number.trim_start_matches('+').to_owned());
            international.into_iter().chain(bare).collect()
        }
        _ => {
            let letters = |c: &char| !c.is_whitespace() && !c.is_ascii_punctuation();
            let bare = lower.chars().filter(letters).collect();
            vec![text.to_owned(), lower, bare, text.to_uppercase()]
        }
    }
}

fn values(person: &Person) -> Vec<(Field, &Personal)> {
    let several = [
        (Field::Email, &person.emails),
        (Field::Phone, &person.phones),
        (Field::ExternalId, &person.external_ids),
    ];
    let single = [
        (Field::FirstName, &person.first_name),
        (Field::LastName, &person.last_name),
        (Field::DateOfBirth, &person.date_of_birth),
        (Field::Gender, &person.gender),
        (Field::City, &person.city),
        (Field::State, &person.state),
        (Field::PostalCode, &person.postal_code),
        (Field::Country, &person.country),
    ];
    let several = several
        .into_iter()
        .flat_map(|(field, values)| values.iter().map(move |value| (field, value)));
    let single = single
        .into_iter()
        .filter_map(|(field, value)| Some((field, value.as_ref()?)));
    several.chain(single).collect()
}

impl Field {
    const ALL: [Field; 11] = [
        Field::Email,
        Field::Phone,
        Field::ExternalId,
        Field::FirstName,
        Field::LastName,
        Field::DateOfBirth,
        Field::Gender,
        Field::City,
        Field::State,
        Field::PostalCode,
        Field::Country,
    ];

    const fn name(self) -> &'static str {
        match self {
            Field::Email => "e-mail",
            Field::Phone => "phone",
            Field::ExternalId => "external ID",
            Field::FirstName => "first name",
            Field::LastName => "last name",
            Field::DateOfBirth => "date of birth",
            Field::Gender => "gender",
            Field::City => "city",
            Field::State => "state",
            Field::PostalCode => "postal code",
            Field::Country => "country",
        }
    }

    /// The key under which a platform has it; none if it has no place for it.
    const fn key(self, platform: Platform) -> Option<&'static str> {
        let [meta, google, tiktok] = match self {
            Field::Email => ["em", "email", "email"],
            Field::Phone => ["ph", "phone", "phone"],
            Field::ExternalId => ["external_id", "", "external_id"],
            Field::FirstName => ["fn", "given_name", "first_name"],
            Field::LastName => ["ln", "family_name", "last_name"],
            Field::DateOfBirth => ["db", "", ""],
            Field::Gender => ["ge", "", ""],
            Field::City => ["ct", "", "city"],
            Field::State => ["st", "", "state"],
            Field::PostalCode => ["zp", "postal_code", "zip_code"],
            Field::Country => ["country", "region_code", "country"],
        };
        let key = match platform {
            Platform::Meta => meta,
            Platform::Google => google,
            Platform::Tiktok => tiktok,
        };
        if key.is_empty() { None } else { Some(key) }
    }

    /// Why a value does not go out.
    const fn left_out(self, platform: Platform) -> &'static str {
        match (self, platform) {
            (Field::FirstName | Field::LastName | Field::PostalCode | Field::Country, Platform::Google) => {
                "left out: Google takes an address whole or not at all"
            }
            (Field::Phone, _) => "left out: no phone number of a known country",
            (Field::Email, _) => "left out: not an e-mail address",
            _ => "left out: not in a form that the platform can use",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(person: Person, platform: Platform) -> Vec<String> {
        let given = Given {
            person,
            country: Some("DE".to_owned()),
        };
        let identity = adapter(platform).identity(&given.person, Some("DE"));
        let request: Vec<&[String]> = identity.iter().map(|(_, values)| values).collect();
        let body = serde_json::to_string(&request).unwrap();
        let outgoing = Outgoing {
            platform,
            identity: &identity,
            body: &body,
        };
        let rows = normalised(&given, outgoing);
        rows.into_iter()
            .map(|row| format!("{} | {} | {} | {}", row.name, row.given, row.read_as, row.goes_out_as))
            .collect()
    }

    fn jane() -> Person {
        Person {
            emails: vec![
                Personal::new(" Jane.Doe@GMail.com"),
                Personal::new("nobody"),
                Personal::new(sha256_hex("x@y.z")),
            ],
            phones: vec![Personal::new("0171 39200 12"), Personal::new("call me")],
            external_ids: vec![Personal::new("User-42")],
            first_name: Some(Personal::new("Jane")),
            date_of_birth: Some(Personal::new("1980-02-03")),
            gender: Some(Personal::new("f")),
            city: Some(Personal::new("Köln")),
            country: Some(Personal::new("DE")),
            ..Person::default()
        }
    }

    #[test]
    fn every_value_is_masked_and_its_hash_is_whole() {
        insta::assert_snapshot!(rows(jane(), Platform::Meta).join("\n"), @r"
        e-mail | J***@G***.com | j***@g***.com | 831f6494ad6be4fcb3a724c3d5fef22d3ceffa3c62ef3a7984e45a0ea177f982
        e-mail | n*** |  | left out: not an e-mail address
        e-mail | a hash |  | b8e30d1addc62fa00ee5c1c6d01b5e006963c1b178e6b35458daf6c44875468d
        phone | 017***12 | 491***12 | 31855eb9e14ed636379cb23278117407757b2308e6994443d884ad216128d5b5
        phone | c*** |  | left out: no phone number of a known country
        external ID | U*** | u*** | 6d894aa3ee802549d7f340e7c1cf0d1c1cb14cd84f768d92ffaa6785337c4997
        first name | J*** | j*** | 81f8f6dde88365f3928796ec7aa53f72820b06db8664f5fe76a7eb13e24546a2
        date of birth | *** | *** | 85fce207b2b513f0f4019287af7463531193351c0c3ed19cb3297c0c95326e0e
        gender | *** | *** | 252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111
        city | K*** | k*** | 72903358b624f52cbea526d61506f68b2943ff6da81d9c94b931ffac00703c29
        country | *** | *** | 959a45d44e6fcf58361ed004681556fe50129f2109e817dec098c00c9e5d2578
        ");
    }

    #[test]
    fn every_platform_has_its_own_forms_and_says_what_it_leaves_out() {
        let google = rows(jane(), Platform::Google);
        let tiktok = rows(jane(), Platform::Tiktok);

        // Gmail's dots count for nothing at Google.
        let hash = sha256_hex("janedoe@gmail.com");
        assert_eq!(google[0], format!("e-mail | J***@G***.com | j***@g***.com | {hash}"));
        for name in ["first name | J***", "country | ***"] {
            let row = format!("{name} |  | left out: Google takes an address whole or not at all");
            assert!(google.contains(&row), "{google:#?}");
        }
        let city = "city | K*** | k*** | k*** (plain, as the platform demands)".to_owned();
        assert!(tiktok.contains(&city), "{tiktok:#?}");
    }

    #[test]
    fn nothing_of_the_person_stands_in_the_clear() {
        for platform in Platform::ALL {
            let text = rows(jane(), platform).join("\n");
            for secret in [
                "Jane", "jane", "Doe", "doe", "39200", "User", "1980", "Köln", "köln", " DE", " f ",
            ] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
    }

    #[test]
    fn of_an_event_of_the_ledger_only_what_goes_out_is_known() {
        let identity = adapter(Platform::Tiktok).identity(&jane(), Some("DE"));

        let rows = kept(Outgoing {
            platform: Platform::Tiktok,
            identity: &identity,
            body: "",
        });

        assert!(
            rows.iter()
                .any(|row| row.name == "city" && row.goes_out_as.starts_with("k***"))
        );
        assert!(rows.iter().all(|row| row.given == "(not kept)"));
    }
}
