//! The newest revision of every fleet, for those who wait for the next one. Shared by all stores.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::Head;
use crate::model::Name;

type Sender = watch::Sender<Option<Arc<Head>>>;

/// One watch channel per fleet. Only the store that owns it publishes, and only what is durable.
#[derive(Default)]
pub(super) struct Heads {
    fleets: Mutex<BTreeMap<Name, Sender>>,
}

impl Heads {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Sender>> {
        // Nothing in here panics between two writes, so what a poisoned lock guards is whole.
        self.fleets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of a fleet, now and later.
    pub fn subscribe(&self, fleet: &Name) -> watch::Receiver<Option<Arc<Head>>> {
        let mut fleets = self.lock();
        if let Some(sender) = fleets.get(fleet) {
            return sender.subscribe();
        }
        // Fleet names come from the network (`node.cluster`): what nobody waits for any more must not pile up.
        fleets.retain(|_, sender| sender.borrow().is_some() || sender.receiver_count() > 0);
        fleets
            .entry(fleet.clone())
            .or_insert_with(|| watch::Sender::new(None))
            .subscribe()
    }

    /// The head of a fleet now.
    pub fn get(&self, fleet: &Name) -> Option<Arc<Head>> {
        self.lock().get(fleet)?.borrow().clone()
    }

    /// Makes a head known. The caller publishes in the order of revisions.
    pub fn publish(&self, head: Arc<Head>) {
        self.lock()
            .entry(head.meta.fleet.clone())
            .or_insert_with(|| watch::Sender::new(None))
            .send_replace(Some(head));
    }

    /// Fleets that have a head.
    pub fn fleets(&self) -> Vec<Name> {
        let fleets = self.lock();
        let known = fleets
            .iter()
            .filter(|(_, sender)| sender.borrow().is_some());
        known.map(|(fleet, _)| fleet.clone()).collect()
    }
}
