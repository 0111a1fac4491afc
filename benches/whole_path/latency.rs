//! How long an event takes from being published until its platform's answer stands in the ledger, at a rate that the relay can well sustain.

use std::{collections::HashMap, time::Duration};

use anyhow::ensure;
use chrono::{DateTime, Utc};

use crate::{feed::Feed, house::House, whole::settled};

const WARM_UP: Duration = Duration::from_secs(2);
const DURATION: Duration = Duration::from_secs(20);

/// Times in milliseconds.
pub struct Latency {
    /// Events a second.
    pub rate: f64,
    pub count: usize,
    pub p50: f64,
    pub p99: f64,
    pub longest: f64,
}

pub async fn measure(house: &House, rate: f64) -> anyhow::Result<Latency> {
    let feed = Feed::open(&house.vhost.url).await?;
    let relay = house.relay(&[])?;
    let before = house.counted().await;
    let warm_up = feed.publish_at(rate, WARM_UP).await?.len();
    settled(house, before + warm_up).await?;

    let published = feed.publish_at(rate, DURATION).await?;
    settled(house, before + warm_up + published.len()).await?;
    relay.stop().await?;
    feed.close().await;

    // The attempt's row is written after the answer, so this is a little more than the time to the platform.
    let rows = house
        .database
        .query(
            "SELECT event.event_id, attempt.at FROM attempts attempt JOIN events event ON event.key = attempt.event_key
             WHERE attempt.outcome IN ('delivered', 'accepted') AND attempt.at >= $1",
            &[&published.first().map(|first| first.at)],
        )
        .await?;
    let answered: HashMap<String, DateTime<Utc>> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut times: Vec<f64> = published
        .iter()
        .filter_map(|event| answered.get(&event.event_id).map(|at| *at - event.at))
        .map(|time| time.as_seconds_f64() * 1000.0)
        .collect();
    ensure!(
        times.len() == published.len(),
        "{} of {} events have an attempt",
        times.len(),
        published.len()
    );
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Ok(Latency {
        rate,
        count: times.len(),
        p50: at(0.5),
        p99: at(0.99),
        longest: at(1.0),
    })
}
