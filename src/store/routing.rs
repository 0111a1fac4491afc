//! What the router writes: events with their dispatches, in one statement a batch, and reading back what stands already.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{
    pool::{Store, StoreError},
    rows::{dispatch_of, json_text},
};
use crate::domain::{AccountId, Cause, Click, ClientId, Dispatch, EventKey, EventRecord, Platform, State};

/// An event to be stored, with what the router decided for each ad account.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What is kept of it.
    pub record: EventRecord,
    /// Tells a repetition from a contradiction.
    pub fingerprint: [u8; 16],
    /// Keyed HMACs of the person's identities, for search.
    pub identities: Vec<Uuid>,
    /// Why it concerns no ad account, if it concerns none.
    pub cause: Option<Cause>,
    /// Until when it is kept.
    pub keep_until: DateTime<Utc>,
    /// One for each ad account that wants it.
    pub dispatches: Vec<NewDispatch>,
}

/// What the router decided for one ad account.
#[derive(Clone, Debug)]
pub struct NewDispatch {
    /// Which.
    pub account: AccountId,
    /// Its platform.
    pub platform: Platform,
    /// Where it points now.
    pub destination: String,
    /// Queued, waiting, not sent or failed.
    pub state: State,
    /// Why it is not queued.
    pub cause: Option<Cause>,
    /// The field or name that the cause is about.
    pub detail: Option<String>,
    /// When it first falls due, if it waits.
    pub due: Option<DateTime<Utc>>,
    /// After this the platform does not take it any more.
    pub deadline: DateTime<Utc>,
    /// The click it is attributed to.
    pub click: Option<Click>,
}

/// What stands in the ledger after a batch was stored.
#[derive(Clone, Debug, Default)]
pub struct StoredEvent {
    /// Whether it was there before.
    pub is_repetition: bool,
    /// Whether it was there before with another time, value or click.
    pub differs: bool,
    /// What stands as queued, and so must be published.
    pub queued: Vec<Dispatch>,
}

