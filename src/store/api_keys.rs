//! Keys of the gateway: made, listed, revoked. Only their hashes are stored.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{
    pauses,
    pool::{Store, StoreError},
    row::Columns,
};
use crate::domain::{ClientId, api_key::ApiKey};

/// A key as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// What it is called by.
    pub id: String,
    /// The client that it speaks for.
    pub client: ClientId,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Adds a key; `false` if its ID is taken. Every gateway knows it within 5 seconds.
    pub async fn add_api_key(&self, key: &ApiKey, name: &str) -> Result<bool, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let added = transaction
            .execute(
                "INSERT INTO api_keys (id, client_id, name, hash) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                &[&key.id, &key.client.as_str(), &name, &key.hash.as_slice()],
            )
            .await?;
        pauses::changed(&transaction).await?;
        transaction.commit().await?;
        Ok(added == 1)
    }

    /// All keys, the revoked ones included, by client and age.
    pub async fn api_keys(&self) -> Result<Vec<ListedKey>, StoreError> {
        let rows = self
            .client()
            .await?
            .query_typed(
                "SELECT id, client_id, name, created_at, revoked_at FROM api_keys ORDER BY client_id, created_at, id",
                &[],
            )
            .await?;
        rows.iter().map(listed).collect()
    }

    /// Revokes a key; gives it as it then stands, `None` if there is none of this ID. One that is revoked keeps its time.
    pub async fn revoke_api_key(&self, id: &str) -> Result<Option<ListedKey>, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let row = transaction
            .query_opt(
                "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1
                 RETURNING id, client_id, name, created_at, revoked_at",
                &[&id],
            )
            .await?;
        let key = row.as_ref().map(listed).transpose()?;
        pauses::changed(&transaction).await?;
        transaction.commit().await?;
        Ok(key)
    }
}

fn listed(row: &Row) -> Result<ListedKey, StoreError> {
    let columns = Columns { table: "api_keys", row };
    Ok(ListedKey {
        id: columns.get("id")?,
        client: columns.parse("client_id", |text| ClientId::parse(text).ok())?,
        name: columns.get("name")?,
        created_at: columns.get("created_at")?,
        revoked_at: columns.get("revoked_at")?,
    })
}
