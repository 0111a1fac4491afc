//! How one event stands at its ad accounts, for whoever asks about it by its identity.

use super::{
    pool::{Store, StoreError},
    row::Columns,
};
use crate::domain::{AccountId, Cause, Click, EventKey, State};

/// How an event stands at one ad account.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The ad account.
    pub account: AccountId,
    /// How it stands.
    pub state: State,
    /// Why.
    pub cause: Option<Cause>,
    /// The click it is attributed to.
    pub click: Option<Click>,
}

impl Store {
    /// How an event stands at each of its ad accounts, the oldest first; nothing if it is not stored, or concerns none.
    pub async fn standing(&self, key: EventKey) -> Result<Vec<Standing>, StoreError> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT account_id, state, cause, click::text AS click FROM dispatches WHERE event_key = $1 ORDER BY account_id",
            )
            .await?;
        let rows = client.query(&statement, &[&key.0]).await?;
        let standing = rows.iter().map(|row| {
            let columns = Columns {
                table: "dispatches",
                row,
            };
            let cause: Option<&str> = columns.get("cause")?;
            let click: Option<&str> = columns.get("click")?;
            let misfit = |column| StoreError::Row {
                table: "dispatches",
                column,
            };
            Ok(Standing {
                account: AccountId(columns.get("account_id")?),
                state: columns.parse("state", |text| text.parse().ok())?,
                cause: cause.map(str::parse).transpose().map_err(|_| misfit("cause"))?,
                click: click
                    .map(serde_json::from_str)
                    .transpose()
                    .map_err(|_| misfit("click"))?,
            })
        });
        standing.collect()
    }
}
