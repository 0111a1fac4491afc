//! Everything that the relay needs around it: a vhost and a schema of its own, ad accounts, a simulator; and the relay itself.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use conversion_relay::domain::Platform;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{
    events::{self, ACCOUNTS},
    processes::{self, Part, Watch},
    support::{management::Management, schema::Schema, simulator::Simulator, vhost::Vhost},
};

/// The key of the digests by which people are known.
pub const IDENTITY_KEY: &str = "a key for the benchmark only";

const RELAY: &str = env!("CARGO_BIN_EXE_conversion-relay");
/// What is left of the simulator's name in /proc.
const SIMULATOR_NAME: &str = "platform-simula";
/// How long the relay may take to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(40);

/// The surroundings.
pub struct House {
    pub vhost: Vhost,
    pub schema: Schema,
    pub simulator: Simulator,
    /// A look behind the relay's back.
    pub database: Client,
    /// The broker and this benchmark.
    pub broker: Watch,
    /// All but the relay.
    pub services: Watch,
}

/// A running relay; killed when dropped.
pub struct Relay {
    process: Child,
}

impl House {
    pub async fn build() -> anyhow::Result<House> {
        let vhost = Vhost::create().await;
        let schema = Schema::create().await;
        let simulator = Simulator::start_with(&["--no-bodies"]);
        let database = schema.client().await;
        directory(&database).await?;
        let mut broker = Watch::default();
        broker.add(Part::Bench, std::process::id());
        // A broker or a Postgres in a container has processes that cannot be told from here; their lines are missing then.
        if let Some(id) = broker_process().await? {
            broker.add(Part::Broker, id);
        }
        let mut services = broker.with(Part::Simulator, processes::child(SIMULATOR_NAME)?);
        let own: i32 = database.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        if let Some(id) = processes::parent_of(u32::try_from(own)?, "postgres") {
            services.add(Part::Postgres, id);
        }
        let house = House {
            vhost,
            schema,
            simulator,
            database,
            broker,
            services,
        };
        let applied = house.command(&["topology", "apply"]).status()?;
        ensure!(applied.success(), "topology apply failed");
        Ok(house)
    }

