//! `cluster: service:NAME` in a route becomes the weighted split of that service, with its mirror.

use std::{collections::BTreeMap, sync::Arc};

use envoy_types::pb::envoy::config::route::v3::RouteAction;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage as _, Value};

use super::{
    error::{RawProblem, quoted, similar},
    identity::SERVICE,
};
use crate::{
    model::{Name, TypeUrl},
    snapshot::{
        ServiceInput, build,
        cluster_fields::{Use, clusters_of},
    },
};

/// A field that names a service where it can't.
pub(super) struct SplitProblem {
    pub(super) field: &'static str,
    pub(super) problem: RawProblem,
}

/// Puts the split in, where a message is the action of a route and names a service.
pub(super) fn expand(
    message: &mut DynamicMessage,
    resource: TypeUrl,
    services: &BTreeMap<Name, Arc<ServiceInput>>,
) -> Result<(), SplitProblem> {
    let named = clusters_of(message).find_map(|(field, used, cluster)| {
        let name = cluster.strip_prefix(SERVICE)?;
        Some((field, used, name.to_owned()))
    });
    let Some((field, used, name)) = named else {
        return Ok(());
    };
    let problem = |problem| SplitProblem { field, problem };
    if let Some((service, _)) = name.split_once('/') {
        let known = services.contains_key(service);
        let name = quoted(&name);
        return Err(problem(if known {
            RawProblem::OneEnvironment(name)
        } else {
            unknown(&name, services)
        }));
    }
    let Some((service, input)) = services.get_key_value(name.as_str()) else {
        return Err(problem(unknown(&name, services)));
    };
    match (used, resource) {
        (Use::Route, TypeUrl::RouteConfiguration | TypeUrl::VirtualHost) => {}
        (Use::Route, _) => return Err(problem(RawProblem::Inline(name, resource.short()))),
        (Use::Share, _) => return Err(problem(RawProblem::Share(name))),
        _ => return Err(problem(RawProblem::NotOfARoute(name))),
    }
    let weighted = message.descriptor().get_field_by_name("weighted_clusters");
    if let Some(field) = weighted
        && let Kind::Message(descriptor) = field.kind()
    {
        let split = build::split(service, input).encode_to_vec();
        if let Ok(split) = DynamicMessage::decode(descriptor, split.as_slice()) {
            // They are alternatives: setting the one clears `cluster`.
            message.set_field(&field, Value::Message(split));
        }
    }
    let more = RouteAction {
        hash_policy: build::hash_policy(input),
        request_mirror_policies: build::mirrors(service, input),
        ..Default::default()
    };
    // Appended to what the user has there. It was encoded just now, so it can be read.
    let _ = message.merge(more.encode_to_vec().as_slice());
    Ok(())
}

/// What a user should know about a message that is legal.
pub(super) fn warning(message: &DynamicMessage) -> Option<&'static str> {
    let descriptor = message.descriptor();
    if descriptor.full_name() == "envoy.config.route.v3.WeightedCluster"
        && message.has_field_by_name("runtime_key_prefix")
    {
        return Some(
            "runtime_key_prefix lets a runtime value override these weights, unseen by bluegreen",
        );
    }
    clusters_of(message)
        .any(|(_, used, _)| used == Use::Header)
        .then_some("a request header names the cluster: whether it exists can't be checked here")
}

fn unknown(name: &str, services: &BTreeMap<Name, Arc<ServiceInput>>) -> RawProblem {
    RawProblem::UnknownService {
        name: quoted(name),
        suggestion: similar(name, services.keys().map(Name::as_str)),
    }
}
