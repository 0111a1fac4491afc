//! Identities: of clients, events, ad accounts and stored events.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Namespace of every UUIDv5 that the relay derives; never change it, or events seen before count as new ones.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f3a_95d1_6c0e_5b1e_9b0f_3d52_41c7_a8e4);

/// An identity that breaks the rule of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {max} visible ASCII characters")]
pub struct InvalidId {
    /// The longest that is allowed.
    pub max: usize,
}

fn visible_ascii(text: &str, max: usize) -> Result<(), InvalidId> {
    let valid = (1..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if valid { Ok(()) } else { Err(InvalidId { max }) }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(extend("pattern" = "^[!-~]*$", "minLength" = 1, "maxLength" = $max))]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is, byte for byte, if it is 1 to the allowed number of visible ASCII characters.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                visible_ascii(text, $max)?;
                Ok(Self(text.to_owned()))
            }

            /// The text, unchanged.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                visible_ascii(&text, $max)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// The advertiser that an event belongs to, as producers name it.
    ClientId,
    64
);
text_id!(
    /// The identity of one funnel step; it must equal the browser pixel's, so it is kept byte for byte.
    EventId,
    64
);

impl EventId {
    /// The event ID of an event that came without one but with an order ID: the same for the same client, name and order.
    pub fn from_order(client: &ClientId, event_name: &str, order_id: &str) -> Self {
        let name = format!("order\n{client}\n{event_name}\n{order_id}");
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string())
    }

    /// The event ID of the event at this place of a request that is told from others by a key: the same when the request is sent again.
    pub fn from_request(client: &ClientId, key: &str, index: usize) -> Self {
        let name = format!("request\n{client}\n{index}\n{key}");
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string())
    }

    /// The event ID of what happened in a WhatsApp message. A wamid holds the person's phone number in base64, so it is never kept itself.
    pub fn from_wamid(wamid: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, format!("wamid\n{wamid}").as_bytes()).to_string())
    }

    /// Another system's ID as an event ID: as it is where it can be, else derived from it. What holds an `@` may be an e-mail address.
    pub fn from_foreign(id: &str) -> Self {
        match Self::parse(id) {
            Ok(event_id) if !id.contains('@') => event_id,
            _ => Self(Uuid::new_v5(&NAMESPACE, format!("foreign\n{id}").as_bytes()).to_string()),
        }
    }

    /// The event ID of an event that came with nothing else to tell it by: the same for the same bytes.
    pub fn from_body(body: &[u8]) -> Self {
        let mut name = b"body\n".to_vec();
        name.extend_from_slice(body);
        Self(Uuid::new_v5(&NAMESPACE, &name).to_string())
    }
}

/// The key of a stored event: derived from its identity (client, event ID, event name), so that every worker computes the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventKey(pub Uuid);

impl EventKey {
    /// The key of the event with this identity.
    pub fn derive(client: &ClientId, event_id: &EventId, event_name: &str) -> Self {
        let name = format!("event\n{client}\n{event_id}\n{event_name}");
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The number of an ad account in this relay; given by Postgres, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct AccountId(pub i32);

impl fmt::Display for AccountId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_kept_byte_for_byte() {
        assert_eq!(EventId::parse("Order#1.a/B").unwrap().as_str(), "Order#1.a/B");
    }

    #[test]
    fn blank_long_or_unprintable_ids_are_refused() {
        for text in ["", " ", "a b", "\u{e9}", "a\n", &"x".repeat(65)] {
            assert!(EventId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn another_system_s_id_stays_as_it_is_unless_it_is_too_long_or_may_be_an_address() {
        assert_eq!(EventId::from_foreign("evt_1NG8Du2e").as_str(), "evt_1NG8Du2e");
        let long = "x".repeat(65);
        for id in ["jane@example.com", &long, "a b", ""] {
            let derived = EventId::from_foreign(id);
            assert_eq!(derived, EventId::from_foreign(id));
            assert_eq!(derived.as_str().len(), 36, "{id}");
        }
    }

    #[test]
    fn parts_of_an_identity_cannot_run_into_each_other() {
        let client = ClientId::parse("a").unwrap();
        let one = EventKey::derive(&client, &EventId::parse("bc").unwrap(), "d");
        let other = EventKey::derive(&client, &EventId::parse("b").unwrap(), "cd");

        assert_ne!(one, other);
    }

    #[test]
    fn derived_keys_never_change_between_releases() {
        let client = ClientId::parse("acme").unwrap();

        let order = EventId::from_order(&client, "Purchase", "10482");
        let key = EventKey::derive(&client, &EventId::parse("o-1").unwrap(), "Purchase");

        assert_eq!(order.as_str(), "cf72877d-649f-53ec-95d1-a71009feebcf");
        assert_eq!(key.to_string(), "73c931b3-9e6c-5a07-aa87-edb96330b3f0");
        assert_eq!(
            EventId::from_wamid("wamid.HBgLMTY1MDM4Nzk0MzkVAgA=").as_str(),
            "5a01e740-cf26-513e-83dd-e266faf88cdb"
        );
        assert_eq!(
            EventId::from_foreign("jane@example.com").as_str(),
            "2e827fab-0728-544b-8fd6-93804b2d5c01"
        );
    }
}
