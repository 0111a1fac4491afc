//! Mappings: how payloads of other systems become funnel events. Plain data; `wire::webhook` carries them out.

use serde::{Deserialize, Serialize};

use super::ids::ClientId;

/// How the payloads of one system become funnel events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {}

/// Somebody else's queue whose messages become events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// Its name, as in the file.
    pub name: String,
    /// The queue, without the topology's prefix; it is consumed and never declared.
    pub queue: String,
    /// The mapping that makes events of its messages.
    pub mapping: String,
    /// Whose events these are, where the mapping does not say so.
    pub client: Option<ClientId>,
}
