//! How a repeated command finds its first run again.

use std::sync::Arc;

use crate::{
    controller::{
        handle::Handle,
        proof::{Touched, WatchRecord, requirement},
        request::{Accepted, CommandError, Ended, ms_between},
    },
    fleet::Requirement,
    model::{Name, Revision, TypeUrl},
    snapshot,
    store::{CommitKind, RevisionMeta},
};

/// The answer to a command that was carried out before: the same revision, the same proof.
pub(super) async fn recall(handle: &Handle, meta: RevisionMeta) -> Result<Accepted, CommandError> {
    let stored = handle
        .0
        .shared
        .store
        .revision(handle.name(), meta.revision)
        .await?;
    let requirement = match &stored {
        Some(stored) => requirement(&meta, &stored.snapshot),
        // Thinned out, but its record is kept: a switch changed routes, of anything else it is not known.
        None if meta.kind == CommitKind::Switch => Requirement::weights(meta.revision),
        None => Requirement::new(meta.revision, TypeUrl::ALL.to_vec()),
    };
    let touched = match &stored {
        Some(stored) if meta.revision.0 > 1 => {
            let before = Revision(meta.revision.0 - 1);
            let before = handle
                .0
                .shared
                .store
                .revision(handle.name(), before)
                .await?;
            before.map_or_else(Arc::default, |before| {
                let changes = snapshot::diff(&before.snapshot, &stored.snapshot);
                Touched::of(&changes, &stored.snapshot)
            })
        }
        _ => Arc::default(),
    };
    let record = WatchRecord::of(&meta);
    Ok(Accepted {
        ended: Ended::Repeated,
        fleet: handle.name().clone(),
        revision: meta.revision,
        what: meta.what.clone(),
        plan: None,
        touched,
        requirement,
        watch: record.policy,
        service: one_service(&meta),
        moved: record.all_moved(),
        notices: Vec::new(),
        durable_ms: ms_between(meta.arrived_at, meta.at),
        meta: Some(meta),
    })
}

fn one_service(meta: &RevisionMeta) -> Option<Name> {
    match meta.services.as_slice() {
        [service] => Some(service.clone()),
        _ => None,
    }
}
