//! Migrations: forward-only, from `schemas/postgres`, applied with refinery.

use refinery::{Migration, Runner};

use super::pool::{Store, StoreError};

const FILES: [(&str, &str); 7] = [
    (
        "V1__directory",
        include_str!("../../schemas/postgres/0001_directory.sql"),
    ),
    ("V2__ledger", include_str!("../../schemas/postgres/0002_ledger.sql")),
    (
        "V3__receipts_and_quotas",
        include_str!("../../schemas/postgres/0003_receipts_and_quotas.sql"),
    ),
    ("V4__clicks", include_str!("../../schemas/postgres/0004_clicks.sql")),
    ("V5__webhooks", include_str!("../../schemas/postgres/0005_webhooks.sql")),
    ("V6__api_keys", include_str!("../../schemas/postgres/0006_api_keys.sql")),
    (
        "V7__forgetting",
        include_str!("../../schemas/postgres/0007_forgetting.sql"),
    ),
];

fn runner() -> Result<Runner, StoreError> {
    let migrations: Result<Vec<Migration>, _> = FILES
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect();
    Ok(Runner::new(&migrations?))
}

impl Store {
    /// Applies what is missing; gives the names of what it applied, in order. Safe to run by several at once.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        let mut client = self.client().await?;
        // Two migrating at once would both create tables; the lock is of the transaction's kind on a connection of its own.
        client
            .batch_execute("SELECT pg_advisory_lock(hashtext('conversion-relay migrate'))")
            .await?;
        let report = runner()?.run_async(&mut **client).await;
        client
            .batch_execute("SELECT pg_advisory_unlock(hashtext('conversion-relay migrate'))")
            .await?;
        Ok(report?.applied_migrations().iter().map(ToString::to_string).collect())
    }

    /// Says whether every migration has been applied.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        let client = self.client().await?;
        let known = client
            .query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[])
            .await?;
        if !known.get::<_, bool>(0) {
            return Ok(false);
        }
        let row = client
            .query_one("SELECT count(*) FROM refinery_schema_history", &[])
            .await?;
        Ok(usize::try_from(row.get::<_, i64>(0)).unwrap_or(0) >= FILES.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_migration_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/postgres");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();

        let known: Vec<String> = FILES
            .iter()
            .enumerate()
            .map(|(index, (name, _))| format!("{:04}_{}.sql", index + 1, name.split_once("__").unwrap().1))
            .collect();
        assert_eq!(names, known);
    }
}
