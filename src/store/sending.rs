//! What a sender does to the ledger: claim before sending, record after. Each a single statement or transaction over many rows.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use uuid::Uuid;

use super::{
    pauses,
    pool::{Store, StoreError},
};
use crate::domain::{AccountId, Cause, DispatchKey, EventKey, Scope, State};

/// What came of asking for a dispatch.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// It is ours to send until the lease ends.
    Ours(Claimed),
    /// Nothing to do: it is settled, another's, or not due. The ledger looks after it.
    NotOurs,
    /// Its ad account is paused, and now so is it.
    Parked {
        /// What holds it back.
        scope: String,
    },
    /// It stands as failed, perhaps only now because its deadline has passed; its dead copy is to be published.
    Failed(DeadFacts),
    /// The ledger knows no such dispatch.
    Unknown,
}

/// A dispatch that is ours to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The number of the attempt that the claim opened; the first is 1.
    pub attempt: i32,
    /// How many attempts have counted for the backoff so far.
    pub deferrals: u32,
    /// After this the platform does not take it.
    pub deadline: DateTime<Utc>,
    /// When an attempt was first left without a recorded answer.
    pub first_ambiguous_at: Option<DateTime<Utc>>,
    /// Whether it was sent ahead to see if a pause can end.
    pub is_probe: bool,
}

/// What a dead copy says of its dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadFacts {
    /// Why it failed.
    pub cause: Cause,
    /// The platform's code or words, cleaned.
    pub detail: Option<String>,
    /// How often it has failed.
    pub dead_count: i32,
    /// How many attempts there were.
    pub attempts: i32,
    /// When it failed.
    pub failed_at: DateTime<Utc>,
}

/// What is recorded of one dispatch of a request.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which.
    pub key: DispatchKey,
    /// Its new state.
    pub state: State,
    /// Why.
    pub cause: Option<Cause>,
    /// The field or words that the cause is about, cleaned.
    pub detail: Option<String>,
    /// When it is due again, if it waits.
    pub due: Option<DateTime<Utc>>,
    /// Its deadline, which an ambiguous attempt brings nearer.
    pub deadline: DateTime<Utc>,
    /// Whether the attempt counts for the backoff.
    pub is_deferral: bool,
    /// Whether the platform may have taken it all the same.
    pub is_ambiguous: bool,
    /// The platform's promise to say later.
    pub receipt: Option<String>,
    /// The outcome's name in the audit; `None`: no attempt is recorded (it went back unspent).
    pub outcome: Option<&'static str>,
    /// The platform's code.
    pub code: Option<String>,
    /// The platform's words, cleaned.
    pub message: Option<String>,
}

/// What is the same for all dispatches of one request.
#[derive(Clone, Debug, Default)]
pub struct RequestFacts {
    /// The platform's name for the request.
    pub request_id: Option<String>,
    /// HTTP status.
    pub http_status: Option<i16>,
    /// From the first byte out to the last byte in.
    pub duration_ms: i32,
    /// How many dispatches the request held.
    pub batch: i32,
}

/// What became of the dispatches of one request.
#[derive(Clone, Debug)]
pub struct Report {
    /// The lease under which they were claimed.
    pub lease: Uuid,
    /// One each.
    pub records: Vec<Record>,
    /// What is the same for all of them.
    pub facts: RequestFacts,
}

/// A pause that an answer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPause {
    /// What is held back.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// The platform's words, cleaned.
    pub detail: Option<String>,
    /// Until when; `None`: until someone resumes it or a probe gets through.
    pub until: Option<DateTime<Utc>>,
    /// When the first probe may go out, if one may.
    pub probe_at: Option<DateTime<Utc>>,
}

