//! The most memory that each role has, alone in a process, amid a long backlog.

use std::time::{Duration, Instant};

use crate::{feed::Feed, house::House, processes::peak_memory};

/// The router is given so long, so that most of the backlog comes to lie in the lanes.
const ROUTER_MAX: Duration = Duration::from_secs(40);
const WORK: Duration = Duration::from_secs(8);

/// A role's most memory.
pub struct Peak {
    pub role: &'static str,
    pub mib: f64,
    /// What it did meanwhile.
    pub amid: String,
}

pub async fn measure(house: &House, backlog: usize) -> anyhow::Result<Vec<Peak>> {
    let feed = Feed::open(&house.vhost.url).await?;
    feed.publish(backlog).await?;
    feed.close().await;
    let before = house.in_states(&["queued"]).await?;

    let relay = house.relay(&["router"])?;
    let started = Instant::now();
    let mut routed = 0;
    while routed < backlog && started.elapsed() < ROUTER_MAX {
        tokio::time::sleep(Duration::from_millis(500)).await;
        routed = house.in_states(&["queued"]).await? - before;
    }
    let router = Peak {
        role: "router",
        mib: peak_memory(relay.id())?,
        amid: format!("{backlog} waited in `in.events`, {routed} of them were routed"),
    };
    relay.stop().await?;

    let waiting = house.in_states(&["queued"]).await?;
    let relay = house.relay(&["sender"])?;
    tokio::time::sleep(WORK).await;
    let sender = Peak {
        role: "sender (three platforms)",
        mib: peak_memory(relay.id())?,
        amid: format!(
            "{waiting} waited in its lanes, {} were left",
            house.in_states(&["queued"]).await?
        ),
    };
    relay.stop().await?;

    // As if a pause had ended for all that is left.
    let due = house
        .database
        .execute(
            "UPDATE dispatches SET state = 'waiting', cause = 'platform_error', due = now(), attend_at = now() WHERE state = 'queued'",
            &[],
        )
        .await?;
    let relay = house.relay(&["keeper"])?;
    tokio::time::sleep(WORK).await;
    let keeper = Peak {
        role: "keeper",
        mib: peak_memory(relay.id())?,
        amid: format!("{due} were due, {} were woken", house.in_states(&["queued"]).await?),
    };
    relay.stop().await?;
    Ok(vec![router, sender, keeper])
}
