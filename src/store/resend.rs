//! What resending does to the ledger: it reads events with how they stand at each ad account, and sets anew what has not changed meanwhile.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    pool::{Store, StoreError},
    routing::NewDispatch,
    row::Columns,
    rows::json_text,
};
use crate::domain::{AccountId, Cause, ClientId, DispatchKey, EventKey, EventRecord, State};

/// Which events are meant; what is `None` does not matter.
#[derive(Clone, Debug)]
pub struct ResendFilter {
    /// Of this client.
    pub client: Option<ClientId>,
    /// Came in at this time or later.
    pub since: DateTime<Utc>,
    /// Came in before this time.
    pub until: DateTime<Utc>,
    /// With this event ID or order ID.
    pub event: Option<String>,
}

/// Where the next page begins.
pub type Place = (DateTime<Utc>, Uuid);

/// An event with how it stands.
#[derive(Clone, Debug)]
pub struct KeptEvent {
    /// What is kept of it.
    pub record: EventRecord,
    /// The digests of the person's identities.
    pub identities: Vec<Uuid>,
    /// Whether its person is forgotten: nothing is made of it any more.
    pub is_forgotten: bool,
    /// How it stands at each ad account that it has a row for.
    pub standing: Vec<Standing>,
    /// Where the page after it begins.
    pub place: Place,
}

/// How an event stands at an ad account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The ad account.
    pub account: AccountId,
    /// Where it pointed when that was decided.
    pub destination: String,
    /// The state.
    pub state: State,
    /// Why.
    pub cause: Option<Cause>,
    /// Whether the platform may have counted it without an answer.
    pub is_ambiguous: bool,
    /// When that changed last: what is set anew must not have changed since.
    pub updated_at: DateTime<Utc>,
}

/// One part of an event that is to be set anew.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// Which event.
    pub event: EventKey,
    /// What was decided.
    pub decision: NewDispatch,
    /// How it stood; `None`: there was no row.
    pub stood: Option<DateTime<Utc>>,
}

const PAGE: &str = "
SELECT event.key, event.received_at, event.forgotten_at IS NOT NULL AS is_forgotten, event.body::text AS body, event.identities, dispatch.account_id,
       dispatch.destination, dispatch.state, dispatch.cause,
       dispatch.first_ambiguous_at IS NOT NULL AS is_ambiguous, dispatch.updated_at
FROM (SELECT * FROM events
      WHERE (received_at, key) > ($1, $2) AND received_at < $3 AND ($4::text IS NULL OR client_id = $4)
        AND ($5::text IS NULL OR event_id = $5 OR order_id = $5)
      ORDER BY received_at, key LIMIT $6) event
LEFT JOIN dispatches dispatch ON dispatch.event_key = event.key
ORDER BY event.received_at, event.key, dispatch.account_id";

// What is queued is stamped: its message must be published now, or the keeper publishes it a minute later. The event is locked first, so that
// nothing is made anew of one whose person is forgotten meanwhile.
const RENEW: &str = "
WITH wanted AS (
    SELECT *, CASE state WHEN 'queued' THEN now() ELSE first_due END AS due,
           CASE state WHEN 'queued' THEN now() + interval '1 minute' WHEN 'failed' THEN now() ELSE first_due END AS attend_at
    FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[],
                $10::timestamptz[], $11::text[])
      AS wanted(event_key, account_id, platform, destination, state, cause, first_due, deadline, click, stood, detail)
), living AS MATERIALIZED (
    SELECT key FROM events WHERE key = ANY ($1) AND forgotten_at IS NULL ORDER BY key FOR NO KEY UPDATE
), renewed AS (
    UPDATE dispatches dispatch
    SET destination = wanted.destination, state = wanted.state, cause = wanted.cause, detail = wanted.detail, due = wanted.due,
        dead_count = dispatch.dead_count + (wanted.state = 'failed')::integer, deadline = wanted.deadline, attend_at = wanted.attend_at, lease = NULL, deferrals = 0, republished = 0, first_ambiguous_at = NULL,
        probe = false, receipt = NULL, click = wanted.click::json, updated_at = now()
    FROM wanted JOIN living ON living.key = wanted.event_key
    WHERE dispatch.event_key = wanted.event_key AND dispatch.account_id = wanted.account_id AND dispatch.updated_at = wanted.stood
      AND (dispatch.state IN ('not_sent', 'failed', 'sent', 'confirmed')
           OR dispatch.state = 'waiting' AND dispatch.cause = 'waiting_for_click')
    RETURNING dispatch.event_key, dispatch.account_id, dispatch.deadline
), added AS (
    INSERT INTO dispatches (event_key, account_id, platform, destination, state, cause, due, deadline, attend_at, click)
    SELECT event_key, account_id, platform, destination, state, cause, due, deadline, attend_at, click::json
    FROM wanted JOIN living ON living.key = wanted.event_key WHERE stood IS NULL
    ON CONFLICT DO NOTHING
    RETURNING event_key, account_id, deadline
), changed AS (
    SELECT * FROM renewed UNION ALL SELECT * FROM added
), kept AS (
    UPDATE events event SET cause = NULL, keep_until = greatest(event.keep_until, last.deadline + interval '30 days')
    FROM (SELECT event_key, max(deadline) AS deadline FROM changed GROUP BY event_key) last
    WHERE event.key = last.event_key
)
SELECT event_key, account_id FROM changed";

