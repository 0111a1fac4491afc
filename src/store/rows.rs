//! Rows to domain types: what does not fit is an error that names table and column.

use serde::Serialize;
use tokio_postgres::Row;

use super::pool::StoreError;
use crate::domain::{AccountId, Dispatch, EventRecord, Platform};

/// Writes a value as JSON for a column.
pub(super) fn json_text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("domain types have only text keys")
}

/// Makes the dispatch of a row with the columns `body`, `account_id`, `platform`, `destination`, `deadline` and `click`.
pub(super) fn dispatch_of(row: &Row) -> Result<Dispatch, StoreError> {
    let unreadable = |table, column| StoreError::Row { table, column };
    let platform: Platform = row
        .get::<_, &str>("platform")
        .parse()
        .map_err(|_| unreadable("dispatches", "platform"))?;
    let record: EventRecord = serde_json::from_str(row.get("body")).map_err(|_| unreadable("events", "body"))?;
    let click = row
        .get::<_, Option<&str>>("click")
        .map(serde_json::from_str)
        .transpose()
        .map_err(|_| unreadable("dispatches", "click"))?;
    Ok(Dispatch {
        account: AccountId(row.get("account_id")),
        platform,
        destination: row.get("destination"),
        click,
        deadline: row.get("deadline"),
        event: record.for_platform(platform),
    })
}
