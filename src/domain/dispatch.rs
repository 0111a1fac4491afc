//! A dispatch: one event on its way to one ad account.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    click::Click,
    ids::{AccountId, EventKey},
    platform::Platform,
    record::EventRecord,
};

/// Which dispatch: its row in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DispatchKey {
    /// The stored event.
    pub event: EventKey,
    /// The ad account.
    pub account: AccountId,
}

impl fmt::Display for DispatchKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.event, self.account)
    }
}

/// What a sender needs to report one event to one ad account. The same dispatch is always built into the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Dispatch {
    /// Which ad account; the event's key follows from the event.
    pub account: AccountId,
    /// Its platform.
    pub platform: Platform,
    /// The destination that was meant when the event came in; the ad account may point elsewhere by now.
    pub destination: String,
    /// The click it is attributed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click: Option<Click>,
    /// After this the platform does not take it any more.
    pub deadline: DateTime<Utc>,
    /// The event, with the identities of this platform only.
    pub event: EventRecord,
}

impl Dispatch {
    /// Which row of the ledger it is.
    pub fn key(&self) -> DispatchKey {
        DispatchKey {
            event: self.event.key(),
            account: self.account,
        }
    }
}
