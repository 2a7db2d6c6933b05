//! Where a switch moves the traffic to, and which of the fleet are not ready for it.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use crate::{
    controller::{proof::names_of, request::Waivers},
    fleet::{Proof, Requirement},
    model::{Colour, Name, Revision, TypeUrl},
    release::{FleetState, Reason, Refusal, ServiceState},
};

/// The deployment that a switch was checked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) struct Target {
    pub colour: Colour,
    pub deployment: u64,
    pub addresses: Vec<SocketAddr>,
    /// The revision in which its addresses came.
    pub introduced: Revision,
}

/// The environment that gets more traffic than before, if it is not the one that is live.
pub(in crate::controller) fn target(before: &ServiceState, after: &ServiceState) -> Option<Target> {
    let colour = before.live.other();
    if after.split().weight(colour) <= before.split().weight(colour) {
        return None;
    }
    target_in(after, colour)
}

/// The deployment of an environment.
pub(in crate::controller) fn target_in(state: &ServiceState, colour: Colour) -> Option<Target> {
    let deployment = state.environment(colour).deployment.as_ref()?;
    Some(Target {
        colour,
        deployment: deployment.number,
        addresses: deployment.addresses.clone(),
        introduced: deployment.introduced,
    })
}

/// What a switch would go to must be what was checked.
pub(in crate::controller) fn still_so(
    checked: &BTreeMap<Name, Target>,
    before: &FleetState,
    after: &FleetState,
    service: &Name,
) -> bool {
    let of = |state: &FleetState| state.services.get(service).map(Arc::clone);
    let target = match (of(before), of(after)) {
        (Some(old), Some(new)) => target(&old, &new),
        _ => None,
    };
    // Where nothing gets more traffic nothing had to be checked.
    target.is_none_or(|target| checked.get(service) == Some(&target))
}

/// Refuses if, by this proof of its [endpoints](endpoints_of), more of the roster lag behind the target's endpoints than is allowed. `Some`: it was waived.
pub(in crate::controller) fn lagging(
    proof: &Proof,
    fleet: &Name,
    target: &Target,
    waivers: Waivers,
) -> Result<Option<String>, Refusal> {
    if proof.is_complete() {
        return Ok(None);
    }
    let behind = proof.total - proof.acked;
    if waivers.force || behind <= waivers.allow_lagging {
        return Ok(Some(Reason::FleetLagging.name().to_owned()));
    }
    Err(Refusal::new(
        Reason::FleetLagging,
        format!(
            "{behind} of {} proxies have not accepted revision {}, in which the endpoints of {} came: {}",
            proof.total,
            target.introduced,
            target.colour,
            names_of(proof)
        ),
        format!(
            "see `bluegreen fleet {fleet}`, then wait, forget proxies that are gone, or `bluegreen switch` with --allow-lagging {behind}"
        ),
    ))
}

/// What a proxy must have accepted to have the target's endpoints.
pub(in crate::controller) fn endpoints_of(target: &Target) -> Requirement {
    // A proxy asks for the endpoints of the clusters that it has. The clusters themselves are not asked for: it says
    // that it has those of one service only with those of all, and one that never warms must not hold up the others.
    Requirement::new(target.introduced, vec![TypeUrl::ClusterLoadAssignment])
}
