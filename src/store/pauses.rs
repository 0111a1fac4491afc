//! Pauses: made by answers, by hand, lifted by probes and by people.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use super::{
    pool::{Store, StoreError},
    row::Columns,
    sending::NewPause,
};
use crate::domain::{AccountId, Cause, Pause, Scope};

/// Reads every pause that has not ended.
pub(super) const SELECT: &str = "SELECT scope, cause, detail, by_hand, since, until, probe_at FROM pauses \
     WHERE until IS NULL OR until > now() ORDER BY scope";

// An ended pause counts as none. One made by hand stands; of two of the relay's the longer one stands, and the same again changes nothing.
const HOLD: &str = "
INSERT INTO pauses AS old (scope, cause, detail, until, probe_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (scope) DO UPDATE
SET cause = excluded.cause,
    detail = excluded.detail,
    by_hand = false,
    since = CASE WHEN old.until <= now() THEN now() ELSE old.since END,
    until = excluded.until,
    probe_at = CASE WHEN old.until <= now() THEN excluded.probe_at ELSE coalesce(old.probe_at, excluded.probe_at) END
WHERE old.until <= now()
   OR NOT old.by_hand
      AND coalesce(excluded.until, 'infinity') >= coalesce(old.until, 'infinity')
      AND (old.cause, old.until) IS DISTINCT FROM (excluded.cause, excluded.until)
RETURNING since = now() AS began";

const PAUSE: &str = "
INSERT INTO pauses AS old (scope, cause, detail, by_hand, until) VALUES ($1, $2, $3, true, $4)
ON CONFLICT (scope) DO UPDATE
SET cause = excluded.cause,
    detail = excluded.detail,
    by_hand = true,
    since = CASE WHEN old.by_hand AND (old.until IS NULL OR old.until > now()) THEN old.since ELSE now() END,
    until = excluded.until,
    probe_at = NULL
RETURNING since = now() AS began";

/// A pause that a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandPause {
    /// What it holds back.
    pub scope: Scope,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// When it ends by itself; `None`: when someone resumes it.
    pub until: Option<DateTime<Utc>>,
}

/// What became of a pause that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Paused {
    /// It began: nothing held the scope back before, or only the relay and now a person.
    Began,
    /// The scope was paused already, and from now on by these terms.
    Renewed,
    /// The scope was paused already in the same way, by hand or for longer; nothing changed.
    Kept,
}

/// What waits for the pauses of one ad account to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// How many conversions.
    pub count: i64,
    /// When the first of them expires.
    pub first_deadline: DateTime<Utc>,
}

impl Store {
    /// Every pause that has not ended, by scope.
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let rows = self.client().await?.query_typed(SELECT, &[]).await?;
        rows.iter().map(pause).collect()
    }

    /// Begins or changes a pause by hand. The relay then neither ends nor changes it.
    pub async fn pause(&self, pause: &HandPause) -> Result<Paused, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let row = transaction
            .query_one(
                PAUSE,
                &[
                    &pause.scope.to_string(),
                    &Cause::PausedByHand.as_str(),
                    &pause.reason,
                    &pause.until,
                ],
            )
            .await?;
        let paused = began(&row)?;
        changed(&transaction).await?;
        transaction.commit().await?;
        Ok(paused)
    }

    /// Begins or prolongs a pause that the relay itself makes, outside of a record. One made by hand is never replaced or shortened.
    pub async fn hold(&self, pause: &NewPause) -> Result<Paused, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let paused = hold(&transaction, pause).await?;
        transaction.commit().await?;
        Ok(paused)
    }

    /// Ends a pause, whoever made it; gives what it was, `None` if there was none. The secret of a login that is resumed is read anew:
    /// most are resumed because it was renewed in place.
    pub async fn resume(&self, scope: &Scope) -> Result<Option<Pause>, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let row = transaction
            .query_opt(
                "DELETE FROM pauses WHERE scope = $1 RETURNING scope, cause, detail, by_hand, since, until, probe_at",
                &[&scope.to_string()],
            )
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let ended = pause(&row)?;
        if let Scope::Login(name) = scope {
            let statement = "UPDATE logins SET revision = revision + 1 WHERE name = $1";
            transaction.execute(statement, &[name]).await?;
        }
        changed(&transaction).await?;
        transaction.commit().await?;
        Ok(Some(ended))
    }

    /// How many conversions are paused, and when the first of them expires, by ad account. Its cost grows with their number.
    pub async fn paused_backlog(&self) -> Result<HashMap<AccountId, Backlog>, StoreError> {
        let rows = self
            .client()
            .await?
            .query_typed(
                "SELECT account_id, count(*) AS count, min(deadline) AS first_deadline \
                 FROM dispatches WHERE state = 'paused' GROUP BY account_id",
                &[],
            )
            .await?;
        rows.iter().map(backlog).collect()
    }
}

