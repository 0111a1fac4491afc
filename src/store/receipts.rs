//! What asking about receipts does to the ledger: it takes out those whose time has come, and writes down what the platform says of them.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    pauses,
    pool::{Store, StoreError},
    sending::{Claimed, NewPause, Record},
};
use crate::domain::{AccountId, Cause, DispatchKey, EventKey};

/// The most overdue rows that one look reads; those behind them have their turn when these are gone.
const LOOK_MAX: i64 = 5_000;

/// A receipt that is ours to ask about until the lease ends.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The ad account that it was given to.
    pub account: AccountId,
    /// The platform's name for it.
    pub receipt: String,
    /// How often it has been asked about, this time included.
    pub questions: usize,
    /// The dispatches that it is about and that still stand as sent.
    pub dispatches: Vec<Promised>,
}

/// A dispatch that a receipt is about.
#[derive(Clone, Debug)]
pub struct Promised {
    /// Which.
    pub key: DispatchKey,
    /// The event's name, which decides the conversion action; empty if the event is gone.
    pub event_name: String,
    /// How it stands.
    pub claimed: Claimed,
}

/// What became of a receipt after it was asked about.
#[derive(Clone, Debug)]
pub struct ReceiptReport {
    /// The ad account.
    pub account: AccountId,
    /// The receipt.
    pub receipt: String,
    /// The dispatches that are decided; those not named are asked about again.
    pub records: Vec<Record>,
    /// When the others are asked about.
    pub again: Option<Again>,
    /// Pauses that the answer asks for.
    pub pauses: Vec<NewPause>,
}

/// The next question about a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The question was put, and the next one is at this time.
    Later(DateTime<Utc>),
    /// The question could not be put and does not count; again at this time.
    NotPut(DateTime<Utc>),
}

const DUE: &str = "
SELECT account_id, count(DISTINCT receipt) FROM (
    SELECT account_id, receipt FROM dispatches
    WHERE state = 'sent' AND attend_at <= now() AND receipt IS NOT NULL AND account_id <> ALL ($1)
    ORDER BY attend_at LIMIT $2) overdue
GROUP BY account_id";

// The first row of a receipt stands for it: whoever locks that one asks.
const CLAIM: &str = "
WITH due AS MATERIALIZED (
    SELECT account_id, receipt, min(attend_at) AS since FROM (
        SELECT account_id, receipt, attend_at FROM dispatches
        WHERE state = 'sent' AND attend_at <= now() AND receipt IS NOT NULL AND account_id = ANY ($1)
        ORDER BY attend_at LIMIT $4) overdue
    GROUP BY account_id, receipt ORDER BY since LIMIT $2
), head AS MATERIALIZED (
    SELECT due.account_id, due.receipt, first.event_key
    FROM due CROSS JOIN LATERAL (
        SELECT event_key FROM dispatches dispatch
        WHERE dispatch.state = 'sent' AND dispatch.attend_at IS NOT NULL
          AND dispatch.account_id = due.account_id AND dispatch.receipt = due.receipt
        ORDER BY event_key LIMIT 1) first
), ours AS MATERIALIZED (
    SELECT dispatch.account_id, dispatch.receipt
    FROM head JOIN dispatches dispatch ON dispatch.event_key = head.event_key AND dispatch.account_id = head.account_id
    WHERE dispatch.state = 'sent' AND dispatch.receipt = head.receipt AND dispatch.attend_at <= now()
    FOR UPDATE OF dispatch SKIP LOCKED
), asked AS (
    UPDATE dispatches dispatch
    SET attend_at = now() + $3::float8 * interval '1 second', questions = dispatch.questions + 1
    FROM ours
    WHERE dispatch.state = 'sent' AND dispatch.attend_at IS NOT NULL
      AND dispatch.account_id = ours.account_id AND dispatch.receipt = ours.receipt
    RETURNING dispatch.event_key, dispatch.account_id, dispatch.receipt, dispatch.questions, dispatch.attempts, dispatch.deferrals,
              dispatch.deadline, dispatch.first_ambiguous_at
)
SELECT asked.*, coalesce(event.name, '') AS event_name FROM asked LEFT JOIN events event ON event.key = asked.event_key
ORDER BY asked.account_id, asked.receipt, asked.event_key";

// A row that has moved on meanwhile, or was sent again under another receipt, stays as it is.
const SETTLE: &str = "
UPDATE dispatches dispatch
SET state = record.state, cause = record.cause, detail = record.detail, due = record.due,
    attend_at = CASE record.state WHEN 'waiting' THEN record.due WHEN 'failed' THEN now() END,
    receipt = CASE record.state WHEN 'waiting' THEN NULL ELSE dispatch.receipt END,
    deferrals = dispatch.deferrals + record.is_deferral::integer, dead_count = dispatch.dead_count + (record.state = 'failed')::integer,
    updated_at = now()
