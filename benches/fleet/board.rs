//! Where the proxies write what happens to them, and the run reads it: counters and times, no locks on the way.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::resources::Resources;

/// Failures that are quoted; the rest is counted.
const QUOTED: usize = 5;

/// Shared by all proxies of a run.
pub struct Board {
    began: Instant,
    pub resources: Resources,
    /// Per proxy: nanoseconds from `began` to the receipt and the ACK of its last switch; 0: none since `clear`.
    received: Vec<AtomicU64>,
    acked: Vec<AtomicU64>,
    /// Per proxy: the fingerprint of the weights that it has.
    weights: Vec<AtomicU64>,
    /// What the fingerprints stand for.
    texts: Mutex<HashMap<u64, String>>,
    pub open: AtomicUsize,
    pub warm: AtomicUsize,
    pub acks: AtomicUsize,
    pub failed: AtomicUsize,
    /// Connections that had to be tried again.
    pub retried: AtomicU64,
    pub bytes: AtomicU64,
    pub responses: AtomicU64,
    failures: Mutex<Vec<String>>,
    progress: Notify,
    /// Every so many steps of a counter wake the run: it waits for round numbers of proxies.
    wake_every: usize,
}

impl Board {
    pub fn new(proxies: usize, slow: usize) -> Self {
        let per_proxy = || (0..proxies).map(|_| AtomicU64::new(0)).collect();
        Self {
            began: Instant::now(),
            resources: Resources::default(),
            received: per_proxy(),
            acked: per_proxy(),
            weights: per_proxy(),
            texts: Mutex::default(),
            open: AtomicUsize::new(0),
            warm: AtomicUsize::new(0),
            acks: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            retried: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            responses: AtomicU64::new(0),
            failures: Mutex::default(),
            progress: Notify::new(),
            wake_every: gcd(proxies, proxies - slow),
        }
    }

    /// Nanoseconds since the run began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// One step of a counter of this board.
    pub fn count(&self, counter: &AtomicUsize) {
        let count = counter.fetch_add(1, SeqCst) + 1;
        if count.is_multiple_of(self.wake_every) {
            self.progress.notify_one();
        }
    }

    /// The proxy has these weights now.
    pub fn has(&self, proxy: usize, weights: u64, text: impl FnOnce() -> String) {
        self.weights[proxy].store(weights, Relaxed);
        lock(&self.texts).entry(weights).or_insert_with(text);
    }

    /// The proxy received other weights at that time, and its ACK has been written now.
    pub fn switched(&self, proxy: usize, received: u64) {
        self.received[proxy].store(received, Relaxed);
        if self.acked[proxy].swap(self.now(), SeqCst) == 0 {
            self.count(&self.acks);
        }
    }

    /// The proxy cannot go on.
    pub fn fail(&self, proxy: usize, why: &str) {
        let mut failures = lock(&self.failures);
        if failures.len() < QUOTED {
            failures.push(format!("proxy {proxy}: {why}"));
        }
        drop(failures);
        self.failed.fetch_add(1, SeqCst);
        self.progress.notify_one();
    }

    /// The first failures, in the proxies' words.
    pub fn failures(&self) -> Vec<String> {
        lock(&self.failures).clone()
    }

    /// Waits until a counter stands at `target`; false: the time is over, or a proxy failed meanwhile.
    pub async fn until(&self, counter: &AtomicUsize, target: usize, patience: Duration) -> bool {
        let failed = self.failed.load(SeqCst);
        let reached = async {
            while counter.load(SeqCst) < target {
                self.progress.notified().await;
                if self.failed.load(SeqCst) > failed {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(patience, reached)
            .await
            .unwrap_or(false)
    }

    /// Forgets the last switch.
    pub fn clear(&self) {
        self.acks.store(0, SeqCst);
        for time in self.received.iter().chain(&self.acked) {
            time.store(0, Relaxed);
        }
    }

    /// Milliseconds from `since` to each receipt, sorted.
    pub fn receipts(&self, since: u64) -> Vec<f64> {
        times(&self.received, since)
    }

    /// Milliseconds from `since` to each ACK, sorted.
    pub fn ack_times(&self, since: u64) -> Vec<f64> {
        times(&self.acked, since)
    }

    /// The weights that the first `active` proxies have, each once.
    pub fn weights(&self, active: usize) -> Vec<String> {
        let texts = lock(&self.texts);
        let mut all: Vec<u64> = self.weights[..active]
            .iter()
            .map(|weights| weights.load(Relaxed))
            .collect();
        all.sort_unstable();
        all.dedup();
        let text = |weights| texts.get(&weights).cloned().unwrap_or_default();
        all.into_iter().map(text).collect()
    }
}

fn times(all: &[AtomicU64], since: u64) -> Vec<f64> {
    let mut times: Vec<f64> = all
        .iter()
        .map(|time| time.load(Relaxed))
        .filter(|time| *time > 0)
        .map(|time| time.saturating_sub(since) as f64 / 1e6)
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
