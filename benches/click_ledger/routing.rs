//! A router alone: events lie in the queue, it is started, and the clock runs from the first that the ledger holds to the last.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use crate::{
    feed::Feed,
    house::House,
    ledger::Ledger,
    processes::{Part, Span},
};

const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What a router did in front of a ledger.
pub struct Routing {
    pub ledger: Ledger,
    /// Events that were routed while the clock ran.
    pub events: usize,
    pub span: Span,
    /// Conversions that found a click.
    pub attributed: usize,
}

impl Routing {
    /// Events a second.
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.span.seconds()
    }

    /// CPU microseconds of a part for each event; `None` where its processes cannot be seen.
    pub fn cpu(&self, part: Part) -> Option<f64> {
        Some(self.span.cpu(part)? * 1e6 / self.events as f64)
    }

    pub async fn measure(house: &House, ledger: Ledger, events: usize) -> anyhow::Result<Routing> {
        let feed = Feed::open(&house.vhost.url).await?;
        feed.publish(events).await?;
        feed.close().await;

        let relay = house.relay(&["router"])?;
        let first = stored(house, 1).await?;
        let span = house.services.with(Part::Relay, relay.id()).begin()?;
        stored(house, events).await?;
        let span = span.end()?;
        relay.stop().await?;

        let queued = house.in_states(&["queued"]).await?;
        ensure!(queued == events, "{queued} are queued, not {events}");
        let found = "SELECT count(*) FROM dispatches WHERE click IS NOT NULL";
        let attributed: i64 = house.database.query_one(found, &[]).await?.get(0);
        Ok(Routing {
            ledger,
            events: events - first,
            span,
            attributed: usize::try_from(attributed)?,
        })
    }
}

/// Waits until the ledger holds so many events; gives how many it then holds.
async fn stored(house: &House, least: usize) -> anyhow::Result<usize> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let row = house.database.query_one("SELECT count(*) FROM events", &[]).await?;
        let stored = usize::try_from(row.get::<_, i64>(0))?;
        if stored >= least {
            return Ok(stored);
        }
        if Instant::now() > deadline {
            bail!("{stored} of {least} events are stored, and it goes no further");
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
