//! The admin port: `/metrics`, `/healthz` (alive) and `/readyz` (really consuming).

use axum::{Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::roles::context::Readiness;

#[derive(Clone)]
struct Served {
    metrics: PrometheusHandle,
    readiness: Readiness,
}

/// Serves until `end`.
pub async fn serve(listener: TcpListener, metrics: PrometheusHandle, readiness: Readiness, end: CancellationToken) {
    let router = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(show_readiness))
        .with_state(Served { metrics, readiness });
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(end.cancelled_owned())
        .await;
    if let Err(failure) = served {
        error!(error = %failure, "admin port failed");
    }
}

async fn show_metrics(State(served): State<Served>) -> String {
    served.metrics.run_upkeep();
    served.metrics.render()
}

async fn show_readiness(State(served): State<Served>) -> (StatusCode, String) {
    let waiting = served.readiness.not_ready();
    if waiting.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not consuming: {}\n", waiting.join(", ")),
        )
    }
}
