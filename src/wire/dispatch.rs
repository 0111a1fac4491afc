//! Dispatch messages: what lies in the senders' queues, and the copies of failed ones in the dead queues.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Dispatch, json};

/// The version of the message's form; a sender refuses what it does not know.
pub const VERSION: i64 = 1;

/// What the body of a message of this version begins with.
const OPENING: &[u8] = br#"{"v":1,"#;

/// Header names of dispatch messages and their dead copies.
pub mod header {
    /// Version of the message's form.
    pub const VERSION: &str = "relay-v";
    /// The client.
    pub const CLIENT: &str = "relay-client";
    /// The ad account's number.
    pub const ACCOUNT: &str = "relay-account";
    /// When the event was first seen, RFC 3339.
    pub const FIRST_SEEN: &str = "relay-first-seen";
    /// How often the dispatch had failed when this message was made.
    pub const DEAD_COUNT: &str = "relay-dead-count";
    /// Why it failed, or why an inbound message is no event.
    pub const CAUSE: &str = "relay-cause";
    /// The platform's code and words (cleaned), or the field that is wrong.
    pub const DETAIL: &str = "relay-detail";
    /// How many attempts there were.
    pub const ATTEMPTS: &str = "relay-attempts";
    /// When it failed, RFC 3339.
    pub const FAILED_AT: &str = "relay-failed-at";
    /// The trace that the event's producer named. <https://www.w3.org/TR/trace-context/>
    pub const TRACE: &str = "traceparent";
    /// On an inbound event: the gateway has asked the click ledger for clicks of WhatsApp chats, and the event's own is all there is.
    pub const CLICKS_KNOWN: &str = "relay-clicks-known";
    /// The key under which an inbound message came.
    pub const ROUTING_KEY: &str = "relay-routing-key";
}

/// A dispatch message cannot be read: it is none of ours, or of another version.
#[derive(Debug, thiserror::Error)]
#[error("read a dispatch message")]
pub struct UnreadableDispatch(#[source] serde_json::Error);

/// One event on its way to one ad account: what a sender needs to report it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DispatchMessage")]
pub(super) struct Message<'a> {
    /// Version of the message's form.
    #[schemars(extend("const" = VERSION))]
    v: i64,
    #[serde(flatten)]
    dispatch: &'a Dispatch,
}

/// Writes the message's body.
pub fn encode(dispatch: &Dispatch) -> Vec<u8> {
    serde_json::to_vec(&Message { v: VERSION, dispatch }).expect("a dispatch has only text keys")
}

/// Reads a message's body.
pub fn decode(body: &[u8]) -> Result<Dispatch, UnreadableDispatch> {
    #[derive(Deserialize)]
    struct Version {
        v: i64,
    }
    // As `encode` writes it; anything else is read twice.
    if !body.starts_with(OPENING) {
        let version: Version = json::read(body).map_err(UnreadableDispatch)?;
        if version.v != VERSION {
            return Err(UnreadableDispatch(serde::de::Error::custom("another version")));
        }
    }
    json::read(body).map_err(UnreadableDispatch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dispatch() -> Dispatch {
        let at = "2026-11-21T10:00:00Z";
        serde_json::from_value(json!({
            "account": 7, "platform": "meta", "destination": "1234567890", "deadline": at,
            "event": {"client": "acme", "event_id": "o-1", "name": "Lead", "time": at, "first_seen": at, "action_source": "website"}
        }))
        .unwrap()
    }

    #[test]
    fn a_message_begins_with_its_version_so_that_it_is_read_once() {
        let body = encode(&dispatch());

        assert!(body.starts_with(OPENING));
        assert_eq!(decode(&body).unwrap(), dispatch());
    }

    #[test]
    fn the_version_counts_wherever_it_stands() {
        let mut message: serde_json::Value = serde_json::from_slice(&encode(&dispatch())).unwrap();
        for (version, is_read) in [(json!(1), true), (json!(2), false), (json!(null), false)] {
            message["v"] = version;
            let body = serde_json::to_vec_pretty(&message).unwrap();
            assert_eq!(decode(&body).is_ok(), is_read);
        }
    }
}
