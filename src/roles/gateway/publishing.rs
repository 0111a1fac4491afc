//! Publishing for somebody who waits: at once, or not at all.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Gateway, problem::Problem};
use crate::{
    broker::{HeaderValue, Headers, Outgoing, PublishFailure},
    metrics::gateway::Refusal,
    wire::dispatch::header,
};

/// How long the queue may take to confirm.
const PATIENCE: Duration = Duration::from_secs(5);

impl Gateway {
    /// Says whether the broker takes messages now; who asks while it does not need not send a body in vain.
    pub(super) fn require_broker(&self) -> Result<(), Problem> {
        let health = self.context.broker.health();
        if health.publish_connected && health.blocked.is_none() {
            return Ok(());
        }
        Err(Refusal::BrokerAway.into())
    }

    /// Publishes; `Ok` only when the broker has confirmed all of them.
    pub(super) async fn publish(&self, messages: Vec<Outgoing>) -> Result<(), PublishFailure> {
        crate::crash_point!("gateway.before_publish");
        let published = self.publisher.publish(messages, PATIENCE).await;
        crate::crash_point!("gateway.after_publish");
        if let Err(failure) = &published {
            tracing::warn!(error = %failure, "request not confirmed");
        }
        published
    }
}

/// The headers of a message that came over HTTP: the trace that the caller named.
pub(super) fn trace_headers(headers: &axum::http::HeaderMap) -> Headers {
    let trace = headers.get(header::TRACE).and_then(|value| value.to_str().ok());
    // One that cannot be read is none.
    let trace = trace.filter(|text| text.parse::<crate::domain::TraceParent>().is_ok());
    trace
        .map(|trace| (header::TRACE.to_owned(), HeaderValue::from(trace)))
        .into_iter()
        .collect()
}

/// A time as the property `timestamp` has it.
pub(super) fn seconds(time: DateTime<Utc>) -> Option<u64> {
    u64::try_from(time.timestamp()).ok()
}
