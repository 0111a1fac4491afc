//! Events that wait for a click: those whose time is over, or for which one came.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    pool::{Store, StoreError},
    row::Columns,
};
use crate::domain::{AccountId, EventRecord, Platform, State};

/// An event that is to be decided anew.
#[derive(Clone, Debug)]
pub struct Awaiting {
    /// What is kept of it.
    pub record: EventRecord,
    /// The digests of the person's identities.
    pub identities: Vec<Uuid>,
    /// Its parts that wait.
    pub parts: Vec<AwaitingPart>,
    /// Ad accounts that have it, or will.
    pub served: Vec<AccountId>,
}

/// What one ad account was to get.
#[derive(Clone, Debug)]
pub struct AwaitingPart {
    /// The ad account.
    pub account: AccountId,
    /// Its platform.
    pub platform: Platform,
    /// Where it pointed when it began to wait.
    pub destination: String,
    /// After this the platform does not take it any more.
    pub deadline: DateTime<Utc>,
    /// When that changed last: what is set anew must not have changed since.
    pub updated_at: DateTime<Utc>,
}

// What one keeper looks after now no other does, and it is looked at again in a minute if that keeper dies.
const OVER: &str = "
WITH due AS (
    SELECT event_key, account_id FROM dispatches WHERE state = 'waiting' AND cause = 'waiting_for_click' AND attend_at <= now()
    ORDER BY attend_at LIMIT $1 FOR UPDATE SKIP LOCKED
), stamped AS (
    UPDATE dispatches dispatch SET attend_at = now() + interval '1 minute'
    FROM due WHERE dispatch.event_key = due.event_key AND dispatch.account_id = due.account_id
    RETURNING dispatch.event_key
)
SELECT event.key, event.body::text AS body, event.identities, dispatch.account_id, dispatch.platform, dispatch.destination,
       dispatch.deadline, dispatch.updated_at, dispatch.state,
       dispatch.cause IS NOT DISTINCT FROM 'waiting_for_click' AS is_awaiting
FROM (SELECT DISTINCT event_key FROM stamped) over
JOIN events event ON event.key = over.event_key
JOIN dispatches dispatch ON dispatch.event_key = over.event_key
ORDER BY event.key, dispatch.account_id";

impl Store {
    /// Events whose wait for a click is over for some ad account, with all of their parts that wait; the longest overdue first. They are given to
    /// nobody else for a minute.
    pub async fn waits_over(&self, limit: i64) -> Result<Vec<Awaiting>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(OVER).await?;
        let mut events: Vec<(Uuid, Awaiting)> = Vec::new();
        for row in &client.query(&statement, &[&limit]).await? {
            let key: Uuid = row.get("key");
            if events.last().is_none_or(|(last, _)| *last != key) {
                let columns = Columns { table: "events", row };
                let awaiting = Awaiting {
                    record: columns.parse("body", |text| serde_json::from_str(text).ok())?,
                    identities: columns.get("identities")?,
                    parts: Vec::new(),
                    served: Vec::new(),
                };
                events.push((key, awaiting));
            }
            let columns = Columns {
                table: "dispatches",
                row,
            };
            let account = AccountId(columns.get("account_id")?);
            let state: State = columns.parse("state", |text| text.parse().ok())?;
            let Some((_, event)) = events.last_mut() else { continue };
            match state {
                State::Waiting if columns.get("is_awaiting")? => event.parts.push(AwaitingPart {
                    account,
                    platform: columns.parse("platform", |text| text.parse().ok())?,
                    destination: columns.get("destination")?,
                    deadline: columns.get("deadline")?,
                    updated_at: columns.get("updated_at")?,
                }),
                State::NotSent | State::Failed => {}
                _ => event.served.push(account),
            }
        }
        Ok(events.into_iter().map(|(_, event)| event).collect())
    }
}
