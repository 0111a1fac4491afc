//! What every role is given.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use chrono::Utc;

use super::{credentials::Credentials, directory::DirectoryWatch, recorder::Recorder};
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
    /// Where the senders record what the platforms answer.
    pub recorder: Recorder,
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
    /// Which queues are consumed now.
    pub readiness: Readiness,
}

impl Context {
    /// An intake of a queue with the prefetch that is set.
    pub fn intake(&self, queue: String, role: &'static str) -> Intake {
        self.broker.intake(IntakeSettings {
            queue,
            prefetch: self.pace.prefetch,
            role,
        })
    }

    /// Says whether a scope is paused, as far as this process knows.
    pub fn is_paused(&self, scope: &Scope) -> bool {
        self.directory
            .current()
            .pause(scope)
            .is_some_and(|pause| pause.holds_at(Utc::now()))
    }

    /// How deferred dispatches back off.
    pub fn backoff(&self) -> Backoff {
        Backoff {
            base: self.pace.retry_base,
            cap: self.pace.retry_cap,
        }
    }
}

/// A queue, and whether it is consumed.
type Consumed = (String, Arc<AtomicBool>);

/// Which queues are really consumed now: what `/readyz` says.
#[derive(Clone, Default)]
pub struct Readiness {
    queues: Arc<Mutex<Vec<Consumed>>>,
}

impl Readiness {
    /// Adds a queue that must be consumed for this process to be ready; the role keeps the flag true.
    pub fn expect(&self, queue: impl Into<String>) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.push((queue.into(), Arc::clone(&flag)));
        flag
    }

    /// The queues that are not consumed; before any role has begun, that is said instead.
    pub fn not_ready(&self) -> Vec<String> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.is_empty() {
            return vec!["no role has begun".to_owned()];
        }
        let waiting = queues.iter().filter(|(_, flag)| !flag.load(Ordering::Relaxed));
        waiting.map(|(queue, _)| queue.clone()).collect()
    }
}
