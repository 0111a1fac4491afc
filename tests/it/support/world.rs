//! A world for one test: vhost, schema and simulator of its own, with clients and ad accounts, and relays that work in it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use conversion_relay::broker::{
    Arrivals, Broker, BrokerSettings, Delivery, Headers, IntakeSettings,
    topology::{self, Topology},
};
use serde_json::json;
use tempfile::TempDir;

use super::{relay::Start, schema::Schema, simulator::Simulator, vhost::Vhost, wait::until};

pub use super::purchases::{ALL, account_of, purchase};

/// The tokens of the test's logins; the sweep looks for them where they must not be.
pub const META_TOKEN: &str = "test-meta-token-3f9a1c77d2";
/// TikTok's.
pub const TIKTOK_TOKEN: &str = "test-tiktok-token-81bd02e6aa";
/// Google's refresh token.
pub const GOOGLE_TOKEN: &str = "test-google-refresh-5c0de9b1f4";

/// How long a test waits for what should come within seconds.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A message that lies in a queue.
pub struct Found {
    pub body: Vec<u8>,
    pub headers: Headers,
    /// What else it says of itself: message ID and routing key.
    pub properties: String,
}

impl Found {
    /// A header's text, such as that of `relay-cause`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.as_text()
    }
}

/// Everything that a test needs.
pub struct World {
    pub schema: Schema,
    pub simulator: Simulator,
    /// The address of the broker, with the test's vhost.
    pub amqp: String,
    /// The way to the broker.
    pub broker: Broker,
    vhost: Option<Vhost>,
    folder: TempDir,
    logs: AtomicU32,
    pub(super) published: AtomicU32,
}

impl World {
    /// A world on the services that all tests share, with the clients `acme` and `globex`.
    pub async fn new() -> Self {
        let vhost = Vhost::create().await;
        let amqp = vhost.url.clone();
        Self::on(amqp, Some(vhost), Schema::create().await).await
    }

    /// A world on a broker or a schema of the test's own.
    pub async fn on(amqp: String, vhost: Option<Vhost>, schema: Schema) -> Self {
        let world = Self::bare(amqp, vhost, schema);
        let applied = topology::apply(&settings(&world.amqp), &Topology::default())
            .await
            .expect("the topology is applied");
        assert!(applied.differences.is_empty(), "{:?}", applied.differences);
        world.add_accounts().await;
        world
    }

    /// A world without exchanges, queues and accounts.
    pub fn bare(amqp: String, vhost: Option<Vhost>, schema: Schema) -> Self {
        Self {
            schema,
            simulator: Simulator::start(),
            broker: Broker::start(settings(&amqp)),
            amqp,
            vhost,
            folder: TempDir::new().expect("a folder"),
            logs: AtomicU32::new(0),
            published: AtomicU32::new(0),
        }
    }

    /// Adds the clients `acme` and `globex` with their logins and ad accounts.
    pub async fn add_accounts(&self) {
        let client = self.schema.client().await;
        client
            .batch_execute(
                r#"INSERT INTO clients (id, name, country, currency, timezone) VALUES
                     ('acme', 'ACME Shoes', 'DE', 'EUR', 'Europe/Berlin'), ('globex', 'Globex', 'US', 'USD', 'America/New_York');
                   INSERT INTO logins (name, platform, credential) VALUES
                     ('agency-meta', 'meta', '{"token":"env:TEST_META"}'), ('agency-tiktok', 'tiktok', '{"token":"env:TEST_TIKTOK"}'),
                     ('agency-google', 'google', '{"refresh_token":"env:TEST_GOOGLE"}'), ('globex-meta', 'meta', '{"token":"env:TEST_GLOBEX"}');
                   INSERT INTO ad_accounts (client_id, name, platform, destination, login, rules) VALUES
                     ('acme', 'meta', 'meta', '1000000001', 'agency-meta', '{"mode":"live"}'),
                     ('acme', 'google', 'google', '1000000002', 'agency-google', '{"mode":"live","actions":{"Purchase":"987"}}'),
                     ('acme', 'tiktok', 'tiktok', 'C0PIXEL0000000000001', 'agency-tiktok', '{"mode":"live"}'),
                     ('globex', 'meta', 'meta', '2000000001', 'globex-meta', '{"mode":"live"}');
                   UPDATE ad_accounts SET scopes = ARRAY['platform:' || platform, 'quota:' || login, 'login:' || login, 'account:' || id];
                   UPDATE directory_version SET version = version + 1"#,
            )
            .await
            .expect("the directory is filled");
    }

