//! Logs and metrics of this process: set up once, before anything else is.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    broker::LOG_DIRECTIVE,
    config::{LogConfig, LogFormat},
    metrics::{broker, conversions, gateway},
};

/// The most that a crate may say, whatever is set. lapin prints message bodies in one place and every closed channel in another; `broker` says what
/// matters of it. tokio-postgres prints the parameters of statements, and so whole events; rlibphonenumber prints numbers. The debug output of vaultrs
/// and rustify may hold a secret. refinery tells of every step.
const QUIET: [&str; 6] = [
    LOG_DIRECTIVE,
    "tokio_postgres=info",
    "rlibphonenumber=off",
    "refinery_core=warn",
    "vaultrs=off",
    "rustify=off",
];

/// The filter of the log is no filter.
#[derive(Debug, thiserror::Error)]
#[error("RELAY_LOG: expected directives such as info or conversion_relay=debug")]
pub struct InvalidFilter;

/// Sends log lines to standard error in the form that is set.
pub fn start_log(config: &LogConfig) -> Result<(), InvalidFilter> {
    let filter: EnvFilter = config.filter.parse().map_err(|_| InvalidFilter)?;
    // A filter of its own: no directive that is set, however exact, goes past it.
    let quiet: Targets = format!("trace,{}", QUIET.join(","))
        .parse()
        .map_err(|_| InvalidFilter)?;
    let registry = tracing_subscriber::registry().with(filter).with(quiet);
    let started = match config.format {
        LogFormat::Json => registry
            .with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init(),
        LogFormat::Text => registry
            .with(fmt::layer().with_target(false).with_writer(std::io::stderr))
            .try_init(),
    };
    // A second start in one process keeps the first log.
    started.or(Ok(()))
}

/// The log of a command that a person waits for: only what they should know, as plain text.
pub fn start_command_log() -> Result<(), InvalidFilter> {
    start_log(&LogConfig {
        filter: "warn".to_owned(),
        format: LogFormat::Text,
    })
}

/// Installs the recorder of metrics, with every label value at zero.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full(conversions::REQUEST_SECONDS.to_owned()),
            &conversions::REQUEST_BUCKETS,
        )?
        .set_buckets_for_metric(
            Matcher::Full(conversions::BATCH.to_owned()),
            &conversions::BATCH_BUCKETS,
        )?
        .set_buckets_for_metric(
            Matcher::Full(conversions::DELIVERY_AGE.to_owned()),
            &conversions::AGE_BUCKETS,
        )?
        .set_buckets_for_metric(
            Matcher::Full(broker::CONFIRM_SECONDS.to_owned()),
            &conversions::REQUEST_BUCKETS,
        )?
        .set_buckets_for_metric(Matcher::Full(gateway::SECONDS.to_owned()), &gateway::BUCKETS)?
        .install_recorder()?;
    broker::describe();
    conversions::describe();
    gateway::describe();
    Ok(handle)
}
