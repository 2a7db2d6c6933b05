//! Follows the host names of endpoints: when they resolve to other addresses, the fleet gets a revision with those.

use std::collections::BTreeSet;

use tokio::time::{Instant, sleep_until};

use crate::{
    controller::{
        handle::Handle,
        options::{Addresses, MAX_TTL, resolve_all},
        request::{Command, Request},
    },
    model::Colour,
    release::FleetState,
};

/// The host names among the endpoints of a fleet.
fn hosts(state: &FleetState) -> BTreeSet<String> {
    state
        .services
        .values()
        .flat_map(|service| Colour::BOTH.map(|colour| service.environment(colour)))
        .filter_map(|environment| environment.deployment.as_ref())
        .flat_map(|deployment| &deployment.endpoints)
        .filter(|endpoint| endpoint.ip().is_none())
        .map(|endpoint| endpoint.host.clone())
        .collect()
}

/// Runs until the server goes down.
pub(in crate::controller) async fn run(handle: Handle) {
    let mut heads = handle.heads();
    let mut known = BTreeSet::new();
    let mut failing = BTreeSet::new();
    let mut due = Instant::now();
    loop {
        let head = heads.borrow_and_update().clone();
        let wanted = head.map_or_else(BTreeSet::new, |head| hosts(&head.state));
        if !wanted.is_subset(&known) || (!wanted.is_empty() && Instant::now() >= due) {
            due = Instant::now() + look_up(&handle, &wanted, &mut failing).await;
        }
        known = wanted;
        let next = if known.is_empty() {
            Instant::now() + MAX_TTL
        } else {
            due
        };
        tokio::select! {
            changed = heads.changed() => if changed.is_err() { return },
            () = sleep_until(next) => {}
            () = handle.0.shared.stopped() => return,
        }
    }
}

/// Looks all names up, hands over what is new, and says when to look again.
async fn look_up(
    handle: &Handle,
    hosts: &BTreeSet<String>,
    failing: &mut BTreeSet<String>,
) -> std::time::Duration {
    let fleet = handle.name();
    let lookup = resolve_all(&*handle.0.shared.resolver, hosts.clone()).await;
    for failure in &lookup.failures {
        // Once per failure, not once per try.
        if failing.insert(failure.host.clone()) {
            tracing::warn!(%fleet, host = %failure.host, "does not resolve, its last good addresses stay: {}", failure.detail);
        }
    }
    failing.retain(|host| !lookup.addresses.contains_key(host));
    if is_news(handle, &lookup.addresses) {
        let command = Command::Resolved {
            addresses: lookup.addresses,
        };
        let request = Request {
            message: "host names of endpoints resolve to other addresses".to_owned(),
            ..Request::by_server(command, handle.0.shared.now())
        };
        if let Err(error) = handle.execute(request, &|_| {}).await {
            tracing::warn!(%fleet, %error, "new addresses of endpoints were not taken over");
        }
    }
    lookup.valid_for
}

fn is_news(handle: &Handle, addresses: &Addresses) -> bool {
    let Some(head) = handle.head() else {
        return false;
    };
    let deployments = head
        .state
        .services
        .values()
        .flat_map(|service| Colour::BOTH.map(|colour| service.environment(colour)))
        .filter_map(|environment| environment.deployment.as_ref());
    deployments
        .flat_map(|deployment| &deployment.names)
        .any(|(host, known)| addresses.get(host).is_some_and(|found| found != known))
}
