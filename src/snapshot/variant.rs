//! Route configurations for a proxy that is not ready for the newest one: make before break, per resource.
//!
//! Everything but the routes in question stays as it is, byte for byte.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use envoy_types::pb::{
    envoy::config::route::v3::{
        Route, WeightedCluster, route::Action, route_action::ClusterSpecifier,
        route_action::RequestMirrorPolicy, weighted_cluster::ClusterWeight,
    },
    google::protobuf::UInt32Value,
};
use prost::Message;

use super::{
    Resource, references_of,
    wire::{Edit, Malformed, edit, edit_field, fields},
};
use crate::model::TypeUrl;

/// Field numbers of `envoy.config.route.v3`, which its API promises never to change.
mod number {
    pub const CONFIGURATION_VIRTUAL_HOSTS: u32 = 2;
    pub const CONFIGURATION_MIRRORS: u32 = 13;
    pub const HOST_NAME: u32 = 1;
    pub const HOST_ROUTES: u32 = 3;
    pub const HOST_MIRRORS: u32 = 22;
    pub const ROUTE_MATCH: u32 = 1;
    pub const ROUTE_ACTION: u32 = 2;
    pub const ACTION_WEIGHTED_CLUSTERS: u32 = 3;
    pub const ACTION_MIRRORS: u32 = 30;
    pub const WEIGHTED_CLUSTERS: u32 = 1;
    pub const CLUSTER_WEIGHT: u32 = 2;
}

/// What of the newest route configuration works without the `missing` clusters, for a client that has the `previous`
/// one. Where a route names one of them, the client keeps the route that it has for the same requests, with the newest
/// weights if it can; a route that is new to it has to wait, and mirroring to them too. So what is newly removed goes
/// and what is newly added comes, whatever else waits. Only where a filter calls one of them, which the requests of other
/// routes may have to pass too, the previous one stays, with the newest weights.
///
/// It may be a virtual host too. Bytes that are no message of their type come back as they are.
pub fn ready_part(
    newest: &Resource,
    previous: Option<&Resource>,
    missing: &BTreeSet<Arc<str>>,
) -> Resource {
    let ready = Ready {
        missing,
        weights: splits(newest).unwrap_or_default(),
    };
    let before = previous.map(|previous| &previous.bytes[..]);
    let bytes = match newest.type_url {
        TypeUrl::RouteConfiguration => ready.configuration(&newest.bytes, before),
        TypeUrl::VirtualHost => ready.host(&newest.bytes, before).map(|(bytes, _)| bytes),
        _ => return newest.clone(),
    };
    let Ok(bytes) = bytes else {
        return newest.clone();
    };
    let references = references_of(newest.type_url, &bytes);
    match previous {
        Some(previous) if !references.helpers.is_disjoint(missing) => {
            with_splits_of(previous, newest)
        }
        _ => Resource::new(newest.type_url, &newest.name, bytes.into(), references),
    }
}

/// The previous route configuration with each service's split set to the weights of the newest: a switch that arrives
/// while the newest as a whole has to wait.
///
/// A split is a weighted cluster over exactly `SERVICE/blue` and `SERVICE/green`. A service that the newest does not
/// have keeps its weights.
pub fn with_splits_of(previous: &Resource, newest: &Resource) -> Resource {
    let wanted = splits(newest);
    let bytes = match (wanted, previous.type_url) {
        (Ok(wanted), TypeUrl::RouteConfiguration) => configuration_with(&previous.bytes, &wanted),
        (Ok(wanted), TypeUrl::VirtualHost) => host_with(&previous.bytes, &wanted),
        _ => return previous.clone(),
    };
    match bytes {
        Ok(bytes) => Resource::sharing(
            previous.type_url,
            previous.name.clone(),
            bytes.into(),
            previous.references.clone(),
        ),
        Err(Malformed) => previous.clone(),
    }
}

/// How a part is made.
struct Ready<'a> {
    missing: &'a BTreeSet<Arc<str>>,
    /// Of the newest splits.
    weights: Weights,
}

