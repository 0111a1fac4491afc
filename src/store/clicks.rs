//! The click ledger: remembers clicks of people, and answers which are the newest. One statement a batch each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    pool::{Store, StoreError},
    row::Columns,
};
use crate::domain::{Click, ClickKind, ClickSource, ClientId, EventKey};

/// Namespace of the UUIDv5 of a click; never change it, or clicks seen before count as new ones.
const NAMESPACE: Uuid = Uuid::from_u128(0x2d4e_0b9a_73f1_5c68_a1d7_94e6_0c35_b82f);

/// A click of a person that is to be remembered.
#[derive(Clone, Debug)]
pub struct NewClick {
    /// The advertiser.
    pub client: ClientId,
    /// The digests of the person's identities, under the current key.
    pub identities: Vec<Uuid>,
    /// The click.
    pub click: Click,
}

/// What is asked about one person.
#[derive(Clone, Debug)]
pub struct ClickQuestion {
    /// The advertiser.
    pub client: ClientId,
    /// The digests of the person's identities, under every key.
    pub identities: Vec<Uuid>,
    /// Which clicks matter.
    pub sources: Vec<ClickSource>,
    /// Later ones do not matter.
    pub until: DateTime<Utc>,
}

const REMEMBER: &str = "
INSERT INTO clicks AS known (client_id, identity, click, source, kind, value, first_seen, time_is_known)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::boolean[])
ON CONFLICT (client_id, identity, click) DO UPDATE
SET first_seen = least(known.first_seen, excluded.first_seen), time_is_known = known.time_is_known OR excluded.time_is_known
WHERE excluded.first_seen < known.first_seen OR (excluded.time_is_known AND NOT known.time_is_known)";

// So many of each source and identity that an event's own click is found among them, too. The index holds all that is read.
const LATEST: &str = "
SELECT asked.number, latest.kind, latest.value, latest.source, latest.first_seen, latest.time_is_known
FROM unnest($1::integer[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[]) AS asked(number, client_id, identity, source, until)
CROSS JOIN LATERAL (
    SELECT kind, value, source, first_seen, time_is_known FROM clicks
    WHERE client_id = asked.client_id AND identity = asked.identity AND source = asked.source AND first_seen <= asked.until
    ORDER BY first_seen DESC LIMIT 4
) latest";

// No wait is longer than the seven days that the accounts file allows. Locked in the order in which others lock them; `updated_at` moves, so that a
// decision that was made without this click is not written over it.
const HASTEN: &str = "
UPDATE dispatches dispatch SET attend_at = now(), updated_at = now()
FROM (
    SELECT waiting.event_key, waiting.account_id
    FROM events event JOIN dispatches waiting ON waiting.event_key = event.key
    WHERE event.identities && $2::uuid[] AND event.client_id = ANY ($1::text[]) AND event.received_at > now() - interval '8 days'
      AND waiting.state = 'waiting' AND waiting.cause = 'waiting_for_click'
    ORDER BY waiting.event_key, waiting.account_id FOR UPDATE OF waiting
) chosen
WHERE dispatch.event_key = chosen.event_key AND dispatch.account_id = chosen.account_id";

/// A row of the ledger before it is one.
struct Row {
    source: String,
    kind: &'static str,
    value: String,
    first_seen: DateTime<Utc>,
    time_is_known: bool,
}

impl Store {
    /// Remembers clicks; what is known already only ever moves back in time. Gives how many rows are new or have changed.
    pub async fn remember_clicks(&self, clicks: &[NewClick]) -> Result<u64, StoreError> {
        let rows = rows_of(clicks);
        if rows.is_empty() {
            return Ok(0);
        }
        macro_rules! column {
            (|$key:pat_param, $row:pat_param| $value:expr) => {
                rows.iter().map(|($key, $row)| $value).collect::<Vec<_>>()
            };
        }
        let client = self.client().await?;
        let statement = client.prepare_cached(REMEMBER).await?;
        Ok(client
            .execute(
                &statement,
                &[
                    &column!(|(client, ..), _| *client),
                    &column!(|(_, identity, _), _| *identity),
                    &column!(|(.., click), _| *click),
                    &column!(|_, row| row.source.as_str()),
                    &column!(|_, row| row.kind),
                    &column!(|_, row| row.value.as_str()),
                    &column!(|_, row| row.first_seen),
                    &column!(|_, row| row.time_is_known),
                ],
            )
            .await?)
    }

    /// The newest clicks that are known about each person, the latest first; some of each source.
    pub async fn latest_clicks(&self, questions: &[ClickQuestion]) -> Result<Vec<Vec<Click>>, StoreError> {
        let mut answers = vec![Vec::new(); questions.len()];
        let mut numbers = Vec::new();
        let mut clients = Vec::new();
        let mut identities = Vec::new();
        let mut sources = Vec::new();
        let mut untils = Vec::new();
        for (number, question) in questions.iter().enumerate() {
            for identity in &question.identities {
                for source in &question.sources {
                    numbers.push(i32::try_from(number).expect("a batch has fewer than two thousand million events"));
                    clients.push(question.client.as_str());
                    identities.push(*identity);
                    sources.push(source.to_string());
                    untils.push(question.until);
                }
            }
        }
        if numbers.is_empty() {
            return Ok(answers);
        }
        let client = self.client().await?;
        let statement = client.prepare_cached(LATEST).await?;
        let rows = client
            .query(&statement, &[&numbers, &clients, &identities, &sources, &untils])
            .await?;
        for row in &rows {
            let number: i32 = row.get("number");
            let click = click_of(row)?;
            if let Some(clicks) = usize::try_from(number).ok().and_then(|number| answers.get_mut(number)) {
                clicks.push(click);
            }
        }
        for clicks in &mut answers {
            *clicks = told_once(std::mem::take(clicks));
            clicks.sort_by(|one, other| {
                other
                    .first_seen
                    .cmp(&one.first_seen)
                    .then_with(|| one.value.cmp(&other.value))
            });
        }
        Ok(answers)
    }

    /// The statement of [`Store::latest_clicks`], for whoever wants to know how Postgres carries it out.
    pub const fn latest_clicks_statement() -> &'static str {
        LATEST
    }

    /// The digests of a stored event's identities; none if it is not there any more.
    pub async fn event_identities(&self, key: EventKey) -> Result<Vec<Uuid>, StoreError> {
        let client = self.client().await?;
        let row = client
            .query_opt("SELECT identities FROM events WHERE key = $1", &[&key.0])
            .await?;
        Ok(row.map_or(Vec::new(), |row| row.get("identities")))
    }

    /// Lets events of these people, by client and identity, that wait for a click be looked after now.
    pub async fn hasten_waits(&self, people: &BTreeSet<(&ClientId, Uuid)>) -> Result<u64, StoreError> {
        if people.is_empty() {
            return Ok(0);
        }
        let clients: BTreeSet<&str> = people.iter().map(|(client, _)| client.as_str()).collect();
        let clients: Vec<&str> = clients.into_iter().collect();
        let identities: Vec<Uuid> = people.iter().map(|(_, identity)| *identity).collect();
        let client = self.client().await?;
        let statement = client.prepare_cached(HASTEN).await?;
        Ok(client.execute(&statement, &[&clients, &identities]).await?)
    }

    /// Forgets clicks that are older than so long, at most so many; gives how many.
    pub async fn drop_old_clicks(&self, kept: TimeDelta, limit: i64) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let seconds = kept.as_seconds_f64();
        Ok(client
            .execute(
                "DELETE FROM clicks WHERE ctid = ANY (ARRAY (
                     SELECT ctid FROM clicks WHERE first_seen < now() - $1::float8 * interval '1 second' ORDER BY first_seen LIMIT $2
                     FOR UPDATE SKIP LOCKED))",
                &[&seconds, &limit],
            )
            .await?)
    }
}

