//! Proof of delivery: who has accepted a revision, who has not, and since when.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Revision, TypeUrl};

/// What a proxy must have accepted to be counted as acked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The revision to prove.
    pub revision: Revision,
    /// The types that it changed. A switch changes `RouteConfiguration` alone, so a cluster of another service that
    /// never warms does not keep it unproven.
    pub types: Vec<TypeUrl>,
    /// Of route configurations only the weights count: what a switch moves. A proxy that still waits for the clusters of
    /// another service has the weights long before it has the whole route configuration.
    pub weights_only: bool,
}

impl Requirement {
    /// The whole content of these types at a revision.
    pub fn new(revision: Revision, types: Vec<TypeUrl>) -> Self {
        Self {
            revision,
            types,
            weights_only: false,
        }
    }

    /// The weights of a revision: what a switch or a rollback has to prove.
    pub fn weights(revision: Revision) -> Self {
        Self {
            revision,
            types: vec![TypeUrl::RouteConfiguration],
            weights_only: true,
        }
    }
}

/// How far the fleet is with a requirement. acked + pending + nacked + disconnected = total.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The revision it is about.
    pub revision: Revision,
    /// Proxies of the roster.
    pub total: u32,
    /// Have accepted it, also those that left since.
    pub acked: u32,
    /// Connected, no answer yet.
    pub pending: u32,
    /// Rejected it.
    pub nacked: u32,
    /// Away, and had not accepted it.
    pub disconnected: u32,
    /// When the first proxy had accepted it.
    pub first_ack: Option<Timestamp>,
    /// When the last one of those that accepted had.
    pub last_ack: Option<Timestamp>,
    /// Everybody else, in no order: [`by_name`](Self::by_name) has one.
    pub not_acked: Vec<NotAcked>,
}

/// A proxy that has not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAcked {
    /// `node.id`.
    pub proxy: Arc<str>,
    /// Why not.
    pub state: NotAckedState,
}

/// Why a proxy has not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAckedState {
    /// Connected; it was not sent the revision yet, or has not answered.
    Pending,
    /// Away since.
    Disconnected(Timestamp),
    /// Connected, and sent nothing: it showed a version of this revision, which the fleet has not reached.
    Newer(Revision),
    /// It said no.
    Nacked {
        /// The revision whose response it rejected: the one asked about, or a later one that it was sent instead.
        revision: Revision,
        /// The type of the response.
        type_url: TypeUrl,
        /// The resources that the error names; empty if it names none.
        resources: Vec<String>,
        /// The proxy's own words.
        message: String,
    },
}

impl Proof {
    /// Every proxy of the roster has accepted.
    pub fn is_complete(&self) -> bool {
        self.acked == self.total
    }

    /// Enters one more that has not accepted.
    pub fn lacks(&mut self, proxy: Arc<str>, state: NotAckedState) {
        let count = match state {
            NotAckedState::Pending | NotAckedState::Newer(_) => &mut self.pending,
            NotAckedState::Disconnected(_) => &mut self.disconnected,
            NotAckedState::Nacked { .. } => &mut self.nacked,
        };
        *count += 1;
        self.not_acked.push(NotAcked { proxy, state });
    }

    /// Everybody who has not accepted, by name. Right after a push that is the whole fleet, and most who look at a proof then
    /// only want to know how many: so it is put in order here, for those who show it.
    pub fn by_name(&self) -> Vec<&NotAcked> {
        let mut all: Vec<&NotAcked> = self.not_acked.iter().collect();
        all.sort_by(|a, b| a.proxy.cmp(&b.proxy));
        all
    }
}
