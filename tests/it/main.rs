//! What must hold of the whole: real processes against a real RabbitMQ, a real Postgres and the simulator.
//!
//! Each test has its own vhost, schema and simulator. Nothing sleeps for luck: everything is awaited on a condition with a deadline.

mod ambiguous;
mod bugs;
mod clicks;
mod crashes;
mod fuzz;
mod gateway;
mod gateway_crashes;
mod gateway_fuzz;
mod gateway_limits;
mod gateway_openapi;
mod gateway_reports;
mod gateway_webhooks;
mod isolation;
mod meta;
mod metrics;
mod outages;
mod pauses;
mod permissions;
mod privacy;
mod quota;
mod receipts;
mod replicas;
mod routing;
mod shutdown;
#[expect(
    dead_code,
    reason = "the support is shared with other test programs, and each uses a part of it"
)]
mod support;
mod transports;
mod trials;
mod webhooks;
