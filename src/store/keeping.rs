//! What the keeper does to the ledger: it looks after every row whose `attend_at` has come, and nothing else does.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    pool::{Store, StoreError},
    rows::dispatch_of,
    sending::{DeadFacts, columns},
};
use crate::domain::{AccountId, Cause, Dispatch, DispatchKey, EventKey, Platform, State};

/// How long a dispatch that was taken out of the ledger may go without a confirmed message before it is published again.
const STAMP: &str = "interval '1 minute'";

/// What must be published again and again without news before it counts as a crash loop.
const REPUBLISHED_MAX: i32 = 5;

/// A dispatch whose sender went away between claim and record.
#[derive(Clone, Copy, Debug)]
pub struct Abandoned {
    /// Which.
    pub key: DispatchKey,
    /// Its platform.
    pub platform: Platform,
    /// How many attempts have counted for the backoff, this one included.
    pub deferrals: u32,
    /// After this the platform does not take it.
    pub deadline: DateTime<Utc>,
    /// When an attempt was first left without a recorded answer; now, if this one is the first.
    pub first_ambiguous_at: DateTime<Utc>,
}

/// What becomes of an abandoned dispatch.
#[derive(Clone, Copy, Debug)]
pub struct Resumption {
    /// When it is tried again; `None`: never by itself.
    pub due: Option<DateTime<Utc>>,
    /// Its deadline from now on.
    pub deadline: DateTime<Utc>,
}

