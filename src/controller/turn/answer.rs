//! What is answered where nothing was committed.

use std::sync::Arc;

use crate::{
    controller::{
        plan::Draft,
        request::{Accepted, Ended, Plan, Request, ms_between},
    },
    fleet::Requirement,
    model::{Name, Revision, TypeUrl},
    store::Head,
};

/// What would change; nothing does.
pub(super) fn planned(fleet: &Name, request: &Request, draft: Draft, plan: Plan) -> Accepted {
    Accepted {
        ended: Ended::Planned,
        fleet: fleet.clone(),
        revision: plan.from,
        meta: None,
        what: draft.what(),
        requirement: Requirement::new(plan.from, Vec::new()),
        plan: Some(plan),
        touched: Arc::default(),
        watch: None,
        service: request.command.service().cloned(),
        moved: draft.moved,
        notices: draft.notices,
        durable_ms: 0.0,
    }
}

/// What was asked for is so already: the proof is that of the revision which made it so.
pub(super) fn settled(
    fleet: &Name,
    request: &Request,
    head: Option<&Head>,
    draft: Draft,
) -> Accepted {
    let at = head.map_or(Revision::ZERO, |head| head.meta.revision);
    let requirement = match (draft.settled_in, draft.moved.is_empty()) {
        (Some(revision), false) => Requirement::weights(revision),
        (Some(revision), true) => {
            let types = vec![TypeUrl::Cluster, TypeUrl::ClusterLoadAssignment];
            Requirement::new(revision, types)
        }
        (None, _) => {
            let types = head.into_iter().flat_map(|head| head.snapshot.types());
            Requirement::new(at, types.map(|set| set.type_url).collect())
        }
    };
    let revision = requirement.revision;
    let meta = head
        .filter(|head| head.meta.revision == revision)
        .map(|head| head.meta.clone());
    Accepted {
        ended: Ended::Unchanged,
        fleet: fleet.clone(),
        revision,
        durable_ms: meta
            .as_ref()
            .map_or(0.0, |meta| ms_between(meta.arrived_at, meta.at)),
        meta,
        what: draft.what(),
        plan: None,
        touched: Arc::default(),
        requirement,
        watch: None,
        service: request.command.service().cloned(),
        moved: draft.moved,
        notices: draft.notices,
    }
}
