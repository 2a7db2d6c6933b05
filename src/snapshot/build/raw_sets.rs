//! The user's own resources in a build: which sets are to be encoded again, and that no name is taken twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    cluster::cluster_name, draft::Draft, error::BuildError, listener, merge, overrides, runtime,
};
use crate::{
    model::{Colour, Name, TypeUrl},
    snapshot::{Input, raw},
};

/// Encodes the sets that changed, and of the others what names a service whose traffic did; takes away what is no longer in
/// one. Returns what the authors of what was encoded should know.
pub(super) fn changed(
    draft: &mut Draft<'_>,
    before: &Input,
    after: &Input,
) -> Result<Vec<String>, BuildError> {
    if !same_names(before, after) {
        unique(after)?;
    }
    let moved = moved(before, after);
    let dialled = raw::dialled(&after.resources);
    let was_dialled = match before.resources == after.resources {
        true => dialled.clone(),
        false => raw::dialled(&before.resources),
    };
    let turned: BTreeSet<_> = dialled.symmetric_difference(&was_dialled).collect();
    let mut warnings = Vec::new();
    for (name, set) in &after.resources {
        let same = before.resources.get(name).is_some_and(|old| old == set);
        let encoded = raw::encode(name, set, &after.services, &dialled, |value| {
            let is_new = || {
                raw::identity(value).is_none_or(|(type_url, name)| {
                    draft.is_new(type_url, name) || turned.contains(&name)
                })
            };
            !same || (!moved.is_empty() && raw::names_any(value, &moved)) || is_new()
        })?;
        warnings.extend(encoded.warnings);
        for resource in encoded.resources {
            draft.put(resource);
        }
    }
    if before.resources != after.resources {
        let kept: BTreeSet<_> = names(after).collect();
        for (type_url, name) in names(before).filter(|name| !kept.contains(name)) {
            draft.remove(type_url, name);
        }
    }
    Ok(warnings)
}

/// The types and names of all raw resources.
fn names(input: &Input) -> impl Iterator<Item = (TypeUrl, &str)> {
    input.resources.values().flat_map(|set| raw::names(set))
}

/// Services that raw routes see differently: they go elsewhere, or are there at all.
fn moved<'a>(before: &'a Input, after: &'a Input) -> BTreeSet<&'a Name> {
    let changed = after.services.iter().filter(|(name, new)| {
        before
            .services
            .get(*name)
            .is_none_or(|old| !Arc::ptr_eq(old, new) && !overrides::same_action(old, new))
    });
    let removed = before
        .services
        .keys()
        .filter(|name| !after.services.contains_key(*name));
    changed.map(|(name, _)| name).chain(removed).collect()
}

/// Whether the two make resources of the same names, as a switch does.
fn same_names(before: &Input, after: &Input) -> bool {
    before.resources == after.resources
        && before.services.len() == after.services.len()
        && before
            .services
            .iter()
            .zip(&after.services)
            .all(|((old_name, old), (name, new))| {
                old_name == name
                    && old.spec.listener == new.spec.listener
                    && old.spec.grpc_target(name) == new.spec.grpc_target(name)
            })
}

/// No two parts of the fleet's configuration make a resource of the same type and name.
fn unique(input: &Input) -> Result<(), BuildError> {
    if input.resources.is_empty() {
        // The names that we make are different from each other.
        return Ok(());
    }
    let mut makers: BTreeMap<(TypeUrl, String), String> = BTreeMap::new();
    let mut claim = |type_url, name: &str, maker: String| match makers
        .insert((type_url, name.to_owned()), maker.clone())
    {
        Some(first) => Err(BuildError::SameName {
            type_url,
            name: name.to_owned(),
            first,
            second: maker,
        }),
        None => Ok(()),
    };
    claim(
        TypeUrl::Runtime,
        runtime::NAME,
        "bluegreen itself".to_owned(),
    )?;
    for service in input.services.keys() {
        for name in Colour::BOTH.map(|colour| cluster_name(service, colour)) {
            let maker = || format!("service {service}");
            claim(TypeUrl::Cluster, &name, maker())?;
            claim(TypeUrl::ClusterLoadAssignment, &name, maker())?;
        }
    }
    for (service, input) in &input.services {
        if let Some(target) = input.spec.grpc_target(service) {
            let maker = || format!("the gRPC target of {service}");
            claim(TypeUrl::Listener, target, maker())?;
            claim(TypeUrl::RouteConfiguration, target, maker())?;
        }
    }
    for (spec, group) in merge::groups(input) {
        let name = listener::name(spec);
        let services: Vec<&str> = group.iter().map(|(name, _)| name.as_str()).collect();
        let maker = || format!("the listener of {}", services.join(", "));
        claim(TypeUrl::Listener, &name, maker())?;
        claim(TypeUrl::RouteConfiguration, &name, maker())?;
    }
    for (set, resources) in &input.resources {
        for (type_url, name) in raw::names(resources) {
            claim(type_url, name, format!("EnvoyResources {set}"))?;
        }
    }
    Ok(())
}
