//! How a repeated command finds its first run again.

use std::sync::Arc;

use crate::{
    controller::{
        handle::Handle,
        named::named,
        proof::{Touched, WatchRecord, requirement},
        request::{Accepted, CommandError, Ended, Request, ms_between},
    },
    fleet::Requirement,
    model::{Name, Revision, TypeUrl},
    release::{Reason, Refusal},
    snapshot,
    store::{CommitKind, RevisionMeta},
};

/// What came of the command with this operation id, if it was carried out before: the same revision, the same proof.
///
/// # Errors
/// The operation id was used for another command.
pub(super) async fn earlier(
    handle: &Handle,
    request: &Request,
) -> Result<Option<Accepted>, CommandError> {
    let id = &request.operation_id;
    if id.is_empty() || request.dry_run {
        return Ok(None);
    }
    let store = &handle.0.shared.store;
    let Some(meta) = store.operation(handle.name(), id).await? else {
        return Ok(None);
    };
    same(request, Asked::of(&meta))?;
    recall(handle, meta).await.map(Some)
}

/// What the first command with an operation id asked.
pub(super) struct Asked<'a> {
    pub command: &'a str,
    pub services: &'a [Name],
    pub fingerprint: &'a str,
    /// What came of it, in a sentence.
    pub what: &'a str,
}

impl<'a> Asked<'a> {
    fn of(meta: &'a RevisionMeta) -> Self {
        Self {
            command: &meta.command,
            services: &meta.services,
            fingerprint: &meta.fingerprint,
            what: &meta.what,
        }
    }
}

/// Refuses an operation id that was used for another command: the answer to that one would be taken for this one's.
///
/// A repeat may say more or less of what it waives, and a group may have changed since: one service in common is enough.
pub(super) fn same(request: &Request, first: Asked<'_>) -> Result<(), Refusal> {
    let (this, asked) = (request.command.name(), request.command.services());
    let common = first.services.is_empty()
        || asked.is_empty()
        || asked.iter().any(|name| first.services.contains(name));
    let known = !first.fingerprint.is_empty();
    let difference = if this != first.command || !common {
        let of = |services: &[&Name]| match services {
            [] => String::new(),
            services => format!(" of {}", named(services)),
        };
        let services: Vec<_> = first.services.iter().collect();
        let (first, services) = (first.command, of(&services));
        format!("{first}{services}, this is {this}{}", of(&asked))
    } else if known && request.command.fingerprint() != first.fingerprint {
        format!("{this} with other values ({})", first.what)
    } else {
        return Ok(());
    };
    let id = &request.operation_id;
    Err(Refusal::new(
        Reason::BadInput,
        format!("operation id {id:?} was used for {difference}"),
        "use a new operation id for a new command",
    ))
}

async fn recall(handle: &Handle, meta: RevisionMeta) -> Result<Accepted, CommandError> {
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
