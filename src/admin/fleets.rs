//! Fleets with their proxies, and taking a proxy off a roster.

use std::collections::BTreeMap;

use tonic::Status;

use super::{
    errors::{not_found, refused, undeclared},
    views,
};
use crate::{
    api,
    controller::{Controllers, Handle},
    fleet::ForgetError,
    release::{Reason, Refusal},
};

/// Fleets by name, all or one, also those that only proxies have named so far.
pub(super) fn get(
    controllers: &Controllers,
    request: &api::GetFleetsRequest,
) -> Result<api::GetFleetsResponse, Status> {
    let handles = asked(controllers, &request.fleet)?;
    let mut fleets: Vec<_> = handles.iter().filter(|it| exists(it)).map(fleet).collect();
    if fleets.is_empty() && !request.fleet.is_empty() {
        return Err(not_found("fleet", &request.fleet));
    }
    if !request.proxy.is_empty() {
        for fleet in &mut fleets {
            fleet.proxies.retain(|proxy| proxy.proxy == request.proxy);
        }
        fleets.retain(|fleet| !fleet.proxies.is_empty());
        if fleets.is_empty() {
            return Err(not_found("proxy", &request.proxy));
        }
    }
    Ok(api::GetFleetsResponse { fleets })
}

fn fleet(handle: &Handle) -> api::FleetStatus {
    let head = handle.head();
    let newest: BTreeMap<_, _> = head
        .iter()
        .flat_map(|head| head.snapshot.types())
        .map(|set| (set.type_url, set.changed_in))
        .collect();
    api::FleetStatus {
        fleet: handle.name().to_string(),
        revision: head.as_ref().map_or(0, |head| head.meta.revision.0),
        waiting: head.is_none(),
        delivery: head.as_ref().map(|head| views::delivery_of(handle, head)),
        proxies: handle
            .ledger()
            .proxies(&newest)
            .iter()
            .map(views::proxy)
            .collect(),
        alarms: alarms(handle),
    }
}

/// The fleet of that name; all of them where none is given.
pub(super) fn asked(controllers: &Controllers, fleet: &str) -> Result<Vec<Handle>, Status> {
    if fleet.is_empty() {
        return Ok(controllers.fleets());
    }
    let handle = controllers.get(fleet);
    Ok(vec![handle.ok_or_else(|| not_found("fleet", fleet))?])
}

/// A refused document, too, names a fleet: one that nobody is in, and nothing is declared for, is none.
pub(super) fn exists(handle: &Handle) -> bool {
    handle.head().is_some() || !handle.ledger().is_empty()
}

/// A fleet that something was declared for.
pub(super) fn declared(controllers: &Controllers, fleet: &str) -> Result<Handle, Status> {
    let handle = controllers.get(fleet);
    let handle = handle.ok_or_else(|| not_found("fleet", fleet))?;
    if handle.head().is_some() {
        return Ok(handle);
    }
    match handle.ledger().len() {
        0 => Err(not_found("fleet", fleet)),
        waiting => Err(undeclared(fleet, waiting)),
    }
}

/// What an operator must know at once about a fleet.
pub(super) fn alarms(handle: &Handle) -> Vec<String> {
    let at = handle.head().map_or(0, |head| head.meta.revision.0);
    handle
        .ledger()
        .newer()
        .into_iter()
        .map(|(proxy, revision)| {
            format!(
                "fleet {}: proxy {proxy} has revision {revision}, this server only {at}, and is sent nothing. Either the store is older than what was published: restore a newer backup, or start once with --accept-older. Or the proxy comes from another fleet, whose revision that is: restart the proxy",
                handle.name()
            )
        })
        .collect()
}

/// Takes a proxy that is away off a roster.
pub(super) fn forget(
    controllers: &Controllers,
    request: &api::ForgetProxyRequest,
) -> Result<api::ForgetProxyResponse, Status> {
    let handle = controllers
        .get(&request.fleet)
        .ok_or_else(|| not_found("fleet", &request.fleet))?;
    match handle.ledger().forget(&request.proxy) {
        Ok(()) => {
            tracing::info!(fleet = %handle.name(), proxy = %request.proxy, actor = %request.actor, "proxy forgotten");
            Ok(api::ForgetProxyResponse {})
        }
        Err(ForgetError::Unknown(proxy)) => Err(not_found("proxy", &proxy)),
        Err(error @ ForgetError::Connected(_)) => Err(refused(&Refusal::new(
            Reason::BadInput,
            error.to_string(),
            "stop the proxy first",
        ))),
    }
}
