//! What streams tell the ledger, and what it tells of each proxy.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Revision, TypeUrl};

/// One xDS stream, unique within the server's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Who is at the other end of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyInfo {
    /// `node.id`.
    pub id: Arc<str>,
    /// The peer's socket address.
    pub address: Arc<str>,
    /// What it says it is, e.g. `envoy 1.40.0`.
    pub software: Arc<str>,
}

/// One thing that happened on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The proxy asked for resources of a type.
    Subscribed(TypeUrl),
    /// What the proxy names of a type, where that is told: listeners, as gRPC clients do, and whatever a stream of one type is for.
    /// Empty: it wants all of it, nothing, or very much.
    Named(TypeUrl, Vec<Arc<str>>),
    /// Resources that it asks for on streams of their own, because of what it has by this one.
    Apart(Vec<(TypeUrl, Arc<str>)>),
    /// The proxy no longer wants any resource of a type.
    Unsubscribed(TypeUrl),
    /// What the stream sent of the type is the state of that revision; the answer is open.
    Sent(TypeUrl, Revision),
    /// What the proxy has of the type is the state of that revision: it ACKed, or nothing had to be sent.
    Accepted(TypeUrl, Revision),
    /// Every route configuration that the proxy has carries the weights of that revision, though it is not all of it:
    /// the rest waits for clusters.
    Weighted(Revision),
    /// The proxy rejected what was sent of the type for that revision.
    Rejected {
        /// The type of the response.
        type_url: TypeUrl,
        /// The revision that the response was sent for.
        revision: Revision,
        /// The resources that the error names; empty if it names none.
        resources: Vec<String>,
        /// `error_detail.message`, the proxy's own words.
        message: String,
    },
    /// Part of the revision is held back until the proxy has accepted these clusters. Empty: nothing is held now.
    Held(TypeUrl, Vec<Arc<str>>),
    /// The proxy showed a version from a revision newer than the fleet's: this store went back in time.
    Newer(TypeUrl, Revision),
}

/// A proxy that is known to belong to the fleet, as it is kept in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterEntry {
    /// `node.id`.
    pub id: Arc<str>,
    /// The address it was last seen at.
    pub address: Arc<str>,
    /// What it said it was.
    pub software: Arc<str>,
    /// When it was last connected.
    pub last_seen: Timestamp,
}

/// One proxy of the roster, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyView {
    /// Who.
    pub info: ProxyInfo,
    /// Whether a stream is open.
    pub connected: bool,
    /// Connected since, or away since.
    pub since: Timestamp,
    /// More than one connection is active under this node id.
    pub duplicate: bool,
    /// One per type that it asked for, in push order.
    pub types: Vec<TypeView>,
}

/// One type of one proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeView {
    /// The type.
    pub type_url: TypeUrl,
    /// How it stands against the newest revision.
    pub state: TypeState,
    /// The newest revision accepted; 0 for none.
    pub accepted: Revision,
    /// The last rejection that was not healed: the resources it names, and the proxy's words.
    pub error: Option<(Vec<String>, String)>,
    /// Clusters that something of this type waits for.
    pub held_for: Vec<Arc<str>>,
}

/// As `istioctl proxy-status` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeState {
    /// Has accepted the newest revision.
    Synced,
    /// Has not answered the newest revision, or has not been sent it.
    Stale,
    /// Rejected the newest that it was sent.
    Nacked,
    /// Asked, and has been sent nothing.
    NotSent,
}