    /// Adds an ad account that sends at once, and its client if it is new; gives the account's number.
    pub async fn add_account(&self, client: &str, platform: &str, destination: &str, login: &str) -> i32 {
        self.add_ruled_account(client, platform, destination, login, r#"{"mode":"live"}"#)
            .await
    }

    /// The same with rules of its own, in JSON.
    pub async fn add_ruled_account(
        &self,
        client: &str,
        platform: &str,
        destination: &str,
        login: &str,
        rules: &str,
    ) -> i32 {
        let connection = self.schema.client().await;
        let row = connection
            .query_one(
                "WITH client AS (INSERT INTO clients (id, name, country, currency) VALUES ($1, $1, 'DE', 'EUR') ON CONFLICT DO NOTHING),
                      version AS (UPDATE directory_version SET version = version + 1)
                 INSERT INTO ad_accounts (client_id, name, platform, destination, login, rules)
                 VALUES ($1, $2 || $3, $2, $3, $4, $5::text::jsonb) RETURNING id",
                &[&client, &platform, &destination, &login, &rules],
            )
            .await
            .expect("the ad account is new");
        let id: i32 = row.get(0);
        let scopes = "UPDATE ad_accounts SET scopes = ARRAY['platform:' || platform, 'quota:' || login, 'login:' || login, 'account:' || id]";
        connection.execute(scopes, &[]).await.expect("the scopes are written");
        id
    }

    /// The vhost of the test.
    pub fn vhost(&self) -> &Vhost {
        self.vhost.as_ref().expect("this world has a vhost of its own")
    }

    /// The variables of a relay in this world, with short times.
    pub fn variables(&self) -> Vec<(String, String)> {
        let url = self.simulator.url();
        let google = json!({"client_id": "id", "client_secret": "secret", "refresh_token": GOOGLE_TOKEN}).to_string();
        [
            ("RELAY_AMQP_URL", self.amqp.as_str()),
            ("RELAY_DATABASE_URL", &self.schema.url),
            ("RELAY_IDENTITY_KEY", "a-key-of-the-tests-that-is-long-enough"),
            ("RELAY_ADMIN_ADDRESS", "127.0.0.1:0"),
            ("RELAY_LOG_FORMAT", "json"),
            ("RELAY_META_URL", url),
            ("RELAY_GOOGLE_URL", url),
            ("RELAY_GOOGLE_ADS_URL", url),
            ("RELAY_GOOGLE_TOKEN_URL", &format!("{url}/token")),
            ("RELAY_TIKTOK_URL", url),
            ("RELAY_DATABASE_CONNECTIONS", "6"),
            ("RELAY_HTTP_TIMEOUT", "2s"),
            ("RELAY_LEASE", "6s"),
            ("RELAY_RETRY_BASE", "200ms"),
            ("RELAY_RETRY_CAP", "2s"),
            ("RELAY_KEEPER_INTERVAL", "200ms"),
            ("RELAY_SILENCE", "7s"),
            ("RELAY_PROBE_INTERVAL", "1s"),
            ("RELAY_DIRECTORY_INTERVAL", "200ms"),
            ("RELAY_PREFETCH", "200"),
            ("RELAY_GOOGLE_QUOTA_PER_MINUTE", "0"),
            ("TEST_META", META_TOKEN),
            ("TEST_TIKTOK", TIKTOK_TOKEN),
            ("TEST_GLOBEX", META_TOKEN),
            ("TEST_GOOGLE", &google),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// How a relay of this world is started.
    pub fn relay(&self) -> Start<'_> {
        Start::new(self)
    }

    pub(super) fn new_log(&self) -> PathBuf {
        let number = self.logs.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("relay-{number}.log"))
    }

    /// Everything that relays of this world have logged.
    pub fn all_logs(&self) -> String {
        let files = std::fs::read_dir(self.folder.path()).expect("the test's folder");
        files
            .map(|file| std::fs::read_to_string(file.expect("a file").path()).unwrap_or_default())
            .collect()
    }

    /// The depth of a queue, such as `dead.events`.
    pub async fn depth(&self, queue: &str) -> u32 {
        self.broker
            .queue_depth(&format!("conversions.{queue}"))
            .await
            .expect("the queue is there")
    }

    /// Every message that lies in a queue, such as `dead.events`; they stay there.
    pub async fn messages(&self, queue: &str) -> Vec<Found> {
        let count = self.depth(queue).await as usize;
        let mut intake = self.broker.intake(IntakeSettings {
            queue: format!("conversions.{queue}"),
            prefetch: u16::MAX,
            role: "test",
        });
        let mut held = Vec::new();
        let read = async {
            while held.len() < count {
                match intake.next(count).await {
                    Arrivals::Deliveries(deliveries) => held.extend(deliveries),
                    Arrivals::Reopened => held.clear(),
                    Arrivals::Closed => panic!("the broker is closed"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("what lies there can be read");
        held.iter_mut().for_each(Delivery::leave_on_drop);
        let found = |delivery: &Delivery| Found {
            body: delivery.body.to_vec(),
            headers: delivery.headers.clone(),
            properties: format!("{:?} {:?}", delivery.message_id, delivery.routing_key),
        };
        held.iter().map(found).collect()
    }

    /// Waits until so many events are stored and every dispatch is settled.
    pub async fn settled(&self, events: i64) {
        let client = self.schema.client().await;
        until("everything is settled", PATIENCE, async || {
            let row = client
                .query_one(
                    "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM dispatches WHERE state NOT IN ('sent', 'confirmed', 'not_sent', 'failed')),
                            (SELECT count(*) FROM dispatches WHERE state = 'failed' AND attend_at IS NOT NULL),
                            (SELECT string_agg(DISTINCT platform || ' ' || state || coalesce(' ' || cause, ''), ', ') FROM dispatches)",
                    &[],
                )
                .await
                .map_err(|failure| failure.to_string())?;
            let (stored, open, unburied): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
            if stored == events && open == 0 && unburied == 0 {
                Ok(())
            } else {
                let states: Option<String> = row.get(3);
                Err(format!("{stored} of {events} events stored, {open} open, {unburied} without dead copy ({})", states.unwrap_or_default()))
            }
        })
        .await;
    }

    /// How many dispatches stand in a state with a cause, as `platform state cause`.
    pub async fn states(&self) -> BTreeMap<String, i64> {
        let client = self.schema.client().await;
        let rows = client
            .query(
                "SELECT platform || ' ' || state || coalesce(' ' || cause, ''), count(*) FROM dispatches GROUP BY 1",
                &[],
            )
            .await
            .expect("the ledger can be read");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// A number that a query gives.
    pub async fn number(&self, query: &str) -> i64 {
        self.schema
            .client()
            .await
            .query_one(query, &[])
            .await
            .expect("the query is valid")
            .get(0)
    }

    /// Waits until a query gives at least this number.
    pub async fn at_least(&self, least: i64, query: &str) -> i64 {
        let client = self.schema.client().await;
        until(query, PATIENCE, async || {
            let row = client
                .query_one(query, &[])
                .await
                .map_err(|failure| failure.to_string())?;
            let number: i64 = row.get(0);
            if number >= least {
                Ok(number)
            } else {
                Err(format!("{number} of {least}"))
            }
        })
        .await
    }

    /// Waits until so many dispatches stand in a state with a cause, such as `meta paused login_refused`.
    pub async fn in_state(&self, count: i64, state: &str) {
        until(state, PATIENCE, async || {
            let states = self.states().await;
            if states.get(state).copied().unwrap_or(0) == count {
                Ok(())
            } else {
                Err(format!("{count} expected: {states:?}"))
            }
        })
        .await;
    }

    /// Asserts that every platform counted each of these events of ACME exactly once, and nothing else.
    pub async fn assert_everywhere_once(&self, ids: &[String]) {
        for platform in ALL {
            self.assert_counted_once(platform, account_of(platform), ids.iter().cloned())
                .await;
        }
    }

    /// Asserts that the platforms counted each of these (account, event) pairs exactly once, after their own de-duplication, and nothing else.
    pub async fn assert_counted_once(&self, platform: &str, account: &str, expected: impl IntoIterator<Item = String>) {
        let counted = self.simulator.events(platform, account).await;
        let mut ids: Vec<String> = Vec::new();
        for event in &counted {
            assert_eq!(
                event.counted, 1,
                "{platform} counted {:?} {} times",
                event.event_id, event.counted
            );
            assert_eq!(
                event.differing_copies, 0,
                "{platform}: a repetition of {:?} had other bytes",
                event.event_id
            );
            ids.push(event.event_id.clone().expect("every event has an ID"));
        }
        ids.sort();
        let mut expected: Vec<String> = expected.into_iter().collect();
        expected.sort();
        assert_eq!(ids, expected, "{platform} {account}");
    }
}

fn settings(amqp: &str) -> BrokerSettings {
    BrokerSettings::new(vec![amqp.into()], "test")
}