/// Begins or prolongs a pause that the relay itself makes. One made by hand is never replaced, shortened or lifted by the relay.
pub(super) async fn hold(client: &impl GenericClient, pause: &NewPause) -> Result<Paused, StoreError> {
    let statement = client.prepare_cached(HOLD).await?;
    let row = client
        .query_opt(
            &statement,
            &[
                &pause.scope.to_string(),
                &pause.cause.as_str(),
                &pause.detail,
                &pause.until,
                &pause.probe_at,
            ],
        )
        .await?;
    let Some(row) = row else {
        return Ok(Paused::Kept);
    };
    changed(client).await?;
    began(&row)
}

/// Lifts the pauses without an end that hold an ad account back, since a probe got through; not those made by hand.
pub(super) async fn lift_by_probe(client: &impl GenericClient, account: AccountId) -> Result<(), StoreError> {
    let lifted = client
        .execute(
            "DELETE FROM pauses USING ad_accounts account
             WHERE account.id = $1 AND pauses.scope = ANY (account.scopes) AND NOT pauses.by_hand AND pauses.until IS NULL",
            &[&account.0],
        )
        .await?;
    if lifted > 0 {
        changed(client).await?;
    }
    Ok(())
}

/// Tries pauses of the relay without an end again as soon as every worker knows of a change, which takes them five seconds at most, because what they
/// were made for may have been mended. A probe by the old rules would be refused as before, and the next is far away.
pub(super) async fn probe_soon(client: &impl GenericClient, scopes: &[String]) -> Result<(), StoreError> {
    client
        .execute(
            "UPDATE pauses SET probe_at = now() + interval '5 seconds' WHERE scope = ANY ($1) AND NOT by_hand AND until IS NULL",
            &[&scopes],
        )
        .await?;
    Ok(())
}

/// Tells all workers that the directory or a pause changed. It is the last statement of its transaction, so that nobody waits long for the
/// one row.
pub(super) async fn changed(client: &impl GenericClient) -> Result<(), StoreError> {
    client
        .execute("UPDATE directory_version SET version = version + 1", &[])
        .await?;
    // Only a hint: workers poll the version and need no session for it.
    client.execute("NOTIFY relay_directory", &[]).await?;
    Ok(())
}

/// Reads a row of [`SELECT`].
pub(super) fn pause(row: &Row) -> Result<Pause, StoreError> {
    let columns = Columns { table: "pauses", row };
    Ok(Pause {
        scope: columns.parse("scope", |text| text.parse().ok())?,
        cause: columns.parse("cause", |text| text.parse().ok())?,
        detail: columns.get("detail")?,
        by_hand: columns.get("by_hand")?,
        since: columns.get("since")?,
        until: columns.get("until")?,
        probe_at: columns.get("probe_at")?,
    })
}

fn began(row: &Row) -> Result<Paused, StoreError> {
    let has_begun = Columns { table: "pauses", row }.get("began")?;
    Ok(if has_begun { Paused::Began } else { Paused::Renewed })
}

fn backlog(row: &Row) -> Result<(AccountId, Backlog), StoreError> {
    let columns = Columns {
        table: "dispatches",
        row,
    };
    let backlog = Backlog {
        count: columns.get("count")?,
        first_deadline: columns.get("first_deadline")?,
    };
    Ok((AccountId(columns.get("account_id")?), backlog))
}