// It waits for rows that somebody else holds: the keeper still notes that a message is confirmed while that very message arrives here, and a
// message that were acked as another's business would be missed until it counts as silent. Everybody locks in the order of the keys.
const CLAIM: &str = "
WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::integer[]) AS wanted(event_key, account_id)
), held AS (
    SELECT DISTINCT ON (account.id) account.id, pause.scope, pause.cause
    FROM pauses pause JOIN ad_accounts account ON pause.scope = ANY (account.scopes)
    WHERE account.id = ANY ($2) AND (pause.until IS NULL OR pause.until > now())
    ORDER BY account.id, pause.scope LIKE 'platform:%' DESC, pause.since
), locked AS MATERIALIZED (
    SELECT dispatch.*, held.scope AS held_scope, held.cause AS held_cause
    FROM dispatches dispatch JOIN wanted USING (event_key, account_id) LEFT JOIN held ON held.id = dispatch.account_id
    ORDER BY dispatch.event_key, dispatch.account_id FOR UPDATE OF dispatch
), verdict AS (
    SELECT locked.*, CASE WHEN state <> 'queued' THEN state
                          WHEN deadline <= now() THEN 'expired'
                          WHEN held_scope IS NOT NULL AND NOT probe THEN 'parked'
                          ELSE 'ours' END AS verdict
    FROM locked
), claimed AS (
    UPDATE dispatches dispatch
    SET state = CASE verdict.verdict WHEN 'ours' THEN 'sending' WHEN 'parked' THEN 'paused' ELSE 'failed' END,
        cause = CASE verdict.verdict WHEN 'ours' THEN NULL WHEN 'parked' THEN verdict.held_cause
                     ELSE CASE WHEN verdict.first_ambiguous_at IS NULL THEN 'deadline_passed' ELSE 'may_be_counted' END END,
        detail = NULL, due = NULL, probe = false, updated_at = now(), republished = 0,
        lease = CASE verdict.verdict WHEN 'ours' THEN $3::uuid END,
        attempts = dispatch.attempts + CASE verdict.verdict WHEN 'ours' THEN 1 ELSE 0 END,
        dead_count = dispatch.dead_count + CASE verdict.verdict WHEN 'expired' THEN 1 ELSE 0 END,
        attend_at = CASE verdict.verdict WHEN 'ours' THEN now() + $4::float8 * interval '1 second'
                         WHEN 'parked' THEN dispatch.deadline ELSE now() + interval '1 minute' END
    FROM verdict
    WHERE dispatch.event_key = verdict.event_key AND dispatch.account_id = verdict.account_id
      AND verdict.verdict IN ('ours', 'parked', 'expired')
    RETURNING dispatch.event_key, dispatch.account_id, dispatch.attempts, dispatch.dead_count, dispatch.cause
)
SELECT wanted.event_key, wanted.account_id, verdict.verdict, claimed.attempts AS attempt, verdict.attempts, verdict.deferrals, verdict.deadline,
       verdict.first_ambiguous_at, verdict.probe, verdict.held_scope, verdict.updated_at, verdict.detail,
       coalesce(claimed.cause, verdict.cause) AS cause, coalesce(claimed.dead_count, verdict.dead_count) AS dead_count,
       verdict.verdict IS NULL AND NOT EXISTS (
           SELECT FROM dispatches any_state
           WHERE any_state.event_key = wanted.event_key AND any_state.account_id = wanted.account_id) AS is_unknown
FROM wanted
LEFT JOIN verdict USING (event_key, account_id)
LEFT JOIN claimed USING (event_key, account_id)";

