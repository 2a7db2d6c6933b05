//! The ledger of one fleet: streams write what happens, everybody else reads proofs and views.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{Proof, ProxyInfo, ProxyView, Record, Requirement, RosterEntry, StreamId};

/// Who belongs to the fleet and what each has accepted. Shared by all streams of the fleet.
///
/// It never waits and never calls out but to `observer`, which must return at once.
pub struct Ledger {
    rows: Mutex<BTreeMap<String, ()>>,
    observer: Box<dyn Fn() + Send + Sync>,
}

impl Ledger {
    /// An empty ledger; `observer` is called after every change that a proof or a view could show.
    pub fn new(observer: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            rows: Mutex::default(),
            observer: Box::new(observer),
        }
    }
}
