//! A cheap handle on one fleet: its newest revision, its ledger, and the way to give it a command.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use tokio::sync::{mpsc, watch};

use super::{
    ReleaseProgress,
    delivery::Progress,
    looks::Looks,
    registry::{Shared, lock},
    turn::Turn,
    verdict::Verdict,
};
use crate::{
    fleet::{Ledger, Requirement, RosterEntry},
    model::{Name, Revision},
    snapshot::Snapshot,
    store::{Head, RevisionMeta},
    telemetry::Telemetry,
};

/// Commands that may wait for their turn. A turn takes milliseconds; whoever finds the queue full waits in his call.
const QUEUE: usize = 64;

/// Verdicts remembered. Whoever waits for one reads it at once; the rest is in the history.
const VERDICTS: usize = 256;

/// One fleet. Cheap to clone.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Inner>, Option<Lease>);

/// Held by everybody who may still need a fleet, its own tasks excepted. A fleet that nothing is declared for is given
/// up when nobody does.
#[derive(Clone, Debug, Default)]
pub struct Lease(Arc<()>);

pub(super) struct Inner {
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
    /// Turns of rollbacks and reverts: taken before all others.
    pub urgent: mpsc::Sender<Turn>,
    pub ordinary: mpsc::Sender<Turn>,
    /// What releases are doing, beyond what is stored of them.
    pub progress: Mutex<BTreeMap<Name, ReleaseProgress>>,
    /// Held while the record of a release is changed.
    pub records: tokio::sync::Mutex<()>,
    verdicts: Mutex<BTreeMap<Revision, Verdict>>,
    /// Revisions that are watched and undecided.
    suspects: Mutex<BTreeSet<Revision>>,
}

impl Handle {
    /// Opens a fleet and starts its tasks.
    pub(super) fn open(
        fleet: Name,
        shared: Arc<Shared>,
        roster: Vec<RosterEntry>,
        past: Vec<Arc<Snapshot>>,
    ) -> Self {
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
            Arc::new(Telemetry::new((shared.clock)(), move || bump(&changes)))
        };
        let heads = shared.store.watch_head(&fleet);
        let first = heads.borrow().clone();
        let (published, snapshots) =
            watch::channel(first.as_ref().map(|head| head.snapshot.clone()));
        let (urgent, urgent_turns) = mpsc::channel(QUEUE);
        let (ordinary, ordinary_turns) = mpsc::channel(QUEUE);
        if let Some(head) = &first {
            shared.index.settle(&fleet, &head.state);
        }
        let inner = Arc::new(Inner {
            fleet,
            shared: shared.clone(),
            ledger,
            ledger_changes,
            looks: Looks::default(),
            telemetry,
            telemetry_changes,
            heads,
            snapshots,
            past: past.into(),
            given_up: watch::Sender::new(false),
            urgent,
            ordinary,
            progress: Mutex::default(),
            records: tokio::sync::Mutex::default(),
            verdicts: Mutex::default(),
            suspects: Mutex::default(),
        });
        let handle = Self(inner.clone(), None);
        handle.spawn(super::publisher::run(handle.clone(), published));
        handle.spawn(super::writer::run(
            handle.clone(),
            urgent_turns,
            ordinary_turns,
        ));
        handle.spawn(super::roster::run(handle.clone()));
        handle.spawn(super::names::run(handle.clone()));
        handle.spawn(super::temporary::run(handle.clone()));
        handle.spawn(super::engine::run(handle.clone()));
        if let Some(head) = first {
            super::nack::resume(&handle, &head);
        }
        Self(inner, Some(Lease::default()))
    }

    /// Runs a task of the fleet's own until it ends, the server does, or the fleet is given up.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
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
        let mine_alone = self
            .1
            .as_ref()
            .is_some_and(|lease| Arc::strong_count(&lease.0) == 1);
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
        lock(&self.0.verdicts).get(&revision).cloned()
    }

    /// The revision that took a rejected one back, if one did.
    pub async fn reverted_by(&self, revision: Revision) -> Option<Revision> {
        let id = super::nack::revert_id(self.name(), revision);
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

    /// How far the fleet is with its newest revision, all types of it.
    pub fn progress(&self, head: &Head) -> Progress {
        let types = head.snapshot.types().map(|set| set.type_url).collect();
        let requirement = Requirement::new(head.meta.revision, types);
        Progress::now(self, &requirement)
    }

    /// The revision may be taken back from now on.
    pub(super) fn suspect(&self, revision: Revision) {
        lock(&self.0.suspects).insert(revision);
    }

    /// The revision is watched no longer.
    pub(super) fn acquit(&self, revision: Revision) {
        lock(&self.0.suspects).remove(&revision);
    }

    /// The revision to blame for a rejection of `rejected`: the newest at or before it that is undecided; none, if
    /// `rejected` itself was decided on.
    pub(super) fn suspect_of(&self, rejected: Revision) -> Option<Revision> {
        if self.verdict(rejected).is_some() {
            return None;
        }
        lock(&self.0.suspects)
            .range(..=rejected)
            .next_back()
            .copied()
    }

    /// Records a verdict and wakes whoever waits for one.
    pub(super) fn decide(&self, revision: Revision, verdict: Verdict) {
        let mut verdicts = lock(&self.0.verdicts);
        verdicts.insert(revision, verdict);
        while verdicts.len() > VERDICTS {
            verdicts.pop_first();
        }
        drop(verdicts);
        self.acquit(revision);
        bump(&self.0.ledger_changes);
        bump(&self.0.shared.changes);
    }
}

/// Counts one change.
pub(super) fn bump(counter: &watch::Sender<u64>) {
    counter.send_modify(|count| *count = count.wrapping_add(1));
}