// A dispatch whose person was forgotten while it was being sent bears that as its cause; it does not wait for another try.
const RECORD: &str = "
WITH record AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[],
                         $9::boolean[], $10::boolean[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::smallint[],
                         $17::integer[], $18::integer[])
      AS record(lease, event_key, account_id, state, cause, detail, due, deadline, is_deferral, is_ambiguous, receipt, outcome, code, message,
                request_id, http_status, duration_ms, batch)
), updated AS (
    UPDATE dispatches dispatch
    SET state = CASE WHEN dispatch.cause = 'forgotten' AND record.state IN ('waiting', 'paused') THEN 'not_sent' ELSE record.state END,
        cause = CASE WHEN dispatch.cause = 'forgotten' AND record.state IN ('waiting', 'paused') THEN 'forgotten' ELSE record.cause END,
        detail = CASE WHEN dispatch.cause = 'forgotten' AND record.state IN ('waiting', 'paused') THEN NULL ELSE record.detail END,
        due = CASE WHEN dispatch.cause = 'forgotten' AND record.state IN ('waiting', 'paused') THEN NULL ELSE record.due END, deadline = record.deadline,
        receipt = CASE record.state WHEN 'sent' THEN record.receipt ELSE coalesce(record.receipt, dispatch.receipt) END, lease = NULL,
        questions = CASE record.state WHEN 'sent' THEN 0 ELSE dispatch.questions END, updated_at = now(),
        deferrals = dispatch.deferrals + record.is_deferral::integer,
        attempts = dispatch.attempts - (record.outcome IS NULL)::integer,
        dead_count = dispatch.dead_count + (record.state = 'failed')::integer,
        first_ambiguous_at = coalesce(dispatch.first_ambiguous_at, CASE WHEN record.is_ambiguous THEN now() END),
        attend_at = CASE WHEN dispatch.cause = 'forgotten' AND record.state IN ('waiting', 'paused') THEN NULL
                         WHEN record.state = 'waiting' THEN record.due WHEN record.state = 'paused' THEN record.deadline
                         WHEN record.state = 'failed' THEN now() + interval '1 minute'
                         WHEN record.state = 'sent' AND record.receipt IS NOT NULL THEN record.due END
    FROM record
    WHERE dispatch.event_key = record.event_key AND dispatch.account_id = record.account_id
      AND (dispatch.state = 'sending' AND dispatch.lease = record.lease
           OR record.state = 'sent' AND dispatch.state IN ('queued', 'sending', 'waiting', 'paused'))
    RETURNING dispatch.event_key, dispatch.account_id, dispatch.attempts, dispatch.dead_count, record.outcome, record.cause, record.code,
              record.message, record.request_id, record.http_status, record.duration_ms, record.batch
), attempt AS (
    INSERT INTO attempts (event_key, account_id, number, outcome, cause, code, message, request_id, http_status, duration_ms, batch)
    SELECT event_key, account_id, attempts, outcome, cause, code, message, request_id, http_status, duration_ms, batch
    FROM updated
    WHERE outcome IS NOT NULL
)
SELECT event_key, account_id, attempts, dead_count FROM updated";

/// What stands of a dispatch after it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// How many attempts there were.
    pub attempts: i32,
    /// How often it has failed.
    pub dead_count: i32,
}

/// What changed when something was recorded.
pub type Recordings = HashMap<DispatchKey, Recorded>;

impl Store {
    /// Claims dispatches for sending: one statement over all of them, whatever their accounts. `lease` must be new, and no key may occur twice.
    /// The answers are in the order of the keys.
    pub async fn claim(
        &self,
        keys: &[DispatchKey],
        lease: Uuid,
        lease_for: Duration,
    ) -> Result<Vec<Claim>, StoreError> {
        let (events, accounts) = columns(keys);
        let client = self.client().await?;
        let statement = client.prepare_cached(CLAIM).await?;
        let rows = client
            .query(&statement, &[&events, &accounts, &lease, &lease_for.as_secs_f64()])
            .await?;
        let mut claims = HashMap::with_capacity(rows.len());
        for row in rows {
            let key = DispatchKey {
                event: EventKey(row.get("event_key")),
                account: AccountId(row.get("account_id")),
            };
            claims.insert(key, claim_of(&row)?);
        }
        Ok(keys
            .iter()
            .map(|key| claims.remove(key).unwrap_or(Claim::Unknown))
            .collect())
    }

    /// Records what became of the dispatches of several requests, in one statement. Only rows that still are under the report's lease change; a
    /// late delivery beats any unsettled state. Gives those that changed. No dispatch may occur twice.
    pub async fn record_all(&self, reports: &[&Report]) -> Result<Recordings, StoreError> {
        let client = self.client().await?;
        record_in(&client, reports).await
    }