/// One row an identity and click, in the order in which every router takes them; what comes twice in a batch is one.
fn rows_of(clicks: &[NewClick]) -> BTreeMap<(&str, Uuid, Uuid), Row> {
    let mut rows: BTreeMap<(&str, Uuid, Uuid), Row> = BTreeMap::new();
    for new in clicks {
        let click = &new.click;
        let source = ClickSource::of(click.kind, click.waba.as_deref()).to_string();
        let kind = click.kind.as_str();
        let digest = Uuid::new_v5(&NAMESPACE, format!("{source}\n{kind}\n{}", click.value).as_bytes());
        for identity in &new.identities {
            rows.entry((new.client.as_str(), *identity, digest))
                .and_modify(|row| {
                    row.first_seen = row.first_seen.min(click.first_seen);
                    row.time_is_known |= click.time_is_known;
                })
                .or_insert_with(|| Row {
                    source: source.clone(),
                    kind,
                    value: click.value.clone(),
                    first_seen: click.first_seen,
                    time_is_known: click.time_is_known,
                });
        }
    }
    rows
}

/// One of each click: the same one may be known by several identities, and with and without its WhatsApp Business Account. It is as old as any of them says.
fn told_once(clicks: Vec<Click>) -> Vec<Click> {
    let mut known: HashMap<(ClickKind, String), Click> = HashMap::new();
    for click in clicks {
        let Some(same) = known.get_mut(&(click.kind, click.value.clone())) else {
            known.insert((click.kind, click.value.clone()), click);
            continue;
        };
        same.first_seen = same.first_seen.min(click.first_seen);
        same.time_is_known |= click.time_is_known;
        same.waba = same.waba.take().or(click.waba);
    }
    known.into_values().collect()
}

fn click_of(row: &tokio_postgres::Row) -> Result<Click, StoreError> {
    let columns = Columns { table: "clicks", row };
    let source: &str = columns.get("source")?;
    Ok(Click {
        kind: columns.parse("kind", |text| text.parse().ok())?,
        value: columns.get("value")?,
        first_seen: columns.get("first_seen")?,
        time_is_known: columns.get("time_is_known")?,
        waba: source.strip_prefix("whatsapp:").map(str::to_owned),
    })
}
