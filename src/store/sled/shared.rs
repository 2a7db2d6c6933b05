//! What readers and the writer share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{fault::Fault, tables::Tables, waiting::Waiting};
use crate::{
    model::{Name, Revision},
    store::heads::Heads,
};

/// What readers and the writer share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) heads: Heads,
    /// None before it is open, and once it is closed.
    pub(super) tables: RwLock<Option<Arc<Tables>>>,
    /// Something is flushed that `HEAD` does not say yet.
    pub(super) unsettled: AtomicBool,
    pub(super) starts: Mutex<BTreeMap<Name, Revision>>,
    waiting: Mutex<Waiting>,
}

impl Shared {
    pub(super) fn tables(&self) -> Result<Arc<Tables>, Fault> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.clone().ok_or(Fault::Closed)
    }

    pub(super) fn open(&self, tables: Arc<Tables>) {
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = Some(tables);
    }

    pub(super) fn close(&self) {
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What is not written yet, since the disk is full.
    pub(super) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // It is whole whatever happened to a thread that held it: what is in it is replaced at once.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn unsettled(&self) {
        self.unsettled.store(true, Ordering::SeqCst);
    }

    pub(super) fn settled(&self) {
        self.unsettled.store(false, Ordering::SeqCst);
    }

    pub(super) fn starts_at(&self, fleet: &Name, revision: Revision) {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        starts.insert(fleet.clone(), revision);
    }
}
