//! `/healthz`, `/readyz` and `/metrics`, for those who run the server.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::registry::Registry;

use crate::console;

/// Whether the server takes commands and proxies: true between start and shutdown.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether the server is ready from now on.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What `/metrics` shows, once the fleets are known.
pub type Metrics = Arc<OnceLock<Registry>>;

/// What OpenMetrics text is sent as.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/healthz`: the process answers. `/readyz`: it takes commands and proxies. `/metrics`: OpenMetrics.
pub fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route(
            "/readyz",
            get(async move || {
                if readiness.get() {
                    (StatusCode::OK, "ready\n")
                } else {
                    (
                        StatusCode::SERVICE_UNAVAILABLE,
                        "not ready: starting or stopping\n",
                    )
                }
            }),
        )
        .route("/metrics", get(async move || shown(metrics).await))
}

async fn shown(metrics: Metrics) -> Response {
    if metrics.get().is_none() {
        return (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response();
    }
    // It looks at every proxy of every fleet: not on a thread that serves one.
    let text = tokio::task::spawn_blocking(move || metrics.get().map(console::text)).await;
    match text {
        Ok(Some(Ok(text))) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        _ => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics could not be written\n",
        )
            .into_response(),
    }
}
