//! What replaying dead letters does to the ledger: it reopens what still stands as failed, once for each dead letter, and foretells what it would do.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::{ClientWrapper, Object};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    pool::{Store, StoreError},
    row::Columns,
    rows::dispatch_of,
};
use crate::domain::{AccountId, Cause, ClientId, Dispatch, DispatchKey, EventKey, EventRecord, Platform};

/// Which failed dispatches are meant; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct FailedFilter {
    /// Of these platforms.
    pub platforms: Vec<Platform>,
    /// Of this client.
    pub client: Option<ClientId>,
    /// Failed for this cause.
    pub cause: Option<Cause>,
    /// Failed at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Failed before this time.
    pub until: Option<DateTime<Utc>>,
    /// With this event ID or order ID.
    pub event: Option<String>,
}

/// Failed dispatches of one platform, client and cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedGroup {
    /// The platform.
    pub platform: Platform,
    /// The client.
    pub client: ClientId,
    /// Why they failed.
    pub cause: Cause,
    /// When the first of them failed.
    pub oldest: DateTime<Utc>,
    /// When the last of them failed.
    pub newest: DateTime<Utc>,
    /// How many there are.
    pub count: i64,
    /// How many of them the platform still takes, and certainly has not counted.
    pub in_time: i64,
    /// How many of them the platform no longer takes.
    pub too_late: i64,
    /// How many of them the platform may have counted.
    pub may_be_counted: i64,
}

/// One failed dispatch.
#[derive(Clone, Debug)]
pub struct FailedDispatch {
    /// Its event, as it is kept.
    pub record: EventRecord,
    /// The ad account.
    pub account: AccountId,
    /// Its platform.
    pub platform: Platform,
    /// Where the ad account pointed when the event came in.
    pub destination: String,
    /// Why it failed.
    pub cause: Cause,
    /// The field or words that the cause is about, cleaned.
    pub detail: Option<String>,
    /// How often it has failed.
    pub dead_count: i32,
    /// How many attempts there were.
    pub attempts: i32,
    /// When it failed.
    pub failed_at: DateTime<Utc>,
    /// After this the platform does not take it.
    pub deadline: DateTime<Utc>,
}

/// A dead letter that is to be reopened.
#[derive(Clone, Copy, Debug)]
pub struct Reopening {
    /// Which dispatch it is of.
    pub key: DispatchKey,
    /// How often that had failed when the letter was written.
    pub dead_count: i32,
    /// Until when it may go out although the platform may have counted it; `None`: then it may not.
    pub duplicate_until: Option<DateTime<Utc>>,
}

/// What came of reopening a dead letter.
#[derive(Clone, Debug, PartialEq)]
pub enum Reopened {
    /// It stands as queued, and must be published now, and then [`Store::published`]. Otherwise the keeper publishes it a minute later.
    Out(Box<Dispatch>),
    /// The letter is of the past: it has been reopened since, or was sent, or its person is forgotten.
    MovedOn,
    /// The platform no longer takes it.
    TooLate,
    /// The platform may have counted it.
    MayBeCounted,
    /// The ledger knows no such dispatch.
    Unknown,
}

/// The right to work on a queue of dead letters; ends when it is dropped.
pub struct QueueLock {
    _connection: ClientWrapper,
}

// $1 platforms, $2 client, $3 cause, $4 since, $5 until, $6 event.
const FAILED: &str = "
    FROM dispatches dispatch JOIN events event ON event.key = dispatch.event_key
    WHERE dispatch.state = 'failed' AND dispatch.platform = ANY ($1) AND event.forgotten_at IS NULL
      AND ($2::text IS NULL OR event.client_id = $2) AND ($3::text IS NULL OR dispatch.cause = $3)
      AND ($4::timestamptz IS NULL OR dispatch.updated_at >= $4) AND ($5::timestamptz IS NULL OR dispatch.updated_at < $5)
      AND ($6::text IS NULL OR event.event_id = $6 OR event.order_id = $6)";

