//! The telemetry of one fleet: streams write their reports, everybody else reads sums.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    book::{Book, LeftOut, StreamId},
    load::{ClusterLoad, Load, ProxyLoad, Reporter},
    wire::ClusterStats,
};

/// What the proxies of a fleet report. Shared by all their streams.
///
/// It never waits and never calls out but to `observer`, which must return at once.
pub struct Telemetry {
    book: Mutex<Book>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    observer: Box<dyn Fn() + Send + Sync>,
}

impl Telemetry {
    /// Nothing reported yet; `observer` is called after every report.
    ///
    /// `clock` must go steadily: after a step of the clock, windows would hold what is older, or lack what is new.
    pub fn new(
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
        observer: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            book: Mutex::new(Book::new(clock())),
            clock: Box::new(clock),
            observer: Box::new(observer),
        }
    }

    /// The time that reports are stamped with, and windows end at. It is not the time of day once the system's clock was set.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // A panic while a report was added leaves the sums as far as they got.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A proxy began to report on a stream.
    pub fn open(&self, stream: StreamId, proxy: &str, at: Timestamp) {
        self.book().open(stream, proxy, at);
        (self.observer)();
    }

    /// A report came on a stream. One of a stream that is not open is dropped.
    pub fn report(&self, stream: StreamId, report: &[ClusterStats], at: Timestamp) {
        self.book().report(stream, report, at);
        (self.observer)();
    }

    /// The stream ended. What it said of requests in progress no longer counts.
    pub fn close(&self, stream: StreamId, at: Timestamp) {
        self.book().close(stream, at);
        (self.observer)();
    }

    /// Gives up what a proxy reported for itself, unless it still reports; it stays in the sums of the clusters.
    pub fn forget(&self, proxy: &str) {
        self.book().forget(proxy);
    }

    /// Gives up proxies that have not reported for `after`, and clusters that had no traffic for longer than windows
    /// reach back, if there are many.
    pub fn expire(&self, now: Timestamp, after: Duration) {
        self.book().expire(now, after);
    }

    /// Every cluster that ever had traffic, by name. Without `since`, everything since the server started.
    pub fn clusters(&self, since: Option<Timestamp>) -> Vec<ClusterLoad> {
        self.book().all_clusters(since)
    }

    /// One cluster; None if it never had traffic.
    pub fn cluster(&self, name: &str, since: Option<Timestamp>) -> Option<Load> {
        self.book().one_cluster(name, since)
    }

    /// Every proxy that reports or reported, by name.
    pub fn proxies(&self, since: Option<Timestamp>) -> Vec<ProxyLoad> {
        self.book().all_proxies(since)
    }

    /// One proxy; None if it never reported.
    pub fn proxy(&self, name: &str, since: Option<Timestamp>) -> Option<ProxyLoad> {
        self.book().one_proxy(name, since)
    }

    /// Who reports or reported, by name; without their sums, which cost more.
    pub fn reporters(&self) -> Vec<Reporter> {
        self.book().reporters()
    }

    /// Proxies that report now.
    pub fn reporting(&self) -> usize {
        self.book().reporting()
    }

    /// What is not in the sums.
    pub fn left_out(&self) -> LeftOut {
        self.book().left_out()
    }
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
