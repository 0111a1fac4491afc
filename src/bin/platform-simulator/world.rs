//! The state of the simulator: what is set, what goes wrong, what was counted.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::faults::Faults;
use crate::google::GoogleState;
use crate::ledger::Ledger;
use crate::request_log::RequestLog;
use crate::settings::{Settings, StartState};

/// What the command line decided.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub latency: Duration,
    pub keep_bodies: bool,
    /// Refuse keys that a platform does not know.
    pub strict: bool,
}

/// Everything that requests share.
#[derive(Debug)]
pub struct World {
    pub options: Options,
    start: StartState,
    settings: ArcSwap<Settings>,
    faults: Mutex<Faults>,
    ledger: Mutex<Ledger>,
    log: Mutex<RequestLog>,
    google: Mutex<GoogleState>,
}

impl World {
    pub fn new(options: Options, start: StartState) -> Self {
        let world = Self {
            options,
            settings: ArcSwap::default(),
            faults: Mutex::default(),
            ledger: Mutex::new(Ledger::new(options.keep_bodies)),
            log: Mutex::default(),
            google: Mutex::default(),
            start,
        };
        world.reset();
        world
    }

    /// Puts everything back to how it was at the start.
    pub fn reset(&self) {
        self.settings.store(Arc::new(self.start.settings()));
        self.faults().replace(self.start.faults.clone());
        *self.ledger() = Ledger::new(self.options.keep_bodies);
        *self.log() = RequestLog::default();
        *self.google() = GoogleState::default();
    }

    /// The settings as they are now; a request works with one set from its beginning to its end.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Changes the settings.
    pub fn change_settings(&self, change: impl Fn(&mut Settings)) {
        self.settings.rcu(|current| {
            let mut next = Settings::clone(current);
            change(&mut next);
            next
        });
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn log(&self) -> MutexGuard<'_, RequestLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn google(&self) -> MutexGuard<'_, GoogleState> {
        self.google.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