const REOPEN: &str = "
WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::timestamptz[])
      AS wanted(event_key, account_id, dead_count, duplicate_until)
), locked AS MATERIALIZED (
    SELECT dispatch.event_key, dispatch.account_id, dispatch.state, dispatch.dead_count, dispatch.deadline,
           wanted.dead_count AS letter_count, wanted.duplicate_until,
           dispatch.first_ambiguous_at IS NOT NULL OR dispatch.cause = 'may_be_counted' AS may_be_counted
    FROM dispatches dispatch JOIN wanted USING (event_key, account_id)
    FOR UPDATE OF dispatch
), verdict AS (
    SELECT event_key, account_id, CASE WHEN may_be_counted THEN duplicate_until ELSE deadline END AS deadline,
           CASE WHEN state <> 'failed' OR dead_count <> letter_count
                     OR EXISTS (SELECT FROM events WHERE key = event_key AND forgotten_at IS NOT NULL) THEN 'moved_on'
                WHEN may_be_counted AND duplicate_until IS NULL THEN 'may_be_counted'
                WHEN CASE WHEN may_be_counted THEN duplicate_until ELSE deadline END <= now() THEN 'too_late'
                ELSE 'out' END AS verdict
    FROM locked
), reopened AS (
    UPDATE dispatches dispatch
    SET state = 'queued', cause = NULL, detail = NULL, deferrals = 0, republished = 0, probe = false, deadline = verdict.deadline,
        first_ambiguous_at = NULL, due = now(), attend_at = now() + interval '1 minute', updated_at = now()
    FROM verdict
    WHERE dispatch.event_key = verdict.event_key AND dispatch.account_id = verdict.account_id AND verdict.verdict = 'out'
    RETURNING dispatch.event_key, dispatch.account_id, dispatch.platform, dispatch.destination, dispatch.deadline,
              dispatch.click::text AS click
)
SELECT verdict.verdict, verdict.event_key, verdict.account_id, event.body::text AS body, reopened.platform, reopened.destination,
       reopened.deadline, reopened.click
FROM verdict
LEFT JOIN reopened USING (event_key, account_id)
LEFT JOIN events event ON event.key = reopened.event_key";

impl Store {
    /// Takes the right to work on a queue of dead letters, if nobody else has it. Nothing would go wrong without it, but two would walk the
    /// queue in each other's way.
    ///
    /// It is a lock of a transaction that stays open on a connection of its own: so it ends with the connection, and PgBouncer does not
    /// tear the two apart.
    pub async fn lock_queue(&self, queue: &str) -> Result<Option<QueueLock>, StoreError> {
        let connection = Object::take(self.client().await?);
        connection.batch_execute("BEGIN").await?;
        let row = connection
            .query_one(
                "SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' ' || $1, 0))",
                &[&queue],
            )
            .await?;
        let has_lock: bool = row.get(0);
        Ok(has_lock.then_some(QueueLock {
            _connection: connection,
        }))
    }

    /// Counts failed dispatches by platform, client and cause, and what a replay would do with them; the largest group first.
    pub async fn failed_groups(&self, filter: &FailedFilter) -> Result<Vec<FailedGroup>, StoreError> {
        let sql = format!(
            "SELECT dispatch.platform, event.client_id, dispatch.cause, min(dispatch.updated_at) AS oldest, max(dispatch.updated_at) AS newest,
                    count(*) AS count,
                    count(*) FILTER (WHERE NOT ({MAY_BE_COUNTED}) AND dispatch.deadline > now()) AS in_time,
                    count(*) FILTER (WHERE NOT ({MAY_BE_COUNTED}) AND dispatch.deadline <= now()) AS too_late,
                    count(*) FILTER (WHERE {MAY_BE_COUNTED}) AS may_be_counted
             {FAILED} GROUP BY 1, 2, 3 ORDER BY count DESC, 1, 2, 3"
        );
        self.failed(&sql, filter, None).await?.iter().map(group_of).collect()
    }

    /// Failed dispatches, those that failed first at the top, at most so many.
    pub async fn failed_dispatches(
        &self,
        filter: &FailedFilter,
        limit: i64,
    ) -> Result<Vec<FailedDispatch>, StoreError> {
        let sql = format!(
            "SELECT event.body::text AS body, dispatch.account_id, dispatch.platform, dispatch.destination, dispatch.cause, dispatch.detail,
                    dispatch.dead_count, dispatch.attempts, dispatch.updated_at, dispatch.deadline
             {FAILED} ORDER BY dispatch.updated_at, dispatch.event_key, dispatch.account_id LIMIT $7"
        );
        self.failed(&sql, filter, Some(limit))
            .await?
            .iter()
            .map(failed_of)
            .collect()
    }