impl Ready<'_> {
    fn configuration(&self, newest: &[u8], previous: Option<&[u8]>) -> Result<Vec<u8>, Malformed> {
        let mut hosts = BTreeMap::new();
        for host in previous.map_or(Ok(Vec::new()), |previous| {
            contents(previous, number::CONFIGURATION_VIRTUAL_HOSTS)
        })? {
            hosts.insert(text(host, number::HOST_NAME)?, host);
        }
        edit(newest, |at, content| match at {
            number::CONFIGURATION_VIRTUAL_HOSTS => {
                let previous = hosts.get(text(content, number::HOST_NAME)?).copied();
                let (host, emptied) = self.host(content, previous)?;
                Ok(if emptied {
                    Edit::Drop
                } else {
                    Edit::Content(host)
                })
            }
            number::CONFIGURATION_MIRRORS => self.mirror(content),
            _ => Ok(Edit::Keep),
        })
    }

    /// The virtual host, and whether it lost its last route.
    fn host(&self, host: &[u8], previous: Option<&[u8]>) -> Result<(Vec<u8>, bool), Malformed> {
        let (mut kept, mut dropped) = (0, 0);
        let host = edit(host, |at, content| match at {
            number::HOST_ROUTES if routes_to_one_of(&Route::decode(content)?, self.missing) => {
                let matcher = text(content, number::ROUTE_MATCH)?;
                Ok(match self.same_requests(matcher, previous)? {
                    Some(route) => {
                        kept += 1;
                        Edit::Content(route)
                    }
                    None => {
                        dropped += 1;
                        Edit::Drop
                    }
                })
            }
            number::HOST_ROUTES => {
                kept += 1;
                let route = edit_field(content, number::ROUTE_ACTION, |action| {
                    let action =
                        edit_field(action, number::ACTION_MIRRORS, |mirror| self.mirror(mirror))?;
                    Ok(Edit::Content(action))
                })?;
                Ok(Edit::Content(route))
            }
            number::HOST_MIRRORS => self.mirror(content),
            _ => Ok(Edit::Keep),
        })?;
        Ok((host, kept == 0 && dropped > 0))
    }

    /// The route that the client has for the same requests.
    fn same_requests(
        &self,
        matcher: &[u8],
        previous: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, Malformed> {
        let Some(previous) = previous else {
            return Ok(None);
        };
        for route in contents(previous, number::HOST_ROUTES)? {
            if text(route, number::ROUTE_MATCH)? == matcher {
                // Weights between clusters of which one is missing stay what they are.
                let turned = match routes_to_one_of(&Route::decode(route)?, self.missing) {
                    true => route.to_vec(),
                    false => route_with(route, &self.weights)?,
                };
                return Ok(Some(turned));
            }
        }
        Ok(None)
    }

    fn mirror(&self, mirror: &[u8]) -> Result<Edit, Malformed> {
        let mirror = RequestMirrorPolicy::decode(mirror)?;
        Ok(if self.missing.contains(mirror.cluster.as_str()) {
            Edit::Drop
        } else {
            Edit::Keep
        })
    }
}

/// A field as it is encoded; nothing if it is not there.
fn text(message: &[u8], number: u32) -> Result<&[u8], Malformed> {
    Ok(contents(message, number)?
        .first()
        .copied()
        .unwrap_or_default())
}

fn routes_to_one_of(route: &Route, missing: &BTreeSet<Arc<str>>) -> bool {
    let Some(Action::Route(action)) = &route.action else {
        return false;
    };
    match &action.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => missing.contains(name.as_str()),
        Some(ClusterSpecifier::WeightedClusters(weighted)) => weighted
            .clusters
            .iter()
            .any(|cluster| missing.contains(cluster.name.as_str())),
        _ => false,
    }
}

/// Weights by cluster name, of the splits only.
type Weights = BTreeMap<String, u32>;

/// The weights of all splits in a route configuration or virtual host.
fn splits(resource: &Resource) -> Result<Weights, Malformed> {
    let mut weights = Weights::new();
    let hosts = match resource.type_url {
        TypeUrl::RouteConfiguration => {
            contents(&resource.bytes, number::CONFIGURATION_VIRTUAL_HOSTS)?
        }
        _ => vec![&resource.bytes[..]],
    };
    for host in hosts {
        for route in contents(host, number::HOST_ROUTES)? {
            for action in contents(route, number::ROUTE_ACTION)? {
                for weighted in contents(action, number::ACTION_WEIGHTED_CLUSTERS)? {
                    let weighted = WeightedCluster::decode(weighted)?;
                    if split_service(&weighted).is_some() {
                        for cluster in weighted.clusters {
                            let weight = cluster.weight.unwrap_or_default().value;
                            weights.entry(cluster.name).or_insert(weight);
                        }
                    }
                }
            }
        }
    }
    Ok(weights)
}

