//! The person behind an event, in plain text: raw side only. Nothing here can be displayed, and its debug form is redacted.

use std::{fmt, net::IpAddr};

/// A piece of plain personal data. It has no `Display`, and `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Personal(String);

impl Personal {
    /// Takes the text as it came.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The plain text: for normalising and hashing, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

/// What an event says of the person, each value as it came (blank ones left out).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// E-mail addresses, or their SHA-256 in hex.
    pub emails: Vec<Personal>,
    /// Phone numbers in any spelling, or a SHA-256 in hex.
    pub phones: Vec<Personal>,
    /// The advertiser's own IDs of the person, or their SHA-256 in hex.
    pub external_ids: Vec<Personal>,
    /// WhatsApp's business-scoped IDs of the person, for those who show no phone number.
    pub whatsapp_users: Vec<Personal>,
    /// Given name.
    pub first_name: Option<Personal>,
    /// Family name.
    pub last_name: Option<Personal>,
    /// City.
    pub city: Option<Personal>,
    /// State, province or region.
    pub state: Option<Personal>,
    /// Postal code.
    pub postal_code: Option<Personal>,
    /// Country, ISO 3166 alpha-2.
    pub country: Option<Personal>,
    /// Date of birth, `YYYY-MM-DD` or `YYYYMMDD`.
    pub date_of_birth: Option<Personal>,
    /// `f` or `m`, or a word for it.
    pub gender: Option<Personal>,
    /// The browser's public IP address.
    pub ip: Option<IpAddr>,
    /// The browser's user agent.
    pub user_agent: Option<String>,
}

impl Person {
    /// Says whether there is an e-mail address or a phone number.
    pub fn has_email_or_phone(&self) -> bool {
        !self.emails.is_empty() || !self.phones.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_of_a_person_holds_nothing_of_them() {
        let person = Person {
            emails: vec![Personal::new("jane@example.com")],
            last_name: Some(Personal::new("Doe")),
            ..Person::default()
        };

        let shown = format!("{person:?}");

        assert!(!shown.contains("jane") && !shown.contains("Doe"), "{shown}");
    }
}