const INSERT: &str = "
WITH event AS (
    INSERT INTO events (key, client_id, event_id, name, order_id, happened_at, value, currency, identities, cause, fingerprint,
                        keep_until, body)
    SELECT key, client_id, event_id, name, order_id, happened_at, value, currency,
           CASE WHEN identities = '' THEN '{}' ELSE string_to_array(identities, ',')::uuid[] END, cause, fingerprint,
           keep_until, body::json
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::numeric[], $8::text[], $9::text[],
                $10::text[], $11::bytea[], $12::timestamptz[], $13::text[])
      AS new(key, client_id, event_id, name, order_id, happened_at, value, currency, identities, cause, fingerprint, keep_until, body)
    ORDER BY key
    ON CONFLICT (key) DO UPDATE SET cause = NULL, keep_until = excluded.keep_until, body = excluded.body, identities = excluded.identities,
                                    fingerprint = excluded.fingerprint, happened_at = excluded.happened_at, value = excluded.value,
                                    currency = excluded.currency, order_id = excluded.order_id
        WHERE events.cause IN ('unknown_client', 'no_ad_account') AND excluded.cause IS NULL AND events.forgotten_at IS NULL
    RETURNING key
), held AS (
    SELECT DISTINCT account.id, first_value(pause.cause) OVER (PARTITION BY account.id ORDER BY pause.since) AS cause
    FROM pauses pause JOIN ad_accounts account ON pause.scope = ANY (account.scopes)
    WHERE pause.until IS NULL OR pause.until > now()
), dispatch AS (
    INSERT INTO dispatches (event_key, account_id, platform, destination, state, cause, detail, due, deadline, attend_at, click)
    SELECT new.event_key, new.account_id, new.platform, new.destination,
           CASE WHEN new.state = 'queued' AND held.id IS NOT NULL THEN 'paused' ELSE new.state END,
           CASE WHEN new.state = 'queued' THEN held.cause ELSE new.cause END,
           new.detail, new.due, new.deadline,
           CASE new.state WHEN 'queued' THEN CASE WHEN held.id IS NULL THEN now() + $24::float8 * interval '1 second' ELSE new.deadline END
                          WHEN 'waiting' THEN new.due WHEN 'failed' THEN now() END,
           new.click::json
    FROM unnest($14::uuid[], $15::integer[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::timestamptz[],
                $22::timestamptz[], $23::text[])
      AS new(event_key, account_id, platform, destination, state, cause, detail, due, deadline, click)
    JOIN event ON event.key = new.event_key
    LEFT JOIN held ON held.id = new.account_id
    RETURNING event_key, account_id, state, dead_count
)
SELECT key, NULL::integer AS account_id, NULL::boolean AS queued FROM event
UNION ALL SELECT event_key, account_id, state = 'queued' FROM dispatch";

const READ_BACK: &str = "
SELECT event.key, event.fingerprint, event.body::text AS body, dispatch.account_id, dispatch.platform, dispatch.destination,
       dispatch.deadline, dispatch.click::text AS click
FROM events event
LEFT JOIN dispatches dispatch ON dispatch.event_key = event.key AND dispatch.state = 'queued' AND event.forgotten_at IS NULL
WHERE event.key = ANY ($1)";

#[derive(Default)]
struct EventColumns {
    key: Vec<Uuid>,
    client: Vec<String>,
    event_id: Vec<String>,
    name: Vec<String>,
    order_id: Vec<Option<String>>,
    happened_at: Vec<DateTime<Utc>>,
    value: Vec<Option<Decimal>>,
    currency: Vec<Option<String>>,
    identities: Vec<String>,
    cause: Vec<Option<&'static str>>,
    fingerprint: Vec<Vec<u8>>,
    keep_until: Vec<DateTime<Utc>>,
    body: Vec<String>,
}

#[derive(Default)]
struct DispatchColumns {
    event_key: Vec<Uuid>,
    account: Vec<i32>,
    platform: Vec<&'static str>,
    destination: Vec<String>,
    state: Vec<&'static str>,
    cause: Vec<Option<&'static str>>,
    detail: Vec<Option<String>>,
    due: Vec<Option<DateTime<Utc>>>,
    deadline: Vec<DateTime<Utc>>,
    click: Vec<Option<String>>,
}

impl Store {
    /// Stores events with their dispatches, all or none; of one that is there already, nothing is changed, unless it concerned no ad account then
    /// and does now. Gives for each, in the same order,
    /// what stands as queued and must be published. A queued dispatch counts as silent after `silence`.
    ///
    /// No event may occur twice in a batch.
    pub async fn store_events(
        &self,
        events: &[NewEvent],
        silence: std::time::Duration,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<EventKey> = events.iter().map(|event| event.record.key()).collect();
        let (e, d) = columns(events, &keys);
        let client = self.client().await?;
        let statement = client.prepare_cached(INSERT).await?;
        let rows = client
            .query(
                &statement,
                &[
                    &e.key,
                    &e.client,
                    &e.event_id,
                    &e.name,
                    &e.order_id,
                    &e.happened_at,
                    &e.value,
                    &e.currency,
                    &e.identities,
                    &e.cause,
                    &e.fingerprint,
                    &e.keep_until,
                    &e.body,
                    &d.event_key,
                    &d.account,
                    &d.platform,
                    &d.destination,
                    &d.state,
                    &d.cause,
                    &d.detail,
                    &d.due,
                    &d.deadline,
                    &d.click,
                    &silence.as_secs_f64(),
                ],
            )
            .await?;
        let mut queued: HashMap<Uuid, Vec<i32>> = HashMap::new();
        for row in rows {
            let of_event = queued.entry(row.get(0)).or_default();
            if row.get::<_, Option<bool>>(2) == Some(true) {
                of_event.push(row.get(1));
            }
        }
        let known: Vec<Uuid> = keys
            .iter()
            .map(|key| key.0)
            .filter(|key| !queued.contains_key(key))
            .collect();
        let mut standing = if known.is_empty() {
            HashMap::new()
        } else {
            self.read_back(&known).await?
        };
        Ok(events
            .iter()
            .zip(&keys)
            .map(|(event, key)| match queued.get(&key.0) {
                Some(accounts) => StoredEvent {
                    queued: fresh_dispatches(event, accounts),
                    ..StoredEvent::default()
                },
                None => {
                    let (fingerprint, queued) = standing.remove(&key.0).unwrap_or_default();
                    // Of one whose person is forgotten there is none to compare with.
                    let differs = !fingerprint.is_empty() && fingerprint != event.fingerprint;
                    StoredEvent {
                        is_repetition: true,
                        differs,
                        queued,
                    }
                }
            })
            .collect())
    }

    async fn read_back(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, (Vec<u8>, Vec<Dispatch>)>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(READ_BACK).await?;
        let mut standing: HashMap<Uuid, (Vec<u8>, Vec<Dispatch>)> = HashMap::new();
        for row in client.query(&statement, &[&keys]).await? {
            let (_, dispatches) = standing
                .entry(row.get("key"))
                .or_insert_with(|| (row.get("fingerprint"), Vec::new()));
            if row.get::<_, Option<i32>>("account_id").is_some() {
                dispatches.push(dispatch_of(&row)?);
            }
        }
        Ok(standing)
    }

    /// Counts repetitions that contradict what stands, for the audit to show.
    pub async fn count_differing(&self, keys: &[EventKey]) -> Result<(), StoreError> {
        let keys: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let client = self.client().await?;
        client
            .execute(
                "UPDATE events SET differing = differing + 1 WHERE key = ANY ($1)",
                &[&keys],
            )
            .await?;
        Ok(())
    }

    /// Counts events that no ad account of their client wants.
    pub async fn count_unwanted(&self, day: NaiveDate, counts: &[(ClientId, String, i64)]) -> Result<(), StoreError> {
        let clients: Vec<&str> = counts.iter().map(|(client, _, _)| client.as_str()).collect();
        let names: Vec<&str> = counts.iter().map(|(_, name, _)| name.as_str()).collect();
        let numbers: Vec<i64> = counts.iter().map(|(_, _, count)| *count).collect();
        let client = self.client().await?;
        client
            .execute(
                "INSERT INTO unwanted_events (day, client_id, name, count)
                 SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[]) AS new(client_id, name, count) ORDER BY 2, 3
                 ON CONFLICT (day, client_id, name) DO UPDATE SET count = unwanted_events.count + excluded.count",
                &[&day, &clients, &names, &numbers],
            )
            .await?;
        Ok(())
    }
}

