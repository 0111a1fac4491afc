//! Dispatch messages: what lies in the senders' queues, and the copies of failed ones in the dead queues.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::Dispatch;

/// The version of the message's form; a sender refuses what it does not know.
pub const VERSION: i64 = 1;

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
    let version: Version = serde_json::from_slice(body).map_err(UnreadableDispatch)?;
    if version.v != VERSION {
        return Err(UnreadableDispatch(serde::de::Error::custom("another version")));
    }
    serde_json::from_slice(body).map_err(UnreadableDispatch)
}
