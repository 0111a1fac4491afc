//! Metrics of the broker's side: connections, deliveries and their settlement, publishing.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// Connections that were lost and made again, by `connection`.
pub const RECONNECTS: &str = "relay_broker_reconnects_total";
/// 1 while the connection stands, by `connection`.
pub const CONNECTED: &str = "relay_broker_connected";
/// 1 while the broker refuses to take messages (memory or disk alarm).
pub const BLOCKED: &str = "relay_broker_blocked";
/// Deliveries handed out and not settled yet, by `role`.
pub const IN_FLIGHT: &str = "relay_in_flight_messages";
/// Deliveries settled, by `role` and `disposition`.
pub const SETTLEMENTS: &str = "relay_settlements_total";
/// Messages that a window of publishes ended for, by `result`.
pub const PUBLISHED: &str = "relay_published_total";
/// Time from the first byte of a window to its last confirm.
pub const CONFIRM_SECONDS: &str = "relay_confirm_seconds";

/// Which of the two connections; the label `connection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionLabel {
    /// Deliveries and acks.
    Consume,
    /// Publishes and confirms.
    Publish,
}

impl ConnectionLabel {
    /// Every value of the label.
    pub const ALL: [ConnectionLabel; 2] = [ConnectionLabel::Consume, ConnectionLabel::Publish];

    /// The value as it stands in the metric.
    pub fn as_str(self) -> &'static str {
        match self {
            ConnectionLabel::Consume => "consume",
            ConnectionLabel::Publish => "publish",
        }
    }
}

/// How a published message came out of its window; the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishResult {
    /// Confirmed: a queue holds it.
    Acked,
    /// The broker said no (a full queue); it is tried again.
    Nacked,
    /// No queue and no alternate exchange took it.
    Returned,
    /// The broker closed the channel over it (404, 403, 406).
    Refused,
    /// No answer came; it is published again under the same message ID.
    Unknown,
}

impl PublishResult {
    /// Every value of the label.
    pub const ALL: [PublishResult; 5] = [
        PublishResult::Acked,
        PublishResult::Nacked,
        PublishResult::Returned,
        PublishResult::Refused,
        PublishResult::Unknown,
    ];

    /// The value as it stands in the metric.
    pub fn as_str(self) -> &'static str {
        match self {
            PublishResult::Acked => "acked",
            PublishResult::Nacked => "nacked",
            PublishResult::Returned => "returned",
            PublishResult::Refused => "refused",
            PublishResult::Unknown => "unknown",
        }
    }
}

/// Gives every metric of this file its help text and puts every label value that is known from the start to zero.
///
/// Call it once, after the recorder is installed and before [`crate::broker::Broker::start`].
pub fn describe() {
    describe_counter!(RECONNECTS, "Broker connections that were lost and made again");
    describe_gauge!(CONNECTED, "1 while the broker connection stands");
    describe_gauge!(
        BLOCKED,
        "1 while the broker refuses to take messages (memory or disk alarm)"
    );
    describe_gauge!(IN_FLIGHT, "Deliveries handed out and not settled yet");
    describe_counter!(
        SETTLEMENTS,
        "Deliveries settled: acked, requeued on purpose, or abandoned (dropped without a verdict)"
    );
    describe_counter!(
        PUBLISHED,
        "Messages published, by what the broker said; nacked and unknown ones are tried again"
    );
    describe_histogram!(
        CONFIRM_SECONDS,
        Unit::Seconds,
        "Time until a window of published messages was confirmed"
    );
    for connection in ConnectionLabel::ALL {
        ConnectionMetrics::of(connection);
    }
    PublisherMetrics::new();
}

/// The metrics of one of the two connections.
#[derive(Clone)]
pub struct ConnectionMetrics {
    /// See [`RECONNECTS`].
    pub reconnects: Counter,
    /// See [`CONNECTED`].
    pub connected: Gauge,
    /// See [`BLOCKED`].
    pub blocked: Gauge,
}

impl ConnectionMetrics {
    /// The metrics of `connection`, touched at zero.
    pub fn of(connection: ConnectionLabel) -> Self {
        let metrics = ConnectionMetrics {
            reconnects: counter!(RECONNECTS, "connection" => connection.as_str()),
            connected: gauge!(CONNECTED, "connection" => connection.as_str()),
            blocked: gauge!(BLOCKED),
        };
        metrics.reconnects.increment(0);
        metrics.connected.set(0.0);
        metrics.blocked.set(0.0);
        metrics
    }
}

/// The metrics of what one role consumes.
#[derive(Clone)]
pub struct IntakeMetrics {
    /// See [`IN_FLIGHT`].
    pub in_flight: Gauge,
    /// Settled by an ack that was written.
    pub acked: Counter,
    /// Given back on purpose.
    pub requeued: Counter,
    /// Dropped without a verdict, which is a bug or a panic of the role.
    pub abandoned: Counter,
}

impl IntakeMetrics {
    /// The metrics of `role`, touched at zero.
    pub fn of(role: &'static str) -> Self {
        let settled = |disposition: &'static str| {
            let counter = counter!(SETTLEMENTS, "role" => role, "disposition" => disposition);
            counter.increment(0);
            counter
        };
        let metrics = IntakeMetrics {
            in_flight: gauge!(IN_FLIGHT, "role" => role),
            acked: settled("acked"),
            requeued: settled("requeued"),
            abandoned: settled("abandoned"),
        };
        metrics.in_flight.increment(0.0);
        metrics
    }
}

/// The metrics of publishing.
#[derive(Clone)]
pub struct PublisherMetrics {
    published: [Counter; PublishResult::ALL.len()],
    /// See [`CONFIRM_SECONDS`].
    pub confirm_seconds: Histogram,
}

impl PublisherMetrics {
    /// The metrics of publishing, touched at zero.
    pub fn new() -> Self {
        let metrics = PublisherMetrics {
            published: PublishResult::ALL.map(|result| counter!(PUBLISHED, "result" => result.as_str())),
            confirm_seconds: histogram!(CONFIRM_SECONDS),
        };
        metrics.published.iter().for_each(|counter| counter.increment(0));
        metrics
    }

    /// See [`PUBLISHED`].
    pub fn published(&self, result: PublishResult) -> &Counter {
        &self.published[result as usize]
    }
}

impl Default for PublisherMetrics {
    fn default() -> Self {
        PublisherMetrics::new()
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn every_label_value_is_there_at_zero_before_anything_happened() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();

        metrics::with_local_recorder(&recorder, || {
            describe();
            IntakeMetrics::of("router");
        });

        let page = handle.render();
        for line in [
            "relay_broker_reconnects_total{connection=\"consume\"} 0",
            "relay_broker_connected{connection=\"publish\"} 0",
            "relay_broker_blocked 0",
            "relay_published_total{result=\"unknown\"} 0",
            "relay_in_flight_messages{role=\"router\"} 0",
            "relay_settlements_total{role=\"router\",disposition=\"abandoned\"} 0",
        ] {
            assert!(page.contains(line), "{line} is missing in\n{page}");
        }
    }
}
