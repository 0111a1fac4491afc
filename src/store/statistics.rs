//! Keeps Postgres's idea of the ledger's size true: a plan made while a table was small reads all of it for every batch once it is large.

use super::pool::{Store, StoreError};

/// The tables whose size decides how the statements of router and senders are planned.
const TABLES: [&str; 3] = ["events", "dispatches", "clicks"];

// Below twenty pages nothing matters. Autovacuum comes once a minute at best, and in a minute a new relay has stored a hundred thousand events.
const OUTGROWN: &str = "
SELECT relation.relname::text
FROM pg_class relation
WHERE relation.oid IN (SELECT to_regclass(name)::oid FROM unnest($1::text[]) AS name)
  AND pg_relation_size(relation.oid) / current_setting('block_size')::bigint > greatest(20, 4 * relation.relpages)
  AND pg_has_role(relation.relowner, 'USAGE')";

impl Store {
    /// Counts anew the tables that have grown to four times of what Postgres believes, which also makes it plan their statements anew. Gives their
    /// names. One that belongs to another user is left to autovacuum.
    pub async fn refresh_statistics(&self) -> Result<Vec<String>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(OUTGROWN).await?;
        let rows = client.query(&statement, &[&TABLES.as_slice()]).await?;
        let outgrown: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        for table in &outgrown {
            // Another keeper may be at it.
            client.batch_execute(&format!("ANALYZE (SKIP_LOCKED) {table}")).await?;
        }
        Ok(outgrown)
    }
}
