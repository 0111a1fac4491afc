//! Trials: messages that came back often are handled alone, and a trial that was begun and never ended tells of a worker that died of it. Nothing
//! else is counted against a message: the broker's own count rises with every closed channel, whoever is at fault.

use uuid::Uuid;

use super::pool::{Store, StoreError};

impl Store {
    /// Begins a trial of a message; gives how many earlier ones never ended.
    pub async fn begin_trial(&self, digest: Uuid) -> Result<i32, StoreError> {
        let client = self.client().await?;
        let row = client
            .query_one(
                "INSERT INTO trials (digest, begun) VALUES ($1, 1)
                 ON CONFLICT (digest) DO UPDATE SET begun = trials.begun + 1, begun_at = now() RETURNING begun - 1",
                &[&digest],
            )
            .await?;
        Ok(row.get(0))
    }

    /// Ends the trials of a message: it did not kill its worker.
    pub async fn end_trials(&self, digests: &[Uuid]) -> Result<(), StoreError> {
        let client = self.client().await?;
        client
            .execute("DELETE FROM trials WHERE digest = ANY ($1)", &[&digests])
            .await?;
        Ok(())
    }
}
