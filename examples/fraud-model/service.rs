//! The HTTP side: which path does what, over HTTP/1.1 and HTTP/2 without TLS on one port.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::{
    model::{Model, Transaction},
    recent::{Recent, load_metrics},
    trouble::{Trouble, Wrong},
};

/// A transaction is some hundred bytes; more than this is a mistake or an attack.
const MAX_BODY: usize = 16 << 10;

/// How long requests that are still running at a shutdown may take; orchestrators usually kill after 10 s.
const GRACE: Duration = Duration::from_secs(5);

/// Pause after a failed accept, which is nearly always "out of file descriptors": trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The header in which a backend tells Envoy its own metrics.
const LOAD_METRICS: HeaderName = HeaderName::from_static("endpoint-load-metrics");

/// What may be asked.
const PATHS: &str = "POST /score, GET /samples, GET /healthz or GET /version";

/// What every request needs.
pub struct Service {
    /// The version that is served.
    pub model: Model,
    /// Time added to each score, to stand for a heavier model.
    pub delay: Duration,
    /// [`Model::version`] as the value of `x-model-version`.
    pub version: HeaderValue,
    /// What was scored of late.
    pub recent: Recent,
    /// What is wrong with it, to show what a release does about that.
    pub trouble: Trouble,
}

/// Serves until `stop` becomes true, then lets running requests end, for [`GRACE`] at most.
pub async fn serve(listener: TcpListener, service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let stopping = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&service), stopping.clone()));
                }
                Err(error) => {
                    eprintln!("fraud-model: cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            // What `wait_for` returns borrows a lock, which a task that may move between threads must not hold.
            () = async { let _ = stop.wait_for(|stop| *stop).await; } => break,
        }
    }
    // New connections are refused from here on, so that callers go elsewhere at once.
    drop(listener);
    let _ = tokio::time::timeout(GRACE, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

/// One connection. A failing one (reset, not HTTP) is the client's affair: there is nobody here to tell.
async fn connection(stream: TcpStream, service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let handler = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), handler));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

impl Service {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = match (request.method(), request.uri().path()) {
            (&Method::POST, "/score") => self.score(request.into_body()).await,
            (&Method::POST, "/trouble") => self.make_trouble(request.into_body()).await,
            (&Method::GET, "/healthz") => respond(StatusCode::OK, &json!({ "status": "ok" })),
            (&Method::GET, "/version") => {
                respond(StatusCode::OK, &json!({ "version": self.model.version }))
            }
            (&Method::GET, "/samples") => self.samples(),
            (_, "/score" | "/healthz" | "/version" | "/samples") => {
                respond(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": PATHS }))
            }
            _ => respond(
                StatusCode::NOT_FOUND,
                &json!({ "error": format!("no such path: {PATHS}") }),
            ),
        };
        response
            .headers_mut()
            .insert("x-model-version", self.version.clone());
        response
    }

    async fn score(&self, body: Incoming) -> Response<Full<Bytes>> {
        let body = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return refuse(&format!("cannot read the transaction: {error}")),
        };
        if self.trouble.fails() {
            let error = json!({ "error": "the model is out of order" });
            return respond(StatusCode::INTERNAL_SERVER_ERROR, &error);
        }
        let transaction: Transaction = match serde_json::from_slice(&body) {
            Ok(transaction) => transaction,
            Err(error) => return refuse(&format!("not a transaction: {error}")),
        };
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let mut answer = self.model.score(&transaction);
        answer.score = self.trouble.bent(answer.score);
        self.recent.keep(&transaction, &answer);
        let mut response = respond(StatusCode::OK, &answer);
        if let Some(metrics) = load_metrics(&answer) {
            response.headers_mut().insert(LOAD_METRICS, metrics);
        }
        response
    }

    fn samples(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.recent.lines()));
        let lines = HeaderValue::from_static("application/x-ndjson");
        response.headers_mut().insert(header::CONTENT_TYPE, lines);
        response
    }

    async fn make_trouble(&self, body: Incoming) -> Response<Full<Bytes>> {
        let body = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return refuse(&format!("cannot read the trouble: {error}")),
        };
        match serde_json::from_slice::<Wrong>(&body) {
            Ok(wrong) => {
                self.trouble.set(wrong);
                respond(StatusCode::OK, &wrong)
            }
            Err(error) => refuse(&format!("no trouble that is known here: {error}")),
        }
    }
}

fn refuse(why: &str) -> Response<Full<Bytes>> {
    respond(StatusCode::BAD_REQUEST, &json!({ "error": why }))
}

fn respond(status: StatusCode, body: &impl serde::Serialize) -> Response<Full<Bytes>> {
    // Only maps with keys that are not strings fail to serialize, and there are none here.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
