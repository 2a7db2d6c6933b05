//! One look at a fleet, which those share who tell releases what it shows.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::Instant;

use super::{presence::Presence, reports::Reports};
use crate::{controller::handle::Handle, model::Name, store::Head};

/// What is seen at one moment.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub handle: &'a Handle,
    /// The newest revision.
    pub head: &'a Arc<Head>,
    /// See [`settled`].
    pub settled: bool,
    pub presence: &'a Presence,
    /// Whose load reports come; looked at only while a release needs them.
    pub reports: &'a Reports,
}

/// After a start the known proxies need a while to come back. Until then nobody is missed, nothing counts as accepted by all,
/// and no time counts.
pub(super) fn settled(handle: &Handle, presence: &Presence) -> bool {
    let shared = &handle.0.shared;
    presence.is_complete() || Instant::now() >= shared.started + shared.settle
}

/// Keeps of a map what is about services that are still there.
pub(super) fn retain_services<T>(map: &mut BTreeMap<Name, T>, head: &Head) {
    map.retain(|name, _| head.state.services.contains_key(name));
}
