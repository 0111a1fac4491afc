//! What forgetting a person does to the ledger: clicks go, and of the conversions only states and counts stay. Every step may be repeated.

use std::collections::{BTreeMap, HashSet};

use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    pool::{Store, StoreError},
    row::Columns,
    rows::json_text,
};
use crate::domain::{ClientId, EventKey, EventRecord, State};

/// Whom to forget: one identity at one client.
#[derive(Clone, Debug)]
pub struct Person {
    /// The client.
    pub client: ClientId,
    /// The identity's digests, under every key.
    pub identities: Vec<Uuid>,
}

/// Conversions of a person, and how they stood at the ad accounts of their client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversions {
    /// How many.
    pub events: i64,
    /// How many stood so at an ad account, by state.
    pub states: BTreeMap<State, i64>,
}

// A click that the person is remembered by under another identity, too, is the same person's click.
const CLICKS: &str = "
FROM clicks WHERE client_id = $1
  AND (identity = ANY ($2) OR click IN (SELECT click FROM clicks WHERE client_id = $1 AND identity = ANY ($2)))";

// The event is locked before its dispatches, as everywhere.
const EVENTS: &str = "
SELECT key, body::text AS body FROM events WHERE client_id = $1 AND identities && $2 ORDER BY key LIMIT $3 FOR UPDATE";

const DISPATCHES: &str = "
SELECT state FROM dispatches WHERE event_key = ANY ($1) ORDER BY event_key, account_id FOR UPDATE";

// What is being sent bears the cause already, so that whoever records it or gives it back knows that there is no other try. A failed one counts
// as having failed once more, so that none of its letters opens it again.
const STOP: &str = "
UPDATE dispatches
SET state = CASE WHEN state IN ('queued', 'waiting', 'paused') THEN 'not_sent' ELSE state END,
    cause = CASE WHEN state IN ('queued', 'waiting', 'paused', 'sending') THEN 'forgotten' ELSE cause END,
    due = CASE WHEN state IN ('queued', 'waiting', 'paused') THEN NULL ELSE due END,
    attend_at = CASE WHEN state IN ('queued', 'waiting', 'paused') THEN NULL ELSE attend_at END,
    updated_at = CASE WHEN state IN ('queued', 'waiting', 'paused') THEN now() ELSE updated_at END,
    dead_count = dead_count + (state = 'failed')::integer, probe = false, click = NULL, detail = NULL
WHERE event_key = ANY ($1)";

const EMPTY: &str = "
UPDATE events event SET forgotten_at = now(), identities = '{}', fingerprint = '', body = emptied.body::json
FROM unnest($1::uuid[], $2::text[]) AS emptied(key, body)
WHERE event.key = emptied.key";

impl Store {
    /// How many clicks of a person are remembered.
    pub async fn clicks_of(&self, person: &Person) -> Result<i64, StoreError> {
        let client = self.client().await?;
        let row = client
            .query_one(
                &format!("SELECT count(*) {CLICKS}"),
                &[&person.client.as_str(), &person.identities],
            )
            .await?;
        Ok(row.get(0))
    }

    /// Forgets the clicks of a person, under whichever identity each is remembered; gives how many went.
    pub async fn forget_clicks(&self, person: &Person) -> Result<u64, StoreError> {
        let client = self.client().await?;
        Ok(client
            .execute(
                &format!("DELETE {CLICKS}"),
                &[&person.client.as_str(), &person.identities],
            )
            .await?)
    }

    /// The conversions of a person that are not forgotten yet.
    pub async fn conversions_of(&self, person: &Person) -> Result<Conversions, StoreError> {
        let client = self.client().await?;
        let rows = client
            .query(
                "WITH theirs AS (SELECT key FROM events WHERE client_id = $1 AND identities && $2)
                 SELECT NULL AS state, count(*) FROM theirs
                 UNION ALL SELECT state, count(*) FROM theirs JOIN dispatches ON event_key = key GROUP BY state",
                &[&person.client.as_str(), &person.identities],
            )
            .await?;
        let mut conversions = Conversions::default();
        for row in &rows {
            match row.get::<_, Option<&str>>("state") {
                None => conversions.events = row.get(1),
                Some(_) => {
                    conversions.states.insert(state_of(row)?, row.get(1));
                }
            }
        }
        Ok(conversions)
    }