impl Store {
    /// Takes back dispatches whose lease has ended: the attempt is ambiguous, and `decide` says when the next one is. Gives how many.
    pub async fn take_back(
        &self,
        limit: i64,
        mut decide: impl FnMut(&Abandoned) -> Resumption,
    ) -> Result<usize, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let rows = transaction
            .query(
                "SELECT event_key, account_id, platform, deferrals, deadline, coalesce(first_ambiguous_at, now()) AS first_ambiguous_at
                 FROM dispatches WHERE state = 'sending' AND attend_at <= now()
                 ORDER BY attend_at LIMIT $1 FOR UPDATE SKIP LOCKED",
                &[&limit],
            )
            .await?;
        let mut events = Vec::new();
        let mut accounts = Vec::new();
        let mut states = Vec::new();
        let mut causes = Vec::new();
        let mut dues = Vec::new();
        let mut deadlines = Vec::new();
        for row in &rows {
            let abandoned = Abandoned {
                key: key_of(row),
                platform: platform_of(row)?,
                deferrals: u32::try_from(row.get::<_, i32>("deferrals")).unwrap_or(0) + 1,
                deadline: row.get("deadline"),
                first_ambiguous_at: row.get("first_ambiguous_at"),
            };
            let resumption = decide(&abandoned);
            let (state, cause) = match resumption.due {
                Some(_) => (State::Waiting, Cause::Ambiguous),
                None => (State::Failed, Cause::MayBeCounted),
            };
            events.push(abandoned.key.event.0);
            accounts.push(abandoned.key.account.0);
            states.push(state.as_str());
            causes.push(cause.as_str());
            dues.push(resumption.due);
            deadlines.push(resumption.deadline);
        }
        transaction
            .execute(
                "WITH decided AS (
                     SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[])
                       AS decided(event_key, account_id, state, cause, due, deadline)
                 ), updated AS (
                     UPDATE dispatches dispatch
                     SET state = CASE WHEN decided.state = 'waiting' AND dispatch.cause = 'forgotten' THEN 'not_sent' ELSE decided.state END,
                         cause = CASE WHEN decided.state = 'waiting' AND dispatch.cause = 'forgotten' THEN 'forgotten' ELSE decided.cause END,
                         due = CASE WHEN decided.state = 'waiting' AND dispatch.cause = 'forgotten' THEN NULL ELSE decided.due END,
                         attend_at = CASE WHEN decided.state = 'waiting' AND dispatch.cause = 'forgotten' THEN NULL
                                          ELSE coalesce(decided.due, now()) END,
                         detail = NULL, deadline = decided.deadline, lease = NULL, deferrals = dispatch.deferrals + 1,
                         dead_count = dispatch.dead_count + (decided.state = 'failed')::integer,
                         first_ambiguous_at = coalesce(dispatch.first_ambiguous_at, now()), updated_at = now()
                     FROM decided
                     WHERE dispatch.event_key = decided.event_key AND dispatch.account_id = decided.account_id
                     RETURNING dispatch.event_key, dispatch.account_id, dispatch.attempts
                 )
                 INSERT INTO attempts (event_key, account_id, number, outcome, cause)
                 SELECT event_key, account_id, attempts, 'ambiguous', 'ambiguous' FROM updated",
                &[&events, &accounts, &states, &causes, &dues, &deadlines],
            )
            .await?;
        transaction.commit().await?;
        Ok(rows.len())
    }

    /// Takes dispatches that are due out of the ledger (what waits for a click is decided anew instead), nearest deadline first, and stamps them: they must be published now, and then
    /// [`Store::published`].
    pub async fn wake(&self, limit: i64) -> Result<Vec<Dispatch>, StoreError> {
        self.take_out(
            &format!(
                "WITH candidate AS (
                     SELECT event_key, account_id, deadline FROM dispatches
                     WHERE state = 'waiting' AND cause IS DISTINCT FROM 'waiting_for_click' AND attend_at <= now()
                     ORDER BY attend_at LIMIT 20 * $1::bigint
                 ), chosen AS (
                     SELECT dispatch.event_key, dispatch.account_id FROM dispatches dispatch
                     JOIN (SELECT * FROM candidate ORDER BY deadline LIMIT $1) first USING (event_key, account_id)
                     WHERE dispatch.state = 'waiting' FOR UPDATE OF dispatch SKIP LOCKED
                 ), {TAKEN_OUT}"
            ),
            &[&limit],
        )
        .await
    }

    /// Takes paused dispatches out of the ledger that nothing holds back any more, nearest deadline first; like [`Store::wake`].
    pub async fn release(&self, limit: i64) -> Result<Vec<Dispatch>, StoreError> {
        self.take_out(
            &format!(
                "WITH free AS MATERIALIZED (
                     SELECT account.id FROM ad_accounts account
                     WHERE NOT EXISTS (SELECT FROM pauses pause WHERE pause.scope = ANY (account.scopes)
                                       AND (pause.until IS NULL OR pause.until > now()))
                       AND EXISTS (SELECT FROM dispatches WHERE account_id = account.id AND state = 'paused')
                 ), chosen AS (
                     SELECT event_key, account_id FROM dispatches
                     WHERE state = 'paused' AND account_id = ANY (ARRAY (SELECT id FROM free))
                     ORDER BY deadline LIMIT $1 FOR UPDATE SKIP LOCKED
                 ), {TAKEN_OUT}"
            ),
            &[&limit],
        )
        .await
    }

    /// Takes out dispatches that were stamped and never published, and queued ones that nothing was heard of, although the queues of their
    /// platform (`drained`) are empty. Those that vanished too often fail as a crash loop. Gives those to publish.
    pub async fn take_silent(&self, limit: i64, drained: &[Platform]) -> Result<Vec<Dispatch>, StoreError> {
        let drained: Vec<&str> = drained.iter().map(|platform| platform.as_str()).collect();
        let client = self.client().await?;
        client
            .execute(
                "UPDATE dispatches SET state = 'failed', cause = 'crash_loop', detail = NULL, attend_at = now(),
                                       dead_count = dead_count + 1, updated_at = now()
                 WHERE state = 'queued' AND attend_at <= now() AND republished >= $1 AND platform = ANY ($2)",
                &[&REPUBLISHED_MAX, &drained],
            )
            .await?;
        drop(client);
        self.take_out(
            &format!(
                "WITH chosen AS (
                     SELECT event_key, account_id FROM dispatches
                     WHERE state = 'queued' AND attend_at <= now() AND (due IS NOT NULL OR platform = ANY ($2))
                     ORDER BY attend_at LIMIT $1 FOR UPDATE SKIP LOCKED
                 ), {}",
                TAKEN_OUT.replace(
                    "republished = 0",
                    "republished = republished + (dispatch.due IS NULL)::integer"
                )
            ),
            &[&limit, &drained],
        )
        .await
    }

    async fn take_out(
        &self,
        sql: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Vec<Dispatch>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await?;
        client
            .query(&statement, parameters)
            .await?
            .iter()
            .map(dispatch_of)
            .collect()
    }

    /// Notes that the messages of dispatches that were taken out are confirmed.
    pub async fn published(&self, keys: &[DispatchKey], silence: Duration) -> Result<(), StoreError> {
        let (events, accounts) = columns(keys);
        let client = self.client().await?;
        client
            .execute(
                "UPDATE dispatches dispatch SET due = NULL, attend_at = now() + $3::float8 * interval '1 second'
                 FROM unnest($1::uuid[], $2::integer[]) AS done(event_key, account_id)
                 WHERE dispatch.event_key = done.event_key AND dispatch.account_id = done.account_id AND dispatch.state = 'queued'",
                &[&events, &accounts, &silence.as_secs_f64()],
            )
            .await?;
        Ok(())
    }

    /// Fails paused dispatches whose deadline has come; gives how many.
    pub async fn expire_paused(&self, limit: i64) -> Result<u64, StoreError> {
        let client = self.client().await?;
        Ok(client
            .execute(
                "WITH over AS (
                     SELECT event_key, account_id FROM dispatches WHERE state = 'paused' AND attend_at <= now()
                     ORDER BY attend_at LIMIT $1 FOR UPDATE SKIP LOCKED
                 )
                 UPDATE dispatches dispatch
                 SET state = 'failed', cause = CASE WHEN first_ambiguous_at IS NULL THEN 'deadline_passed' ELSE 'may_be_counted' END,
                     detail = NULL, attend_at = now(), dead_count = dead_count + 1, updated_at = now()
                 FROM over WHERE dispatch.event_key = over.event_key AND dispatch.account_id = over.account_id",
                &[&limit],
            )
            .await?)
    }

    /// Failed dispatches whose dead copy is not known to be confirmed; each is given again a minute later, until
    /// [`Store::dead_copies_confirmed`]. Those of a forgotten person need none.
    pub async fn missing_dead_copies(&self, limit: i64) -> Result<Vec<(Dispatch, DeadFacts)>, StoreError> {
        let client = self.client().await?;
        let rows = client
            .query(
                &format!(
                    "WITH missing AS (
                         SELECT event_key, account_id FROM dispatches WHERE state = 'failed' AND attend_at <= now()
                         ORDER BY attend_at LIMIT $1 FOR UPDATE SKIP LOCKED
                     ), copied AS (
                         UPDATE dispatches dispatch SET attend_at = CASE WHEN event.forgotten_at IS NULL THEN now() + {STAMP} END
                         FROM missing JOIN events event ON event.key = missing.event_key
                         WHERE dispatch.event_key = missing.event_key AND dispatch.account_id = missing.account_id
                         RETURNING event.body::text AS body, dispatch.account_id, dispatch.platform, dispatch.destination, dispatch.deadline,
                                   dispatch.click::text AS click, dispatch.cause, dispatch.detail, dispatch.dead_count, dispatch.attempts,
                                   dispatch.updated_at, event.forgotten_at
                     )
                     SELECT * FROM copied WHERE forgotten_at IS NULL"
                ),
                &[&limit],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let cause = row.get::<_, Option<&str>>("cause").and_then(|cause| cause.parse().ok());
                let facts = DeadFacts {
                    cause: cause.ok_or(StoreError::Row {
                        table: "dispatches",
                        column: "cause",
                    })?,
                    detail: row.get("detail"),
                    dead_count: row.get("dead_count"),
                    attempts: row.get("attempts"),
                    failed_at: row.get("updated_at"),
                };
                Ok((dispatch_of(row)?, facts))
            })
            .collect()
    }

    /// Takes one paused dispatch out for each pause whose probe is due: the one with the nearest deadline, marked so that the claim lets it
    /// through. The next probe of that pause is `interval` later.
    pub async fn take_probes(&self, interval: Duration) -> Result<Vec<Dispatch>, StoreError> {
        let client = self.client().await?;
        let seconds = interval.as_secs_f64();
        let rows = client
            .query(
                &format!(
                    "WITH asked AS (
                         UPDATE pauses SET probe_at = now() + $1::float8 * interval '1 second'
                         WHERE probe_at <= now() AND until IS NULL AND NOT by_hand RETURNING scope
                     ), chosen AS (
                         SELECT DISTINCT first.event_key, first.account_id FROM asked CROSS JOIN LATERAL (
                             SELECT dispatch.event_key, dispatch.account_id
                             FROM ad_accounts account JOIN dispatches dispatch ON dispatch.account_id = account.id
                             WHERE asked.scope = ANY (account.scopes) AND dispatch.state = 'paused' AND dispatch.deadline > now()
                               AND NOT EXISTS (SELECT FROM pauses pause WHERE pause.scope = ANY (account.scopes) AND pause.by_hand
                                               AND (pause.until IS NULL OR pause.until > now()))
                             ORDER BY dispatch.deadline LIMIT 1) first
                     ), {}",
                    TAKEN_OUT.replace("probe = false", "probe = true")
                ),
                &[&seconds],
            )
            .await?;
        rows.iter().map(dispatch_of).collect()
    }

    /// Forgets pauses that have ended by themselves.
    pub async fn drop_ended_pauses(&self) -> Result<u64, StoreError> {
        let client = self.client().await?;
        Ok(client.execute("DELETE FROM pauses WHERE until <= now()", &[]).await?)
    }

    /// Makes the partitions of `attempts` for the months up to `months` ahead.
    pub async fn make_partitions(&self, today: DateTime<Utc>, months: u32) -> Result<(), StoreError> {
        let client = self.client().await?;
        for ahead in 0..=months {
            let first = today.date_naive() + chrono::Months::new(ahead);
            let name = first.format("attempts_%Y_%m").to_string();
            let exists = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name]).await?;
            if exists.get(0) {
                continue;
            }
            let from = first.format("%Y-%m-01").to_string();
            let to = (first + chrono::Months::new(1)).format("%Y-%m-01").to_string();
            // The current month's rows may lie in the default partition already; Postgres then refuses, and they stay there.
            let made = client
                .batch_execute(&format!(
                    "CREATE TABLE IF NOT EXISTS {name} PARTITION OF attempts FOR VALUES FROM ('{from}') TO ('{to}')"
                ))
                .await;
            if let Err(error) = made
                && error.code() != Some(&tokio_postgres::error::SqlState::CHECK_VIOLATION)
            {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Drops what is past its time: events with their dispatches and attempts, in small steps, after adding them to the daily totals. Gives how many events went.
    pub async fn drop_expired_events(&self, limit: i64) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let row = client
            .query_one(
                "WITH gone AS (
                     DELETE FROM events WHERE key IN (
                         SELECT key FROM events event WHERE keep_until < now() AND NOT EXISTS (
                             SELECT FROM dispatches WHERE event_key = event.key AND attend_at IS NOT NULL AND state <> 'sent')
                         ORDER BY keep_until LIMIT $1)
                     RETURNING *
                 ), dispatches_gone AS (
                     DELETE FROM dispatches USING gone WHERE event_key = gone.key
                     RETURNING gone.received_at::date AS day, gone.client_id, account_id, gone.name, state, coalesce(dispatches.cause, '') AS cause,
                               coalesce(gone.currency, '') AS currency, coalesce(gone.value, 0) AS value
                 ), attempts_gone AS (
                     DELETE FROM attempts USING gone WHERE event_key = gone.key
                 ), totals AS (
                     INSERT INTO daily_totals (day, client_id, account_id, name, state, cause, currency, count, value)
                     SELECT day, client_id, account_id, name, state, cause, currency, count(*), sum(value) FROM dispatches_gone
                     GROUP BY 1, 2, 3, 4, 5, 6, 7
                     ON CONFLICT (day, client_id, account_id, name, state, cause, currency)
                     DO UPDATE SET count = daily_totals.count + excluded.count, value = daily_totals.value + excluded.value
                 )
                 SELECT count(*) FROM gone",
                &[&limit],
            )
            .await?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
    }

    /// How many dispatches of each platform are in each state that somebody looks after.
    pub async fn unsettled(&self) -> Result<Vec<(Platform, State, i64)>, StoreError> {
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT platform, state, count(*) FROM dispatches WHERE attend_at IS NOT NULL AND state <> 'sent' GROUP BY 1, 2",
                &[],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let state = row.get::<_, &str>("state").parse();
                Ok((
                    platform_of(row)?,
                    state.map_err(|_| StoreError::Row {
                        table: "dispatches",
                        column: "state",
                    })?,
                    row.get(2),
                ))
            })
            .collect()
    }

    /// The nearest deadline of what is paused, by platform.
    pub async fn nearest_paused_deadline(&self) -> Result<Vec<(Platform, DateTime<Utc>)>, StoreError> {
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT platform, min(deadline) FROM dispatches WHERE state = 'paused' GROUP BY 1",
                &[],
            )
            .await?;
        rows.iter().map(|row| Ok((platform_of(row)?, row.get(1)))).collect()
    }
}

