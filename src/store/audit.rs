//! What the audit reads: events with what became of them at each ad account. Every statement is bounded, and follows an index.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    pool::{Store, StoreError},
    row::Columns,
};
use crate::domain::{AccountId, Cause, Click, ClientId, EventKey, EventRecord, Platform, Scope, State};

/// Which events are asked for; what is `None` or empty does not matter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// What one event or one person is looked up by; without it, events are taken by the time at which they came in.
    pub term: Option<AuditTerm>,
    /// The client.
    pub client: Option<ClientId>,
    /// At least one ad account of this platform stands so.
    pub platform: Option<Platform>,
    /// At least one ad account stands in one of these states.
    pub states: Vec<State>,
    /// At least one ad account, or the event itself, has this cause.
    pub cause: Option<Cause>,
    /// Came in at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// At most so many, the newest.
    pub limit: i64,
}

/// What one event or one person is looked up by.
#[derive(Clone, Debug, Default)]
pub struct AuditTerm {
    /// An order ID or an event ID.
    pub id: String,
    /// Keyed digests of an identity.
    pub identities: Vec<Uuid>,
}

/// An event, with what became of it.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// Its key.
    pub key: EventKey,
    /// The client.
    pub client: ClientId,
    /// The event ID.
    pub event_id: String,
    /// The event's name.
    pub name: String,
    /// The order ID.
    pub order_id: Option<String>,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// What it is worth.
    pub value: Option<Decimal>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Why it concerns no ad account, if it concerns none.
    pub cause: Option<Cause>,
    /// How often it came again with another time, value or click.
    pub differing: i32,
    /// When its person was forgotten, if they were.
    pub forgotten_at: Option<DateTime<Utc>>,
    /// One for each ad account that wants it, the oldest account first.
    pub entries: Vec<AuditEntry>,
}

/// How an event stands at one ad account.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// The ad account.
    pub account: AccountId,
    /// Its platform.
    pub platform: Platform,
    /// Where the ad account pointed when the event came in.
    pub destination: String,
    /// How it stands.
    pub state: State,
    /// Why.
    pub cause: Option<Cause>,
    /// The field or words that the cause is about, cleaned.
    pub detail: Option<String>,
    /// When it is tried next, if it waits.
    pub due: Option<DateTime<Utc>>,
    /// After this the platform does not take it.
    pub deadline: DateTime<Utc>,
    /// How many attempts there were.
    pub attempts: i32,
    /// When an attempt was first left without a recorded answer.
    pub first_ambiguous_at: Option<DateTime<Utc>>,
    /// The platform's promise to say later.
    pub receipt: Option<String>,
    /// The click it is attributed to.
    pub click: Option<Click>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct AuditAttempt {
    /// The ad account.
    pub account: AccountId,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Its number; the first is 1.
    pub number: i32,
    /// The outcome's name.
    pub outcome: String,
    /// Why.
    pub cause: Option<Cause>,
    /// The platform's code.
    pub code: Option<String>,
    /// The platform's words, cleaned.
    pub message: Option<String>,
    /// The platform's name for the request.
    pub request_id: Option<String>,
    /// HTTP status.
    pub http_status: Option<i16>,
    /// How long the request took.
    pub duration_ms: Option<i32>,
    /// How many conversions the request held.
    pub batch: i32,
}

/// What waits for one pause to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeBacklog {
    /// How many conversions.
    pub conversions: i64,
    /// Of how many clients.
    pub clients: i64,
    /// When the first of them expires.
    pub first_deadline: DateTime<Utc>,
}

/// Events of one name that no ad account of their client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwanted {
    /// The client.
    pub client: String,
    /// The event's name.
    pub name: String,
    /// How many there were.
    pub count: i64,
}

const EVENT_COLUMNS: &str = "key, client_id, event_id, name, order_id, happened_at, received_at, value, currency, cause, differing, forgotten_at";

