//! What every role is given.

use std::sync::Arc;

use chrono::Utc;

use super::{credentials::Credentials, directory::DirectoryWatch};
use crate::{
    broker::{Broker, Intake, IntakeSettings, topology::Topology},
    config::PaceConfig,
    domain::{Scope, retry::Backoff, search_key::SearchKeys},
    http::Http,
    platform::Endpoints,
    store::Store,
};

/// What every role is given; made once by the composition.
pub struct Context {
    /// Postgres.
    pub store: Store,
    /// RabbitMQ.
    pub broker: Broker,
    /// The names of exchanges and queues.
    pub topology: Topology,
    /// Clients, ad accounts and logins as they stand.
    pub directory: Arc<DirectoryWatch>,
    /// The way to the platforms.
    pub http: Http,
    /// The access tokens of logins.
    pub credentials: Credentials,
    /// Keys of the digests by which a person's orders are found.
    pub search_keys: SearchKeys,
    /// Where the platforms are.
    pub endpoints: Endpoints,
    /// How fast, how often, how long.
    pub pace: PaceConfig,
}

impl Context {
    /// An intake of a queue with the prefetch that is set.
    pub fn intake(&self, queue: String, role: &'static str) -> Intake {
        self.broker.intake(IntakeSettings { queue, prefetch: self.pace.prefetch, role })
    }

    /// Says whether a scope is paused, as far as this process knows.
    pub fn is_paused(&self, scope: &Scope) -> bool {
        self.directory.current().pause(scope).is_some_and(|pause| pause.holds_at(Utc::now()))
    }

    /// How deferred dispatches back off.
    pub fn backoff(&self) -> Backoff {
        Backoff { base: self.pace.retry_base, cap: self.pace.retry_cap }
    }
}
