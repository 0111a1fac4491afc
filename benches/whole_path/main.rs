//! How fast the whole path is, as a ratio to what the broker alone can do, measured in one run: `make bench`.
//!
//! It prints Markdown, ready for docs/PERFORMANCE.md. It needs RELAY_AMQP_URL, RELAY_MANAGEMENT_URL and RELAY_DATABASE_URL.
//! `cargo bench --bench whole_path -- speed` leaves latency and memory out.
#![expect(clippy::print_stdout, reason = "a benchmark is there to print its table")]

mod bare;
mod events;
mod feed;
mod house;
mod latency;
mod machine;
mod memory;
mod processes;
mod report;
mod whole;

/// What the tests use as well.
#[path = "../../tests/it/support"]
#[expect(dead_code, reason = "the tests need more of it")]
mod support {
    pub mod management;
    pub mod schema;
    pub mod simulator;
    pub mod vhost;
}

use anyhow::Context as _;

use self::{bare::Bare, house::House, report::Report, whole::Whole};

/// Events of one measurement of speed.
const EVENTS: usize = 50_000;
/// Measurements of speed, each with one of the bare broker just before it.
const ROUNDS: usize = 2;
/// Events that wait while memory is measured.
const BACKLOG: usize = 200_000;

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` and `cargo bench -- --list` start it too, and mean something else.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start a runtime")?
        .block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    let machine = machine::describe().await?;
    println!("{machine}");
    let house = House::build().await?;
    let mut report = Report::default();
    for round in 1..=ROUNDS {
        let bare = Bare::measure(&house.broker, EVENTS).await?;
        println!("round {round}: bare broker {:.0}/s, {}", bare.rate(), bare.span.noise());
        let whole = Whole::measure(&house, EVENTS).await?;
        println!(
            "round {round}: whole path {:.0}/s, {}",
            whole.rate(),
            whole.span.noise()
        );
        report.rounds.push((bare, whole));
    }
    if !std::env::args().any(|argument| argument == "speed") {
        let load = report.whole_rate() / 2.0;
        report.latency = Some(latency::measure(&house, load).await?);
        report.memory = memory::measure(&house, BACKLOG).await?;
    }
    println!("\n{report}");
    Ok(())
}
