//! What the fleets of a server share.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::watch, task::JoinSet, time::Instant};

use super::index::Index;
use crate::{
    controller::{
        options::{Clock, Options, ReleaseOptions, Resolve},
        plan::FirstReports,
        sync::lock,
    },
    gates::ProbeOptions,
    store::Store,
};

/// So many intervals after it reports again a proxy has been heard: one may be late, and one lost with its stream.
const FIRST_REPORTS: u32 = 3;

/// An Envoy whose stream of reports has ended opens it again after five seconds, and it may fail once.
const REPORTS_AGAIN: Duration = Duration::from_secs(10);

/// What all fleets share.
pub(in crate::controller) struct Shared {
    pub store: Arc<dyn Store>,
    pub resolver: Box<dyn Resolve>,
    pub index: Index,
    pub probe: ProbeOptions,
    pub clock: Clock,
    pub epoch: u64,
    pub release: ReleaseOptions,
    pub check_data: Option<Arc<PathBuf>>,
    pub roster_away: Duration,
    pub roster_save: Duration,
    pub settle: Duration,
    pub lag_patience: Duration,
    /// When the server started.
    pub started: Instant,
    /// The same as a time of day.
    started_at: Timestamp,
    /// Counts changes of any head or ledger.
    pub changes: watch::Sender<u64>,
    /// True: the server is about to go down, and whoever follows or watches is let go.
    closing: watch::Receiver<bool>,
    /// True: the server goes down.
    stopping: watch::Receiver<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Shared {
    /// Watches `closing` and `stopping`, which turn true when the server is about to go down, and when it does.
    pub fn new(
        store: Arc<dyn Store>,
        options: Options,
        closing: watch::Receiver<bool>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            started_at: (options.clock)(),
            store,
            resolver: options.resolver,
            index: Index::default(),
            probe: options.probe,
            clock: options.clock,
            epoch: options.epoch,
            release: options.release,
            check_data: options.check_data,
            roster_away: options.roster_away,
            roster_save: options.roster_save,
            settle: options.settle,
            lag_patience: options.lag_patience,
            started: Instant::now(),
            changes: watch::Sender::new(0),
            closing,
            stopping,
            tasks: Mutex::default(),
        }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Until when proxies are waited for that have not reported yet.
    pub fn first_reports(&self) -> FirstReports {
        FirstReports {
            started: self.started_at,
            now: self.now(),
            within: REPORTS_AGAIN + self.release.report_interval * FIRST_REPORTS,
        }
    }

    /// Returns when whoever follows or watches is to be let go.
    pub async fn closed(&self) {
        // An error: the controllers are gone, which is the same.
        let _ = self.closing.clone().wait_for(|close| *close).await;
    }

    /// Returns when the server goes down.
    pub async fn stopped(&self) {
        // An error: the controllers are gone, which is the same.
        let _ = self.stopping.clone().wait_for(|stop| *stop).await;
    }

    /// Runs a task until it ends, or the server does.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        // What has ended is dropped here, so that the set does not grow with every revision watched.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// The tasks that run; none are left behind.
    pub fn take_tasks(&self) -> JoinSet<()> {
        std::mem::take(&mut *lock(&self.tasks))
    }
}