    async fn failed(&self, sql: &str, filter: &FailedFilter, limit: Option<i64>) -> Result<Vec<Row>, StoreError> {
        let platforms: Vec<&str> = filter.platforms.iter().map(|platform| platform.as_str()).collect();
        let client_id = filter.client.as_ref().map(ClientId::as_str);
        let cause = filter.cause.map(Cause::as_str);
        let mut parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![
            &platforms,
            &client_id,
            &cause,
            &filter.since,
            &filter.until,
            &filter.event,
        ];
        if let Some(limit) = &limit {
            parameters.push(limit);
        }
        Ok(self.client().await?.query(sql, &parameters).await?)
    }

    /// Reopens what still stands as failed, and as often as its letter says; one statement over all of them. No key may occur twice.
    pub async fn reopen(&self, letters: &[Reopening]) -> Result<HashMap<DispatchKey, Reopened>, StoreError> {
        let events: Vec<Uuid> = letters.iter().map(|letter| letter.key.event.0).collect();
        let accounts: Vec<i32> = letters.iter().map(|letter| letter.key.account.0).collect();
        let counts: Vec<i32> = letters.iter().map(|letter| letter.dead_count).collect();
        let until: Vec<Option<DateTime<Utc>>> = letters.iter().map(|letter| letter.duplicate_until).collect();
        let client = self.client().await?;
        let statement = client.prepare_cached(REOPEN).await?;
        let rows = client.query(&statement, &[&events, &accounts, &counts, &until]).await?;
        let mut reopened: HashMap<DispatchKey, Reopened> =
            letters.iter().map(|letter| (letter.key, Reopened::Unknown)).collect();
        for row in &rows {
            let key = DispatchKey {
                event: EventKey(row.get("event_key")),
                account: AccountId(row.get("account_id")),
            };
            let what = match row.get("verdict") {
                // An event is kept for as long as its dispatches are.
                "out" if row.get::<_, Option<&str>>("body").is_none() => Reopened::Unknown,
                "out" => Reopened::Out(Box::new(dispatch_of(row)?)),
                "may_be_counted" => Reopened::MayBeCounted,
                "too_late" => Reopened::TooLate,
                _ => Reopened::MovedOn,
            };
            reopened.insert(key, what);
        }
        Ok(reopened)
    }
}

const MAY_BE_COUNTED: &str = "dispatch.first_ambiguous_at IS NOT NULL OR dispatch.cause = 'may_be_counted'";

fn group_of(row: &Row) -> Result<FailedGroup, StoreError> {
    let columns = Columns {
        table: "dispatches",
        row,
    };
    Ok(FailedGroup {
        platform: columns.parse("platform", |text| text.parse().ok())?,
        client: columns.parse("client_id", |text| ClientId::parse(text).ok())?,
        cause: columns.parse("cause", |text| text.parse().ok())?,
        oldest: columns.get("oldest")?,
        newest: columns.get("newest")?,
        count: columns.get("count")?,
        in_time: columns.get("in_time")?,
        too_late: columns.get("too_late")?,
        may_be_counted: columns.get("may_be_counted")?,
    })
}

fn failed_of(row: &Row) -> Result<FailedDispatch, StoreError> {
    let columns = Columns {
        table: "dispatches",
        row,
    };
    let record = serde_json::from_str(columns.get("body")?).map_err(|_| StoreError::Row {
        table: "events",
        column: "body",
    })?;
    Ok(FailedDispatch {
        record,
        account: AccountId(columns.get("account_id")?),
        platform: columns.parse("platform", |text| text.parse().ok())?,
        destination: columns.get("destination")?,
        cause: columns.parse("cause", |text| text.parse().ok())?,
        detail: columns.get("detail")?,
        dead_count: columns.get("dead_count")?,
        attempts: columns.get("attempts")?,
        failed_at: columns.get("updated_at")?,
        deadline: columns.get("deadline")?,
    })
}
