//! Why a command could not do what it was asked.

use std::{io, path::PathBuf};

use super::connect::NoBroker;
use crate::{
    broker::{BrokerError, PublishFailure},
    store::StoreError,
    wire::accounts_file::AccountsFileErrors,
};

/// A command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The files say something that cannot be.
    #[error("{0}\nnothing was changed")]
    Files(AccountsFileErrors),
    /// A file or folder cannot be read.
    #[error("read {path}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A folder without accounts.
    #[error("no file that ends in .toml lies in {0}")]
    NoFiles(PathBuf),
    /// Postgres.
    #[error("ask the database")]
    Store(#[from] StoreError),
    /// There is no broker to work with.
    #[error(transparent)]
    NoBroker(#[from] NoBroker),
    /// The broker did not do what it was asked.
    #[error("ask the broker")]
    Broker(#[from] BrokerError),
    /// The broker did not confirm; what had been done before stands, and the same command goes on from there.
    #[error("{done}, then the broker took no more; the same command goes on from there, and nothing goes out twice")]
    Unconfirmed {
        /// What had been done.
        done: String,
        /// Why it took no more.
        #[source]
        source: PublishFailure,
    },
    /// The answer cannot be written.
    #[error("write the answer")]
    Output(#[from] io::Error),
    /// Nothing of this kind has this name.
    #[error("there is no {kind} called {name}{hint}")]
    Unknown {
        /// Such as `login`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// A suggestion, or nothing.
        hint: String,
    },
    /// What was given cannot be.
    #[error("{0}")]
    Usage(String),
}
