//! Reads columns into types, and says which column does not fit.

use tokio_postgres::{Row, types::FromSql};

use super::pool::StoreError;

/// A row of one table, for errors that name table and column.
pub(super) struct Columns<'a> {
    pub table: &'static str,
    pub row: &'a Row,
}

impl Columns<'_> {
    /// The column as Postgres gives it.
    pub fn get<'a, T: FromSql<'a>>(&'a self, column: &'static str) -> Result<T, StoreError> {
        self.row.try_get(column).map_err(|_| self.misfit(column))
    }

    /// A column of text, read into a type.
    pub fn parse<T>(&self, column: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(self.get(column)?).ok_or_else(|| self.misfit(column))
    }

    /// A column of JSON, read into a type.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_value(self.get(column)?).map_err(|_| self.misfit(column))
    }

    fn misfit(&self, column: &'static str) -> StoreError {
        StoreError::Row {
            table: self.table,
            column,
        }
    }
}
