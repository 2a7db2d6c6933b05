//! An open-loop load generator: requests start at a constant rate whatever the answers do, as customers' do.
//!
//! Latency counts from the moment at which a request was due, so a stall shows in every request that it delays and
//! not only in the one that it hits. Nothing is retried: each failure is one that a client would have seen.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    sync::{Mutex as Turn, mpsc, watch},
    task::JoinSet,
};

/// Requests that are due but have no connection yet. At 833 a second this is five seconds of a complete stall;
/// what comes on top is counted as [`Failure::Overrun`], not kept in memory.
const BACKLOG: usize = 4_096;

/// The response header in which the server says which version it is.
pub const VERSION_HEADER: &str = "x-model-version";

/// One request of the mix.
#[derive(Clone, Debug)]
pub struct Shot {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The body; empty for none.
    pub body: Bytes,
    /// Whether the answer must be the body again, byte for byte.
    pub echo: bool,
}

impl Shot {
    /// A GET.
    pub fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            body: Bytes::new(),
            echo: false,
        }
    }

    /// A POST with a JSON body.
    pub fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            body: body.into(),
            echo: false,
        }
    }

    /// The same, and the answer must be the body again.
    pub fn echoed(self) -> Self {
        Self { echo: true, ..self }
    }
}

/// HTTP version of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, kept alive.
    Http1,
    /// HTTP/2 without TLS.
    Http2,
}

/// What load to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to.
    pub target: SocketAddr,
    /// HTTP version.
    pub protocol: Protocol,
    /// The requests, sent in turn.
    pub shots: Vec<Shot>,
    /// Requests a second.
    pub rate: u32,
    /// Connections, opened at the start and kept alive. Each carries one request at a time: at least rate × the
    /// time that an answer takes.
    pub connections: usize,
    /// How long one request may take, from when it is sent.
    pub timeout: Duration,
    /// It ends by itself after so many requests, which also bounds its memory.
    pub limit: usize,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// No connection.
    Connect,
    /// The connection broke before the answer began.
    Broken,
    /// The answer began and did not end.
    Truncated,
    /// No whole answer in time.
    Timeout,
    /// An answer with another status than 200.
    Status(u16),
    /// An answer that does not say which version it is from, or a body that is not the one that was sent.
    Wrong,
    /// Never sent: all connections were busy, and the backlog full.
    Overrun,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("no connection"),
            Self::Broken => f.write_str("connection broken"),
            Self::Truncated => f.write_str("answer cut short"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Wrong => f.write_str("wrong answer"),
            Self::Overrun => f.write_str("never sent"),
        }
    }
}

/// What became of one request. Times are since [`Load::origin`].
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it was due.
    pub due: Duration,
    /// When it was sent. A request that was due earlier may have been sent late, after a stall.
    pub sent: Duration,
    /// When it was answered, or had failed.
    pub done: Duration,
    /// The version that answered, or what went wrong.
    pub outcome: Result<Arc<str>, Failure>,
    /// The version whose name the answer carries, also where it is an error.
    pub by: Option<Arc<str>>,
}

impl Sample {
    /// The version that answered with an error itself. What a proxy answers for want of one carries no version's name.
    pub fn own_error(&self) -> Option<&Arc<str>> {
        match self.outcome {
            Err(Failure::Status(500..)) => self.by.as_ref(),
            _ => None,
        }
    }
}

/// A running load. Dropped, it stops; [`Load::stop`] is the way to get the samples of all requests.
#[derive(Debug)]
pub struct Load {
    origin: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// What all parts of a load share.
struct Shared {
    plan: Plan,
    origin: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
}

/// A request that is due: which shot, and since when.
struct Ticket {
    shot: usize,
    due: Duration,
}

impl Load {
    /// Starts. A plan without shots or with rate 0 sends nothing.
    pub fn start(plan: Plan) -> Self {
        let origin = Instant::now();
        let samples = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        if !plan.shots.is_empty() && plan.rate > 0 {
            let (tickets, queue) = mpsc::channel(BACKLOG);
            let queue = Arc::new(Turn::new(queue));
            let shared = Arc::new(Shared {
                plan,
                origin,
                samples: Arc::clone(&samples),
            });
            for _ in 0..shared.plan.connections {
                tasks.spawn(connection(Arc::clone(&shared), Arc::clone(&queue)));
            }
            tasks.spawn(pace(shared, tickets, stopped));
        }
        Self {
            origin,
            samples,
            stop,
            tasks,
        }
    }