// $1 client, $2 since, $3 platform, $4 states, $5 cause, $6 limit. An event-level cause has no platform and no state.
const CONDITIONS: &str = "
    ($1::text IS NULL OR event.client_id = $1)
    AND ($2::timestamptz IS NULL OR event.received_at >= $2)
    AND ($3::text IS NULL AND $4::text[] IS NULL AND $5::text IS NULL
         OR EXISTS (SELECT FROM dispatches dispatch WHERE dispatch.event_key = event.key
                    AND ($3 IS NULL OR dispatch.platform = $3) AND ($4 IS NULL OR dispatch.state = ANY ($4))
                    AND ($5 IS NULL OR dispatch.cause = $5))
         OR $3 IS NULL AND $4 IS NULL AND (event.cause = $5 OR $5 = 'duplicate_differs' AND event.differing > 0))
    ORDER BY event.received_at DESC LIMIT $6";

impl Store {
    /// The newest events that fit, the newest first.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEvent>, StoreError> {
        let client_id = filter.client.as_ref().map(ClientId::as_str);
        let platform = filter.platform.map(Platform::as_str);
        let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
        let states = (!states.is_empty()).then_some(states);
        let cause = filter.cause.map(Cause::as_str);
        let client = self.client().await?;
        let rows = match &filter.term {
            None => {
                let sql = format!("SELECT {EVENT_COLUMNS} FROM events event WHERE {CONDITIONS}");
                client
                    .query(
                        &sql,
                        &[&client_id, &filter.since, &platform, &states, &cause, &filter.limit],
                    )
                    .await?
            }
            Some(term) => {
                let sql = format!(
                    "WITH found AS (
                         SELECT key FROM events WHERE order_id = $7
                         UNION SELECT key FROM events WHERE event_id = $7
                         UNION SELECT key FROM events WHERE identities && $8::uuid[]
                     )
                     SELECT {EVENT_COLUMNS} FROM found JOIN events event USING (key) WHERE {CONDITIONS}"
                );
                client
                    .query(
                        &sql,
                        &[
                            &client_id,
                            &filter.since,
                            &platform,
                            &states,
                            &cause,
                            &filter.limit,
                            &term.id,
                            &term.identities,
                        ],
                    )
                    .await?
            }
        };
        let mut events = rows.iter().map(event_of).collect::<Result<Vec<_>, _>>()?;
        let keys: Vec<Uuid> = events.iter().map(|event| event.key.0).collect();
        let mut entries: HashMap<Uuid, Vec<AuditEntry>> = HashMap::new();
        let rows = client
            .query(
                "SELECT event_key, account_id, platform, destination, state, cause, detail, due, deadline, attempts, first_ambiguous_at,
                        receipt, click::text AS click, updated_at
                 FROM dispatches WHERE event_key = ANY ($1) ORDER BY account_id",
                &[&keys],
            )
            .await?;
        for row in &rows {
            entries.entry(row.get("event_key")).or_default().push(entry_of(row)?);
        }
        for event in &mut events {
            event.entries = entries.remove(&event.key.0).unwrap_or_default();
        }
        Ok(events)
    }

    /// What is kept of one event; `None` if its time of keeping is over.
    pub async fn event_record(&self, key: EventKey) -> Result<Option<EventRecord>, StoreError> {
        let client = self.client().await?;
        let row = client
            .query_opt("SELECT body::text AS body FROM events WHERE key = $1", &[&key.0])
            .await?;
        let misfit = StoreError::Row {
            table: "events",
            column: "body",
        };
        row.map(|row| serde_json::from_str(row.get("body")))
            .transpose()
            .map_err(|_| misfit)
    }

    /// The attempts of one event at all of its ad accounts, the earliest first; of very many, the latest.
    pub async fn attempts_of(&self, key: EventKey) -> Result<Vec<AuditAttempt>, StoreError> {
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT account_id, at, number, outcome, cause, code, message, request_id, http_status, duration_ms, batch
                 FROM attempts WHERE event_key = $1 ORDER BY at DESC LIMIT 500",
                &[&key.0],
            )
            .await?;
        rows.iter().rev().map(attempt_of).collect()
    }

    /// What waits for each of these pauses to end. Its cost grows with what waits.
    pub async fn scope_backlogs(&self, scopes: &[Scope]) -> Result<HashMap<Scope, ScopeBacklog>, StoreError> {
        if scopes.is_empty() {
            return Ok(HashMap::new());
        }
        let names: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT scope.name, count(*), count(DISTINCT account.client_id), min(dispatch.deadline)
                 FROM unnest($1::text[]) AS scope(name) JOIN ad_accounts account ON scope.name = ANY (account.scopes)
                 JOIN dispatches dispatch ON dispatch.account_id = account.id AND dispatch.state = 'paused'
                 GROUP BY scope.name",
                &[&names],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let misfit = |_| StoreError::Row {
                    table: "pauses",
                    column: "scope",
                };
                let backlog = ScopeBacklog {
                    conversions: row.get(1),
                    clients: row.get(2),
                    first_deadline: row.get(3),
                };
                Ok((row.get::<_, &str>(0).parse().map_err(misfit)?, backlog))
            })
            .collect()
    }

    /// Events that were counted and not stored, because no ad account of their client wants them, from a day on; the most frequent first.
    pub async fn unwanted_since(
        &self,
        day: NaiveDate,
        client_id: Option<&ClientId>,
        limit: i64,
    ) -> Result<Vec<Unwanted>, StoreError> {
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT client_id, name, sum(count)::bigint FROM unwanted_events
                 WHERE day >= $1 AND ($2::text IS NULL OR client_id = $2)
                 GROUP BY client_id, name ORDER BY 3 DESC, 1, 2 LIMIT $3",
                &[&day, &client_id.map(ClientId::as_str), &limit],
            )
            .await?;
        Ok(rows
            .iter()
            .map(|row| Unwanted {
                client: row.get(0),
                name: row.get(1),
                count: row.get(2),
            })
            .collect())
    }
}

