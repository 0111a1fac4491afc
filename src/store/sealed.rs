//! Secrets that lie sealed in Postgres; what opens them does not.

use super::{
    pauses,
    pool::{Store, StoreError},
    row::Columns,
};
use crate::domain::{Scope, secret::SealedSecret};

impl Store {
    /// The sealed secret of this name; `None` if there is none.
    pub async fn sealed_secret(&self, name: &str) -> Result<Option<SealedSecret>, StoreError> {
        let row = self
            .client()
            .await?
            .query_opt("SELECT nonce, sealed FROM sealed_secrets WHERE name = $1", &[&name])
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let columns = Columns {
            table: "sealed_secrets",
            row: &row,
        };
        Ok(Some(SealedSecret {
            nonce: columns.get("nonce")?,
            sealed: columns.get("sealed")?,
        }))
    }

    /// Puts a sealed secret in place of any former one of its name, and makes workers read it anew and try it at once; gives the names of the logins that
    /// refer to it.
    pub async fn put_sealed_secret(&self, name: &str, secret: &SealedSecret) -> Result<Vec<String>, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        transaction
            .execute(
                "INSERT INTO sealed_secrets (name, nonce, sealed) VALUES ($1, $2, $3) \
                 ON CONFLICT (name) DO UPDATE SET nonce = excluded.nonce, sealed = excluded.sealed",
                &[&name, &secret.nonce, &secret.sealed],
            )
            .await?;
        let rows = transaction
            .query(
                "UPDATE logins SET revision = revision + 1 \
                 WHERE removed_at IS NULL AND ($1 IN (SELECT value FROM jsonb_each_text(credential)) OR app_secret = $1) \
                 RETURNING name",
                &[&format!("db:{name}")],
            )
            .await?;
        let mut logins: Vec<String> = rows
            .iter()
            .map(|row| Columns { table: "logins", row }.get("name"))
            .collect::<Result<_, _>>()?;
        logins.sort();
        let scopes: Vec<String> = logins
            .iter()
            .map(|name| Scope::Login(name.clone()).to_string())
            .collect();
        pauses::probe_soon(&transaction, &scopes).await?;
        pauses::changed(&transaction).await?;
        transaction.commit().await?;
        Ok(logins)
    }
}
