//! What a million clicks in the ledger cost the router, as a ratio to an empty ledger, measured in one run: `make bench`.
//!
//! It prints Markdown, ready for docs/PERFORMANCE.md. It needs RELAY_AMQP_URL, RELAY_MANAGEMENT_URL and RELAY_DATABASE_URL.
#![expect(clippy::print_stdout, reason = "a benchmark is there to print its table")]

mod events;
mod ledger;
mod report;
mod routing;

#[path = "../whole_path/feed.rs"]
#[expect(dead_code, reason = "the other benchmark also publishes at a pace")]
mod feed;
#[path = "../whole_path/house.rs"]
#[expect(dead_code, reason = "the other benchmark looks at more of it")]
mod house;
#[path = "../whole_path/machine.rs"]
mod machine;
#[path = "../whole_path/processes.rs"]
#[expect(dead_code, reason = "the other benchmark looks at more of it")]
mod processes;

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

use self::{house::House, ledger::Ledger, report::Report, routing::Routing};

/// Events of one measurement; each is of another person, and in the full ledger every one of them has clicked.
const EVENTS: usize = 20_000;
/// Clicks in the full ledger.
const CLICKS: usize = 1_000_000;
/// Both ledgers in turn, so that a machine that grows slower is no one's disadvantage.
const ROUNDS: [[Ledger; 2]; 4] = [
    [Ledger::Empty, Ledger::Full],
    [Ledger::Full, Ledger::Empty],
    [Ledger::Empty, Ledger::Full],
    [Ledger::Full, Ledger::Empty],
];

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
    println!("{}", machine::describe().await?);
    let house = House::build().await?;
    let key = house::IDENTITY_KEY.as_bytes();
    ledger::build(&house.schema.store, &house.database, key, EVENTS, CLICKS).await?;
    let mut report = Report(Vec::new());
    for (round, ledgers) in (1..).zip(ROUNDS) {
        for ledger in ledgers {
            ledger::put(&house.database, ledger).await?;
            let routing = Routing::measure(&house, ledger, EVENTS).await?;
            println!(
                "round {round}, {}: {:.0}/s, {} attributed, {}",
                ledger.as_str(),
                routing.rate(),
                routing.attributed,
                routing.span.noise()
            );
            report.0.push(routing);
        }
    }
    ledger::put(&house.database, Ledger::Full).await?;
    println!("\nthe full ledger: {}", ledger::size(&house.database).await?);
    println!("\n{report}");
    Ok(())
}
