//! The broker: deliveries that are settled once, and publishes that are confirmed whole. The only place that knows
//! lapin.
//!
//! Two connections, one for deliveries and acks and one for publishes: a blocked publishing connection writes nothing
//! at all, not even acks. lapin's own recovery is off; after a loss everything is built anew, so that delivery tags,
//! confirms and prefetch never straddle two connections.

mod acks;
mod begun;
mod consuming;
mod delivery;
mod error;
mod health;
mod holder;
mod intake;
mod lane;
mod link;
mod message;
mod patience;
mod publisher;
mod reconnect;
mod session;
mod settings;
mod solo;
mod supervisor;
mod tags;
pub mod topology;
mod window;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use lapin::{
    options::QueueDeclareOptions,
    types::{FieldTable, ShortString},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout_at,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    consuming::Consuming,
    link::LinkWatch,
    patience::{ANSWER_TIMEOUT, within},
    solo::Gate,
    supervisor::Supervisor,
};
pub use self::{
    delivery::Delivery,
    error::{BrokerError, PublishCause, PublishFailure},
    health::BrokerHealth,
    intake::{Arrivals, Drained, Intake},
    message::{HeaderValue, Headers, Outgoing, headers_for_republish},
    publisher::Publisher,
    settings::{BrokerSettings, IntakeSettings},
    solo::{CRASH_LOOP_AT, SOLO_FROM},
};
use crate::metrics::broker::{ConnectionLabel, ConnectionMetrics, IntakeMetrics};

/// To be put behind whatever else the log filter (`RUST_LOG` syntax) says.
///
/// lapin logs the bodies of returned messages as warnings and whole frames when tracing. What matters of it is logged
/// here.
pub const LOG_DIRECTIVE: &str = "lapin=off";

/// Both connections and what runs on them.
///
/// Dropped without [`close`](Broker::close), it ends its connections at once, as a crash would.
pub struct Broker {
    settings: Arc<BrokerSettings>,
    health: Arc<watch::Sender<BrokerHealth>>,
    consume_links: LinkWatch,
    publish_links: LinkWatch,
    gate: Gate,
    /// Ends intakes and publishers.
    work_closing: CancellationToken,
    work: TaskTracker,
    /// Ends the connections.
    links_closing: CancellationToken,
    supervisors: TaskTracker,
}

impl Broker {
    /// Starts connecting and returns at once; [`changes`](Broker::changes) tells when it has worked out.
    ///
    /// To be called inside a tokio runtime.
    pub fn start(settings: BrokerSettings) -> Broker {
        let settings = Arc::new(settings);
        let health = Arc::new(watch::Sender::new(BrokerHealth::default()));
        let links_closing = CancellationToken::new();
        let supervisors = TaskTracker::new();
        let [consume_links, publish_links] = ConnectionLabel::ALL.map(|purpose| {
            let (links, link_watch) = watch::channel(None);
            let supervisor = Supervisor {
                purpose,
                metrics: ConnectionMetrics::of(purpose),
                settings: Arc::clone(&settings),
                links,
                health: Arc::clone(&health),
                closing: links_closing.clone(),
            };
            supervisors.spawn(supervisor.run());
            link_watch
        });
        Broker {
            settings,
            health,
            consume_links,
            publish_links,
            gate: Gate::new(),
            work_closing: CancellationToken::new(),
            work: TaskTracker::new(),
            links_closing,
            supervisors,
        }
    }

    /// A publisher with channels of its own. Clones of it share them.
    pub fn publisher(&self, role: &'static str) -> Publisher {
        Publisher::new(publisher::Inner {
            role,
            links: self.publish_links.clone(),
            health: self.health.subscribe(),
            confirm_timeout: self.settings.confirm_timeout,
            closing: self.work_closing.clone(),
            tasks: self.work.clone(),
            lanes: Mutex::new(HashMap::new()),
        })
    }

    /// Starts to consume a queue, now or as soon as there is a connection and the queue exists.
    pub fn intake(&self, settings: IntakeSettings) -> Intake {
        let (arriving, arrived) = mpsc::unbounded_channel();
        let (control, asked) = mpsc::unbounded_channel();
        let state = Arc::new(intake::State::default());
        let consuming = Consuming {
            metrics: IntakeMetrics::of(settings.role),
            settings,
            links: self.consume_links.clone(),
            gate: self.gate.clone(),
            state: Arc::clone(&state),
            arriving,
            control: asked,
            closing: self.work_closing.clone(),
        };
        self.work.spawn(consuming.run());
        Intake {
            arriving: arrived,
            control,
            state,
            waiting: Vec::new(),
        }
    }

    /// The state of the connections now.
    pub fn health(&self) -> BrokerHealth {
        self.health.borrow().clone()
    }

    /// The state of the connections, now and at every change.
    pub fn changes(&self) -> watch::Receiver<BrokerHealth> {
        self.health.subscribe()
    }

    /// How many messages of a queue wait to be delivered; those that are with a consumer do not count.
    pub async fn queue_depth(&self, queue: &str) -> Result<u32, BrokerError> {
        let doing = format!("look at queue {queue}");
        let Some(link) = self.consume_links.borrow().clone() else {
            return Err(BrokerError::Disconnected { doing });
        };
        let name = ShortString::try_new(queue).map_err(|_| BrokerError::Refused {
            doing: doing.clone(),
            code: 404,
            text: "a queue name has at most 255 bytes".to_owned(),
        })?;
        // A channel for this one question: where the queue is missing, the broker closes it.
        let channel = link.channel().await?;
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let declared = channel.queue_declare(name, options, FieldTable::default());
        let declared = within(ANSWER_TIMEOUT, &doing, declared).await?;
        within(ANSWER_TIMEOUT, &doing, channel.close(200, "done".into())).await?;
        Ok(declared.message_count())
    }

    /// Ends publishers and intakes, then closes the connections; whatever does not answer until the deadline is cut
    /// off.
    ///
    /// Intakes should be drained before: what they hold unsettled goes back to the queue.
    pub async fn close(self, deadline: Duration) {
        let deadline = patience::deadline(deadline);
        self.work_closing.cancel();
        self.work.close();
        if timeout_at(deadline, self.work.wait()).await.is_err() {
            tracing::warn!("publishers and intakes did not end in time");
        }
        self.links_closing.cancel();
        self.supervisors.close();
        if timeout_at(deadline, self.supervisors.wait()).await.is_err() {
            tracing::warn!("broker connections did not close in time");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        for links in [&self.consume_links, &self.publish_links] {
            if let Some(link) = links.borrow().as_ref() {
                link.cut();
            }
        }
        self.work_closing.cancel();
        self.links_closing.cancel();
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Broker")
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}