    /// Records what became of the dispatches of one request, in one transaction with the pauses that the answer asks for.
    pub async fn record(
        &self,
        report: &Report,
        pauses: &[NewPause],
        lifted: Option<AccountId>,
    ) -> Result<Recordings, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.build_transaction().start().await?;
        let recorded = record_in(&transaction, &[report]).await?;
        for pause in pauses {
            pauses::hold(&transaction, pause).await?;
        }
        if let Some(account) = lifted {
            pauses::lift_by_probe(&transaction, account).await?;
        }
        transaction.commit().await?;
        Ok(recorded)
    }

    /// Makes leases last longer; gives how many of them were still ours.
    pub async fn renew(&self, lease: Uuid, keys: &[DispatchKey], lease_for: Duration) -> Result<usize, StoreError> {
        let (events, accounts) = columns(keys);
        let client = self.client().await?;
        let renewed = client
            .execute(
                "UPDATE dispatches dispatch SET attend_at = now() + $4::float8 * interval '1 second'
                 FROM unnest($1::uuid[], $2::integer[]) AS wanted(event_key, account_id)
                 WHERE dispatch.event_key = wanted.event_key AND dispatch.account_id = wanted.account_id
                   AND dispatch.state = 'sending' AND dispatch.lease = $3",
                &[&events, &accounts, &lease, &lease_for.as_secs_f64()],
            )
            .await?;
        Ok(usize::try_from(renewed).unwrap_or(usize::MAX))
    }

    /// Gives claims back that were not sent: the attempt is as if it had never been opened. What is of a forgotten person ends here.
    pub async fn give_back(&self, lease: Uuid, keys: &[DispatchKey], silence: Duration) -> Result<(), StoreError> {
        let (events, accounts) = columns(keys);
        let client = self.client().await?;
        client
            .execute(
                "UPDATE dispatches dispatch
                 SET state = CASE WHEN cause = 'forgotten' THEN 'not_sent' ELSE 'queued' END, lease = NULL, attempts = attempts - 1,
                     updated_at = now(), attend_at = CASE WHEN cause = 'forgotten' THEN NULL ELSE now() + $4::float8 * interval '1 second' END
                 FROM unnest($1::uuid[], $2::integer[]) AS wanted(event_key, account_id)
                 WHERE dispatch.event_key = wanted.event_key AND dispatch.account_id = wanted.account_id
                   AND dispatch.state = 'sending' AND dispatch.lease = $3",
                &[&events, &accounts, &lease, &silence.as_secs_f64()],
            )
            .await?;
        Ok(())
    }

    /// Lays queued dispatches that nobody has claimed aside until `due`, because their ad account has more than its share.
    pub async fn lay_aside(&self, keys: &[DispatchKey], due: DateTime<Utc>) -> Result<(), StoreError> {
        let (events, accounts) = columns(keys);
        let client = self.client().await?;
        client
            .execute(
                "UPDATE dispatches dispatch
                 SET state = 'waiting', cause = 'account_busy', due = least($3, deadline), attend_at = least($3, deadline), updated_at = now()
                 FROM unnest($1::uuid[], $2::integer[]) AS wanted(event_key, account_id)
                 WHERE dispatch.event_key = wanted.event_key AND dispatch.account_id = wanted.account_id
                   AND dispatch.state = 'queued'",
                &[&events, &accounts, &due],
            )
            .await?;
        Ok(())
    }

    /// Fails queued dispatches that cannot be handled at all.
    pub async fn fail_queued(&self, keys: &[DispatchKey], cause: Cause) -> Result<(), StoreError> {
        let (events, accounts) = columns(keys);
        let client = self.client().await?;
        client
            .execute(
                "UPDATE dispatches dispatch
                 SET state = 'failed', cause = $3, due = NULL, attend_at = now(), dead_count = dead_count + 1, updated_at = now()
                 FROM unnest($1::uuid[], $2::integer[]) AS wanted(event_key, account_id)
                 WHERE dispatch.event_key = wanted.event_key AND dispatch.account_id = wanted.account_id
                   AND dispatch.state IN ('queued', 'sending')",
                &[&events, &accounts, &cause.as_str()],
            )
            .await?;
        Ok(())
    }

    /// Notes that dead copies are confirmed, so that the keeper need not make them good.
    pub async fn dead_copies_confirmed(&self, keys: &[DispatchKey]) -> Result<(), StoreError> {
        let (events, accounts) = columns(keys);
        let client = self.client().await?;
        client
            .execute(
                "UPDATE dispatches dispatch SET attend_at = NULL
                 FROM unnest($1::uuid[], $2::integer[]) AS wanted(event_key, account_id)
                 WHERE dispatch.event_key = wanted.event_key AND dispatch.account_id = wanted.account_id
                   AND dispatch.state = 'failed'",
                &[&events, &accounts],
            )
            .await?;
        Ok(())
    }
}

