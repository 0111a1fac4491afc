//! The console's composition: builds what a command works with, and gives it standard output to write to.

use std::{
    io::{self, BufWriter, Stdout, Write},
    process::ExitCode,
};

use anyhow::Context as _;
use secrecy::ExposeSecret;

use super::{cli::part, worker};
use crate::{
    config::{self, DatabaseConfig, KeysConfig, ProcessEnvironment},
    domain::search_key::SearchKeys,
    roles::console::audit,
    store::Store,
};

/// `audit`
pub(super) async fn audit(args: &audit::Args) -> anyhow::Result<ExitCode> {
    let store = ledger().await?;
    let keys = search_keys();
    let tools = audit::Tools {
        store: &store,
        keys: keys.as_ref(),
    };
    let mut out = standard_output();
    let result = audit::run(args, tools, &mut out).await;
    finish(result, out)
}

/// Postgres, with the tables of this version.
async fn ledger() -> anyhow::Result<Store> {
    let store = worker::store(&part(DatabaseConfig::read)?)?;
    let is_migrated = store.is_migrated().await.context("reach the database")?;
    anyhow::ensure!(
        is_migrated,
        "the database is not of this version: run `conversion-relay migrate` first"
    );
    Ok(store)
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
fn finish<E>(result: Result<ExitCode, E>, mut out: BufWriter<Stdout>) -> anyhow::Result<ExitCode>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let result = result
        .map_err(anyhow::Error::from)
        .and_then(|code| out.flush().map(|()| code).map_err(anyhow::Error::from));
    match result {
        Err(failure) if is_broken_pipe(&failure) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

fn is_broken_pipe(failure: &anyhow::Error) -> bool {
    failure
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