fn columns(events: &[NewEvent], keys: &[EventKey]) -> (EventColumns, DispatchColumns) {
    let mut e = EventColumns::default();
    let mut d = DispatchColumns::default();
    for (event, key) in events.iter().zip(keys) {
        let record = &event.record;
        e.key.push(key.0);
        e.client.push(record.client.to_string());
        e.event_id.push(record.event_id.to_string());
        e.name.push(record.name.clone());
        e.order_id.push(record.order_id.clone());
        e.happened_at.push(record.time);
        e.value.push(record.value);
        e.currency.push(record.currency.clone());
        e.identities.push(
            event
                .identities
                .iter()
                .map(Uuid::to_string)
                .collect::<Vec<_>>()
                .join(","),
        );
        e.cause.push(event.cause.map(Cause::as_str));
        e.fingerprint.push(event.fingerprint.to_vec());
        e.keep_until.push(event.keep_until);
        e.body.push(json_text(record));
        for dispatch in &event.dispatches {
            d.event_key.push(key.0);
            d.account.push(dispatch.account.0);
            d.platform.push(dispatch.platform.as_str());
            d.destination.push(dispatch.destination.clone());
            d.state.push(dispatch.state.as_str());
            d.cause.push(dispatch.cause.map(Cause::as_str));
            d.detail.push(dispatch.detail.clone());
            d.due.push(dispatch.due);
            d.deadline.push(dispatch.deadline);
            d.click.push(dispatch.click.as_ref().map(json_text));
        }
    }
    (e, d)
}

fn fresh_dispatches(event: &NewEvent, queued: &[i32]) -> Vec<Dispatch> {
    event
        .dispatches
        .iter()
        .filter(|dispatch| queued.contains(&dispatch.account.0))
        .map(|dispatch| Dispatch {
            account: dispatch.account,
            platform: dispatch.platform,
            destination: dispatch.destination.clone(),
            click: dispatch.click.clone(),
            deadline: dispatch.deadline,
            event: event.record.for_platform(dispatch.platform),
        })
        .collect()
}
