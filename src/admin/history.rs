//! What was: revisions, what they changed, and all resources of one.

use std::sync::Arc;

use tonic::Status;

use super::{
    background::in_background,
    convert,
    errors::{refused, unreadable},
    fleets::declared,
    named, views,
};
use crate::{
    api,
    controller::{Controllers, Handle, Plan},
    model::Revision,
    release::{Reason, Refusal},
    snapshot::{self, Snapshot},
    store::RevisionMeta,
};

/// Entries of an answer where the client names no limit.
const DEFAULT_LIMIT: usize = 50;
/// The most entries of one answer.
const MAX_LIMIT: usize = 10_000;
/// Records read at a time while looking for those of one service.
const PAGE: usize = 256;

/// Revisions of a fleet, or those that changed a service, newest first.
pub(super) async fn get(
    controllers: &Controllers,
    request: &api::GetHistoryRequest,
) -> Result<api::GetHistoryResponse, Status> {
    let limit = match request.limit as usize {
        0 => DEFAULT_LIMIT,
        limit => limit.min(MAX_LIMIT),
    };
    let handle = if request.service.is_empty() {
        declared(controllers, &request.fleet)?
    } else {
        let name = convert::name("service", &request.service)?;
        named::service(controllers, name.as_str())?
    };
    let mut entries = Vec::new();
    let mut from = None;
    loop {
        let page = controllers
            .store()
            .history(handle.name(), from, PAGE.max(limit))
            .await
            .map_err(unreadable)?;
        let Some(oldest) = page.last().map(|meta| meta.revision) else {
            break;
        };
        let wanted = page.into_iter().filter(|meta| {
            request.service.is_empty()
                || meta
                    .services
                    .iter()
                    .any(|name| name.as_str() == request.service)
        });
        entries.extend(wanted.map(entry));
        if entries.len() >= limit || oldest.0 <= 1 {
            break;
        }
        from = Some(Revision(oldest.0 - 1));
    }
    entries.truncate(limit);
    Ok(api::GetHistoryResponse { entries })
}

fn entry(meta: RevisionMeta) -> api::HistoryEntry {
    let (added, changed, removed) = meta.changes;
    api::HistoryEntry {
        fleet: meta.fleet.to_string(),
        revision: meta.revision.0,
        at: views::time(meta.at),
        actor: meta.actor,
        actor_verified: meta.actor_verified,
        command: meta.command,
        what: meta.what,
        why: meta.why,
        services: meta.services.iter().map(ToString::to_string).collect(),
        waived: meta.waived,
        notes: meta.notes,
        added,
        changed,
        removed,
    }
}

/// What differs between two revisions; 0 is the fleet before its first.
pub(super) async fn diff(
    controllers: &Controllers,
    request: &api::GetDiffRequest,
) -> Result<api::GetDiffResponse, Status> {
    let handle = declared(controllers, &request.fleet)?;
    let new = snapshot_of(controllers, &handle, request.to_revision).await?;
    let old = match request.from_revision {
        0 => Arc::new(Snapshot::empty(handle.name().clone())),
        from => snapshot_of(controllers, &handle, from).await?,
    };
    let plan = Plan {
        from: old.revision,
        changes: snapshot::diff(&old, &new),
        old,
        new,
    };
    let fleet = handle.name().clone();
    in_background(move || api::GetDiffResponse {
        from_revision: plan.old.revision.0,
        to_revision: plan.new.revision.0,
        changes: views::plan(&fleet, &plan, true).changes,
    })
    .await
}

/// All resources of one revision.
pub(super) async fn snapshot(
    controllers: &Controllers,
    request: &api::GetSnapshotRequest,
) -> Result<api::GetSnapshotResponse, Status> {
    let handle = declared(controllers, &request.fleet)?;
    let snapshot = snapshot_of(controllers, &handle, request.revision).await?;
    in_background(move || {
        let resources = snapshot.types().flat_map(|set| {
            set.resources
                .values()
                .map(|resource| api::SnapshotResource {
                    r#type: set.type_url.short().to_owned(),
                    type_url: set.type_url.url().to_owned(),
                    name: resource.name.to_string(),
                    version: set.version(),
                    json: snapshot::to_json(resource).to_string(),
                })
        });
        api::GetSnapshotResponse {
            fleet: snapshot.fleet.to_string(),
            revision: snapshot.revision.0,
            resources: resources.collect(),
        }
    })
    .await
}

/// The snapshot of a revision; 0: the newest.
async fn snapshot_of(
    controllers: &Controllers,
    handle: &Handle,
    revision: u64,
) -> Result<Arc<Snapshot>, Status> {
    let head = handle
        .head()
        .filter(|head| revision == 0 || head.meta.revision.0 == revision);
    if let Some(head) = head {
        return Ok(head.snapshot.clone());
    }
    let stored = controllers
        .store()
        .revision(handle.name(), Revision(revision))
        .await
        .map_err(unreadable)?;
    stored.map(|stored| stored.snapshot).ok_or_else(|| {
        let fleet = handle.name();
        refused(&Refusal::new(
            Reason::NotFound,
            format!("fleet {fleet} has no revision {revision}, or no longer keeps it"),
            format!("see `bluegreen history {fleet}` for those that are kept"),
        ))
    })
}
