//! The console's composition: builds what a command works with, and gives it standard output to write to.

use std::{
    io::{self, BufWriter, Stdout, Write},
    process::ExitCode,
    time::Duration,
};

use chrono::Utc;
use secrecy::ExposeSecret;

use super::{BadConfig, cli::part, worker};
use crate::{
    broker::{Broker, topology::Topology},
    config::{self, BrokerConfig, Config, DatabaseConfig, KeysConfig, PaceConfig, PlatformsConfig, ProcessEnvironment},
    domain::search_key::SearchKeys,
    http::Http,
    platform::Endpoints,
    roles::{
        console::{
            Console, ConsoleError, Exit, audit, check, classify, dead, doctor, explain, forget, mappings, publish,
            resend,
        },
        credentials::Credentials,
    },
    telemetry,
};

/// What closing the broker's connections may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// `audit`
pub(super) async fn audit(args: &audit::Args) -> anyhow::Result<ExitCode> {
    let console = console().await?;
    let keys = search_keys();
    let mut out = standard_output();
    let result = audit::run(args, &console, keys.as_ref(), &mut out).await;
    finish(result, out)
}

/// `explain`: with a file of ad accounts it needs nothing of the environment.
pub(super) async fn explain(args: &explain::Args) -> anyhow::Result<ExitCode> {
    let (platforms, database) = part(|reader| {
        let platforms = PlatformsConfig::read(reader);
        let database = args.needs_database().then(|| DatabaseConfig::read(reader));
        match database {
            Some(database) => Some((platforms?, Some(database?))),
            None => Some((platforms?, None)),
        }
    })?;
    let store = match &database {
        Some(database) => Some(worker::migrated_store(database).await?),
        None => None,
    };
    let keys = search_keys();
    let tools = explain::Tools {
        store: store.as_ref(),
        keys: keys.as_ref(),
        endpoints: &worker::endpoints(&platforms),
        now: Utc::now(),
    };
    let mut out = standard_output();
    let result = explain::run(args, tools, &mut out).await;
    finish(result, out)
}

/// `mappings`: with a file, or for a mapping that comes with the relay, it needs nothing of the environment.
pub(super) async fn mappings(args: &mappings::Args) -> anyhow::Result<ExitCode> {
    let store = if args.needs_database() {
        Some(worker::migrated_store(&part(DatabaseConfig::read)?).await?)
    } else {
        telemetry::start_command_log().map_err(|error| BadConfig(error.to_string()))?;
        None
    };
    let mut out = standard_output();
    let result = mappings::run(args, store.as_ref(), Utc::now(), &mut out).await;
    finish(result, out)
}

/// `classify`: it needs nothing of the environment.
pub(super) async fn classify(args: &classify::Args) -> anyhow::Result<ExitCode> {
    telemetry::start_command_log().map_err(|error| BadConfig(error.to_string()))?;
    let mut out = standard_output();
    let result = classify::run(args, &mut out).await;
    finish(result, out)
}

/// `publish`
pub(super) async fn publish(args: &publish::Args) -> anyhow::Result<ExitCode> {
    let config = part(BrokerConfig::read)?;
    let broker = Broker::start(worker::broker_settings(&config));
    let tools = publish::Tools {
        broker: &broker,
        topology: &Topology::new(config.prefix.clone()),
    };
    let mut out = standard_output();
    let result = publish::run(args, tools, &mut out).await;
    broker.close(CLOSE_PATIENCE).await;
    finish(result, out)
}

/// `dead`
pub(super) async fn dead(args: &dead::Args) -> anyhow::Result<ExitCode> {
    let parts = Parts::read().await?;
    let mut out = standard_output();
    let result = dead::run(args, parts.letter_tools(), &mut out).await;
    parts.broker.close(CLOSE_PATIENCE).await;
    finish(result, out)
}

/// `resend`
pub(super) async fn resend(args: &resend::Args) -> anyhow::Result<ExitCode> {
    let parts = Parts::read().await?;
    let tools = resend::Tools {
        console: &parts.console,
        broker: &parts.broker,
        topology: &parts.topology,
        silence: parts.silence,
    };
    let mut out = standard_output();
    let result = resend::run(args, tools, &mut out).await;
    parts.broker.close(CLOSE_PATIENCE).await;
    finish(result, out)
}

/// `forget`
pub(super) async fn forget(args: &forget::Args) -> anyhow::Result<ExitCode> {
    let parts = Parts::read().await?;
    let keys = search_keys();
    let mut out = standard_output();
    let result = forget::run(args, parts.letter_tools(), keys.as_ref(), &mut out).await;
    parts.broker.close(CLOSE_PATIENCE).await;
    finish(result, out)
}

