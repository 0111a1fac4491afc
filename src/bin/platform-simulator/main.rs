//! platform-simulator: Meta, Google and TikTok on one loopback port, for tests, demos and benchmarks of the relay.
mod answer;
mod batch;
mod call;
mod connection;
mod control;
mod copies;
mod facts;
mod faults;
mod google;
mod ledger;
mod meta;
mod request_log;
mod server;
mod settings;
mod tiktok;
#[cfg(test)]
mod trial;
mod world;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;

use connection::ResettableListener;
use settings::StartState;
use world::{Options, World};

/// Refuses what the real platforms refuse, de-duplicates as they do, and misbehaves on demand.
#[derive(Debug, Parser)]
#[command(name = "platform-simulator", version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free port.
    #[arg(long, default_value = "127.0.0.1:8900")]
    listen: SocketAddr,

    /// Wait this long before every answer of a platform, for example 50ms.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    latency: Duration,

    /// What tokens, clicks, settings and faults are there from the start (JSON, see docs/SIMULATOR.md).
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// Do not keep the bodies of counted events: less memory in a benchmark.
    #[arg(long)]
    no_bodies: bool,

    /// Take keys that the platforms do not know, instead of refusing them.
    #[arg(long)]
    lenient: bool,

    /// Do not report refused requests and faults on stderr.
    #[arg(long)]
    quiet: bool,
}

// One thread: parsing a batch takes microseconds an event, and the cores belong to the relay under test.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    report_to_stderr(if arguments.quiet {
        tracing::Level::ERROR
    } else {
        tracing::Level::INFO
    });
    let start = match &arguments.state {
        Some(path) => StartState::read(path).with_context(|| format!("read state {}", path.display()))?,
        None => StartState::default(),
    };
    let world = World::new(
        Options {
            latency: arguments.latency,
            keep_bodies: !arguments.no_bodies,
            strict: !arguments.lenient,
        },
        start,
    );

    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("listen on {}", arguments.listen))?;
    announce(listener.local_addr()?)?;
    server::serve(ResettableListener::new(listener), Arc::new(world)).await?;
    Ok(())
}

fn report_to_stderr(level: tracing::Level) {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .init();
}

#[expect(clippy::print_stdout, reason = "tests and scripts read the port from this one line")]
fn announce(address: SocketAddr) -> std::io::Result<()> {
    println!("listening on http://{address}");
    std::io::stdout().flush()
}
