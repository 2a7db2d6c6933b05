//! Opens a fleet: its handle, and the tasks that work for it.

use std::sync::Arc;

use super::{
    background, delivery, engine,
    handle::{Handle, Opened, Shared},
    turn,
};
use crate::{fleet::RosterEntry, model::Name, snapshot::Snapshot};

/// Opens a fleet and starts its tasks.
pub(super) fn open(
    fleet: Name,
    shared: Arc<Shared>,
    roster: Vec<RosterEntry>,
    past: Vec<Arc<Snapshot>>,
) -> Handle {
    let Opened {
        handle,
        published,
        turns,
    } = Handle::open(fleet, shared, roster, past);
    handle.spawn(background::publish(handle.clone(), published));
    handle.spawn(turn::run(handle.clone(), turns, delivery::watch));
    handle.spawn(background::keep_roster(handle.clone()));
    handle.spawn(background::follow_names(handle.clone()));
    handle.spawn(background::end_temporaries(handle.clone()));
    handle.spawn(engine::run(handle.clone()));
    if let Some(head) = handle.head() {
        delivery::resume(&handle, &head);
    }
    handle.with_lease()
}
