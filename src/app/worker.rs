//! `run`: builds what the roles share, starts them, and ends them in order.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::admin;
use crate::{
    broker::{Broker, BrokerSettings, topology::Topology},
    config::{Config, PlatformsConfig, ProcessEnvironment},
    domain::{Platform, search_key::SearchKeys},
    http::Http,
    platform::Endpoints,
    roles::{
        chain,
        context::{Context, Readiness},
        credentials::Credentials,
        directory::DirectoryWatch,
        gateway, keeper, receipts,
        recorder::Recorder,
        router::{self, Inbound},
        sender,
    },
    secrets::{SecretPlaces, Secrets},
    shutdown::Shutdown,
    store::{Store, StoreSettings},
    telemetry,
};

/// How long connecting to Postgres may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What closing the broker's connections may take beyond the roles' own deadline.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

const NOT_MIGRATED: &str = "the database is not of this version: run `conversion-relay migrate` first";

/// A role that `run` can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Takes funnel events and webhooks in, and decides per ad account.
    Router,
    /// Reports to the platforms.
    Sender,
    /// Wakes what waits, takes back what a crash left, keeps house.
    Keeper,
    /// Asks Google later what became of what it took.
    Receipts,
    /// Takes events and webhooks over HTTP into the queue; runs only where it is named.
    Gateway,
}

impl Role {
    /// Those that run where none is named: the others listen to strangers.
    pub const USUAL: [Role; 4] = [Role::Router, Role::Sender, Role::Keeper, Role::Receipts];
}

/// Runs roles until a signal comes or one of them fails.
pub async fn run(config: Config, roles: &[Role], platforms: &[Platform]) -> anyhow::Result<ExitCode> {
    let metrics = telemetry::start_metrics().context("install the recorder of metrics")?;
    let shutdown = Shutdown::on_signals().context("listen for signals")?;
    let readiness = Readiness::default();
    let listener = tokio::net::TcpListener::bind(config.admin_address)
        .await
        .with_context(|| format!("open the admin port {}", config.admin_address))?;
    info!(address = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), "conversion-relay starts");
    let admin = tokio::spawn(admin::serve(
        listener,
        metrics,
        readiness.clone(),
        shutdown.hard.clone(),
    ));
    let built = tokio::select! {
        () = shutdown.soft.cancelled() => None,
        built = build(&config, readiness) => Some(built?),
    };
    let Some(context) = built else {
        return Ok(ExitCode::SUCCESS);
    };
    let context = Arc::new(context);
    // Before anything runs that would have to be ended again if the port is taken.
    let doors = match roles.contains(&Role::Gateway) {
        true => Some(doors(&config, &context.store).await?),
        false => None,
    };
    let mut tasks = start(&context, roles, platforms, &shutdown);
    if let Some(doors) = doors {
        tasks.spawn(gateway::run(Arc::clone(&context), doors, shutdown.soft.clone()));
    }
    let deadline = config.pace.shutdown_deadline + CLOSE_GRACE;
    let clean = watch(&mut tasks, &shutdown, deadline).await;
    drop(tasks);
    if let Some(context) = Arc::into_inner(context) {
        context.broker.close(CLOSE_GRACE).await;
    }
    shutdown.hard.cancel();
    // It ends with the hard token; how it ends changes nothing any more.
    let _ = admin.await;
    info!(clean, "conversion-relay stopped");
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Postgres, as the configuration says.
pub fn store(config: &crate::config::DatabaseConfig) -> anyhow::Result<Store> {
    let settings = StoreSettings {
        url: config.url.clone(),
        ca: config.ca.clone(),
        connections: config.connections,
        connect_timeout: CONNECT_TIMEOUT,
    };
    Store::new(&settings).context("set up the database")
}

/// Postgres with the tables of this version; without them an error that says what to do.
pub async fn migrated_store(config: &crate::config::DatabaseConfig) -> anyhow::Result<Store> {
    let store = store(config)?;
    let is_migrated = store.is_migrated().await.context("reach the database")?;
    anyhow::ensure!(is_migrated, NOT_MIGRATED);
    Ok(store)
}

/// The broker's settings, as the configuration says.
pub fn broker_settings(config: &crate::config::BrokerConfig) -> BrokerSettings {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
    let mut settings = BrokerSettings::new(
        config.urls.clone(),
        format!("conversion-relay@{host}/{}", std::process::id()),
    );
    settings.ca.clone_from(&config.ca);
    settings
}

/// The platforms' addresses, as the configuration says.
pub fn endpoints(config: &PlatformsConfig) -> Endpoints {
    let real = Endpoints::default();
    let or = |own: &Option<String>, real: String| own.clone().unwrap_or(real);
    Endpoints {
        meta: or(&config.meta_url, real.meta),
        meta_version: config.meta_version.clone(),
        google_data_manager: or(&config.google_url, real.google_data_manager),
        google_ads: or(&config.google_ads_url, real.google_ads),
        google_ads_version: or(&config.google_ads_version, real.google_ads_version),
        google_token: or(&config.google_token_url, real.google_token),
        tiktok: or(&config.tiktok_url, real.tiktok),
    }
}