fn event_of(row: &Row) -> Result<AuditEvent, StoreError> {
    let columns = Columns { table: "events", row };
    Ok(AuditEvent {
        key: EventKey(columns.get("key")?),
        client: columns.parse("client_id", |text| ClientId::parse(text).ok())?,
        event_id: columns.get("event_id")?,
        name: columns.get("name")?,
        order_id: columns.get("order_id")?,
        happened_at: columns.get("happened_at")?,
        received_at: columns.get("received_at")?,
        value: columns.get("value")?,
        currency: columns.get("currency")?,
        cause: cause_of(&columns)?,
        differing: columns.get("differing")?,
        forgotten_at: columns.get("forgotten_at")?,
        entries: Vec::new(),
    })
}

fn entry_of(row: &Row) -> Result<AuditEntry, StoreError> {
    let columns = Columns {
        table: "dispatches",
        row,
    };
    let click: Option<&str> = columns.get("click")?;
    let misfit = StoreError::Row {
        table: "dispatches",
        column: "click",
    };
    Ok(AuditEntry {
        account: AccountId(columns.get("account_id")?),
        platform: columns.parse("platform", |text| text.parse().ok())?,
        destination: columns.get("destination")?,
        state: columns.parse("state", |text| text.parse().ok())?,
        cause: cause_of(&columns)?,
        detail: columns.get("detail")?,
        due: columns.get("due")?,
        deadline: columns.get("deadline")?,
        attempts: columns.get("attempts")?,
        first_ambiguous_at: columns.get("first_ambiguous_at")?,
        receipt: columns.get("receipt")?,
        click: click.map(serde_json::from_str).transpose().map_err(|_| misfit)?,
        updated_at: columns.get("updated_at")?,
    })
}

fn attempt_of(row: &Row) -> Result<AuditAttempt, StoreError> {
    let columns = Columns { table: "attempts", row };
    Ok(AuditAttempt {
        account: AccountId(columns.get("account_id")?),
        at: columns.get("at")?,
        number: columns.get("number")?,
        outcome: columns.get("outcome")?,
        cause: cause_of(&columns)?,
        code: columns.get("code")?,
        message: columns.get("message")?,
        request_id: columns.get("request_id")?,
        http_status: columns.get("http_status")?,
        duration_ms: columns.get("duration_ms")?,
        batch: columns.get("batch")?,
    })
}

/// A cause of another version, unknown to this one, is an error: a screen without it would say that all is well.
fn cause_of(columns: &Columns<'_>) -> Result<Option<Cause>, StoreError> {
    if columns.get::<Option<&str>>("cause")?.is_none() {
        return Ok(None);
    }
    columns.parse("cause", |text| text.parse().ok()).map(Some)
}
