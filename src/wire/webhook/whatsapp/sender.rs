//! Who wrote a message: a phone number, WhatsApp's own ID of a user who shows none, or both.

use super::node::Node;
use crate::{
    domain::{
        Cause,
        person::{Person, Personal},
        phone,
    },
    wire::{event::Malformed, webhook::Reading},
};

/// Those that a webhook names beside its messages.
pub(super) struct Contacts(Vec<Contact>);

#[derive(Default)]
struct Contact {
    phone: Option<String>,
    user: Option<String>,
}

impl Contacts {
    pub fn read(value: &Node<'_>, reading: &mut Reading) -> Self {
        let mut contacts = Vec::new();
        for contact in value.items("contacts", reading) {
            contacts.push(Contact {
                phone: contact.text("wa_id", reading),
                user: contact.text("user_id", reading),
            });
        }
        Self(contacts)
    }

    /// The contact that a message's sender is: the one with the same phone or user ID, or the only one where nothing speaks against it.
    fn of(&self, sender: &Contact) -> Option<&Contact> {
        let is_same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        let found = self
            .0
            .iter()
            .find(|contact| is_same(&contact.phone, &sender.phone) || is_same(&contact.user, &sender.user));
        let differs = |one: &Option<String>, other: &Option<String>| one.is_some() && other.is_some() && one != other;
        found.or_else(|| match self.0.as_slice() {
            [only] => {
                Some(only).filter(|only| !differs(&only.phone, &sender.phone) && !differs(&only.user, &sender.user))
            }
            _ => None,
        })
    }
}

/// The longest ID of a user, in bytes.
const USER_BYTES_MAX: usize = 128;

/// The person who wrote a message, under every identity that the webhook tells. Without one by which clicks are found it is a fault.
pub(super) fn sender(message: &Node<'_>, contacts: &Contacts) -> Result<Person, Malformed> {
    let named = Contact {
        phone: message.checked_text("from")?,
        user: message.checked_text("from_user_id")?,
    };
    let contact = contacts.of(&named);
    let phone = named.phone.or_else(|| contact?.phone.clone());
    let mut users: Vec<String> = named.user.into_iter().collect();
    users.extend(contact.and_then(|contact| contact.user.clone()));
    users.dedup();
    let is_told = phone.is_some() || !users.is_empty();
    let person = Person {
        phones: phone.and_then(|phone| international(&phone)).into_iter().collect(),
        whatsapp_users: users
            .into_iter()
            .filter(|user| user.len() <= USER_BYTES_MAX)
            .map(Personal::new)
            .collect(),
        ..Person::default()
    };
    if person.phones.is_empty() && person.whatsapp_users.is_empty() {
        let cause = if is_told {
            Cause::InvalidField
        } else {
            Cause::MissingField
        };
        return Err(Malformed::new(cause, &message.path_of("from")));
    }
    Ok(person)
}

/// WhatsApp writes phone numbers with their country code and without the plus. One that cannot be one finds no click.
fn international(phone: &str) -> Option<Personal> {
    let digits = phone.strip_prefix('+').unwrap_or(phone);
    let is_number = (5..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| format!("+{digits}"))?;
    phone::matching(&number, None)?;
    Some(Personal::new(number))
}