    /// Starts a relay with these roles; none means all.
    pub fn relay(&self, roles: &[&str]) -> anyhow::Result<Relay> {
        let mut arguments = vec!["run"];
        for role in roles {
            arguments.extend(["--role", role]);
        }
        let log = File::options().append(true).create(true).open(log())?;
        let process = self
            .command(&arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("start conversion-relay")?;
        Ok(Relay { process })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let simulator = self.simulator.url();
        let grant = json!({"client_id": "bench", "client_secret": "bench", "refresh_token": "bench"});
        let mut command = Command::new(RELAY);
        command
            .args(arguments)
            .env("RELAY_AMQP_URL", &self.vhost.url)
            .env("RELAY_DATABASE_URL", &self.schema.url)
            .env("RELAY_IDENTITY_KEY", IDENTITY_KEY)
            .env("RELAY_ADMIN_ADDRESS", "127.0.0.1:0")
            .env("RELAY_META_URL", simulator)
            .env("RELAY_GOOGLE_URL", simulator)
            .env("RELAY_GOOGLE_TOKEN_URL", format!("{simulator}/token"))
            .env("RELAY_TIKTOK_URL", simulator)
            // Google's real quota would be all that is measured.
            .env("RELAY_GOOGLE_QUOTA_PER_MINUTE", "0")
            .env("BENCH_TOKEN", "bench")
            .env("BENCH_GRANT", grant.to_string());
        command
    }

    /// How many conversions the platforms have counted.
    pub async fn counted(&self) -> usize {
        let counts = self.simulator.counts().await;
        let of = |account| {
            let platform = events::platform(account);
            counts.of(platform.as_str(), &events::destination(account)).counted
        };
        (0..ACCOUNTS).map(of).sum::<u64>() as usize
    }

    /// How many dispatches are in one of these states.
    pub async fn in_states(&self, states: &[&str]) -> anyhow::Result<usize> {
        let row = self
            .database
            .query_one("SELECT count(*) FROM dispatches WHERE state = ANY ($1)", &[&states])
            .await?;
        Ok(usize::try_from(row.get::<_, i64>(0))?)
    }

    /// Says whether the ledger holds a dispatch that is on its way.
    pub async fn is_unsettled(&self) -> anyhow::Result<bool> {
        let states = ["queued", "sending", "waiting", "paused", "failed"];
        let row = self
            .database
            .query_one(
                "SELECT EXISTS (SELECT FROM dispatches WHERE attend_at IS NOT NULL AND state = ANY ($1))",
                &[&states.as_slice()],
            )
            .await?;
        Ok(row.get(0))
    }

    /// How the dispatches stand, for the error when something hangs.
    pub async fn standing(&self) -> anyhow::Result<String> {
        let rows = self
            .database
            .query(
                "SELECT platform, state, cause, count(*) FROM dispatches GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
                &[],
            )
            .await?;
        let lines = rows.iter().map(|row| {
            let (platform, state): (&str, &str) = (row.get(0), row.get(1));
            let (cause, count): (Option<&str>, i64) = (row.get(2), row.get(3));
            format!("{platform} {state} {} {count}", cause.unwrap_or("-"))
        });
        Ok(format!(
            "{}\nlog: {}",
            lines.collect::<Vec<_>>().join("\n"),
            log().display()
        ))
    }
}

impl Relay {
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        // The standard library sends no other signal than SIGKILL.
        Command::new("kill").arg(self.id().to_string()).status()?;
        let deadline = Instant::now() + STOP_PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                ensure!(
                    status.success(),
                    "the relay stopped with {status}, see {}",
                    log().display()
                );
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the relay does not stop")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Only fails when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("whole_path.log")
}

async fn broker_process() -> anyhow::Result<Option<u32>> {
    let url = std::env::var("RELAY_MANAGEMENT_URL").context("RELAY_MANAGEMENT_URL is not set")?;
    let nodes = Management::at(&url).request(Method::GET, "nodes", None).await;
    let id = nodes[0]["os_pid"].as_str().and_then(|id| id.parse().ok());
    Ok(id.and_then(|id| processes::checked(id, "beam.smp")))
}

async fn directory(database: &Client) -> anyhow::Result<()> {
    for platform in Platform::ALL {
        let credential: Value = match platform {
            Platform::Google => json!({"refresh_token": "env:BENCH_GRANT"}),
            Platform::Meta | Platform::Tiktok => json!({"token": "env:BENCH_TOKEN"}),
        };
        database
            .execute(
                "INSERT INTO logins (name, platform, credential) VALUES ($1, $2, $3)",
                &[&login(platform), &platform.as_str(), &credential],
            )
            .await?;
    }
    for account in 0..ACCOUNTS {
        let (client, platform) = (events::client(account), events::platform(account));
        database
            .execute(
                "INSERT INTO clients (id, name, country, currency) VALUES ($1, $1, 'DE', 'EUR')",
                &[&client],
            )
            .await?;
        let row = database
            .query_one(
                "INSERT INTO ad_accounts (client_id, name, platform, destination, login, rules) VALUES ($1, $2, $2, $3, $4, $5)
                 RETURNING id",
                &[
                    &client,
                    &platform.as_str(),
                    &events::destination(account),
                    &login(platform),
                    &events::rules(account),
                ],
            )
            .await?;
        let id: i32 = row.get(0);
        let scopes = [
            format!("platform:{platform}"),
            format!("quota:{}", login(platform)),
            format!("login:{}", login(platform)),
            format!("account:{id}"),
        ];
        database
            .execute(
                "UPDATE ad_accounts SET scopes = $2 WHERE id = $1",
                &[&id, &scopes.as_slice()],
            )
            .await?;
    }
    Ok(())
}

fn login(platform: Platform) -> String {
    format!("agency-{platform}")
}
