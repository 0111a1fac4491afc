//! The composition of the commands that keep clients, ad accounts, logins and pauses.

use std::{io::Write, process::ExitCode};

use anyhow::Context as _;
use chrono::Utc;

use super::{cli::part, worker};
use crate::{
    config::{self, DatabaseConfig},
    roles::console::{
        Console, ConsoleError, Exit, accounts, keys, logins,
        pause::{self, PauseArgs, ResumeArgs},
    },
};

/// `accounts`
pub(super) async fn accounts(args: accounts::Args) -> anyhow::Result<ExitCode> {
    let console = console().await?;
    let mut out = Vec::new();
    finish(accounts::run(args, &console, &mut out).await, &out)
}

/// `logins`
pub(super) async fn logins(args: logins::Args) -> anyhow::Result<ExitCode> {
    let (database, key) = part(|reader| {
        let key = config::seal_key(reader);
        Some((DatabaseConfig::read(reader)?, key))
    })?;
    let console = Console {
        store: worker::migrated_store(&database).await?,
        now: Utc::now(),
    };
    let sealing = logins::Sealing {
        key: key.as_ref(),
        input: std::io::stdin(),
    };
    let mut out = Vec::new();
    finish(logins::run(args, &console, sealing, &mut out).await, &out)
}

/// `keys`
pub(super) async fn keys(args: keys::Args) -> anyhow::Result<ExitCode> {
    let console = console().await?;
    let mut out = Vec::new();
    finish(keys::run(args, &console, &mut out).await, &out)
}

/// `pause`
pub(super) async fn pause(args: PauseArgs) -> anyhow::Result<ExitCode> {
    let console = console().await?;
    let mut out = Vec::new();
    finish(pause::pause(args, &console, &mut out).await, &out)
}

/// `resume`
pub(super) async fn resume(args: ResumeArgs) -> anyhow::Result<ExitCode> {
    let console = console().await?;
    let mut out = Vec::new();
    finish(pause::resume(args, &console, &mut out).await, &out)
}

async fn console() -> anyhow::Result<Console> {
    let store = worker::migrated_store(&part(DatabaseConfig::read)?).await?;
    Ok(Console { store, now: Utc::now() })
}

/// Shows what a command had to say, also where it then failed.
fn finish(result: Result<Exit, ConsoleError>, out: &[u8]) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(out).context("write to standard output")?;
    Ok(result?.into())
}