async fn record_in(client: &impl GenericClient, reports: &[&Report]) -> Result<Recordings, StoreError> {
    let mut rows: Vec<(&Record, &Report)> = reports
        .iter()
        .flat_map(|report| report.records.iter().map(|record| (record, *report)))
        .collect();
    // In the order in which other statements lock them.
    rows.sort_unstable_by_key(|(record, _)| record.key);
    let (events, accounts) = columns(&rows.iter().map(|(record, _)| record.key).collect::<Vec<_>>());
    macro_rules! column {
        (|$record:ident, $report:ident| $value:expr) => {
            rows.iter().map(|($record, $report)| $value).collect::<Vec<_>>()
        };
    }
    let leases = column!(|_record, report| report.lease);
    let states = column!(|record, _report| record.state.as_str());
    let causes = column!(|record, _report| record.cause.map(Cause::as_str));
    let details = column!(|record, _report| record.detail.as_deref());
    let dues = column!(|record, _report| record.due);
    let deadlines = column!(|record, _report| record.deadline);
    let deferrals = column!(|record, _report| record.is_deferral);
    let ambiguous = column!(|record, _report| record.is_ambiguous);
    let receipts = column!(|record, _report| record.receipt.as_deref());
    let outcomes = column!(|record, _report| record.outcome);
    let codes = column!(|record, _report| record.code.as_deref());
    let messages = column!(|record, _report| record.message.as_deref());
    let request_ids = column!(|_record, report| report.facts.request_id.as_deref());
    let statuses = column!(|_record, report| report.facts.http_status);
    let durations = column!(|_record, report| report.facts.duration_ms);
    let batches = column!(|_record, report| report.facts.batch);
    let statement = client.prepare_cached(RECORD).await?;
    let rows = client
        .query(
            &statement,
            &[
                &leases,
                &events,
                &accounts,
                &states,
                &causes,
                &details,
                &dues,
                &deadlines,
                &deferrals,
                &ambiguous,
                &receipts,
                &outcomes,
                &codes,
                &messages,
                &request_ids,
                &statuses,
                &durations,
                &batches,
            ],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let key = DispatchKey {
                event: EventKey(row.get(0)),
                account: AccountId(row.get(1)),
            };
            (
                key,
                Recorded {
                    attempts: row.get(2),
                    dead_count: row.get(3),
                },
            )
        })
        .collect())
}

/// Keys as columns, sorted: statements that lock many rows do so in the same order everywhere.
pub(super) fn columns(keys: &[DispatchKey]) -> (Vec<Uuid>, Vec<i32>) {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    sorted.iter().map(|key| (key.event.0, key.account.0)).unzip()
}

fn claim_of(row: &tokio_postgres::Row) -> Result<Claim, StoreError> {
    let cause = || -> Result<Cause, StoreError> {
        row.get::<_, Option<&str>>("cause")
            .and_then(|cause| cause.parse().ok())
            .ok_or(StoreError::Row {
                table: "dispatches",
                column: "cause",
            })
    };
    Ok(match row.get::<_, Option<&str>>("verdict") {
        None if row.get("is_unknown") => Claim::Unknown,
        Some("ours") => Claim::Ours(Claimed {
            attempt: row.get("attempt"),
            deferrals: u32::try_from(row.get::<_, i32>("deferrals")).unwrap_or(0),
            deadline: row.get("deadline"),
            first_ambiguous_at: row.get("first_ambiguous_at"),
            is_probe: row.get("probe"),
        }),
        Some("parked") => Claim::Parked {
            scope: row.get("held_scope"),
        },
        Some("expired" | "failed") => Claim::Failed(DeadFacts {
            cause: cause()?,
            detail: row.get("detail"),
            dead_count: row.get("dead_count"),
            attempts: row.get("attempts"),
            failed_at: row.get("updated_at"),
        }),
        _ => Claim::NotOurs,
    })
}
