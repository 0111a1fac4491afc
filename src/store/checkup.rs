//! What Postgres says about itself.

use chrono::{DateTime, Utc};

use super::pool::{Store, StoreError};

/// A look at Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkup {
    /// Its version as it writes it, such as `15.8 (Debian 15.8-0+deb12u1)`.
    pub version: String,
    /// Its major version.
    pub major: i32,
    /// Its clock.
    pub now: DateTime<Utc>,
}

impl Store {
    /// Asks for version and time.
    pub async fn checkup(&self) -> Result<Checkup, StoreError> {
        let row = self
            .client()
            .await?
            .query_one(
                "SELECT current_setting('server_version'), current_setting('server_version_num')::integer / 10000, clock_timestamp()",
                &[],
            )
            .await?;
        Ok(Checkup {
            version: row.get(0),
            major: row.get(1),
            now: row.get(2),
        })
    }
}
