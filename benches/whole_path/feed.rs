//! Publishing events: as fast as the broker takes them, or at a given rate.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::events;

/// Messages that are written before their confirms are awaited.
pub const WINDOW: usize = 500;
/// How often the paced feed looks how many are due.
const TICK: Duration = Duration::from_millis(2);
const EXCHANGE: &str = "conversions.events";
const KEY: &str = "events.bench";

/// A connection that publishes.
pub struct Feed {
    connection: Connection,
}

/// An event that was published, and when.
pub struct Published {
    pub event_id: String,
    pub at: DateTime<Utc>,
}

impl Feed {
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default())
            .await
            .context("connect to the broker")?;
        Ok(Self { connection })
    }

    /// Ends the connection.
    pub async fn close(self) {
        // A channel that is closing by itself at this moment makes an error of it, and the end is the same.
        let _ = self.connection.close(200, "done".into()).await;
    }

    /// A channel with confirms.
    async fn channel(&self) -> anyhow::Result<Channel> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    /// Publishes `count` events; all are confirmed when it returns.
    pub async fn publish(&self, count: usize) -> anyhow::Result<()> {
        let channel = self.channel().await?;
        for start in (0..count).step_by(WINDOW) {
            let window: Vec<(String, Vec<u8>)> = (start..count.min(start + WINDOW))
                .map(|index| {
                    let event_id = Uuid::new_v4().to_string();
                    let body = events::body(index, &event_id);
                    (event_id, body)
                })
                .collect();
            let writes = window.iter().map(|(event_id, body)| publish(&channel, event_id, body));
            let confirms = join_all(writes).await;
            for confirm in confirms {
                confirmed(confirm?.await?)?;
            }
        }
        Ok(())
    }

    /// Publishes events at a rate for some time, as evenly as ticks of two milliseconds allow.
    pub async fn publish_at(&self, rate: f64, duration: Duration) -> anyhow::Result<Vec<Published>> {
        let channel = self.channel().await?;
        let (written, mut to_confirm) = mpsc::unbounded_channel::<PublisherConfirm>();
        let confirming = tokio::spawn(async move {
            while let Some(confirm) = to_confirm.recv().await {
                confirmed(confirm.await?)?;
            }
            anyhow::Ok(())
        });
        let started = tokio::time::Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        let mut published = Vec::new();
        while started.elapsed() < duration {
            ticks.tick().await;
            let due = (rate * started.elapsed().as_secs_f64()) as usize;
            while published.len() < due {
                let event_id = Uuid::new_v4().to_string();
                let body = events::body(published.len(), &event_id);
                let at = Utc::now();
                // Its receiver ends only after a failed confirm, which the task tells below.
                let _ = written.send(publish(&channel, &event_id, &body).await?);
                published.push(Published { event_id, at });
            }
        }
        drop(written);
        confirming.await.context("await the confirms")??;
        Ok(published)
    }
}

async fn publish(channel: &Channel, event_id: &str, body: &[u8]) -> lapin::Result<PublisherConfirm> {
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_message_id(event_id.into())
        .with_timestamp(Utc::now().timestamp().unsigned_abs());
    let options = BasicPublishOptions::default();
    channel
        .basic_publish(EXCHANGE.into(), KEY.into(), options, body, properties)
        .await
}

fn confirmed(confirmation: Confirmation) -> anyhow::Result<()> {
    ensure!(
        matches!(confirmation, Confirmation::Ack(None)),
        "the broker did not take a message"
    );
    Ok(())
}
