//! From what is declared to the resources of a fleet, changing only what a change touches.
//!
//! Each part of a service is compared by itself: the cluster settings decide the clusters, the addresses the load
//! assignments, the split and the routes the route configuration. So a switch rebuilds one route configuration, and
//! nothing else even where a newer bluegreen would build other clusters from the same settings.

mod cluster;
mod draft;
mod endpoints;
mod envoy;
mod error;
mod grpc;
mod listener;
mod merge;
mod overrides;
mod raw_sets;
mod route;
mod runtime;

use std::{collections::BTreeMap, sync::Arc};

pub use self::{cluster::cluster_name, error::BuildError};
use self::{draft::Draft, merge::Group};
pub(super) use self::{
    grpc::known,
    overrides::{hash_policy, mirrors, preview},
    route::split,
};
use super::{Input, Snapshot};
use crate::model::{Colour, TypeUrl};

/// A snapshot that was built, and what its author should know.
#[derive(Clone, Debug)]
pub struct Built {
    /// Of the revision after the previous one.
    pub snapshot: Snapshot,
    /// One line each.
    pub warnings: Vec<String>,
}

/// The revision after `previous`, which was built from `before`, with the changes that lead to `after`.
///
/// Equal inputs build equal content, whatever was before. What `before` and `after` have in common is carried over
/// from `previous`, byte for byte and as the same [`Arc`].
///
/// # Errors
/// If what is declared can't be in one configuration; nothing is built then.
pub fn build(previous: &Snapshot, before: &Input, after: &Input) -> Result<Built, BuildError> {
    let mut draft = Draft {
        previous,
        sets: BTreeMap::new(),
    };
    runtime::changed(&mut draft, before, after);
    services_changed(&mut draft, before, after);
    listeners_changed(&mut draft, before, after)?;
    grpc::changed(&mut draft, before, after);
    let warnings = raw_sets::changed(&mut draft, before, after)?;
    Ok(Built {
        snapshot: previous.with(previous.revision.next(), draft.sets),
        warnings,
    })
}

/// The revision after `previous` with everything built anew from `input`: what this version of bluegreen would make
/// of it, where stored resources were built by an older one.
///
/// # Errors
/// As [`build`].
pub fn rebuild(previous: &Snapshot, input: &Input) -> Result<Built, BuildError> {
    let nothing = Snapshot::empty(previous.fleet.clone());
    let built = build(&nothing, &Input::default(), input)?;
    let sets = built
        .snapshot
        .types()
        .map(|set| (set.type_url, set.resources.clone()));
    Ok(Built {
        snapshot: previous.successor(previous.revision.next(), sets),
        warnings: built.warnings,
    })
}

/// Clusters and load assignments, of both environments whether or not they have endpoints.
fn services_changed(draft: &mut Draft<'_>, before: &Input, after: &Input) {
    for service in before.services.keys() {
        if !after.services.contains_key(service) {
            for colour in Colour::BOTH {
                let name = cluster_name(service, colour);
                draft.remove(TypeUrl::Cluster, &name);
                draft.remove(TypeUrl::ClusterLoadAssignment, &name);
            }
        }
    }
    for (service, input) in &after.services {
        let old = before.services.get(service);
        if old.is_some_and(|old| Arc::ptr_eq(old, input)) {
            continue;
        }
        for colour in Colour::BOTH {
            let name = cluster_name(service, colour);
            let settings = &input.spec.cluster;
            if old.is_none_or(|old| old.spec.cluster != *settings)
                || draft.is_new(TypeUrl::Cluster, &name)
            {
                draft.put(cluster::cluster(&name, settings));
            }
            let addresses = input.addresses(colour);
            if old.is_none_or(|old| old.addresses(colour) != addresses)
                || draft.is_new(TypeUrl::ClusterLoadAssignment, &name)
            {
                draft.put(endpoints::load_assignment(&name, addresses));
            }
        }
    }
}

/// Listeners and their route configurations.
fn listeners_changed(
    draft: &mut Draft<'_>,
    before: &Input,
    after: &Input,
) -> Result<(), BuildError> {
    let old_groups = merge::groups(before);
    let new_groups = merge::groups(after);
    for spec in old_groups.keys() {
        if !new_groups.contains_key(spec) {
            let name = listener::name(spec);
            draft.remove(TypeUrl::Listener, &name);
            draft.remove(TypeUrl::RouteConfiguration, &name);
        }
    }
    for (spec, group) in &new_groups {
        let name = listener::name(spec);
        let old = old_groups.get(spec);
        if old.is_none() || draft.is_new(TypeUrl::Listener, &name) {
            draft.put(listener::listener(spec));
        }
        if old.is_none_or(|old| !same_group(old, group))
            || draft.is_new(TypeUrl::RouteConfiguration, &name)
        {
            draft.put(route::route_configuration(spec, group)?);
        }
    }
    Ok(())
}

fn same_group(old: &Group<'_>, new: &Group<'_>) -> bool {
    old.len() == new.len()
        && old.iter().zip(new).all(|((old_name, old), (name, new))| {
            old_name == name && (std::ptr::eq(*old, *new) || route::same_routes(old, new))
        })
}

#[cfg(test)]
mod override_tests;
#[cfg(test)]
mod raw_tests;
#[cfg(test)]
mod tests;
