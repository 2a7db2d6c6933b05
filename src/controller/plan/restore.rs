//! Going back: a whole fleet to one of its revisions, or one revision that proxies rejected.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::draft::{Draft, Ground, Making, find, one};
use crate::{
    controller::{proof::WatchRecord, request::CommandError},
    model::{Colour, Name, Revision, TypeUrl},
    release::{self, Event, FleetState, Reason, Refusal, ServiceState},
    snapshot::{Snapshot, cluster_name},
    store::{CommitKind, Head},
};

/// Declarations, roles and resources of revision `to`.
pub(super) fn fleet(
    draft: &mut Draft,
    ground: &Ground<'_>,
    to: Revision,
    exact: bool,
    yes: bool,
) -> Result<(), CommandError> {
    let then = prepared(ground.prepared.then.as_ref(), ground)?;
    let restored = release::restore(&draft.state, &then.state, exact, &ground.context);
    if !restored.vanishing.is_empty() && !yes {
        let names: Vec<&str> = restored.vanishing.iter().map(Name::as_str).collect();
        return Err(Refusal::new(
            Reason::ServicesWouldVanish,
            format!(
                "services that did not exist at revision {to} would vanish: {}",
                names.join(", ")
            ),
            "say --yes if they may",
        )
        .into());
    }
    draft.services = touched(&draft.state.services, &restored.state.services);
    draft.state = restored.state;
    draft.notices.extend(restored.notices);
    draft.done.push(format!("restored revision {to}"));
    // Also where the state is the same: the resources may have been built by another version since.
    draft.changed = true;
    draft.making = Making::Restore {
        then: then.clone(),
        exact,
    };
    Ok(())
}

/// The resources of `then`, byte for byte; endpoints are those of `built`, where it has that load assignment, unless
/// `exact`; and so are the routes of a service whose traffic goes another way in `state` than it did then.
pub(super) fn snapshot(
    old: &Snapshot,
    built: &Snapshot,
    then: &Head,
    exact: bool,
    state: &FleetState,
) -> Snapshot {
    let moved = then.state.services.iter().filter(|(name, service)| {
        let now = state.services.get(*name);
        now.is_some_and(|now| now.shifting != service.shifting)
    });
    let clusters: BTreeSet<Arc<str>> = moved
        .flat_map(|(name, _)| Colour::BOTH.map(|colour| cluster_name(name, colour)))
        .collect();
    let sets = then.snapshot.types().map(|set| {
        let mut resources = set.resources.clone();
        if set.type_url == TypeUrl::RouteConfiguration {
            for (name, resource) in &mut resources {
                let theirs = !resource.references.clusters.is_disjoint(&clusters);
                if let Some(today) = built.resource(set.type_url, name).filter(|_| theirs) {
                    *resource = today.clone();
                }
            }
        }
        if set.type_url == TypeUrl::ClusterLoadAssignment && !exact {
            for (name, resource) in &mut resources {
                if let Some(today) = built.resource(set.type_url, name) {
                    *resource = today.clone();
                }
            }
        }
        (set.type_url, resources)
    });
    old.successor(old.revision.next(), sets)
}

