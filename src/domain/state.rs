//! The states of a dispatch.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where a dispatch stands; exactly one at a time, the same for machines and people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its message lies in a queue, or is about to.
    Queued,
    /// A sender has claimed it and may have sent it.
    Sending,
    /// It rests in the ledger until it is due.
    Waiting,
    /// It rests in the ledger until a pause ends.
    Paused,
    /// The platform took it.
    Sent,
    /// The platform said later that it processed it.
    Confirmed,
    /// A rule kept it back; nobody is at fault.
    NotSent,
    /// It did not get through; someone can repair it and resend.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [State; 8] = [
        State::Queued,
        State::Sending,
        State::Waiting,
        State::Paused,
        State::Sent,
        State::Confirmed,
        State::NotSent,
        State::Failed,
    ];

    /// The word for it in tables, metrics and machine-readable output.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Sending => "sending",
            State::Waiting => "waiting",
            State::Paused => "paused",
            State::Sent => "sent",
            State::Confirmed => "confirmed",
            State::NotSent => "not_sent",
            State::Failed => "failed",
        }
    }

    /// The word for it on screens: what is under way reads "waiting".
    pub const fn title(self) -> &'static str {
        match self {
            State::Queued | State::Sending | State::Waiting => "waiting",
            State::Paused => "paused",
            State::Sent => "sent",
            State::Confirmed => "confirmed",
            State::NotSent => "not sent",
            State::Failed => "failed",
        }
    }

    /// Nothing more happens by itself.
    pub const fn is_settled(self) -> bool {
        matches!(self, State::Sent | State::Confirmed | State::NotSent | State::Failed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no state.
#[derive(Debug, thiserror::Error)]
#[error("no state of this name; there are queued, sending, waiting, paused, sent, confirmed, not_sent and failed")]
pub struct UnknownState;

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        State::ALL
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or(UnknownState)
    }
}
