//! Whom to forget: one identity, hashed at once, and whether a message is about its bearer.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    domain::{
        ClientId, Platform, json,
        person::{Person as PlainPerson, Personal},
        search_key::{IdentityKind, SearchKeys},
    },
    platform::adapter,
    store::forgetting::Person,
};

/// The characters of which phone numbers are written.
const PHONE_CHARACTERS: &str = "+-./() \u{a0}0123456789";
/// A number with fewer digits is nobody's alone.
const PHONE_DIGITS_MIN: usize = 7;
/// Fields that never hold a client's own ID of a person, although the same number may stand in them.
const NEVER_AN_ID_OF_A_PERSON: [&str; 18] = [
    "account",
    "client",
    "client_id",
    "contents",
    "currency",
    "deadline",
    "destination",
    "event_id",
    "event_name",
    "event_time",
    "first_seen",
    "order_id",
    "price",
    "quantity",
    "time",
    "timestamp",
    "v",
    "value",
];

/// Whom to forget. The value itself is known in here alone.
pub(in crate::roles::console) struct Subject<'a> {
    /// The same for the ledger.
    pub(in crate::roles::console) person: Person,
    kind: IdentityKind,
    /// As it was given, in small letters where these count as the same.
    value: Personal,
    country: Option<String>,
    /// As platforms hash it.
    hashes: BTreeSet<String>,
    keys: &'a SearchKeys,
}

impl<'a> Subject<'a> {
    /// Hashes an identity; `None` if it can be none of its kind. `country` is the client's.
    pub(super) fn new(
        client: ClientId,
        kind: IdentityKind,
        value: &Personal,
        keys: &'a SearchKeys,
        country: Option<String>,
    ) -> Option<Self> {
        let text = value.expose().trim();
        let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if kind == IdentityKind::Email && !text.contains('@') && !is_hash {
            return None;
        }
        let mut identities = keys.search(kind, text, country.as_deref());
        if identities.is_empty() {
            return None;
        }
        let hashes = hashes(kind, value, country.as_deref());
        // Those that came hashed already.
        for hash in &hashes {
            identities.extend(keys.search(kind, hash, None));
        }
        identities.sort_unstable();
        identities.dedup();
        let value = match kind {
            IdentityKind::WhatsappUser => text.to_owned(),
            _ => text.to_lowercase(),
        };
        Some(Self {
            person: Person { client, identities },
            kind,
            value: Personal::new(value),
            country,
            hashes,
            keys,
        })
    }

    /// Says whether a message is about the person: a text, number or name at any depth of its JSON, or a part of a text, is their identity in one
    /// of its spellings.
    pub(in crate::roles::console) fn is_in(&self, body: &[u8]) -> bool {
        match json::read::<Value>(body) {
            Ok(value) => self.in_value(&value),
            Err(_) => self.in_text(&String::from_utf8_lossy(body)),
        }
    }

    fn in_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.is(text) || self.in_text(text),
            Value::Number(number) => self.is(&number.to_string()),
            Value::Array(items) => items.iter().any(|item| self.in_value(item)),
            Value::Object(fields) => fields.iter().any(|(name, value)| {
                let may_be_them =
                    self.kind != IdentityKind::ExternalId || !NEVER_AN_ID_OF_A_PERSON.contains(&name.as_str());
                may_be_them && (self.is(name) || self.in_text(name) || self.in_value(value))
            }),
            Value::Null | Value::Bool(_) => false,
        }
    }

    /// Whether a whole text is the identity.
    fn is(&self, text: &str) -> bool {
        let text = text.trim();
        if self.hashes.contains(&text.to_ascii_lowercase()) {
            return true;
        }
        match self.kind {
            // WhatsApp writes numbers with their country code and without a plus.
            IdentityKind::Phone => self.has_digest(text) || self.has_digest(&format!("+{text}")),
            IdentityKind::Email if !text.contains('@') && text.len() != 64 => false,
            _ => self.has_digest(text),
        }
    }

    fn has_digest(&self, text: &str) -> bool {
        let digests = self.keys.search(self.kind, text, self.country.as_deref());
        digests.iter().any(|digest| self.person.identities.contains(digest))
    }

    /// Whether a part of a text is the identity, also where the text is escaped as in a URL.
    fn in_text(&self, text: &str) -> bool {
        let mut text = text.to_owned();
        loop {
            if self.in_plain(&text) {
                return true;
            }
            let once_less = unescaped(&text);
            if once_less == text {
                return false;
            }
            text = once_less;
        }
    }

    fn in_plain(&self, text: &str) -> bool {
        let words = || {
            text.split(|c: char| c.is_whitespace() || "<>()[]{},;:\"'`\\=&?#/|!".contains(c))
                .map(|word| word.trim_matches('.'))
                .filter(|word| !word.is_empty())
        };
        match self.kind {
            IdentityKind::Email => words().any(|word| self.is(word)),
            IdentityKind::Phone => self.in_digits(text) || words().any(|word| self.hashes.contains(word)),
            IdentityKind::ExternalId => {
                self.stands_alone_in(&text.to_lowercase()) || words().any(|word| self.hashes.contains(word))
            }
            IdentityKind::WhatsappUser => self.stands_alone_in(text),
        }
    }

    fn in_digits(&self, text: &str) -> bool {
        let has_digits = |run: &&str| run.bytes().filter(u8::is_ascii_digit).count() >= PHONE_DIGITS_MIN;
        text.split(|c: char| !PHONE_CHARACTERS.contains(c))
            .filter(has_digits)
            .any(|run| self.is(run) || run.split_whitespace().filter(has_digits).any(|number| self.is(number)))
    }

    /// Whether the value stands in a text with nothing around it that would make it another's.
    fn stands_alone_in(&self, text: &str) -> bool {
        let value = self.value.expose();
        let is_more = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        text.match_indices(value).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + value.len()..].chars().next();
            !before.is_some_and(is_more) && !after.is_some_and(is_more)
        })
    }
}

/// An identity as each platform hashes it.
fn hashes(kind: IdentityKind, value: &Personal, country: Option<&str>) -> BTreeSet<String> {
    let mut person = PlainPerson::default();
    match kind {
        IdentityKind::Email => person.emails.push(value.clone()),
        IdentityKind::Phone => person.phones.push(value.clone()),
        IdentityKind::ExternalId => person.external_ids.push(value.clone()),
        IdentityKind::WhatsappUser => return BTreeSet::new(),
    }
    let mut hashes = BTreeSet::new();
    for platform in Platform::ALL {
        let identity = adapter(platform).identity(&person, country);
        let values = identity.iter().flat_map(|(_, values)| values);
        hashes.extend(values.filter(|value| value.len() == 64).cloned());
    }
    hashes
}

/// A text with `%40` and the like as the characters that they stand for.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests;
