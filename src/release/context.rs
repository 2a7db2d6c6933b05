//! What a step must know of the world.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use jiff::Timestamp;

use crate::model::{EndedBy, NackWish, Name, Revision};

/// What a step must know of the world.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The revision that this step would make.
    pub revision: Revision,
    /// When the command arrived.
    pub now: Timestamp,
    /// What host names resolve to at present. A name that is missing or has no addresses does not resolve.
    pub addresses: BTreeMap<String, Vec<IpAddr>>,
    /// Who gives the command.
    pub actor: String,
    /// The server gives the command itself, and nobody else could.
    pub by_server: bool,
    /// The server gives the command itself, be it one that operators give too.
    pub automatic: bool,
    /// Why, as the operator said, or why the server does it.
    pub why: String,
    /// What the operator says of proxies that reject what this step pushes; kept with the release that it begins or moves.
    pub policy: NackWish,
    /// Preconditions that were waived outside of the state machine, by name; kept with the release.
    pub waived: Vec<String>,
    /// The number of the newest release that is known of a name, for services that are made or come back.
    pub released: BTreeMap<Name, u64>,
    /// Somebody listens for events.
    pub events: bool,
    /// Who can end a mirror that a release begins.
    pub ended_by: EndedBy,
    /// Time that counted in the phase of the service's release, beyond what is stored of it: kept where the phase is left to
    /// be taken up again.
    pub counted: Duration,
}