    /// Empties at most so many conversions of a person, all or none, and stops what has not gone out; gives how they stood. What is being sent
    /// is left to end, and is not tried again.
    pub async fn forget_conversions(&self, person: &Person, limit: i64) -> Result<Conversions, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let rows = transaction
            .query(EVENTS, &[&person.client.as_str(), &person.identities, &limit])
            .await?;
        let mut keys: Vec<Uuid> = Vec::with_capacity(rows.len());
        let mut bodies = Vec::with_capacity(rows.len());
        for row in &rows {
            let columns = Columns { table: "events", row };
            let record: EventRecord = columns.parse("body", |text| serde_json::from_str(text).ok())?;
            keys.push(columns.get("key")?);
            bodies.push(json_text(&record.forgotten()));
        }
        let mut conversions = Conversions {
            events: i64::try_from(keys.len()).unwrap_or(i64::MAX),
            states: BTreeMap::new(),
        };
        for row in &transaction.query(DISPATCHES, &[&keys]).await? {
            *conversions.states.entry(state_of(row)?).or_default() += 1;
        }
        transaction.execute(STOP, &[&keys]).await?;
        transaction.execute(EMPTY, &[&keys, &bodies]).await?;
        transaction.commit().await?;
        Ok(conversions)
    }

    /// How many conversions of forgotten people of a client are being sent, or may just be on their way to the dead letters.
    pub async fn forgotten_under_way(&self, client_id: &ClientId) -> Result<i64, StoreError> {
        let client = self.client().await?;
        let row = client
            .query_one(
                "SELECT count(*) FROM dispatches dispatch JOIN events event ON event.key = dispatch.event_key
                 WHERE dispatch.state IN ('sending', 'failed') AND dispatch.attend_at IS NOT NULL
                   AND event.client_id = $1 AND event.forgotten_at IS NOT NULL",
                &[&client_id.as_str()],
            )
            .await?;
        Ok(row.get(0))
    }

    /// Which of these events are of a forgotten person.
    pub async fn forgotten_among(&self, events: &[EventKey]) -> Result<HashSet<EventKey>, StoreError> {
        let keys: Vec<Uuid> = events.iter().map(|event| event.0).collect();
        let client = self.client().await?;
        let statement = client
            .prepare_cached("SELECT key FROM events WHERE key = ANY ($1) AND forgotten_at IS NOT NULL")
            .await?;
        let rows = client.query(&statement, &[&keys]).await?;
        Ok(rows.iter().map(|row| EventKey(row.get(0))).collect())
    }

    /// Which of these events are of this person, or of one who is forgotten.
    pub async fn events_to_forget(
        &self,
        person: &Person,
        events: &[EventKey],
    ) -> Result<HashSet<EventKey>, StoreError> {
        let keys: Vec<Uuid> = events.iter().map(|event| event.0).collect();
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT key FROM events WHERE key = ANY ($1) AND client_id = $2 AND (forgotten_at IS NOT NULL OR identities && $3)",
                &[&keys, &person.client.as_str(), &person.identities],
            )
            .await?;
        Ok(rows.iter().map(|row| EventKey(row.get(0))).collect())
    }
}

impl Conversions {
    /// Adds what became of others.
    pub fn add(&mut self, others: &Conversions) {
        self.events += others.events;
        for (state, count) in &others.states {
            *self.states.entry(*state).or_default() += count;
        }
    }

    /// How many stood in one of these states.
    pub fn in_states(&self, states: &[State]) -> i64 {
        states.iter().filter_map(|state| self.states.get(state)).sum()
    }
}

fn state_of(row: &Row) -> Result<State, StoreError> {
    let columns = Columns {
        table: "dispatches",
        row,
    };
    columns.parse("state", |text| text.parse().ok())
}
