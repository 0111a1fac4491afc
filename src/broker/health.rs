//! What the rest of the program may know about the connections.

use crate::metrics::broker::ConnectionLabel;

/// The state of both connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerHealth {
    /// Deliveries can come in and acks can go out.
    pub consume_connected: bool,
    /// Messages can be published, unless blocked.
    pub publish_connected: bool,
    /// The broker's reason for taking no messages (`low on memory`, `low on disk`), while it takes none.
    pub blocked: Option<String>,
    /// Why the last connection was lost or could not be made; stays after a reconnect.
    pub last_error: Option<String>,
}

impl BrokerHealth {
    /// Whether both connections stand and messages are taken.
    pub fn is_good(&self) -> bool {
        self.consume_connected && self.publish_connected && self.blocked.is_none()
    }

    pub(super) fn set_connected(&mut self, purpose: ConnectionLabel, connected: bool) {
        match purpose {
            ConnectionLabel::Consume => self.consume_connected = connected,
            ConnectionLabel::Publish => self.publish_connected = connected,
        }
    }
}
