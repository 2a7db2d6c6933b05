//! All fleets of the server, and which fleet a document belongs to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

use super::{
    engine::store_counted,
    handle::{Handle, Shared},
    open::open,
    options::Options,
    sync::{bump, lock},
};
use crate::{
    model::{DocumentKind, Name, Revision},
    snapshot::Snapshot,
    store::{Store, StoreError},
};

/// A server that goes down waits no longer for turns and rosters: a container runtime kills it after 10 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// And so long for what releases have counted: a commit each, of milliseconds, and no harm is done without.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Revisions before the newest that are read back at the start, so that proxies that come back with one of them are
/// brought forward in order. They come back within seconds, and few commits fit into that.
const PAST: usize = 8;

/// Fleets that only proxies have named so far, about 20 KiB each. With `--fleet-by id` each proxy waits for a fleet of
/// its own, so it is not few; without a bound, a client that makes up names would fill the memory.
pub const MAX_WAITING: usize = 4_096;

/// Too many fleets wait for somebody to declare them.
#[derive(Debug, thiserror::Error)]
#[error(
    "fleet {fleet} is not declared, and {MAX_WAITING} others wait already: correct what names the fleet in the proxies' nodes, or apply a document for {fleet}"
)]
pub struct TooManyWait {
    /// The one that is refused.
    pub fleet: Name,
}

/// The controllers of all fleets.
pub struct Controllers {
    shared: Arc<Shared>,
    fleets: Mutex<BTreeMap<Name, Handle>>,
    close: watch::Sender<bool>,
    stop: watch::Sender<bool>,
}

/// The last revisions before the newest, newest first. One that can't be read is left out: what is served does not
/// depend on it.
async fn past(store: &dyn Store, fleet: &Name) -> Result<Vec<Arc<Snapshot>>, StoreError> {
    let Some(head) = store.watch_head(fleet).borrow().clone() else {
        return Ok(Vec::new());
    };
    let mut newer = head.snapshot.clone();
    let before = Revision(newer.revision.0.saturating_sub(1));
    let mut past = Vec::new();
    for record in store.history(fleet, Some(before), PAST).await? {
        match store.revision(fleet, record.revision).await {
            Ok(Some(stored)) => {
                newer = Arc::new(stored.snapshot.sharing(&newer));
                past.push(newer.clone());
            }
            Ok(None) => {}
            Err(error) => {
                let revision = record.revision;
                tracing::warn!(%fleet, %revision, %error, "an earlier revision can't be read: proxies that come back with it are sent everything");
            }
        }
    }
    Ok(past)
}

impl Controllers {
    /// Starts a controller for every fleet that the store knows. Must run inside a tokio runtime.
    pub async fn start(store: Arc<dyn Store>, options: Options) -> Result<Arc<Self>, StoreError> {
        let (close, closing) = watch::channel(false);
        let (stop, stopping) = watch::channel(false);
        let shared = Arc::new(Shared::new(store.clone(), options, closing, stopping));
        let mut fleets = BTreeMap::new();
        for name in store.fleets() {
            let roster = store.load_roster(&name).await?;
            let past = past(&*store, &name).await?;
            let handle = open(name.clone(), shared.clone(), roster, past);
            fleets.insert(name, handle);
        }
        let controllers = Arc::new(Self {
            shared: shared.clone(),
            fleets: Mutex::new(fleets),
            close,
            stop,
        });
        shared.spawn(sweep(Arc::downgrade(&controllers), shared.clone()));
        Ok(controllers)
    }

    /// The fleet of that name for a proxy: one that nothing is declared for is opened too, but for a bounded number.
    ///
    /// # Errors
    /// [`MAX_WAITING`] fleets wait already.
    pub fn join(&self, name: &Name) -> Result<Handle, TooManyWait> {
        let mut fleets = lock(&self.fleets);
        if let Some(handle) = fleets.get(name) {
            return Ok(handle.clone());
        }
        if fleets.values().filter(|fleet| fleet.is_waiting()).count() >= MAX_WAITING {
            return Err(TooManyWait {
                fleet: name.clone(),
            });
        }
        let handle = open(name.clone(), self.shared.clone(), Vec::new(), Vec::new());
        fleets.insert(name.clone(), handle.clone());
        Ok(handle)
    }

    /// Gives up the fleets that nothing is declared for and nobody is in any more.
    fn sweep(&self) {
        let mut any = false;
        lock(&self.fleets).retain(|name, fleet| {
            let given_up = fleet.give_up();
            if given_up {
                any = true;
                tracing::debug!(fleet = %name, "nobody waits for it any more");
            }
            !given_up
        });
        if any {
            bump(&self.shared.changes);
        }
    }

    /// The fleet of that name. One that nothing is declared for is opened too: its proxies wait, and are listed.
    pub fn fleet(&self, name: &Name) -> Handle {
        lock(&self.fleets)
            .entry(name.clone())
            .or_insert_with(|| open(name.clone(), self.shared.clone(), Vec::new(), Vec::new()))
            .clone()
    }

    /// The fleet of that name, if something was ever declared for it or proxies wait for it.
    pub fn get(&self, name: &str) -> Option<Handle> {
        lock(&self.fleets).get(name).cloned()
    }

    /// All fleets, by name.
    pub fn fleets(&self) -> Vec<Handle> {
        lock(&self.fleets).values().cloned().collect()
    }

    /// The fleet that a service belongs to.
    pub fn fleet_of_service(&self, service: &str) -> Option<Handle> {
        self.fleet_of(DocumentKind::Service, service)
    }

    /// The fleet that a declared document belongs to.
    pub fn fleet_of(&self, kind: DocumentKind, name: &str) -> Option<Handle> {
        self.shared
            .index
            .fleet_of(kind, name)
            .map(|fleet| self.fleet(&fleet))
    }

    /// Marks every change of a head or a ledger of any fleet.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Returns when whoever watches is to be let go.
    pub async fn closed(&self) {
        self.shared.closed().await;
    }

    /// Lets go whoever follows or watches. Their calls would hold up a server that waits for open calls before it
    /// goes down; commands are still taken.
    pub fn close(&self) {
        self.close.send_replace(true);
    }

    /// The durable history, to read.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// The time of day, as the controllers see it.
    pub fn now(&self) -> jiff::Timestamp {
        self.shared.now()
    }

    /// Ends: what releases have counted is stored, no new turn begins, the turn that runs is finished, rosters are saved.
    pub async fn stop(&self) {
        self.close();
        self.store_counted().await;
        self.stop.send_replace(true);
        let mut tasks = self.shared.take_tasks();
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!(
                "some fleets did not come to rest in time; what was answered is durable"
            );
        }
    }

    /// Stores what releases have counted since it was stored last, all fleets at the same time.
    async fn store_counted(&self) {
        let mut tasks: JoinSet<()> = self.fleets().into_iter().map(store_counted).collect();
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STORE_TIMEOUT, all).await.is_err() {
            tracing::warn!(
                "the time that some releases have counted since the last minute was not stored in time: it counts once more"
            );
        }
    }
}

/// Sweeps as often as rosters are looked through, until the server goes down.
async fn sweep(controllers: Weak<Controllers>, shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(shared.roster_save) => {}
            () = shared.stopped() => return,
        }
        match controllers.upgrade() {
            Some(controllers) => controllers.sweep(),
            None => return,
        }
    }
}
