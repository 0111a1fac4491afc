//! The whole path: events lie in the queue, a relay with all its roles is started, and the clock stops when the platforms have counted every one
//! and the ledger has settled it.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use crate::{
    feed::Feed,
    house::House,
    processes::{Part, Span, peak_memory},
};

const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What the relay did.
pub struct Whole {
    pub events: usize,
    pub span: Span,
    /// Of the one process with all roles, in MiB.
    pub peak_memory: f64,
}

impl Whole {
    /// Events a second.
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.span.seconds()
    }

    /// CPU seconds of everything but this benchmark.
    pub fn cpu_seconds(&self) -> f64 {
        self.span.cpu_of_all() - self.span.cpu(Part::Bench).unwrap_or_default()
    }

    pub async fn measure(house: &House, events: usize) -> anyhow::Result<Whole> {
        let feed = Feed::open(&house.vhost.url).await?;
        feed.publish(events).await?;
        feed.close().await;
        let counted = house.counted().await + events;
        let sent = house.in_states(&["sent"]).await? + events;

        let relay = house.relay(&[])?;
        let span = house.services.with(Part::Relay, relay.id()).begin()?;
        settled(house, counted).await?;
        let span = span.end()?;

        let peak_memory = peak_memory(relay.id())?;
        relay.stop().await?;
        let standing = house.in_states(&["sent"]).await?;
        ensure!(standing == sent, "{standing} are sent, not {sent}");
        let counted_now = house.counted().await;
        ensure!(counted_now == counted, "{counted_now} were counted, not {counted}");
        Ok(Whole {
            events,
            span,
            peak_memory,
        })
    }
}

/// Waits until so many conversions are counted and the ledger knows it.
pub async fn settled(house: &House, counted: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if house.counted().await >= counted && !house.is_unsettled().await? {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "{} of {counted} counted, and it goes no further:\n{}",
                house.counted().await,
                house.standing().await?
            );
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