/// What a command needs that moves conversions.
struct Parts {
    console: Console,
    broker: Broker,
    topology: Topology,
    silence: Duration,
}

impl Parts {
    async fn read() -> anyhow::Result<Self> {
        let (config, database, pace) = part(|reader| {
            // Each is read before any is found missing, so that all errors come out together.
            let parts = (
                BrokerConfig::read(reader),
                DatabaseConfig::read(reader),
                PaceConfig::read(reader),
            );
            Some((parts.0?, parts.1?, parts.2?))
        })?;
        Ok(Self {
            console: Console {
                store: worker::migrated_store(&database).await?,
                now: Utc::now(),
            },
            broker: Broker::start(worker::broker_settings(&config)),
            topology: Topology::new(config.prefix.clone()),
            silence: pace.silence,
        })
    }

    fn letter_tools(&self) -> dead::Tools<'_> {
        dead::Tools {
            console: &self.console,
            broker: &self.broker,
            topology: &self.topology,
            silence: self.silence,
        }
    }
}

/// `doctor`
pub(super) async fn doctor() -> anyhow::Result<ExitCode> {
    telemetry::start_command_log().map_err(|error| BadConfig(error.to_string()))?;
    let config = Config::from_env(&ProcessEnvironment).map_err(|errors| BadConfig(errors.to_string()))?;
    let console = Console {
        store: worker::store(&config.database)?,
        now: Utc::now(),
    };
    let tools = doctor::Tools {
        config: &config,
        console: &console,
        broker: &worker::broker_settings(&config.broker),
        topology: &Topology::new(config.broker.prefix.clone()),
        secrets: &worker::secrets(&config, &console.store),
        endpoints: &worker::endpoints(&config.platforms),
        http: &Http::new(config.pace.http_timeout)?,
    };
    let mut out = standard_output();
    let result = doctor::run(tools, &mut out).await;
    finish(result, out)
}

/// `accounts check`
pub(super) async fn check_accounts(args: &check::AccountArgs) -> anyhow::Result<ExitCode> {
    let asking = Asking::read().await?;
    let mut out = standard_output();
    let result = check::accounts(args, asking.tools(), &mut out).await;
    finish(result, out)
}

/// `logins check`
pub(super) async fn check_logins(args: &check::LoginArgs) -> anyhow::Result<ExitCode> {
    let asking = Asking::read().await?;
    let mut out = standard_output();
    let result = check::logins(args, asking.tools(), &mut out).await;
    finish(result, out)
}

/// What a command needs that asks the platforms.
struct Asking {
    console: Console,
    http: Http,
    endpoints: Endpoints,
    credentials: Credentials,
}

impl Asking {
    async fn read() -> anyhow::Result<Self> {
        telemetry::start_command_log().map_err(|error| BadConfig(error.to_string()))?;
        let config = Config::from_env(&ProcessEnvironment).map_err(|errors| BadConfig(errors.to_string()))?;
        let store = worker::migrated_store(&config.database).await?;
        let http = Http::new(config.pace.http_timeout)?;
        let endpoints = worker::endpoints(&config.platforms);
        let secrets = worker::secrets(&config, &store);
        Ok(Self {
            credentials: Credentials::new(secrets, http.clone(), endpoints.clone()),
            console: Console { store, now: Utc::now() },
            http,
            endpoints,
        })
    }

    fn tools(&self) -> check::Tools<'_> {
        check::Tools {
            console: &self.console,
            http: &self.http,
            endpoints: &self.endpoints,
            credentials: &self.credentials,
        }
    }
}

async fn console() -> anyhow::Result<Console> {
    let store = worker::migrated_store(&part(DatabaseConfig::read)?).await?;
    Ok(Console { store, now: Utc::now() })
}

/// The keys by which people are found, if they are set; whoever looks for a person hears if they are not.
fn search_keys() -> Option<SearchKeys> {
    let config = config::read(&ProcessEnvironment, KeysConfig::read).ok()?;
    let keys = config
        .identity
        .iter()
        .map(|key| key.expose_secret().as_bytes().to_vec());
    SearchKeys::new(keys.collect()).ok()
}

fn standard_output() -> BufWriter<Stdout> {
    BufWriter::new(io::stdout())
}

/// Ends a command. That whoever read the output has seen enough (`| head`) is no failure.
fn finish(result: Result<Exit, ConsoleError>, mut out: BufWriter<Stdout>) -> anyhow::Result<ExitCode> {
    // Also where it then failed, what it had to say is shown.
    let written = out.flush();
    match result.and_then(|exit| Ok(written.map(|()| exit)?)) {
        Err(ConsoleError::Output(failure)) if failure.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        other => Ok(other?.into()),
    }
}
