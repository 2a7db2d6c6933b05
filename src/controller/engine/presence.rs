//! Who of a fleet is connected, for all who ask several times a second: as long as nobody comes or goes, the ledger is not
//! walked again, however large the fleet is.

use std::sync::Arc;

use crate::fleet::Ledger;

/// The proxies of the roster.
#[derive(Default)]
pub(super) struct Presence {
    /// The count of comings and goings that it shows.
    seen: Option<u64>,
    all: Vec<(Arc<str>, bool)>,
    connected: usize,
}

impl Presence {
    /// Looks whether anybody came or went.
    pub fn look(&mut self, ledger: &Ledger) {
        let moves = ledger.moves();
        if self.seen != Some(moves) {
            self.seen = Some(moves);
            self.all = ledger.presence();
            self.connected = self.all.iter().filter(|(_, there)| *there).count();
        }
    }

    /// The same number stands for the same proxies, connected or not.
    pub fn seen(&self) -> Option<u64> {
        self.seen
    }

    /// Each proxy, and whether it is connected.
    pub fn all(&self) -> &[(Arc<str>, bool)] {
        &self.all
    }

    /// How many are connected.
    pub fn connected(&self) -> usize {
        self.connected
    }

    /// Nobody is away.
    pub fn is_complete(&self) -> bool {
        self.connected == self.all.len()
    }
}
