//! What could not be read, or not whole: it is put aside byte for byte, with the cause beside it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tracing::warn;

use super::{
    Inbound, PUBLISH_PATIENCE,
    batch::{Batch, BatchFailure},
};
use crate::{
    broker::{Delivery, HeaderValue, Outgoing, headers_for_republish, topology},
    metrics::conversions,
    wire::{dispatch::header, event::Malformed},
};

impl Batch {
    /// Puts aside what could not be read, or not whole: a copy, of which the first fault tells.
    pub(super) async fn settle_faults(
        &self,
        deliveries: &[Delivery],
        faults: &[(usize, Malformed)],
        now: DateTime<Utc>,
    ) -> Result<(), BatchFailure> {
        if faults.is_empty() {
            return Ok(());
        }
        let mut first: BTreeMap<usize, &Malformed> = BTreeMap::new();
        for (place, fault) in faults {
            first.entry(*place).or_insert(fault);
        }
        let copies = first
            .iter()
            .map(|(place, fault)| self.dead_copy(&deliveries[*place], fault, now))
            .collect();
        crate::crash_point!("router.before_dead_letter");
        self.publisher.publish(copies, PUBLISH_PATIENCE).await?;
        for fault in first.values() {
            let cause = fault.cause;
            conversions::dead_letter(self.inbound.dead(), cause);
            warn!(inbound = self.inbound.as_str(), %cause, field = fault.field, "message dead-lettered");
        }
        Ok(())
    }

    /// The message as it came, byte for byte, with the cause beside it.
    fn dead_copy(&self, delivery: &Delivery, fault: &Malformed, now: DateTime<Utc>) -> Outgoing {
        let mut headers = headers_for_republish(&delivery.headers);
        headers.insert(
            header::CAUSE.to_owned(),
            HeaderValue::Text(fault.cause.as_str().to_owned()),
        );
        headers.insert(header::FAILED_AT.to_owned(), HeaderValue::Text(now.to_rfc3339()));
        // Under this key a replay brings it back to whoever reads it.
        let key = match &self.inbound {
            Inbound::Events | Inbound::Webhooks => delivery.routing_key.clone(),
            Inbound::Input(input) => {
                if let Some(client) = &input.client {
                    headers.insert(header::CLIENT.to_owned(), HeaderValue::Text(client.to_string()));
                }
                format!("webhooks.{}", input.mapping)
            }
        };
        headers.insert(header::ROUTING_KEY.to_owned(), HeaderValue::Text(key));
        if let Some(field) = &fault.field {
            headers.insert(header::DETAIL.to_owned(), HeaderValue::Text(field.clone()));
        }
        Outgoing {
            exchange: self.context.topology.dead(),
            routing_key: topology::dead(self.inbound.dead()),
            message_id: delivery.message_id.clone().unwrap_or_default(),
            body: delivery.body.clone(),
            headers,
            timestamp_seconds: delivery.timestamp_seconds,
            message_type: None,
        }
    }
}
