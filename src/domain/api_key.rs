//! Keys of the gateway, each of which speaks for one client. The key itself is shown once and stored nowhere.

use super::ids::ClientId;

/// A key that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// What people call it by.
    pub id: String,
    /// The client that it speaks for.
    pub client: ClientId,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
}
