//! Composition: reads the command line and the environment, builds what a command needs, runs it.

mod admin;
mod cli;
mod console;
mod directory;
pub mod documents;
mod worker;

use std::process::ExitCode;

use clap::Parser;

pub use self::cli::Cli;

/// Exit code of a wrong configuration: `EX_CONFIG` of sysexits.h.
const EXIT_CONFIG: u8 = 78;

/// The configuration is wrong; the text names every bad key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadConfig(String);

/// Runs the program.
pub fn main() -> ExitCode {
    // Reads FAILPOINTS; ends with the program.
    #[cfg(feature = "crash-points")]
    let _crash_points = fail::FailScenario::setup();
    let cli = Cli::parse();
    // One TLS provider for lapin, reqwest and Postgres; a second install would be a bug and changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(failure) => return fail(&failure.into()),
    };
    match runtime.block_on(cli.run()) {
        Ok(code) => code,
        Err(failure) => fail(&failure),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "this is where a command tells a person what went wrong"
)]
fn fail(failure: &anyhow::Error) -> ExitCode {
    eprintln!("conversion-relay: {failure:#}");
    if failure.is::<BadConfig>() {
        ExitCode::from(EXIT_CONFIG)
    } else {
        ExitCode::FAILURE
    }
}