    /// The moment that the samples' times count from.
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// What became of the requests so far, in the order of their ends.
    pub fn samples(&self) -> MutexGuard<'_, Vec<Sample>> {
        lock(&self.samples)
    }

    /// Starts no more requests, waits for the open ones (each has its timeout), and reports.
    pub async fn stop(self) -> Report {
        self.stop.send_replace(true);
        self.finish().await
    }

    /// Waits until all requests of [`Plan::limit`] have been sent and have ended, and reports.
    pub async fn finish(mut self) -> Report {
        while self.tasks.join_next().await.is_some() {}
        let mut samples = std::mem::take(&mut *lock(&self.samples));
        samples.sort_by_key(|sample| sample.due);
        Report {
            origin: self.origin,
            samples,
        }
    }
}

/// A poisoned lock only means that a thread panicked elsewhere: a pushed sample is whole or absent.
fn lock(samples: &Mutex<Vec<Sample>>) -> MutexGuard<'_, Vec<Sample>> {
    samples.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Issues a ticket whenever one is due.
async fn pace(
    shared: Arc<Shared>,
    tickets: mpsc::Sender<Ticket>,
    mut stopped: watch::Receiver<bool>,
) {
    for number in 0..shared.plan.limit {
        // From the number, not from the last ticket: rounding and late wake-ups never add up.
        let due = Duration::from_secs_f64(number as f64 / f64::from(shared.plan.rate));
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep_until((shared.origin + due).into()) => {}
        }
        let shot = number % shared.plan.shots.len();
        if tickets.try_send(Ticket { shot, due }).is_err() {
            shared.record(due, shared.origin.elapsed(), None, Err(Failure::Overrun));
        }
    }
}

/// One connection at a time, used for one ticket after the other until there are no more.
async fn connection(shared: Arc<Shared>, queue: Arc<Turn<mpsc::Receiver<Ticket>>>) {
    let mut client = Client::connect(&shared.plan).await.ok();
    loop {
        // The lock is fair, so the connections take turns and every proxy behind the port gets its share.
        let Some(ticket) = queue.lock().await.recv().await else {
            return;
        };
        // A server may close an idle connection at any time. Opening another one before anything was sent is
        // what every client does, and no retry.
        let usable = match &mut client {
            Some(client) => client.usable().await,
            None => false,
        };
        if !usable {
            client = match Client::connect(&shared.plan).await {
                Ok(client) => Some(client),
                Err(failure) => {
                    shared.record(ticket.due, shared.origin.elapsed(), None, Err(failure));
                    continue;
                }
            };
        }
        let sent = shared.origin.elapsed();
        let mut by = None;
        let outcome = match (&mut client, shared.plan.shots.get(ticket.shot)) {
            (Some(client), Some(shot)) => {
                let sending = client.send(shared.plan.target, shot, &mut by);
                tokio::time::timeout(shared.plan.timeout, sending)
                    .await
                    .unwrap_or(Err(Failure::Timeout))
            }
            _ => Err(Failure::Connect),
        };
        if outcome.is_err() {
            // What is left of a failed exchange must not reach the next one.
            client = None;
        }
        shared.record(ticket.due, sent, by, outcome);
    }
}

impl Shared {
    fn record(
        &self,
        due: Duration,
        sent: Duration,
        by: Option<Arc<str>>,
        outcome: Result<Arc<str>, Failure>,
    ) {
        let done = self.origin.elapsed();
        lock(&self.samples).push(Sample {
            due,
            sent,
            done,
            outcome,
            by,
        });
    }
}

