//! A backend inside the test: answers with its label, counts, can be slow, can fail or be stopped from one moment to the
//! next.
//!
//! HTTP/1.1 and HTTP/2 without TLS on one port:
//! - `GET /healthz` answers 200 and is not counted;
//! - `/delay/MS` answers after that many milliseconds;
//! - `/status/CODE` answers with that status;
//! - `/score/VALUE` answers with that score, and an utilization of one half, in an ORCA header;
//! - a POST is answered with its own body, streamed; with `content-type: application/grpc` also with the trailer
//!   `grpc-status: 0` when the client has ended, so that it is a bidirectional stream;
//! - anything else is answered with the label.
//!
//! Every answer carries the label in `x-model-version`.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::load::VERSION_HEADER;

type Body = BoxBody<Bytes, hyper::Error>;

/// A running backend. Dropped, it is gone at once: connections are reset, the port refuses.
#[derive(Debug)]
pub struct Backend {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    label: HeaderValue,
    delay: Duration,
    fails: AtomicBool,
    requests: AtomicU64,
    mirrored: AtomicU64,
    /// When the first copy came, and the last.
    mirrored_from_to: Mutex<Option<(Instant, Instant)>>,
    open: AtomicU64,
}

impl Backend {
    /// One that answers at once.
    pub async fn start(label: &str) -> Self {
        Self::slow(label, Duration::ZERO).await
    }

    /// One that takes `delay` for each answer but those to `/healthz`.
    pub async fn slow(label: &str, delay: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            label: HeaderValue::from_str(label).unwrap(),
            delay,
            fails: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            mirrored: AtomicU64::new(0),
            mirrored_from_to: Mutex::new(None),
            open: AtomicU64::new(0),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { addr, shared, task }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Requests so far, without health checks.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Those of them that are copies: an Envoy that mirrors adds `-shadow` to the host.
    pub fn mirrored(&self) -> u64 {
        self.shared.mirrored.load(Ordering::SeqCst)
    }

    /// When the first of those copies came, and the last; None: there was none.
    pub fn mirrored_from_to(&self) -> Option<(Instant, Instant)> {
        *self.shared.mirrored_from_to.lock().unwrap()
    }

    /// Requests whose answer has not begun.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// From now on it answers 503, but to `/healthz` and a POST.
    pub fn fail(&self) {
        self.shared.fails.store(true, Ordering::SeqCst);
    }

    /// Takes it away as a crash would, and waits until its port refuses.
    pub async fn stop(self) {
        self.task.abort();
        while !self.task.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // The connections live in a JoinSet of this task, and end with it.
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(shared.answer(request).await) }
            });
            // It fails when the other side resets the connection, which is no affair of the test.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        // Finished connections are taken out, so that a long test does not collect them.
        while connections.try_join_next().is_some() {}
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if path == "/healthz" {
            return self.respond(full(Bytes::from_static(b"ok\n")));
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        if is_copy(&request) {
            self.mirrored.fetch_add(1, Ordering::SeqCst);
            let now = Instant::now();
            let mut from_to = self.mirrored_from_to.lock().unwrap();
            from_to.get_or_insert((now, now)).1 = now;
        }
        self.open.fetch_add(1, Ordering::SeqCst);
        let asked = path.strip_prefix("/delay/").and_then(|ms| ms.parse().ok());
        let delay = asked.map_or(self.delay, Duration::from_millis);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
        if request.method() != Method::POST {
            let label = self.label.as_bytes();
            let fails = self.fails.load(Ordering::SeqCst);
            let status = fails.then_some(StatusCode::SERVICE_UNAVAILABLE);
            let asked = path.strip_prefix("/status/").and_then(|it| it.parse().ok());
            let status = status.or(asked);
            let score = path
                .strip_prefix("/score/")
                .map(|score| format!("TEXT named_metrics.fraud_score={score},cpu_utilization=0.5"));
            let mut response = self.respond(full(Bytes::copy_from_slice(label)));
            *response.status_mut() = status.unwrap_or_default();
            if let Some(Ok(orca)) = score.map(HeaderValue::try_from) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static("endpoint-load-metrics"), orca);
            }
            return response;
        }
        let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
        let grpc = content_type
            .as_ref()
            .is_some_and(|it| it == "application/grpc");
        let body = request.into_body();
        let mut response = self.respond(if grpc {
            let status = HeaderMap::from_iter([(
                HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )]);
            body.with_trailers(async { Some(Ok(status)) }).boxed()
        } else {
            body.boxed()
        });
        if let Some(content_type) = content_type {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, content_type);
        }
        response
    }

    fn respond(&self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        response
            .headers_mut()
            .insert(VERSION_HEADER, self.label.clone());
        response
    }
}

fn is_copy(request: &Request<Incoming>) -> bool {
    let header = request.headers().get(header::HOST);
    let host = header.and_then(|host| host.to_str().ok());
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let host = host.or(authority).unwrap_or_default();
    host.split(':')
        .next()
        .is_some_and(|name| name.ends_with("-shadow"))
}

fn full(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed()
}
