//! Postgres: the ledger, the directory of clients and ad accounts, pauses. The only place that knows SQL.

pub mod api_keys;
mod applying;
pub mod audit;
pub mod awaiting;
pub mod checkup;
pub mod clicks;
pub mod directory;
pub mod forgetting;
pub mod keeping;
pub mod migrations;
pub mod pauses;
pub mod pool;
pub mod quotas;
pub mod receipts;
pub mod replay;
pub mod resend;
pub mod routing;
mod row;
mod rows;
mod sealed;
pub mod sending;
pub mod standing;
pub mod statistics;
pub mod trials;

pub use pool::{Store, StoreError, StoreSettings};