FROM unnest($2::uuid[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::boolean[])
  AS record(event_key, account_id, state, cause, detail, due, is_deferral)
WHERE dispatch.event_key = record.event_key AND dispatch.account_id = record.account_id
  AND dispatch.state = 'sent' AND dispatch.receipt = $1 AND dispatch.attend_at IS NOT NULL";

const ASK_AGAIN: &str = "
UPDATE dispatches SET attend_at = $3, due = $3, questions = greatest(0, questions - $4)
WHERE state = 'sent' AND attend_at IS NOT NULL AND account_id = $1 AND receipt = $2";

impl Store {
    /// How many receipts of each ad account are to be asked about now, but for those of `held` accounts; of very many, the oldest.
    pub async fn due_receipts(&self, held: &[AccountId]) -> Result<HashMap<AccountId, u32>, StoreError> {
        let held: Vec<i32> = held.iter().map(|account| account.0).collect();
        let client = self.client().await?;
        let statement = client.prepare_cached(DUE).await?;
        let rows = client.query(&statement, &[&held, &LOOK_MAX]).await?;
        let due = |row: &tokio_postgres::Row| (AccountId(row.get(0)), u32::try_from(row.get::<_, i64>(1)).unwrap_or(0));
        Ok(rows.iter().map(due).collect())
    }

    /// Takes receipts of these ad accounts that are to be asked about, those that waited longest first; nobody else gets them until the lease
    /// ends. The question counts from now on.
    pub async fn claim_receipts(
        &self,
        accounts: &[AccountId],
        limit: u32,
        lease_for: Duration,
    ) -> Result<Vec<Promise>, StoreError> {
        let accounts: Vec<i32> = accounts.iter().map(|account| account.0).collect();
        let client = self.client().await?;
        let statement = client.prepare_cached(CLAIM).await?;
        let rows = client
            .query(
                &statement,
                &[&accounts, &i64::from(limit), &lease_for.as_secs_f64(), &LOOK_MAX],
            )
            .await?;
        let mut promises: Vec<Promise> = Vec::new();
        for row in &rows {
            let (account, receipt): (_, &str) = (AccountId(row.get("account_id")), row.get("receipt"));
            if promises
                .last()
                .is_none_or(|last| last.account != account || last.receipt != receipt)
            {
                promises.push(Promise {
                    account,
                    receipt: receipt.to_owned(),
                    questions: usize::try_from(row.get::<_, i32>("questions")).unwrap_or(usize::MAX),
                    dispatches: Vec::new(),
                });
            }
            if let Some(promise) = promises.last_mut() {
                promise.dispatches.push(promised(row));
            }
        }
        Ok(promises)
    }

    /// Writes down what came of asking about a receipt, in one transaction. Only rows that still stand as sent under that very receipt change.
    /// Gives how many were settled.
    pub async fn record_receipt(&self, report: &ReceiptReport) -> Result<u64, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.build_transaction().start().await?;
        let records = &report.records;
        macro_rules! column {
            ($record:ident => $value:expr) => {
                records.iter().map(|$record| $value).collect::<Vec<_>>()
            };
        }
        let settled = transaction
            .execute(
                SETTLE,
                &[
                    &report.receipt,
                    &column!(record => record.key.event.0),
                    &column!(record => record.key.account.0),
                    &column!(record => record.state.as_str()),
                    &column!(record => record.cause.map(Cause::as_str)),
                    &column!(record => record.detail.as_deref()),
                    &column!(record => record.due),
                    &column!(record => record.is_deferral),
                ],
            )
            .await?;
        if let Some(again) = report.again {
            let (at, unspent) = match again {
                Again::Later(at) => (at, 0),
                Again::NotPut(at) => (at, 1),
            };
            transaction
                .execute(ASK_AGAIN, &[&report.account.0, &report.receipt, &at, &unspent])
                .await?;
        }
        for pause in &report.pauses {
            pauses::hold(&transaction, pause).await?;
        }
        transaction.commit().await?;
        Ok(settled)
    }
}

fn promised(row: &tokio_postgres::Row) -> Promised {
    Promised {
        key: DispatchKey {
            event: EventKey(row.get("event_key")),
            account: AccountId(row.get("account_id")),
        },
        event_name: row.get("event_name"),
        claimed: Claimed {
            attempt: row.get("attempts"),
            deferrals: u32::try_from(row.get::<_, i32>("deferrals")).unwrap_or(0),
            deadline: row.get("deadline"),
            first_ambiguous_at: row.get("first_ambiguous_at"),
            is_probe: false,
        },
    }
}
