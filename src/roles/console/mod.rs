//! The console: what people ask and change on the command line. Each command writes its answer to a writer and says how it ended.

pub mod accounts;
pub mod audit;
pub mod check;
pub mod classify;
mod clock;
mod connect;
pub mod dead;
mod diff;
pub mod doctor;
mod error;
pub mod explain;
mod files;
mod footnotes;
pub mod forget;
mod holding;
pub mod keys;
mod lines;
pub mod logins;
pub mod mappings;
mod mask;
mod moment;
pub mod pause;
pub mod publish;
pub mod resend;
mod scope;
mod table;
mod when;
mod words;

use std::process::ExitCode;

use chrono::{DateTime, Utc};

pub use self::error::ConsoleError;
use crate::store::Store;

/// What every command is given.
#[derive(Clone)]
pub struct Console {
    /// Postgres.
    pub store: Store,
    /// The time at which the command was given.
    pub now: DateTime<Utc>,
}

/// How a command ended, when nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// As it should: exit code 0.
    Success,
    /// It found something that somebody must look at: exit code 1.
    Attention,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => ExitCode::SUCCESS,
            Exit::Attention => ExitCode::FAILURE,
        }
    }
}
