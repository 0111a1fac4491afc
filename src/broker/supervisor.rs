//! Keeps one connection alive: connects, watches, connects again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use lapin::Event;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{health::BrokerHealth, link::Link, patience::ANSWER_TIMEOUT, reconnect::Pauses, settings::BrokerSettings};
use crate::metrics::broker::{ConnectionLabel, ConnectionMetrics};

/// A connection that stood this long was a good one: after it, the pauses start from the shortest again.
const STEADY: Duration = Duration::from_secs(5);
/// How often the state is looked at, in case a loss came without an event.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What keeps one of the two connections alive.
pub(super) struct Supervisor {
    pub(super) purpose: ConnectionLabel,
    pub(super) metrics: ConnectionMetrics,
    pub(super) settings: Arc<BrokerSettings>,
    pub(super) links: watch::Sender<Option<Arc<Link>>>,
    pub(super) health: Arc<watch::Sender<BrokerHealth>>,
    pub(super) closing: CancellationToken,
}

impl Supervisor {
    /// Runs until closing is asked for, then closes the connection.
    pub(super) async fn run(self) {
        let name = format!("{} {}", self.settings.name, self.purpose.as_str());
        let mut pauses = Pauses::between(self.settings.backoff_min, self.settings.backoff_max);
        loop {
            let opened = tokio::select! {
                () = self.closing.cancelled() => break,
                opened = Link::open(&self.settings, &name) => opened,
            };
            let lost = match opened {
                Ok(link) => {
                    let since = Instant::now();
                    let lost = self.hold(Arc::new(link)).await;
                    if since.elapsed() >= STEADY {
                        pauses.reset();
                    }
                    lost
                }
                Err(error) => Some(error.in_full()),
            };
            let Some(lost) = lost else { break };
            let pause = pauses.next();
            self.health.send_modify(|health| health.last_error = Some(lost.clone()));
            tracing::warn!(
                connection = self.purpose.as_str(),
                error = lost,
                retry_ms = pause.as_millis() as u64,
                "no broker connection"
            );
            tokio::select! {
                () = self.closing.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Offers the connection to everybody while it stands. Returns why it was lost, or nothing if it was closed.
    async fn hold(&self, link: Arc<Link>) -> Option<String> {
        let mut events = link.events();
        self.links.send_replace(Some(Arc::clone(&link)));
        self.health
            .send_modify(|health| health.set_connected(self.purpose, true));
        self.metrics.connected.set(1.0);
        tracing::info!(connection = self.purpose.as_str(), "broker connected");

        let lost = tokio::select! {
            () = self.closing.cancelled() => None,
            lost = self.watch_over(&link, &mut events) => Some(lost),
        };

        self.links.send_replace(None);
        self.health.send_modify(|health| {
            health.set_connected(self.purpose, false);
            if self.purpose == ConnectionLabel::Publish {
                health.blocked = None;
            }
        });
        self.metrics.connected.set(0.0);
        if self.purpose == ConnectionLabel::Publish {
            self.metrics.blocked.set(0.0);
        }
        match &lost {
            Some(_) => {
                self.metrics.reconnects.increment(1);
                link.cut();
            }
            None => link.close(ANSWER_TIMEOUT / 5).await,
        }
        lost
    }

    /// Passes blocked and unblocked on until the connection is lost; returns why.
    async fn watch_over(&self, link: &Link, events: &mut (impl futures_util::Stream<Item = Event> + Unpin)) -> String {
        let mut look_again = interval(LOOK_AGAIN);
        look_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_error = None;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => self.blocked(link, Some(reason)),
                    Some(Event::ConnectionUnblocked) => self.blocked(link, None),
                    // Errors of single channels come by here too; the state tells them apart.
                    Some(Event::Error(error)) => last_error = Some(error.to_string()),
                    Some(_) => {}
                    None => return last_error.unwrap_or_else(|| "connection ended".to_owned()),
                },
                _ = look_again.tick() => {}
            }
            if !link.is_connected() {
                return last_error.unwrap_or_else(|| "connection lost".to_owned());
            }
        }
    }

    fn blocked(&self, link: &Link, reason: Option<String>) {
        link.set_blocked(reason.clone());
        if self.purpose != ConnectionLabel::Publish {
            return;
        }
        match &reason {
            Some(reason) => tracing::warn!(reason, "the broker takes no messages"),
            None => tracing::info!("the broker takes messages again"),
        }
        let blocked = if reason.is_some() { 1.0 } else { 0.0 };
        self.metrics.blocked.set(blocked);
        self.health.send_modify(|health| health.blocked = reason);
    }
}
