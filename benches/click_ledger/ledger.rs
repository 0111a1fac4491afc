//! Two click ledgers in one schema, of which one is in its place: an empty one, and one with a million clicks.

use anyhow::Context as _;
use chrono::{TimeDelta, Utc};
use conversion_relay::{
    domain::{
        Click, ClickKind, ClientId, Platform,
        person::{Person, Personal},
        search_key::SearchKeys,
    },
    store::{Store, clicks::NewClick},
};
use tokio_postgres::Client;

use crate::events;

/// People whose clicks are remembered in one statement.
const PAGE: usize = 2_000;

/// Which ledger is in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ledger {
    Empty,
    Full,
}

impl Ledger {
    /// The word for it in the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Ledger::Empty => "empty",
            Ledger::Full => "a million clicks",
        }
    }
}

/// Makes both; the full one knows a click of every person of the first `people` events, under each of their identities.
pub async fn build(store: &Store, database: &Client, key: &[u8], people: usize, clicks: usize) -> anyhow::Result<()> {
    remember(store, key, people).await?;
    let known: i64 = database.query_one("SELECT count(*) FROM clicks", &[]).await?.get(0);
    database
        .execute(
            "INSERT INTO clicks (client_id, identity, click, source, kind, value, first_seen, time_is_known)
             SELECT 'shop-' || lpad((n % 20)::text, 2, '0'), md5('person ' || n)::uuid, md5('click ' || n)::uuid,
                    (ARRAY['meta', 'google', 'tiktok'])[1 + n % 3], (ARRAY['fbclid', 'gclid', 'ttclid'])[1 + n % 3],
                    'IwAR2F4dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_' || md5('value ' || n), now() - n % 90 * interval '1 day', true
             FROM generate_series(1, $1::bigint) n",
            &[&(i64::try_from(clicks)? - known)],
        )
        .await?;
    for statement in [
        "VACUUM (ANALYZE) clicks",
        "ALTER TABLE clicks RENAME TO clicks_full",
        "CREATE TABLE clicks (LIKE clicks_full INCLUDING ALL)",
        "VACUUM (ANALYZE) clicks",
    ] {
        database
            .batch_execute(statement)
            .await
            .context("make the empty ledger")?;
    }
    Ok(())
}

/// Puts a ledger in its place, and empties the ledger of conversions.
pub async fn put(database: &Client, ledger: Ledger) -> anyhow::Result<()> {
    let is_full = "SELECT to_regclass('clicks_full') IS NULL";
    let stands = if database.query_one(is_full, &[]).await?.get(0) {
        Ledger::Full
    } else {
        Ledger::Empty
    };
    if stands != ledger {
        let (away, here) = match ledger {
            Ledger::Full => ("clicks_empty", "clicks_full"),
            Ledger::Empty => ("clicks_full", "clicks_empty"),
        };
        database
            .batch_execute(&format!(
                "BEGIN; ALTER TABLE clicks RENAME TO {away}; ALTER TABLE {here} RENAME TO clicks; COMMIT"
            ))
            .await?;
    }
    for statement in ["TRUNCATE events, dispatches", "VACUUM (ANALYZE) events, dispatches"] {
        database.batch_execute(statement).await.context("empty the ledger")?;
    }
    Ok(())
}

/// How many clicks stand in the ledger that is in its place, how large it is with its indexes, and how much of it only a look at the table tells.
pub async fn size(database: &Client) -> anyhow::Result<String> {
    let row = database
        .query_one(
            "SELECT (SELECT count(*) FROM clicks), pg_size_pretty(pg_table_size('clicks')), pg_size_pretty(pg_indexes_size('clicks')),
                    relpages - relallvisible FROM pg_class WHERE oid = 'clicks'::regclass",
            &[],
        )
        .await?;
    let (clicks, table, indexes, unseen): (i64, String, String, i32) = (row.get(0), row.get(1), row.get(2), row.get(3));
    Ok(format!(
        "{clicks} clicks, table {table}, indexes {indexes}, {unseen} pages not known to be visible"
    ))
}

async fn remember(store: &Store, key: &[u8], people: usize) -> anyhow::Result<()> {
    let keys = SearchKeys::new(vec![key.to_vec()])?;
    for start in (0..people).step_by(PAGE) {
        let page: Vec<NewClick> = (start..people.min(start + PAGE))
            .map(|index| click_of(&keys, index))
            .collect::<anyhow::Result<_>>()?;
        store.remember_clicks(&page).await?;
    }
    Ok(())
}

fn click_of(keys: &SearchKeys, index: usize) -> anyhow::Result<NewClick> {
    let [email, phone, external_id] = events::person(index);
    let person = Person {
        emails: vec![Personal::new(email)],
        phones: vec![Personal::new(phone)],
        external_ids: vec![Personal::new(external_id)],
        ..Person::default()
    };
    let account = events::account(index);
    let kind = match events::platform(account) {
        Platform::Tiktok => ClickKind::Ttclid,
        Platform::Meta | Platform::Google => ClickKind::Fbclid,
    };
    Ok(NewClick {
        client: ClientId::parse(&events::client(account))?,
        identities: keys.digests(&person, Some("DE")).current,
        click: Click {
            kind,
            value: format!("IwAR2F4dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLj{index}"),
            first_seen: Utc::now() - TimeDelta::days(3),
            time_is_known: true,
            waba: None,
        },
    })
}
