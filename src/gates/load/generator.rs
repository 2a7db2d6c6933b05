//! An open-loop load: requests are due at a constant rate, whatever the answers do.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    super::tls::Tls,
    connection::{Connection, Failure, Opener},
    shot::Shot,
};
use crate::model::{Protocol, check::Percentile};

/// Latencies are kept with three digits, as is usual: 0.1% is below what anybody sees in a percentile.
const DIGITS: u8 = 3;

/// Latencies are counted in microseconds.
const TOP: u64 = 24 * 3_600 * 1_000_000;

/// What load to make.
pub struct Plan {
    /// Where to; the connections are spread over them.
    pub addresses: Vec<SocketAddr>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// With TLS, so; None: without.
    pub tls: Option<Tls>,
    /// The requests, sent in turn.
    pub shots: Vec<Shot>,
    /// Requests a second.
    pub rate: f64,
    /// The beginning, which does not count.
    pub warm_up: Duration,
    /// What counts, after the beginning.
    pub duration: Duration,
    /// The most connections. Each carries one request at a time.
    pub connections: usize,
    /// The longest that one request may take from when it is sent.
    pub timeout: Duration,
}

/// What became of a load.
pub struct Outcome {
    /// Requests that counted, those that were never sent too.
    pub requests: u64,
    /// Those that failed, by how.
    pub failures: BTreeMap<Failure, u64>,
    /// The time that counted.
    pub lasted: Duration,
    latencies: Histogram<u64>,
}

impl Outcome {
    /// Requests a second that were made.
    pub fn rate(&self) -> f64 {
        let never = self.failures.get(&Failure::Unsent).copied().unwrap_or(0);
        (self.requests - never) as f64 / self.lasted.as_secs_f64()
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// The share that failed, 0 to 1.
    pub fn error_rate(&self) -> f64 {
        match self.requests {
            0 => 0.0,
            requests => self.failed() as f64 / requests as f64,
        }
    }

    /// `3 status 503, 1 no answer in time`
    pub fn errors_text(&self) -> String {
        let all: Vec<_> = self
            .failures
            .iter()
            .map(|(failure, count)| format!("{count} {failure}"))
            .collect();
        all.join(", ")
    }

    /// The latency, from when a request was due. Requests without an answer in time, and those that were never sent,
    /// count with the time that they had waited. None if there is none at all.
    pub fn latency(&self, percentile: Percentile) -> Option<Duration> {
        let found = self.latencies.value_at_quantile(percentile.quantile());
        (!self.latencies.is_empty()).then(|| Duration::from_micros(found))
    }
}

/// What all connections of a load share.
struct Shared {
    plan: Plan,
    origin: Instant,
    /// The number of the next request.
    next: AtomicU64,
    /// So many in all.
    total: u64,
    /// Numbers below this belong to the warm-up.
    warm: u64,
    tally: Mutex<Tally>,
}

struct Tally {
    failures: BTreeMap<Failure, u64>,
    latencies: Histogram<u64>,
}

/// Makes the load, and returns when the last answer is there, or its time is over. Dropped, it stops at once.
///
/// Every connection takes the next request, waits until it is due, and sends it: while one waits for an answer the others
/// go on, so a slow answer delays no request as long as there are connections; and a request that is sent late still counts from
/// when it was due.
pub async fn drive(plan: Plan) -> Outcome {
    let count = |duration: Duration| (duration.as_secs_f64() * plan.rate).round() as u64;
    let warm = count(plan.warm_up);
    let total = (warm + count(plan.duration)).max(warm + 1);
    // No more than can be of use: with one request a second there is no need for a hundred connections.
    let connections = (plan.connections as u64).min(total).max(1);
    let shared = Arc::new(Shared {
        origin: Instant::now(),
        next: AtomicU64::new(0),
        total,
        warm,
        tally: Mutex::new(Tally {
            failures: BTreeMap::new(),
            latencies: histogram(),
        }),
        plan,
    });
    // The tasks end with this set when the load is dropped.
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        tasks.spawn(connection(Arc::clone(&shared), number as usize));
    }
    while tasks.join_next().await.is_some() {}
    shared.unsent();
    let mut tally = shared.tally();
    Outcome {
        requests: total - warm,
        failures: std::mem::take(&mut tally.failures),
        lasted: shared.plan.duration,
        latencies: std::mem::replace(&mut tally.latencies, histogram()),
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, TOP, DIGITS).unwrap() // proof: 1 < TOP, and 3 digits are at most 5
}

impl Shared {
    /// When a request is due. From its number: rounding and late wake-ups never add up.
    fn due(&self, number: u64) -> Instant {
        self.origin + Duration::from_secs_f64(number as f64 / self.plan.rate)
    }

    /// After this nothing is sent any more: a version that is too slow must not make the check last for ever.
    fn end(&self) -> Instant {
        self.due(self.total) + self.plan.timeout
    }

    /// A poisoned lock only means that a task panicked elsewhere: the numbers are whole.
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, number: u64, due: Instant, outcome: Result<(), Failure>) {
        if number < self.warm {
            return;
        }
        let mut tally = self.tally();
        // A connection that fails at once says nothing about latency.
        let waited = match outcome {
            Ok(()) => true,
            Err(failure) => {
                *tally.failures.entry(failure).or_default() += 1;
                matches!(
                    failure,
                    Failure::Status(_) | Failure::Timeout | Failure::Unsent
                )
            }
        };
        if waited {
            let latency = due.elapsed().as_micros() as u64;
            tally.latencies.saturating_record(latency.max(1));
        }
    }

    /// What nobody came to send.
    fn unsent(&self) {
        let taken = self.next.load(Ordering::Relaxed).max(self.warm);
        for number in taken..self.total {
            self.record(number, self.due(number), Err(Failure::Unsent));
        }
    }
}

/// One connection at a time, used for one request after the other.
async fn connection(shared: Arc<Shared>, number: usize) {
    let plan = &shared.plan;
    let address = plan.addresses[number % plan.addresses.len()];
    let opener = Opener::new(address, plan.protocol, plan.tls.as_ref());
    let authority = address.to_string();
    let mut open: Option<Connection> = None;
    loop {
        if Instant::now() > shared.end() {
            return;
        }
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        if number >= shared.total {
            return;
        }
        let due = shared.due(number);
        sleep_until(due).await;
        let shot = &plan.shots[number as usize % plan.shots.len()];
        let limit = Instant::now() + plan.timeout;
        let outcome = timeout_at(limit, async {
            // A server may close an idle connection at any time; another one is opened before anything is sent.
            let mut connection = match open.take() {
                Some(connection) if connection.is_open() => connection,
                _ => opener.open().await?,
            };
            let answered = connection.send(shot, &authority).await;
            // What is left of a failed exchange must not reach the next one.
            if matches!(answered, Ok(()) | Err(Failure::Status(_))) {
                open = Some(connection);
            }
            answered
        });
        let outcome = outcome.await.unwrap_or(Err(Failure::Timeout));
        shared.record(number, due, outcome);
    }
}
