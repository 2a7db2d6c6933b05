//! How the store is opened.

/// Fewer revisions than this are not worth the name of a history, and a release needs two.
pub(super) const LEAST_HISTORY: usize = 10;

/// How to open a [`SledStore`](super::SledStore).
#[derive(Clone, Copy, Debug)]
pub struct SledOptions {
    /// How many revisions to keep per fleet, as far as nothing that is needed has to go; at least 10.
    pub history_limit: usize,
    /// Go on from the newest revision that is whole, even if a newer one was answered for.
    pub accept_older: bool,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            // Months of releases, and a few MB.
            history_limit: 1_000,
            accept_older: false,
        }
    }
}
