//! What resources say: every distinct one is decoded once, and all proxies share what was found.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, BuildHasherDefault},
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{
                Cluster,
                cluster::{ClusterDiscoveryType, DiscoveryType},
            },
            endpoint::v3::ClusterLoadAssignment,
            listener::v3::{Listener, filter::ConfigType},
            route::v3::{RouteConfiguration, route::Action, route_action::ClusterSpecifier},
        },
        extensions::filters::network::http_connection_manager::v3::{
            HttpConnectionManager, http_connection_manager::RouteSpecifier,
        },
    },
    google::protobuf::Any,
};
use prost::Message;
use rustc_hash::FxHasher;

use crate::wire::{CDS, EDS, LDS, Mode, RDS, TYPES};

/// `envoy.service.discovery.v3.Resource`, as delta sends it.
#[derive(Clone, PartialEq, Message)]
struct DeltaResource {
    #[prost(string, tag = "1")]
    version: String,
    #[prost(message, optional, tag = "2")]
    resource: Option<Any>,
    #[prost(string, tag = "3")]
    name: String,
}

/// One distinct resource.
#[derive(Debug)]
pub struct Resource {
    pub name: Arc<str>,
    /// Delta only.
    pub version: Arc<str>,
    /// A cluster's load assignment, a listener's route configurations.
    pub references: Vec<Arc<str>>,
    /// Route configurations: the sum of each cluster's weights over all weighted routes, `blue=100,green=0`.
    pub weights: String,
    /// Of every weight in a route configuration.
    pub fingerprint: u64,
}

/// A resource that no Envoy would take.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("a resource cannot be decoded: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("a response for {expected} holds a {found}")]
    Type {
        expected: &'static str,
        found: String,
    },
    #[error("the resource is called {outside} outside and {inside} inside")]
    Name { outside: String, inside: String },
}

/// All distinct resources that any proxy was sent.
#[derive(Default)]
pub struct Resources {
    known: RwLock<HashMap<Bytes, Arc<Resource>, BuildHasherDefault<FxHasher>>>,
}

impl Resources {
    /// What these bytes say. Equal bytes are decoded once; they are compared as a whole, not by a hash.
    pub fn read(
        &self,
        mode: Mode,
        kind: usize,
        bytes: &Bytes,
    ) -> Result<Arc<Resource>, Unreadable> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(resource) = known.get(bytes) {
            return Ok(resource.clone());
        }
        drop(known);
        let resource = Arc::new(decode(mode, kind, bytes)?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // A copy: the bytes are a part of a receive buffer that would be kept with them.
        let key = Bytes::copy_from_slice(bytes);
        Ok(known.entry(key).or_insert(resource).clone())
    }

    /// How many there were.
    pub fn distinct(&self) -> usize {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

fn decode(mode: Mode, kind: usize, bytes: &[u8]) -> Result<Resource, Unreadable> {
    let (any, version, outside) = match mode {
        Mode::Sotw => (Any::decode(bytes)?, String::new(), None),
        Mode::Delta => {
            let delta = DeltaResource::decode(bytes)?;
            let any = delta.resource.unwrap_or_default();
            (any, delta.version, Some(delta.name))
        }
    };
    if any.type_url != TYPES[kind] {
        return Err(Unreadable::Type {
            expected: TYPES[kind],
            found: any.type_url,
        });
    }
    let mut weights = Weights::default();
    let (name, mut references) = match kind {
        CDS => cluster(&any.value)?,
        EDS => (
            ClusterLoadAssignment::decode(&any.value[..])?.cluster_name,
            Vec::new(),
        ),
        LDS => listener(&any.value)?,
        RDS => {
            let routes = RouteConfiguration::decode(&any.value[..])?;
            weights = Weights::of(&routes);
            (routes.name, Vec::new())
        }
        other => unreachable!("TYPES has no {other}"),
    };
    if let Some(outside) = outside.filter(|outside| *outside != name) {
        return Err(Unreadable::Name {
            outside,
            inside: name,
        });
    }
    references.sort();
    references.dedup();
    Ok(Resource {
        name: name.into(),
        version: version.into(),
        references,
        weights: weights.to_string(),
        fingerprint: weights.fingerprint(),
    })
}

type Named = (String, Vec<Arc<str>>);

fn cluster(bytes: &[u8]) -> Result<Named, prost::DecodeError> {
    let cluster = Cluster::decode(bytes)?;
    let eds = ClusterDiscoveryType::Type(DiscoveryType::Eds as i32);
    let mut endpoints = Vec::new();
    if cluster.cluster_discovery_type == Some(eds) {
        let named = cluster.eds_cluster_config.unwrap_or_default().service_name;
        endpoints.push(if named.is_empty() {
            cluster.name.as_str().into()
        } else {
            named.into()
        });
    }
    Ok((cluster.name, endpoints))
}

fn listener(bytes: &[u8]) -> Result<Named, prost::DecodeError> {
    let listener = Listener::decode(bytes)?;
    let chains = listener.filter_chains.iter();
    let filters = chains
        .chain(&listener.default_filter_chain)
        .flat_map(|chain| &chain.filters)
        .filter_map(|filter| match &filter.config_type {
            Some(ConfigType::TypedConfig(any)) => Some(any),
            _ => None,
        });
    let api = listener.api_listener.iter();
    let mut routes = Vec::new();
    for any in filters.chain(api.filter_map(|api| api.api_listener.as_ref())) {
        if any.type_url.ends_with(".HttpConnectionManager") {
            let manager = HttpConnectionManager::decode(&any.value[..])?;
            if let Some(RouteSpecifier::Rds(rds)) = manager.route_specifier {
                routes.push(rds.route_config_name.into());
            }
        }
    }
    Ok((listener.name, routes))
}

/// The weights of a route configuration: virtual host, number of the route, cluster.
#[derive(Default)]
struct Weights(Vec<(String, usize, String, u32)>);

impl Weights {
    fn of(routes: &RouteConfiguration) -> Self {
        let mut all = Vec::new();
        for host in &routes.virtual_hosts {
            for (number, route) in host.routes.iter().enumerate() {
                let Some(Action::Route(action)) = &route.action else {
                    continue;
                };
                if let Some(ClusterSpecifier::WeightedClusters(split)) = &action.cluster_specifier {
                    all.extend(split.clusters.iter().map(|cluster| {
                        let weight = cluster.weight.unwrap_or_default().value;
                        (host.name.clone(), number, cluster.name.clone(), weight)
                    }));
                }
            }
        }
        Self(all)
    }

    fn fingerprint(&self) -> u64 {
        BuildHasherDefault::<FxHasher>::default().hash_one(&self.0)
    }
}

impl std::fmt::Display for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, _, cluster, weight) in &self.0 {
            *sums.entry(cluster).or_default() += u64::from(*weight);
        }
        let sums: Vec<String> = sums.iter().map(|(c, sum)| format!("{c}={sum}")).collect();
        f.write_str(&sums.join(","))
    }
}