/// One connection of either protocol.
enum Client {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    async fn connect(plan: &Plan) -> Result<Self, Failure> {
        let attempt = async {
            let stream = TcpStream::connect(plan.target)
                .await
                .map_err(|_| Failure::Connect)?;
            stream.set_nodelay(true).map_err(|_| Failure::Connect)?;
            let stream = TokioIo::new(stream);
            // The drivers end with their connection, and the errors they return are those of the exchanges.
            match plan.protocol {
                Protocol::Http1 => {
                    let (sender, driver) = http1::handshake(stream)
                        .await
                        .map_err(|_| Failure::Connect)?;
                    tokio::spawn(driver);
                    Ok(Self::Http1(sender))
                }
                Protocol::Http2 => {
                    let (sender, driver) = http2::handshake(TokioExecutor::new(), stream)
                        .await
                        .map_err(|_| Failure::Connect)?;
                    tokio::spawn(driver);
                    Ok(Self::Http2(sender))
                }
            }
        };
        tokio::time::timeout(plan.timeout, attempt)
            .await
            .unwrap_or(Err(Failure::Connect))
    }

    async fn usable(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Sends one and waits for the whole answer. As soon as the answer begins, `by` has the version that it carries.
    async fn send(
        &mut self,
        target: SocketAddr,
        shot: &Shot,
        by: &mut Option<Arc<str>>,
    ) -> Result<Arc<str>, Failure> {
        let mut request = Request::builder().method(shot.method.clone());
        if !shot.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request = match self {
            Self::Http1(_) => request
                .uri(&shot.path)
                .header(header::HOST, target.to_string()),
            Self::Http2(_) => request.uri(format!("http://{target}{}", shot.path)),
        };
        let request = request
            .body(Full::new(shot.body.clone()))
            .map_err(|_| Failure::Wrong)?;
        let answer = match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        };
        let answer = answer.map_err(|_| Failure::Broken)?;
        let status = answer.status();
        *by = answer
            .headers()
            .get(VERSION_HEADER)
            .and_then(|version| version.to_str().ok())
            .map(Arc::from);
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|_| Failure::Truncated)?;
        if status != StatusCode::OK {
            return Err(Failure::Status(status.as_u16()));
        }
        if shot.echo && body.to_bytes() != shot.body {
            return Err(Failure::Wrong);
        }
        by.clone().ok_or(Failure::Wrong)
    }
}

/// What became of a load that has ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// The moment that the samples' times count from.
    pub origin: Instant,
    /// One per request, in the order in which they were due.
    pub samples: Vec<Sample>,
}

impl Report {
    /// Failed requests by kind.
    pub fn failures(&self) -> BTreeMap<Failure, usize> {
        let mut failures = BTreeMap::new();
        for sample in &self.samples {
            if let Err(failure) = sample.outcome {
                *failures.entry(failure).or_default() += 1;
            }
        }
        failures
    }

    /// Answers by version.
    pub fn versions(&self) -> BTreeMap<Arc<str>, usize> {
        let mut versions = BTreeMap::new();
        for sample in &self.samples {
            if let Ok(version) = &sample.outcome {
                *versions.entry(Arc::clone(version)).or_default() += 1;
            }
        }
        versions
    }

    /// Requests that were **sent** at or after `since` and answered by `version`: after a switch away from it has
    /// returned there must be none.
    pub fn sent_after(&self, since: Instant, version: &str) -> usize {
        let since = since.saturating_duration_since(self.origin);
        self.samples
            .iter()
            .filter(|sample| sample.sent >= since)
            .filter(|sample| matches!(&sample.outcome, Ok(by) if &**by == version))
            .count()
    }

    /// The latency, from when a request was due, within which `share` (0 to 1) of the answers came.
    pub fn latency(&self, share: f64) -> Option<Duration> {
        let mut latencies: Vec<_> = self
            .samples
            .iter()
            .filter(|sample| sample.outcome.is_ok())
            .map(|sample| sample.done.saturating_sub(sample.due))
            .collect();
        latencies.sort_unstable();
        let rank = (latencies.len() as f64 * share).ceil() as usize;
        latencies.get(rank.saturating_sub(1)).copied()
    }
}