/// Second half of the statements that take dispatches out of the ledger: from `chosen` to rows of [`dispatch_of`]. `due` stays set as the stamp until
/// the message is confirmed. What is of a forgotten person ends here instead.
const TAKEN_OUT: &str = "taken AS (
    UPDATE dispatches dispatch
    SET state = CASE WHEN event.forgotten_at IS NULL THEN 'queued' ELSE 'not_sent' END,
        cause = CASE WHEN event.forgotten_at IS NOT NULL THEN 'forgotten' END, detail = NULL,
        due = CASE WHEN event.forgotten_at IS NULL THEN now() END,
        attend_at = CASE WHEN event.forgotten_at IS NULL THEN now() + interval '1 minute' END, probe = false, republished = 0,
        updated_at = now()
    FROM chosen JOIN events event ON event.key = chosen.event_key
    WHERE dispatch.event_key = chosen.event_key AND dispatch.account_id = chosen.account_id
    RETURNING event.body::text AS body, dispatch.account_id, dispatch.platform, dispatch.destination, dispatch.deadline,
              dispatch.click::text AS click, event.forgotten_at
)
SELECT * FROM taken WHERE forgotten_at IS NULL ORDER BY deadline";

fn key_of(row: &tokio_postgres::Row) -> DispatchKey {
    DispatchKey {
        event: EventKey(row.get("event_key")),
        account: AccountId(row.get("account_id")),
    }
}

fn platform_of(row: &tokio_postgres::Row) -> Result<Platform, StoreError> {
    row.get::<_, &str>("platform").parse().map_err(|_| StoreError::Row {
        table: "dispatches",
        column: "platform",
    })
}
