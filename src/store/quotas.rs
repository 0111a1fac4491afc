//! Quotas: requests of a Google Cloud project, counted over all logins that share it and all workers, by Postgres's clock.

use std::time::Duration;

use super::{
    pool::{Store, StoreError},
    sending::columns,
};
use crate::domain::DispatchKey;

/// How long before the end of a minute a grant counts for the next one, too: the request may arrive in either. A grant must be used within half
/// of it ([`FRESH_SECONDS`]); the other half is for the request's way.
const LATE_SECONDS: f64 = 10.0;
/// How long a grant may be used.
pub const FRESH_SECONDS: f64 = 5.0;

/// A minute takes at most so many times its even share of what is left of the day: a busy morning must not leave the evening without.
const DAY_SHARE: f64 = 5.0;

/// Requests that someone wants to make.
#[derive(Clone, Copy, Debug)]
pub struct QuotaRequest<'a> {
    /// The quota's name: [`crate::domain::Login::quota_name`].
    pub name: &'a str,
    /// How many requests.
    pub wanted: u32,
    /// What the platform takes in a minute.
    pub per_minute: u32,
    /// What it takes in a day.
    pub per_day: u32,
    /// What is left to others.
    pub reserve: Reserve,
}

/// The part of a minute's quota that is left to others, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reserve {
    /// At any time.
    pub always: f64,
    /// When the minute begins; it shrinks with the minute, so that who can wait gets what would be left over and does not take it beforehand.
    pub at_first: f64,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaGrant {
    /// How many requests may be made, within [`FRESH_SECONDS`].
    pub granted: u32,
    /// How many more of this minute's there are, whoever gets them.
    pub left: u32,
}

// The clock is read after the row is locked; a clock that was set back counts on in the minute that was reached. What a minute may take is
// bounded by its share of the day, so that the day lasts.
const TAKE: &str = "
WITH locked AS MATERIALIZED (
    SELECT * FROM quotas WHERE name = $1 FOR UPDATE
), clock AS MATERIALIZED (
    SELECT locked.*, clock_timestamp() AS at FROM locked
), period AS (
    SELECT clock.*, greatest(date_trunc('minute', at), minute) AS this_minute, greatest((at AT TIME ZONE 'UTC')::date, day) AS today FROM clock
), counted AS (
    SELECT name, at, this_minute, today,
           CASE this_minute WHEN minute THEN used WHEN minute + interval '1 minute' THEN used_ahead ELSE 0 END AS used_now,
           CASE this_minute WHEN minute THEN used_ahead ELSE 0 END AS ahead_now,
           CASE today WHEN day THEN used_day ELSE 0 END AS day_now,
           this_minute + interval '1 minute' - at <= $6::float8 * interval '1 second' AS is_late,
           extract(epoch FROM this_minute + interval '1 minute' - at)::float8 / 60 AS rest_of_minute,
           greatest(1, ceil(extract(epoch FROM (today + 1)::timestamp AT TIME ZONE 'UTC' - at) / 60.0)) AS minutes_left
    FROM period
), room AS (
    SELECT counted.*, least($3::bigint, ceil($7::float8 * greatest(0, $4::bigint - day_now) / minutes_left)) AS most,
           greatest(0, $4::bigint - day_now) AS day_left
    FROM counted
), offer AS (
    SELECT room.*, greatest(0, least(most - used_now, CASE WHEN is_late THEN most - ahead_now END, day_left)) AS free FROM room
), given AS (
    SELECT offer.*, greatest(0, least($2::bigint, free - floor(greatest($5::float8, $8::float8 * rest_of_minute) * most)))::integer AS grant_now FROM offer
)
UPDATE quotas
SET minute = this_minute, used = used_now + grant_now, used_ahead = ahead_now + CASE WHEN is_late THEN grant_now ELSE 0 END,
    day = today, used_day = day_now + grant_now, granted = grant_now
FROM given WHERE quotas.name = given.name
RETURNING quotas.granted, (given.free - given.grant_now)::bigint";

// Each row is written once in a third of the time after which it would count as silent, however often it is named.
const STILL_HELD: &str = "
UPDATE dispatches dispatch SET attend_at = now() + $3::float8 * interval '1 second'
FROM unnest($1::uuid[], $2::integer[]) AS held(event_key, account_id)
WHERE dispatch.event_key = held.event_key AND dispatch.account_id = held.account_id
  AND dispatch.state = 'queued' AND dispatch.due IS NULL AND dispatch.attend_at < now() + $3::float8 * 2 / 3 * interval '1 second'";

impl Store {
    /// Takes requests out of a quota: as many as there are, at most as many as are wanted.
    pub async fn take_quota(&self, request: &QuotaRequest<'_>) -> Result<QuotaGrant, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(TAKE).await?;
        // A second round only for a name that was never heard of.
        for _ in 0..2 {
            let row = client
                .query_opt(
                    &statement,
                    &[
                        &request.name,
                        &i64::from(request.wanted),
                        &i64::from(request.per_minute),
                        &i64::from(request.per_day),
                        &request.reserve.always,
                        &LATE_SECONDS,
                        &DAY_SHARE,
                        &request.reserve.at_first,
                    ],
                )
                .await?;
            if let Some(row) = row {
                return Ok(QuotaGrant {
                    granted: u32::try_from(row.get::<_, i32>(0)).unwrap_or(0),
                    left: u32::try_from(row.get::<_, i64>(1)).unwrap_or(0),
                });
            }
            client
                .execute(
                    "INSERT INTO quotas (name, minute, day)
                     VALUES ($1, date_trunc('minute', now()), (now() AT TIME ZONE 'UTC')::date) ON CONFLICT DO NOTHING",
                    &[&request.name],
                )
                .await?;
        }
        Ok(QuotaGrant::default())
    }

    /// Notes that queued dispatches are in good hands although nothing is heard of them: their sender waits for quota.
    pub async fn still_held(&self, keys: &[DispatchKey], silence: Duration) -> Result<(), StoreError> {
        let (events, accounts) = columns(keys);
        let client = self.client().await?;
        let statement = client.prepare_cached(STILL_HELD).await?;
        client
            .execute(&statement, &[&events, &accounts, &silence.as_secs_f64()])
            .await?;
        Ok(())
    }
}
