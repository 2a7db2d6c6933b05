//! What may still use an environment that is not live.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{draft::Ground, first_reports::FirstReports};
use crate::{
    controller::{
        named::named,
        proof::{names_of, standing},
    },
    fleet::{Ledger, Requirement},
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

/// Proxies that have not said yet what is open, in a sentence, where that may have begun before the server did.
pub(in crate::controller) fn unheard(
    telemetry: &Telemetry,
    ledger: &Ledger,
    state: &ServiceState,
    first: FirstReports,
) -> Option<String> {
    if state.release.as_ref()?.switched_at >= first.started {
        return None;
    }
    let reporters = telemetry.reporters().into_iter();
    let heard: BTreeSet<Arc<str>> = reporters
        .filter(|reporter| reporter.last_report.is_some())
        .map(|reporter| reporter.proxy)
        .collect();
    let proxies = ledger.proxies(&BTreeMap::new());
    let silent = proxies.iter().filter(|proxy| {
        proxy.connected && first.waits_for(proxy.since) && !heard.contains(&proxy.info.id)
    });
    let silent: Vec<Arc<str>> = silent.map(|proxy| proxy.info.id.clone()).collect();
    (!silent.is_empty()).then(|| {
        format!(
            "{} of {} proxies have not reported their load since the server started: {}",
            silent.len(),
            proxies.len(),
            named(&silent)
        )
    })
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
