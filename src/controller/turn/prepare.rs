//! What a command needs from outside its fleet, found before its turn: addresses, old revisions, checks of a switch.
//!
//! All of it may take seconds; a turn must not. What was checked is compared with the state inside the turn.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::time::{Instant, timeout_at};

use super::preconditions;
use crate::{
    controller::{
        handle::Handle,
        options::resolve_all,
        plan::{Prepared, open_on, unheard},
        request::{Command, CommandError, Documents, Request, Tell, not_found},
    },
    model::{Colour, Endpoint, Name, Revision},
    release::{self, Context, Event, InUse, Notice, RolloutPhase, SignalKind},
    store::Head,
};

/// Finds what the request needs.
pub(super) async fn prepare(
    handle: &Handle,
    request: &Request,
    tell: Tell<'_>,
) -> Result<Prepared, CommandError> {
    let mut prepared = Prepared::default();
    match &request.command {
        Command::Apply { documents, .. } => {
            resolve(handle, &mut prepared, declared_hosts(documents)).await;
            let names = documents.services.iter().map(|one| &one.name);
            prepared.released = released(handle, names).await;
        }
        Command::Deploy { endpoints, .. }
        | Command::Scale { endpoints, .. }
        | Command::Release { endpoints, .. } => {
            resolve(handle, &mut prepared, hosts(endpoints)).await;
        }
        Command::Resolved { addresses } => prepared.addresses.clone_from(addresses),
        Command::RollbackFleet { to, .. } => {
            let then = stored(handle, *to).await?;
            prepared.released = released(handle, then.state.services.keys()).await;
            prepared.then = Some(then);
        }
        Command::Revert { revision } => {
            prepared.then = Some(stored(handle, *revision).await?);
            if revision.0 > 1 {
                prepared.before_then = Some(stored(handle, Revision(revision.0 - 1)).await?);
            }
        }
        Command::Switch { service, to } => {
            let event = request.waivers.switch(*to);
            preconditions::check(handle, request, service, &event, &mut prepared, tell).await?;
        }
        Command::Shift { service, weight } => {
            let event = Event::Shift {
                weight: *weight,
                force: request.waivers.force,
            };
            preconditions::check(handle, request, service, &event, &mut prepared, tell).await?;
        }
        Command::SwitchGroup { services } => {
            preconditions::check_all(handle, request, services, &mut prepared, tell).await?;
        }
        Command::Advance { signal, .. } => {
            let given = match &signal.kind {
                SignalKind::HookAnswered { endpoints, .. } => hosts(endpoints),
                _ => BTreeSet::new(),
            };
            let kept = kept_hosts(handle, request);
            resolve(
                handle,
                &mut prepared,
                given.into_iter().chain(kept).collect(),
            )
            .await;
        }
        Command::Delete { .. }
        | Command::Steer { .. }
        | Command::Rollback { .. }
        | Command::RollbackGroup { .. }
        | Command::Shadow { .. }
        | Command::Preview { .. }
        | Command::End { .. }
        | Command::Retire { force: true, .. }
        | Command::Decide { .. }
        | Command::Rebuild => {}
        Command::Retire { service, .. } => {
            if may_be_retired(handle, request, service) {
                drain(handle, service, tell).await;
            }
        }
    }
    Ok(prepared)
}

/// The numbers of the newest releases that records are kept of, for those of the names that are no service now.
async fn released(handle: &Handle, names: impl Iterator<Item = &Name>) -> BTreeMap<Name, u64> {
    let head = handle.head();
    let there = |name: &Name| {
        let head = head.as_ref();
        head.is_some_and(|head| head.state.services.contains_key(name))
    };
    let mut released = BTreeMap::new();
    for name in names.filter(|name| !there(name)) {
        let store = &handle.0.shared.store;
        let newest = match store.releases(handle.name(), name, 1).await {
            Ok(records) => records.first().map_or(0, |record| record.rollout.number),
            // A record of a service that is gone is no reason to refuse the next one.
            Err(error) => {
                tracing::warn!(service = %name, %error, "its earlier releases can't be read: their numbers may be used again");
                0
            }
        };
        released.insert(name.clone(), newest);
    }
    released
}

/// Nothing but what may still use it stands in the way. What is refused anyhow is refused before anybody waits.
fn may_be_retired(handle: &Handle, request: &Request, service: &Name) -> bool {
    let head = handle.head();
    let state = head.as_ref().and_then(|it| it.state.services.get(service));
    let event = Event::Retire {
        force: false,
        in_use: InUse::default(),
    };
    let context = Context {
        now: request.arrived_at,
        ..Context::default()
    };
    state.is_some_and(|state| release::step(state, &event, &context).is_ok())
}

/// Waits, bounded, until nothing is open any more on the standby of a service.
async fn drain(handle: &Handle, service: &Name, tell: Tell<'_>) {
    let until = Instant::now() + handle.0.shared.release.drain;
    let mut reports = handle.telemetry_changes();
    let mut told = false;
    loop {
        reports.borrow_and_update();
        let open = handle.head().and_then(|head| {
            let state = head.state.services.get(service)?;
            let (telemetry, ledger) = (handle.telemetry(), handle.ledger());
            let first = handle.0.shared.first_reports();
            match open_on(telemetry, state) {
                0 => unheard(telemetry, ledger, state, first),
                open => Some(format!(
                    "waiting for {open} requests or streams that are open on the standby of {service}"
                )),
            }
        });
        let Some(text) = open else {
            return;
        };
        if !told {
            told = true;
            tell(Notice {
                kind: "draining",
                text,
            });
        }
        if timeout_at(until, reports.changed()).await.is_err() {
            return;
        }
    }
}

/// Host names that a release was given and that are not deployed yet: its provision hook may give none of its own.
fn kept_hosts(handle: &Handle, request: &Request) -> BTreeSet<String> {
    let Some(head) = handle.head() else {
        return BTreeSet::new();
    };
    let service = request.command.service();
    let state = service.and_then(|service| head.state.services.get(service));
    let rollout = state.and_then(|state| state.rollout.as_deref());
    let provisioning = rollout.filter(|it| it.phase == RolloutPhase::Provisioning);
    provisioning.map_or_else(BTreeSet::new, |rollout| hosts(&rollout.subject))
}

fn declared_hosts(documents: &Documents) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for document in &documents.services {
        for colour in Colour::BOTH {
            if let Some(environment) = document.spec.environments.get(colour) {
                all.extend(hosts(&environment.endpoints));
            }
        }
    }
    all
}

fn hosts(endpoints: &[Endpoint]) -> BTreeSet<String> {
    endpoints
        .iter()
        .filter(|endpoint| endpoint.ip().is_none())
        .map(|endpoint| endpoint.host.clone())
        .collect()
}

async fn resolve(handle: &Handle, prepared: &mut Prepared, hosts: BTreeSet<String>) {
    if !hosts.is_empty() {
        let lookup = resolve_all(&*handle.0.shared.resolver, hosts).await;
        prepared.addresses = lookup.addresses;
        prepared.unresolved = lookup.failures;
    }
}

async fn stored(handle: &Handle, revision: Revision) -> Result<Arc<Head>, CommandError> {
    let fleet: &Name = handle.name();
    let found = handle.0.shared.store.revision(fleet, revision).await?;
    found.map(Arc::new).ok_or_else(|| {
        let mut refusal = not_found("revision", &revision.to_string());
        refusal.message =
            format!("fleet {fleet} has no revision {revision}, or no longer keeps it");
        refusal.remedy = format!("see `bluegreen history {fleet}` for those that are kept");
        refusal.into()
    })
}
