//! Pauses: begins them, ends them, lists them, and counts what they hold back.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio_postgres::{Row, Transaction, types::Type};

use super::{
    directory,
    pool::{Store, StoreError},
    row::Columns,
};
use crate::domain::{AccountId, Cause, Pause, Scope};

/// Reads every pause that has not ended.
pub(super) const SELECT: &str = "SELECT scope, cause, detail, by_hand, since, until, probe_at FROM pauses \
     WHERE until IS NULL OR until > now() ORDER BY scope";

// An ended pause counts as none. A pause by hand gives way only to a person; one of the relay's only to one that lasts as long.
const UPSERT: &str = "INSERT INTO pauses AS old (scope, cause, detail, by_hand, until, probe_at) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (scope) DO UPDATE SET cause = excluded.cause, detail = excluded.detail, by_hand = excluded.by_hand, \
         until = excluded.until, probe_at = excluded.probe_at, \
         since = CASE WHEN old.until <= now() OR old.by_hand <> excluded.by_hand THEN now() ELSE old.since END \
     WHERE old.until <= now() OR excluded.by_hand \
        OR NOT old.by_hand AND coalesce(excluded.until, 'infinity') >= coalesce(old.until, 'infinity') \
     RETURNING since = now() AS began";

/// A pause to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPause {
    /// What it holds back.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// The platform's words, cleaned, or the person's reason.
    pub detail: Option<String>,
    /// Who makes it.
    pub author: Author,
    /// When it ends by itself; `None`: when someone resumes it or a probe gets through.
    pub until: Option<DateTime<Utc>>,
    /// When the first probe may go out; `None`: none does.
    pub probe_at: Option<DateTime<Utc>>,
}

/// Who makes a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Author {
    /// A platform's answer, through the relay.
    Relay,
    /// A person; the relay then neither ends nor changes it.
    Hand,
}

/// What became of a pause that was to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Paused {
    /// It began: the scope was not paused before, or only by the relay and now by hand.
    Began,
    /// The scope was paused already, and now by these terms.
    Renewed,
    /// The scope was paused already by hand or for longer; nothing changed.
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

    /// Begins a pause, or renews the one that stands. The relay neither replaces nor shortens one that was made by hand, and keeps the
    /// longer of two of its own.
    pub async fn pause(&self, new: &NewPause) -> Result<Paused, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let paused = begin(&transaction, new).await?;
        transaction.commit().await?;
        Ok(paused)
    }

    /// Ends a pause, whoever made it; gives what it was, `None` if there was none.
    pub async fn resume(&self, scope: &Scope) -> Result<Option<Pause>, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let rows = transaction
            .query_typed(
                "DELETE FROM pauses WHERE scope = $1 RETURNING scope, cause, detail, by_hand, since, until, probe_at",
                &[(&scope.to_string(), Type::TEXT)],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        directory::bump(&transaction).await?;
        let ended = pause(row)?;
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

/// Begins a pause within a transaction; see [`Store::pause`].
pub(super) async fn begin(transaction: &Transaction<'_>, new: &NewPause) -> Result<Paused, StoreError> {
    let rows = transaction
        .query_typed(
            UPSERT,
            &[
                (&new.scope.to_string(), Type::TEXT),
                (&new.cause.as_str(), Type::TEXT),
                (&new.detail, Type::TEXT),
                (&(new.author == Author::Hand), Type::BOOL),
                (&new.until, Type::TIMESTAMPTZ),
                (&new.probe_at, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(Paused::Kept);
    };
    directory::bump(transaction).await?;
    Ok(if row.try_get("began")? {
        Paused::Began
    } else {
        Paused::Renewed
    })
}

/// Lifts the pauses without an end that hold an ad account back, since a probe got through; not those made by hand.
pub(super) async fn lift_by_probe(transaction: &Transaction<'_>, account: AccountId) -> Result<(), StoreError> {
    transaction
        .query_typed(
            "DELETE FROM pauses USING ad_accounts account \
             WHERE account.id = $1 AND pauses.scope = ANY (account.scopes) AND NOT pauses.by_hand AND pauses.until IS NULL",
            &[(&account.0, Type::INT4)],
        )
        .await?;
    directory::bump(transaction).await
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