/// Takes one revision back: what it changed becomes what it was before, unless it has been changed again since.
pub(super) fn take_back(
    draft: &mut Draft,
    ground: &Ground<'_>,
    revision: Revision,
) -> Result<(), CommandError> {
    let bad = prepared(ground.prepared.then.as_ref(), ground)?;
    // The fleet's first revision has nothing before it: taking it back would leave proxies empty.
    let Some(before) = &ground.prepared.before_then else {
        return Err(Refusal::new(
            Reason::NothingToRollBack,
            format!("revision {revision} has none before it that is kept"),
            "correct the documents and apply them",
        )
        .into());
    };
    let is_switch = bad.meta.kind == CommitKind::Switch;
    let moved = WatchRecord::of(&bad.meta).all_moved();
    if is_switch && !moved.is_empty() {
        for (service, _) in &moved {
            take_switch_back(draft, ground, revision, service)?;
        }
        return Ok(());
    }
    let services = touched(&before.state.services, &bad.state.services);
    let documents = touched(&before.state.resources, &bad.state.resources);
    let groups = touched(&before.state.groups, &bad.state.groups);
    let moved_on = services
        .iter()
        .filter(|name| {
            declared(draft.state.services.get(*name)) != declared(bad.state.services.get(*name))
        })
        .chain(
            documents
                .iter()
                .filter(|name| draft.state.resources.get(*name) != bad.state.resources.get(*name)),
        )
        .next();
    if let Some(name) = moved_on {
        return Err(changed_since(revision, name).into());
    }
    let part = |state: &FleetState| FleetState {
        services: services
            .iter()
            .filter_map(|name| Some((name.clone(), state.services.get(name)?.clone())))
            .collect(),
        resources: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    let (now, then) = (part(&draft.state), part(&before.state));
    let restored = release::restore(&now, &then, true, &ground.context);
    for name in &services {
        draft.state.services.remove(name);
    }
    draft.state.services.extend(restored.state.services);
    for name in documents {
        match before.state.resources.get(&name) {
            Some(old) => draft.state.resources.insert(name, old.clone()),
            None => draft.state.resources.remove(&name),
        };
    }
    // Groups reach no proxy: they were not what was rejected, but belong to what was applied with it.
    for name in groups {
        match before.state.groups.get(&name) {
            Some(old) => draft.state.groups.insert(name, old.clone()),
            None => draft.state.groups.remove(&name),
        };
    }
    draft.services = services;
    draft.done.push(format!(
        "reverted revision {revision} ({})",
        bad.meta.command
    ));
    draft.changed = true;
    Ok(())
}

/// A switch is taken back as an operator would: the release is rolled back, and is known as such afterwards.
fn take_switch_back(
    draft: &mut Draft,
    ground: &Ground<'_>,
    revision: Revision,
    service: &Name,
) -> Result<(), CommandError> {
    let state = find(&draft.state, service)?;
    let current = state
        .release
        .as_ref()
        .is_some_and(|release| release.switched_in == revision)
        || state
            .rollout
            .as_deref()
            .is_some_and(|rollout| rollout.moved_in == Some(revision));
    if !current {
        return Err(changed_since(revision, service).into());
    }
    let before = draft.services.len();
    one(draft, ground, service, &Event::Rollback)?;
    if draft.services.len() == before {
        return Err(changed_since(revision, service).into());
    }
    draft.making = Making::RoutesOnly { waived: false };
    Ok(())
}

/// A service without what its host names happen to resolve to: a name server's news is nobody's change.
fn declared(service: Option<&Arc<ServiceState>>) -> Option<ServiceState> {
    let mut service = ServiceState::clone(service?);
    for colour in Colour::BOTH {
        if let Some(deployment) = &mut service.environment_mut(colour).deployment {
            deployment.addresses.clear();
            deployment.names.clear();
            deployment.introduced = Revision::ZERO;
        }
    }
    Some(service)
}

fn changed_since(revision: Revision, name: &Name) -> Refusal {
    Refusal::new(
        Reason::FleetMovedOn,
        format!("{name} was changed again since revision {revision}"),
        "look at the history, and take back what is wrong",
    )
}

fn prepared<'a>(
    head: Option<&'a Arc<Head>>,
    ground: &Ground<'_>,
) -> Result<&'a Arc<Head>, CommandError> {
    head.ok_or_else(|| CommandError::Internal {
        fleet: ground.fleet.clone(),
        detail: "the earlier revision was not read before the turn".to_owned(),
    })
}

/// The names of entries that differ.
fn touched<T: PartialEq>(old: &BTreeMap<Name, Arc<T>>, new: &BTreeMap<Name, Arc<T>>) -> Vec<Name> {
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    new.iter()
        .filter(|(name, entry)| old.get(*name) != Some(entry))
        .map(|(name, _)| name)
        .chain(gone)
        .cloned()
        .collect()
}
