//! What a stream remembers, and what comes of an input.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{cache::Cache, channels::Channels, message::Response, mode::Mode, options::Options};
use crate::{
    fleet::Record,
    model::{Revision, TypeUrl},
    snapshot::Snapshot,
};

/// Something waits for clusters.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) clusters: BTreeSet<Arc<str>>,
    /// When the operator is told; `None` once that was done.
    pub(super) deadline: Option<Timestamp>,
}

/// A cluster that the snapshot no longer has.
#[derive(Debug)]
pub(super) struct Kept {
    /// When it goes; `None` while the client may still route to it.
    pub(super) until: Option<Timestamp>,
}

/// What came of one input: responses, to be sent in this order, and records for the ledger.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// To be sent in this order: what others need comes before what needs it.
    pub responses: Vec<Response>,
    /// For the ledger, in the order of happening.
    pub records: Vec<Record>,
    /// The client answers so little that no more is remembered for it: the stream is to end, and what the client has then
    /// it says on the next.
    pub overdue: bool,
}

/// One stream. Times are only compared with each other: any clock that does not go back will do.
#[derive(Debug)]
pub struct Session {
    pub(super) options: Options,
    pub(super) mode: Mode,
    /// It is a stream for one type only.
    pub(super) alone: bool,
    pub(super) cache: Arc<Cache>,
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) channels: Channels,
    pub(super) last_nonce: u64,
    /// Clusters that the snapshot no longer has and this client may still use.
    pub(super) kept: BTreeMap<Arc<str>, Kept>,
    /// Clusters that the client stopped naming a while ago: until when requests may be open there.
    pub(super) lingering: BTreeMap<Arc<str>, Timestamp>,
    /// Scopes that are gone are kept.
    pub(super) scopes_stay: bool,
    pub(super) holds: BTreeMap<TypeUrl, Hold>,
    /// Load assignments that are due because their cluster was sent anew: Envoy waits for them again (checklist, line 21).
    pub(super) rewarm: BTreeSet<Arc<str>>,
    /// The newest revision that the client showed, while it is newer than the fleet's.
    pub(super) ahead: Option<Revision>,
    /// Per type, the revision whose content the client has, and the last one that was recorded as accepted.
    pub(super) reported: BTreeMap<TypeUrl, (Revision, Revision)>,
    /// The last revision of which only the weights were recorded.
    pub(super) weighted: Revision,
    /// What the ledger was told that the client asks for on streams of its own.
    pub(super) apart: Vec<(TypeUrl, Arc<str>)>,
}

impl Session {
    /// A stream on which nothing was said yet. `cache` is the fleet's.
    pub fn new(mode: Mode, options: Options, cache: Arc<Cache>) -> Self {
        Self {
            options,
            mode,
            alone: false,
            cache,
            snapshot: None,
            channels: Channels::default(),
            last_nonce: 0,
            kept: BTreeMap::new(),
            lingering: BTreeMap::new(),
            scopes_stay: false,
            holds: BTreeMap::new(),
            rewarm: BTreeSet::new(),
            ahead: None,
            reported: BTreeMap::new(),
            weighted: Revision::ZERO,
            apart: Vec::new(),
        }
    }

    /// The same, of a stream that is for one type only.
    pub fn of_one_type(self) -> Self {
        Self {
            alone: true,
            ..self
        }
    }
}
