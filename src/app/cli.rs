//! The command line.

use std::{path::Path, process::ExitCode};

use clap::{Parser, Subcommand};

use super::{
    BadConfig, console, directory, documents,
    worker::{self, Role},
};
use crate::{
    broker::topology::{self, Topology},
    config::{self, BrokerConfig, Config, DatabaseConfig, ProcessEnvironment},
    domain::Platform,
    roles::console::{
        accounts, audit, classify, dead, explain, forget, keys, logins, mappings,
        pause::{PauseArgs, ResumeArgs},
        publish, resend,
    },
    telemetry,
};

/// Tells Meta, Google and TikTok about the sales that their ads brought: none lost, none knowingly twice, and for every one what became of it and why.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the workers: all roles but the gateway, and all platforms, in one process, or those named
    Run {
        /// A role to take; may be repeated (default: all but gateway)
        #[arg(long, value_enum)]
        role: Vec<Role>,
        /// A platform to send to; may be repeated (default: all)
        #[arg(long)]
        platform: Vec<Platform>,
    },
    /// Bring the database to this version; safe to repeat
    Migrate,
    /// Exchanges and queues: declare them, check them, print them
    Topology {
        #[command(subcommand)]
        what: TopologyCommand,
    },
    /// Clients and their ad accounts, kept in TOML files: plan, apply, list, check
    #[command(subcommand)]
    Accounts(accounts::Command),
    /// Credentials: list them with what they hold back, check, pause, resume, seal
    #[command(subcommand)]
    Logins(logins::Command),
    /// Keys by which clients' systems speak to the gateway: create, list, revoke
    #[command(subcommand)]
    Keys(keys::Args),
    /// How other systems' payloads become funnel events: check them with a sample, list them, show them
    #[command(subcommand)]
    Mappings(mappings::Args),
    /// Hold back a login, an ad account, a quota or a platform; nothing is lost
    Pause(PauseArgs),
    /// End a pause, whoever made it
    Resume(ResumeArgs),
    /// Write the documents that are made from the code, below the folder in which this is run
    #[command(hide = true)]
    Schemas,
    /// What became of each conversion, and why
    Audit(audit::Args),
    /// What would be sent where for an event, exactly, and why not elsewhere; sends nothing
    Explain(explain::Args),
    /// What a platform's answer means, whose fault it is, and what to do about it
    Classify(classify::Args),
    /// What could not be handled: list it, look at it, replay it, drop it
    #[command(subcommand, visible_alias = "dlq")]
    Dead(dead::Args),
    /// Decide anew about what the ledger keeps: for new ad accounts, other pixels, repaired mistakes
    Resend(resend::Args),
    /// Erase a person at a client: clicks, identity, letters; without --yes only a forecast
    Forget(forget::Args),
    /// Look at everything that the relay needs, and say what to do where something is missing
    Doctor,
    /// Put events into the queue, a JSON object a line, checked and confirmed
    Publish(publish::Args),
}

#[derive(Debug, Subcommand)]
enum TopologyCommand {
    /// Declare what is missing; never changes or deletes
    Apply,
    /// Say what differs; exit code 1 if something does
    Check,
    /// Print names, arguments and bindings
    Print,
}

impl Cli {
    /// Runs the command.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run { role, platform } => {
                let config = Config::from_env(&ProcessEnvironment).map_err(|errors| BadConfig(errors.to_string()))?;
                telemetry::start_log(&config.log).map_err(|error| BadConfig(error.to_string()))?;
                let roles = if role.is_empty() { Role::USUAL.to_vec() } else { role };
                let platforms = if platform.is_empty() {
                    Platform::ALL.to_vec()
                } else {
                    platform
                };
                worker::run(config, &roles, &platforms).await
            }
            Command::Migrate => migrate().await,
            Command::Topology { what } => what.run().await,
            Command::Accounts(accounts::Command::Directory(args)) => directory::accounts(args).await,
            Command::Accounts(accounts::Command::Check(args)) => console::check_accounts(&args).await,
            Command::Logins(logins::Command::Keep(args)) => directory::logins(args).await,
            Command::Logins(logins::Command::Check(args)) => console::check_logins(&args).await,
            Command::Keys(args) => directory::keys(args).await,
            Command::Mappings(args) => console::mappings(&args).await,
            Command::Pause(args) => directory::pause(args).await,
            Command::Resume(args) => directory::resume(args).await,
            Command::Schemas => schemas(),
            Command::Audit(args) => console::audit(&args).await,
            Command::Explain(args) => console::explain(&args).await,
            Command::Classify(args) => console::classify(&args).await,
            Command::Publish(args) => console::publish(&args).await,
            Command::Dead(args) => console::dead(&args).await,
            Command::Resend(args) => console::resend(&args).await,
            Command::Forget(args) => console::forget(&args).await,
            Command::Doctor => console::doctor().await,
        }
    }
}

/// Reads one part of the configuration.
pub(super) fn part<T>(read: impl FnOnce(&mut config::Reader) -> Option<T>) -> Result<T, BadConfig> {
    telemetry::start_command_log().map_err(|error| BadConfig(error.to_string()))?;
    config::read(&ProcessEnvironment, read).map_err(|errors| BadConfig(errors.to_string()))
}

#[expect(clippy::print_stdout, reason = "what a command has to say goes to standard output")]
async fn migrate() -> anyhow::Result<ExitCode> {
    let store = worker::store(&part(DatabaseConfig::read)?)?;
    let applied = store.migrate().await?;
    for name in &applied {
        println!("applied {name}");
    }
    if applied.is_empty() {
        println!("the database is of this version already");
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "what a command has to say goes to standard output")]
fn schemas() -> anyhow::Result<ExitCode> {
    let changed = documents::write(Path::new("."))?;
    for path in &changed {
        println!("written {path}");
    }
    if changed.is_empty() {
        println!("all documents are as they should be");
    }
    Ok(ExitCode::SUCCESS)
}

impl TopologyCommand {
    #[expect(clippy::print_stdout, reason = "what a command has to say goes to standard output")]
    async fn run(self) -> anyhow::Result<ExitCode> {
        if matches!(self, TopologyCommand::Print) {
            print!("{}", Topology::default().render());
            return Ok(ExitCode::SUCCESS);
        }
        let config = part(BrokerConfig::read)?;
        let wanted = Topology::new(config.prefix.clone());
        let settings = worker::broker_settings(&config);
        let differences = match self {
            TopologyCommand::Apply => topology::apply(&settings, &wanted).await?.differences,
            _ => topology::check(&settings, &wanted).await?.differences,
        };
        for difference in &differences {
            println!("{difference}");
        }
        if differences.is_empty() {
            println!("all exchanges, queues and bindings are as they should be");
            return Ok(ExitCode::SUCCESS);
        }
        Ok(ExitCode::FAILURE)
    }
}
