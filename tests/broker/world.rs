//! A vhost with a queue or two, and the words in which the tests speak about it.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, LazyLock, Mutex, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use conversion_relay::broker::{
    Arrivals, Broker, BrokerSettings, Delivery, Intake, IntakeSettings, LOG_DIRECTIVE, Outgoing,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{management::Management, node::Node, vhost::Vhost, wait::until};

/// Long enough for a busy machine; no test waits for it when all is well.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A vhost of the shared broker or of a node of the test's own.
pub struct World {
    vhost: Vhost,
    management: Management,
}

impl World {
    pub async fn new() -> World {
        let vhost = Vhost::create().await;
        let management = std::env::var("RELAY_MANAGEMENT_URL").expect("checked by Vhost::create");
        World {
            vhost,
            management: Management::at(&management),
        }
    }

    /// A vhost of a node of the test's own.
    pub async fn on(node: &Node) -> World {
        let management = node.address("RELAY_MANAGEMENT_URL");
        let vhost = Vhost::create_on(node.address("RELAY_AMQP_URL"), management).await;
        World {
            vhost,
            management: Management::at(management),
        }
    }

    /// The name of the vhost.
    pub fn name(&self) -> &str {
        self.vhost.url.rsplit('/').next().expect("an address has a path")
    }

    /// Settings with short pauses.
    pub fn settings(&self) -> BrokerSettings {
        quick_settings(&self.vhost.url)
    }

    /// Settings for another user.
    pub fn settings_as(&self, user: &str, password: &str) -> BrokerSettings {
        let mut url: url::Url = self.vhost.url.parse().expect("a URL");
        url.set_username(user)
            .and_then(|()| url.set_password(Some(password)))
            .expect("room for a user");
        quick_settings(url.as_str())
    }

    /// A connected broker.
    pub async fn broker(&self) -> Broker {
        connected(self.settings()).await
    }

    /// Declares a quorum queue with these further arguments.
    pub async fn queue(&self, name: &str, arguments: Value) {
        let mut all = json!({"x-queue-type": "quorum", "x-delivery-limit": 1000});
        all.as_object_mut()
            .expect("an object")
            .extend(arguments.as_object().cloned().unwrap_or_default());
        let body = json!({"durable": true, "arguments": all});
        self.api(Method::PUT, &format!("queues/{}/{name}", self.name()), Some(body))
            .await;
    }

    /// Declares a topic exchange.
    pub async fn exchange(&self, name: &str) {
        let body = json!({"type": "topic", "durable": true});
        self.api(Method::PUT, &format!("exchanges/{}/{name}", self.name()), Some(body))
            .await;
    }

    /// Binds a queue to an exchange.
    pub async fn bind(&self, exchange: &str, queue: &str, key: &str) {
        let path = format!("bindings/{}/e/{exchange}/q/{queue}", self.name());
        self.api(Method::POST, &path, Some(json!({"routing_key": key}))).await;
    }

    /// Makes a user of this vhost. Its name starts with the vhost's, and it is removed by [`World::remove_user`].
    pub async fn user(&self, permissions: Value) -> String {
        let user = format!("{}-user", self.name());
        let body = json!({"password": "secret", "tags": ""});
        self.api(Method::PUT, &format!("users/{user}"), Some(body)).await;
        self.api(
            Method::PUT,
            &format!("permissions/{}/{user}", self.name()),
            Some(permissions),
        )
        .await;
        user
    }

    pub async fn remove_user(&self, user: &str) {
        self.api(Method::DELETE, &format!("users/{user}"), None).await;
    }

    pub async fn api(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        self.management.request(method, path, body).await
    }
}

fn quick_settings(url: &str) -> BrokerSettings {
    BrokerSettings {
        backoff_min: Duration::from_millis(50),
        backoff_max: Duration::from_millis(500),
        ..BrokerSettings::new(vec![url.into()], "relay-test")
    }
}

/// Starts a broker and waits until both connections stand.
pub async fn connected(settings: BrokerSettings) -> Broker {
    let broker = Broker::start(settings);
    is_good(&broker).await;
    broker
}

/// Waits until both connections stand and messages are taken.
pub async fn is_good(broker: &Broker) {
    let mut changes = broker.changes();
    let good = tokio::time::timeout(DEADLINE, changes.wait_for(|health| health.is_good())).await;
    good.unwrap_or_else(|_| panic!("not connected: {:?}", broker.health()))
        .expect("the broker is there");
}

/// Waits until the condition holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    until(what, DEADLINE, async || {
        if holds().await {
            Ok(())
        } else {
            Err("it does not".to_owned())
        }
    })
    .await;
}

/// Waits until so many messages wait in the queue. What a closed channel gives back is there a moment after its close.
pub async fn has_depth(broker: &Broker, queue: &str, depth: u32) {
    eventually(&format!("{queue} holds {depth}"), async || {
        broker.queue_depth(queue).await.expect("the queue is there") == depth
    })
    .await;
}

/// A message to a queue through the default exchange.
pub fn message(queue: &str, id: impl ToString) -> Outgoing {
    to_exchange("", queue, id)
}

/// A message to an exchange.
pub fn to_exchange(exchange: &str, key: &str, id: impl ToString) -> Outgoing {
    Outgoing {
        exchange: exchange.to_owned(),
        routing_key: key.to_owned(),
        message_id: id.to_string(),
        body: Bytes::from_static(&[b'x'; 700]),
        headers: BTreeMap::new(),
        timestamp_seconds: None,
        message_type: None,
    }
}

/// What to consume with a prefetch.
pub fn from(queue: &str, prefetch: u16) -> IntakeSettings {
    IntakeSettings {
        queue: queue.to_owned(),
        prefetch,
        role: "test",
    }
}

/// The next deliveries, whatever was lost before them.
pub async fn deliveries(intake: &mut Intake) -> Vec<Delivery> {
    loop {
        match next(intake).await {
            Arrivals::Deliveries(deliveries) => return deliveries,
            Arrivals::Reopened => {}
            Arrivals::Closed => panic!("closed"),
        }
    }
}

/// What comes next, within the deadline.
pub async fn next(intake: &mut Intake) -> Arrivals {
    tokio::time::timeout(DEADLINE, intake.next(1000))
        .await
        .expect("something comes in")
}

/// As many deliveries as asked for.
pub async fn take(intake: &mut Intake, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(deliveries(intake).await);
    }
    taken
}

/// The message ID of a delivery.
pub fn id(delivery: &Delivery) -> &str {
    delivery.message_id.as_deref().expect("a message ID")
}

/// The metrics of this test program.
pub fn metrics() -> &'static PrometheusHandle {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS.get_or_init(|| PrometheusBuilder::new().install_recorder().expect("the only recorder"))
}

/// Logs everything that may be logged, of all tests of this program, into memory.
pub fn everything_logged() -> Arc<Mutex<Vec<u8>>> {
    static WRITTEN: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&written);
        let filter = format!("trace,lapin=trace,hyper=off,reqwest=off,{LOG_DIRECTIVE}");
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(move || Log(Arc::clone(&writer)))
            .init();
        written
    });
    Arc::clone(&WRITTEN)
}

struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panics while it logs").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
