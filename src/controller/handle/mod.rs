//! One fleet: its newest revision, its ledger, and the way to give it a command. A [`Handle`] is the cheap way to all of it.

mod index;
mod lease;
mod progress;
mod queue;
mod reporting;
mod shared;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

pub use lease::Lease;
pub use progress::ReleaseProgress;
use progress::ReleaseProgresses;
use queue::Queue;
pub(in crate::controller) use queue::{Turn, Turns};
pub(in crate::controller) use shared::Shared;

use crate::{
    controller::{
        options::steady,
        proof::{Looks, Verdict, Verdicts, standing},
        request::revert_id,
        sync::bump,
    },
    fleet::{Ledger, Proof, Requirement, RosterEntry},
    model::{Name, Revision, check::Analysis},
    release::{ClockKey, Purpose, ReleaseRecord},
    snapshot::Snapshot,
    store::{Head, RevisionMeta},
    telemetry::Telemetry,
};

/// One fleet. Cheap to clone.
#[derive(Clone)]
pub struct Handle(pub(in crate::controller) Arc<Inner>, Option<Lease>);

/// What its handles share.
pub(in crate::controller) struct Inner {
    pub fleet: Name,
    pub shared: Arc<Shared>,
    pub ledger: Arc<Ledger>,
    pub ledger_changes: watch::Sender<u64>,
    pub looks: Looks,
    pub telemetry: Arc<Telemetry>,
    telemetry_changes: watch::Sender<u64>,
    pub heads: watch::Receiver<Option<Arc<Head>>>,
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    past: Arc<[Arc<Snapshot>]>,
    /// True: the fleet was given up, and its tasks end.
    given_up: watch::Sender<bool>,
    pub queue: Queue,
    /// Held while the record of a release is changed. It holds the one that was changed last: that of a large fleet has the ACKs
    /// of a thousand proxies for each push, and reading it back costs more than changing it.
    pub records: tokio::sync::Mutex<Option<Arc<ReleaseRecord>>>,
    progress: ReleaseProgresses,
    verdicts: Verdicts,
    /// Somebody has seen that every proxy has accepted what a release waits for.
    pub proven: tokio::sync::Notify,
}

/// What a fleet's tasks are given of it, beside the handle.
pub(in crate::controller) struct Opened {
    /// Held by the fleet's own tasks: without a lease.
    pub handle: Handle,
    /// Where the publisher says what proxies are served.
    pub published: watch::Sender<Option<Arc<Snapshot>>>,
    /// What the writer takes its turns from.
    pub turns: Turns,
}

impl Handle {
    /// A fleet as the store and its roster have it; its tasks are still to be started.
    pub(super) fn open(
        fleet: Name,
        shared: Arc<Shared>,
        roster: Vec<RosterEntry>,
        past: Vec<Arc<Snapshot>>,
    ) -> Opened {
        let ledger_changes = watch::Sender::new(0);
        let ledger = {
            let (of_fleet, of_all) = (ledger_changes.clone(), shared.changes.clone());
            Arc::new(Ledger::new(move || {
                bump(&of_fleet);
                bump(&of_all);
            }))
        };
        ledger.restore(roster);
        let telemetry_changes = watch::Sender::new(0);
        let telemetry = {
            let changes = telemetry_changes.clone();
            Arc::new(Telemetry::new(steady(shared.now()), move || {
                bump(&changes);
            }))
        };
        let heads = shared.store.watch_head(&fleet);
        let first = heads.borrow().clone();
        let (published, snapshots) =
            watch::channel(first.as_ref().map(|head| head.snapshot.clone()));
        if let Some(head) = &first {
            shared.index.settle(&fleet, &head.state);
        }
        let (queue, turns) = Queue::new();
        let inner = Inner {
            fleet,
            shared,
            ledger,
            ledger_changes,
            looks: Looks::default(),
            telemetry,
            telemetry_changes,
            heads,
            snapshots,
            past: past.into(),
            given_up: watch::Sender::new(false),
            queue,
            records: tokio::sync::Mutex::default(),
            progress: ReleaseProgresses::default(),
            verdicts: Verdicts::default(),
            proven: tokio::sync::Notify::new(),
        };
        Opened {
            handle: Self(Arc::new(inner), None),
            published,
            turns,
        }
    }

    /// The first handle for others than the fleet's own tasks: the clones of this one keep the fleet from being given up.
    pub(super) fn with_lease(self) -> Self {
        Self(self.0, Some(Lease::default()))
    }