fn contents(message: &[u8], number: u32) -> Result<Vec<&[u8]>, Malformed> {
    let fields = fields(message)?.into_iter();
    Ok(fields
        .filter(|field| field.number == number)
        .filter_map(|field| field.content)
        .collect())
}

/// The service whose split it is.
fn split_service(weighted: &WeightedCluster) -> Option<&str> {
    let [a, b] = weighted.clusters.as_slice() else {
        return None;
    };
    let (service, colour) = a.name.rsplit_once('/')?;
    let (other_service, other_colour) = b.name.rsplit_once('/')?;
    let both = matches!(
        (colour, other_colour),
        ("blue", "green") | ("green", "blue")
    );
    (service == other_service && both).then_some(service)
}

fn configuration_with(configuration: &[u8], wanted: &Weights) -> Result<Vec<u8>, Malformed> {
    edit_field(configuration, number::CONFIGURATION_VIRTUAL_HOSTS, |host| {
        Ok(Edit::Content(host_with(host, wanted)?))
    })
}

fn host_with(host: &[u8], wanted: &Weights) -> Result<Vec<u8>, Malformed> {
    edit_field(host, number::HOST_ROUTES, |route| {
        Ok(Edit::Content(route_with(route, wanted)?))
    })
}

fn route_with(route: &[u8], wanted: &Weights) -> Result<Vec<u8>, Malformed> {
    edit_field(route, number::ROUTE_ACTION, |action| {
        Ok(Edit::Content(action_with(action, wanted)?))
    })
}

/// A mirror to the service that moves ends with the move: it could copy requests to where they go by now.
fn action_with(action: &[u8], wanted: &Weights) -> Result<Vec<u8>, Malformed> {
    let mut moved = None;
    let action = edit_field(action, number::ACTION_WEIGHTED_CLUSTERS, |weighted| {
        let edit = weighted_with(weighted, wanted)?;
        if matches!(&edit, Edit::Content(new) if new != weighted) {
            moved = split_service(&WeightedCluster::decode(weighted)?).map(str::to_owned);
        }
        Ok(edit)
    })?;
    let Some(service) = moved else {
        return Ok(action);
    };
    edit_field(&action, number::ACTION_MIRRORS, |mirror| {
        let mirror = RequestMirrorPolicy::decode(mirror)?;
        let same = mirror.cluster.rsplit_once('/');
        Ok(if same.is_some_and(|(of, _)| of == service) {
            Edit::Drop
        } else {
            Edit::Keep
        })
    })
}

fn weighted_with(bytes: &[u8], wanted: &Weights) -> Result<Edit, Malformed> {
    let weighted = WeightedCluster::decode(bytes)?;
    // Weights of one environment alone could add up to nothing, which Envoy refuses.
    let known = |cluster: &ClusterWeight| wanted.contains_key(&cluster.name);
    if split_service(&weighted).is_none() || !weighted.clusters.iter().all(known) {
        return Ok(Edit::Keep);
    }
    let bytes = edit_field(bytes, number::WEIGHTED_CLUSTERS, |cluster| {
        let name = ClusterWeight::decode(cluster)?.name;
        let Some(value) = wanted.get(&name) else {
            return Ok(Edit::Keep);
        };
        let weight = UInt32Value { value: *value }.encode_to_vec();
        let mut there = false;
        let mut cluster = edit_field(cluster, number::CLUSTER_WEIGHT, |_| {
            there = true;
            Ok(Edit::Content(weight.clone()))
        })?;
        if !there {
            super::wire::put(&mut cluster, number::CLUSTER_WEIGHT, &weight);
        }
        Ok(Edit::Content(cluster))
    })?;
    Ok(Edit::Content(bytes))
}

#[cfg(test)]
mod tests;