async fn build(config: &Config, readiness: Readiness) -> anyhow::Result<Context> {
    let store = store(&config.database)?;
    wait_for_schema(&store).await?;
    let directory = Arc::new(
        DirectoryWatch::load(store.clone())
            .await
            .context("load the directory")?,
    );
    let http = Http::new(config.pace.http_timeout)?;
    let endpoints = endpoints(&config.platforms);
    let keys = config
        .keys
        .identity
        .iter()
        .map(|key| key.expose_secret().as_bytes().to_vec())
        .collect();
    let secrets = secrets(config, &store);
    Ok(Context {
        credentials: Credentials::new(secrets, http.clone(), endpoints.clone()),
        recorder: Recorder::start(store.clone()),
        store,
        broker: Broker::start(broker_settings(&config.broker)),
        topology: Topology::new(config.broker.prefix.clone()),
        directory,
        http,
        search_keys: SearchKeys::new(keys)?,
        endpoints,
        pace: config.pace,
        readiness,
    })
}

/// Where the logins' secrets lie, as the configuration says.
pub fn secrets(config: &Config, store: &Store) -> Secrets {
    Secrets::new(SecretPlaces {
        environment: Arc::new(ProcessEnvironment),
        vault: config.vault.clone(),
        sealed: Arc::new(store.clone()),
        seal_key: config.keys.seal.clone(),
    })
}

/// Waits for Postgres to answer; a database that answers and lacks tables is an error that says what to do.
async fn wait_for_schema(store: &Store) -> anyhow::Result<()> {
    let mut pause = Duration::from_millis(250);
    loop {
        match store.is_migrated().await {
            Ok(true) => return Ok(()),
            Ok(false) => anyhow::bail!(NOT_MIGRATED),
            Err(failure) if failure.is_passing() => warn!(error = %chain(&failure), "waits for the database"),
            Err(failure) => return Err(failure.into()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

fn start(context: &Arc<Context>, roles: &[Role], platforms: &[Platform], shutdown: &Shutdown) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let soft = || shutdown.soft.clone();
    let directory = Arc::clone(&context.directory);
    let interval = context.pace.directory_interval;
    let token = shutdown.hard.child_token();
    let until = soft();
    tasks.spawn(async move {
        // It serves the others until they have stopped; they stop a moment after the signal.
        tokio::select! {
            () = directory.run(interval, token) => {}
            () = until.cancelled() => {}
        }
    });
    for role in roles {
        match role {
            Role::Router => {
                for inbound in [Inbound::Events, Inbound::Webhooks] {
                    tasks.spawn(router::run(Arc::clone(context), inbound, soft()));
                }
                tasks.spawn(router::inputs::run(Arc::clone(context), soft()));
            }
            Role::Sender => {
                for platform in platforms {
                    tasks.spawn(sender::run(Arc::clone(context), *platform, soft()));
                }
            }
            Role::Keeper => {
                tasks.spawn(keeper::run(Arc::clone(context), soft()));
            }
            Role::Receipts => {
                tasks.spawn(receipts::run(Arc::clone(context), soft()));
            }
            // It is given more than the context: see `doors`.
            Role::Gateway => {}
        }
    }
    tasks
}

/// The gateway's listener, opened only now that it can serve.
async fn doors(config: &Config, store: &Store) -> anyhow::Result<gateway::Doors> {
    let address = config.gateway.address;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("open the gateway's port {address}"))?;
    Ok(gateway::Doors {
        listener,
        config: config.gateway.clone(),
        secrets: secrets(config, store),
    })
}

/// Waits until all roles have ended; true if all ended because they were asked to, in time.
async fn watch(tasks: &mut JoinSet<()>, shutdown: &Shutdown, deadline: Duration) -> bool {
    let mut clean = true;
    let mut give_up = None;
    loop {
        let overdue = async {
            match give_up {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = tasks.join_next() => match ended {
                None => return clean,
                Some(Ok(())) if shutdown.soft.is_cancelled() => {}
                Some(Ok(())) => {
                    error!("a role ended by itself: the others are stopped");
                    clean = false;
                    shutdown.soft.cancel();
                }
                Some(Err(failure)) => {
                    error!(panicked = failure.is_panic(), "a role failed: the others are stopped");
                    clean = false;
                    shutdown.soft.cancel();
                }
            },
            () = shutdown.soft.cancelled(), if give_up.is_none() => {
                give_up = Some(tokio::time::Instant::now() + deadline);
            }
            () = shutdown.hard.cancelled() => return false,
            () = overdue => {
                error!("roles did not stop in time");
                return false;
            }
        }
    }
}
