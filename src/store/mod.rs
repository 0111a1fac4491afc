//! Postgres: the ledger, the directory of clients and ad accounts, pauses. The only place that knows SQL.

pub mod migrations;
pub mod pool;

pub use pool::{Store, StoreError, StoreSettings};
