//! What a world publishes, as its producers do.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use bytes::Bytes;
use conversion_relay::broker::{Headers, Outgoing, topology::Topology};
use serde_json::Value;

use super::world::{ALL, PATIENCE, World, purchase};

impl World {
    /// Publishes events, all confirmed.
    pub async fn publish(&self, events: &[Value]) {
        self.publish_bytes(events.iter().map(|event| event.to_string().into_bytes()))
            .await;
    }

    /// Publishes bodies as they are.
    pub async fn publish_bytes(&self, bodies: impl IntoIterator<Item = Vec<u8>>) {
        self.publish_to(&Topology::default().events(), "events.test", bodies)
            .await;
    }

    /// Publishes bodies to an exchange, all confirmed. While the broker is away it tries again.
    pub async fn publish_to(&self, exchange: &str, key: &str, bodies: impl IntoIterator<Item = Vec<u8>>) {
        self.publish_with(exchange, key, &BTreeMap::new(), bodies).await;
    }

    /// The same with headers.
    pub async fn publish_with(
        &self,
        exchange: &str,
        key: &str,
        headers: &Headers,
        bodies: impl IntoIterator<Item = Vec<u8>>,
    ) {
        let messages: Vec<Outgoing> = bodies
            .into_iter()
            .map(|body| Outgoing {
                exchange: exchange.to_owned(),
                routing_key: key.to_owned(),
                message_id: format!("m-{}", self.published.fetch_add(1, Ordering::Relaxed)),
                body: Bytes::from(body),
                headers: headers.clone(),
                timestamp_seconds: None,
                message_type: None,
            })
            .collect();
        let publisher = self.broker.publisher("test");
        publisher
            .publish(messages, PATIENCE)
            .await
            .expect("the events are confirmed");
    }

    /// Publishes so many purchases of ACME with clicks of all platforms; gives their event IDs, which begin with `prefix`.
    pub async fn publish_purchases(&self, prefix: &str, count: usize) -> Vec<String> {
        let ids: Vec<String> = (0..count).map(|n| format!("{prefix}-{n}")).collect();
        let events: Vec<Value> = ids.iter().map(|id| purchase(id, &ALL)).collect();
        self.publish(&events).await;
        ids
    }
}
