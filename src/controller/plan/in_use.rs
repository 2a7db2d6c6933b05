//! What may still use an environment that is not live.

use super::draft::Ground;
use crate::{
    controller::proof::{names_of, standing},
    fleet::Requirement,
    release::ServiceState,
    snapshot::cluster_name,
    telemetry::Telemetry,
};

/// Requests and streams that proxies report as open on the environment that is not live.
pub(in crate::controller) fn open_on(telemetry: &Telemetry, state: &ServiceState) -> u64 {
    let cluster = cluster_name(&state.name, state.live.other());
    let load = telemetry.cluster(&cluster, None);
    load.map_or(0, |load| load.in_progress)
}

/// Who of the roster may still route to the standby: a proxy that has not accepted the switch away from it.
pub(super) fn routed(ground: &Ground<'_>, state: &ServiceState) -> Option<String> {
    let release = state.release.as_ref()?;
    let head = ground.head?;
    let away = Requirement::weights(release.switched_in);
    let proof = standing(ground.ledger, &head.snapshot, &away);
    if proof.is_complete() {
        return None;
    }
    Some(format!(
        "{} of {} proxies have not accepted revision {}, which took the traffic from the standby: {}",
        proof.total - proof.acked,
        proof.total,
        release.switched_in,
        names_of(&proof)
    ))
}