impl Store {
    /// A page of events, in the order in which they came in.
    pub async fn kept_events(
        &self,
        filter: &ResendFilter,
        after: Option<Place>,
        limit: i64,
    ) -> Result<Vec<KeptEvent>, StoreError> {
        let (since, key) = after.unwrap_or((filter.since, Uuid::nil()));
        let client_id = filter.client.as_ref().map(ClientId::as_str);
        let client = self.client().await?;
        let statement = client.prepare_cached(PAGE).await?;
        let rows = client
            .query(
                &statement,
                &[&since, &key, &filter.until, &client_id, &filter.event, &limit],
            )
            .await?;
        let mut events: Vec<KeptEvent> = Vec::new();
        for row in &rows {
            let place: Place = (row.get("received_at"), row.get("key"));
            if events.last().is_none_or(|last| last.place != place) {
                events.push(KeptEvent {
                    record: Columns { table: "events", row }.parse("body", |text| serde_json::from_str(text).ok())?,
                    identities: Columns { table: "events", row }.get("identities")?,
                    is_forgotten: row.get("is_forgotten"),
                    standing: Vec::new(),
                    place,
                });
            }
            if let (Some(event), Some(_)) = (events.last_mut(), row.get::<_, Option<i32>>("account_id")) {
                event.standing.push(standing_of(row)?);
            }
        }
        Ok(events)
    }

    /// Sets parts of events anew, one statement over all of them; gives those that it did. What changed since it was read stays as it is.
    /// Those that are queued must be published now, and then [`Store::published`]. No part may occur twice.
    pub async fn renew_decisions(&self, renewals: &[Renewal]) -> Result<HashSet<DispatchKey>, StoreError> {
        macro_rules! column {
            ($renewal:ident => $value:expr) => {
                renewals.iter().map(|$renewal| $value).collect::<Vec<_>>()
            };
        }
        let client = self.client().await?;
        let statement = client.prepare_cached(RENEW).await?;
        let rows = client
            .query(
                &statement,
                &[
                    &column!(renewal => renewal.event.0),
                    &column!(renewal => renewal.decision.account.0),
                    &column!(renewal => renewal.decision.platform.as_str()),
                    &column!(renewal => renewal.decision.destination.as_str()),
                    &column!(renewal => renewal.decision.state.as_str()),
                    &column!(renewal => renewal.decision.cause.map(Cause::as_str)),
                    &column!(renewal => renewal.decision.due),
                    &column!(renewal => renewal.decision.deadline),
                    &column!(renewal => renewal.decision.click.as_ref().map(json_text)),
                    &column!(renewal => renewal.stood),
                    &column!(renewal => renewal.decision.detail.as_deref()),
                ],
            )
            .await?;
        Ok(rows
            .iter()
            .map(|row| DispatchKey {
                event: EventKey(row.get(0)),
                account: AccountId(row.get(1)),
            })
            .collect())
    }
}

fn standing_of(row: &Row) -> Result<Standing, StoreError> {
    let columns = Columns {
        table: "dispatches",
        row,
    };
    let cause: Option<&str> = columns.get("cause")?;
    Ok(Standing {
        account: AccountId(columns.get("account_id")?),
        destination: columns.get("destination")?,
        state: columns.parse("state", |text| text.parse().ok())?,
        cause: cause
            .map(|_| columns.parse("cause", |text| text.parse().ok()))
            .transpose()?,
        is_ambiguous: columns.get("is_ambiguous")?,
        updated_at: columns.get("updated_at")?,
    })
}