    /// Runs a task of the fleet's own until it ends, the server does, or the fleet is given up.
    pub(in crate::controller) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut given_up = self.0.given_up.subscribe();
        self.0.shared.spawn(async move {
            tokio::select! {
                () = task => {}
                _ = given_up.wait_for(|given_up| *given_up) => {}
            }
        });
    }

    /// Keeps the fleet from being given up for as long as it is held; None within the fleet's own tasks.
    pub fn lease(&self) -> Option<Lease> {
        self.1.clone()
    }

    /// Nothing is declared for it, and if there are proxies they wait.
    pub(super) fn is_waiting(&self) -> bool {
        self.0.heads.borrow().is_none()
    }

    /// Ends the fleet's tasks, if nobody but the caller needs it: nothing is declared, no proxy is on its roster, and
    /// no stream or command is about to use it. The caller keeps others from getting a handle meanwhile.
    pub(super) fn give_up(&self) -> bool {
        let mine_alone = self.1.as_ref().is_some_and(Lease::is_the_last);
        let unused = mine_alone && self.is_waiting() && self.0.ledger.is_empty();
        if unused {
            self.0.given_up.send_replace(true);
        }
        unused
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.0.fleet
    }

    /// The newest revision; None while nothing was ever declared.
    pub fn head(&self) -> Option<Arc<Head>> {
        self.0.heads.borrow().clone()
    }

    /// The newest revision, now and after every commit.
    pub fn heads(&self) -> watch::Receiver<Option<Arc<Head>>> {
        self.0.heads.clone()
    }

    /// What proxies are served, now and after every commit. It follows the store's head and nothing else.
    pub fn snapshots(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.0.snapshots.clone()
    }

    /// The last revisions before the server was started, which a proxy may come back with; newest first.
    pub fn past(&self) -> Arc<[Arc<Snapshot>]> {
        self.0.past.clone()
    }

    /// Where streams write what happens, and proofs are read.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }

    /// Marks every change of the ledger, and every verdict.
    pub fn ledger_changes(&self) -> watch::Receiver<u64> {
        self.0.ledger_changes.subscribe()
    }

    /// How many changes there were: as long as it stays the same, every proof does.
    pub(in crate::controller) fn ledger_count(&self) -> u64 {
        *self.0.ledger_changes.borrow()
    }

    /// Who has what is required, as it is at this moment, where `head` is the newest revision.
    pub(in crate::controller) fn standing(
        &self,
        head: &Head,
        requirement: &Requirement,
    ) -> Arc<Proof> {
        // Read before the look: what comes while it is taken may be missing in it.
        let changes = self.ledger_count();
        let look = || standing(self.ledger(), &head.snapshot, requirement);
        let looks = &self.0.looks;
        looks
            .now(requirement, head.meta.revision, changes, look)
            .proof
    }

    /// What the fleet's proxies report of their traffic, since the server started.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.0.telemetry
    }

    /// Marks every load report, and every begin and end of a stream of them.
    pub fn telemetry_changes(&self) -> watch::Receiver<u64> {
        self.0.telemetry_changes.subscribe()
    }

    /// What the server decided about a revision that proxies rejected, if it did since it started.
    pub fn verdict(&self, revision: Revision) -> Option<Verdict> {
        self.0.verdicts.of(revision)
    }

    /// The revision that took a rejected one back, if one did.
    pub async fn reverted_by(&self, revision: Revision) -> Option<Revision> {
        let id = revert_id(self.name(), revision);
        let store = &self.0.shared.store;
        let meta = store.operation(self.name(), &id).await.ok().flatten()?;
        Some(meta.revision)
    }

    /// The record of a revision, if it is still kept.
    pub async fn meta(&self, revision: Revision) -> Option<RevisionMeta> {
        let store = &self.0.shared.store;
        let found = store.history(self.name(), Some(revision), 1).await.ok()?;
        found.into_iter().find(|meta| meta.revision == revision)
    }

    /// The revision may be taken back from now on.
    pub(in crate::controller) fn suspect(&self, revision: Revision) {
        self.0.verdicts.suspect(revision);
    }

    /// The revision is watched no longer.
    pub(in crate::controller) fn acquit(&self, revision: Revision) {
        self.0.verdicts.acquit(revision);
    }

    /// See [`Verdicts::suspect_of`].
    pub(in crate::controller) fn suspect_of(&self, rejected: Revision) -> Option<Revision> {
        self.0.verdicts.suspect_of(rejected)
    }

    /// Records a verdict and wakes whoever waits for one.
    pub(in crate::controller) fn decide(&self, revision: Revision, verdict: Verdict) {
        self.0.verdicts.decide(revision, verdict);
        bump(&self.0.ledger_changes);
        bump(&self.0.shared.changes);
    }

    /// What the release of a service is doing; None: nothing that takes time.
    pub fn release_progress(&self, service: &Name) -> Option<ReleaseProgress> {
        self.0.progress.of(service)
    }

    /// See [`ReleaseProgress::elapsed`] and [`ReleaseProgress::waits_for`].
    pub(in crate::controller) fn set_clock(
        &self,
        service: &Name,
        of: ClockKey,
        elapsed: Duration,
        waits_for: Option<String>,
    ) {
        let progress = &self.0.progress;
        if progress.set_clock(service, of, elapsed, waits_for) {
            bump(&self.0.shared.changes);
        }
    }

    /// See [`ReleaseProgress::stuck`]; true: it is news.
    pub(in crate::controller) fn set_stuck(
        &self,
        service: &Name,
        of: ClockKey,
        why: Option<String>,
    ) -> bool {
        let news = self.0.progress.set_stuck(service, of, why);
        if news {
            bump(&self.0.shared.changes);
        }
        news
    }

    /// See [`ReleaseProgress::analysis`].
    pub(in crate::controller) fn set_analysis(
        &self,
        service: &Name,
        release: u64,
        purpose: Purpose,
        analysis: Analysis,
    ) {
        let progress = &self.0.progress;
        // Whoever watches services hears of it; proxies have nothing to do with it.
        if progress.set_analysis(service, release, purpose, analysis) {
            bump(&self.0.shared.changes);
        }
    }
}
