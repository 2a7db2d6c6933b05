//! What several declarations must keep to together.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    net::SocketAddr,
    sync::Arc,
};

use super::super::{Document, DocumentKind, Name, RouteMatch, ServiceSpec};
use super::host;

/// Two documents of one apply that declare the same thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {name} is declared twice, in {first} and in {second}")]
pub struct DuplicateDocument {
    /// What they declare.
    pub kind: DocumentKind,
    /// Its name.
    pub name: Name,
    /// `FILE line N`.
    pub first: String,
    /// `FILE line N`.
    pub second: String,
}

/// Refuses two documents of the same kind and name, among all files (by name) of one apply.
pub fn unique_documents<'a>(
    documents: impl IntoIterator<Item = (&'a str, &'a Document)>,
) -> Result<(), DuplicateDocument> {
    let mut seen = BTreeMap::new();
    for (file, document) in documents {
        let place = (file, document.line);
        if let Some(first) = seen.insert((document.kind, &document.name), place) {
            let place = |(file, line): (&str, usize)| format!("{file} line {line}");
            return Err(DuplicateDocument {
                kind: document.kind,
                name: document.name.clone(),
                first: place(first),
                second: place((file, document.line)),
            });
        }
    }
    Ok(())
}

/// Two services of one fleet that can't both have what they ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetConflict {
    /// The same requests are routed to both.
    #[error("services {first} and {second} both take {matcher} of host {host:?} on {listener}")]
    Match {
        /// By name the first of the two.
        first: Name,
        /// The other.
        second: Name,
        /// The listener they share.
        listener: SocketAddr,
        /// The host both name.
        host: String,
        /// The match both have.
        matcher: RouteMatch,
    },
    /// Listeners of which one takes the other's connections, so that an Envoy can't bind both.
    #[error(
        "services {first} and {second} listen on {first_address} and {second_address}, which can't both be bound"
    )]
    Listeners {
        /// By name the first of the two.
        first: Name,
        /// The other.
        second: Name,
        /// Where the first listens.
        first_address: SocketAddr,
        /// Where the other listens.
        second_address: SocketAddr,
    },
    /// gRPC clients dial one name for both.
    #[error("services {first} and {second} are both the gRPC target {target}")]
    Target {
        /// By name the first of the two.
        first: Name,
        /// The other.
        second: Name,
        /// What is dialled, without `xds:///`.
        target: String,
    },
}

impl FleetConflict {
    /// What the author can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Match { .. } => "change the hosts or routes of one",
            Self::Listeners { .. } => "use one address for both, or two ports",
            Self::Target { .. } => "give one of them another grpcTarget",
        }
    }
}

/// Everything in which services of one fleet stand in each other's way, in a fixed order.
///
/// Which of two overlapping matches wins is no conflict: exact goes before longer prefix before shorter.
pub fn validate_fleet(services: &BTreeMap<Name, Arc<ServiceSpec>>) -> Vec<FleetConflict> {
    let mut conflicts = listener_conflicts(services);
    conflicts.extend(target_conflicts(services));
    let mut taken: HashMap<(SocketAddr, String, &RouteMatch), &Name> = HashMap::new();
    for (name, spec) in services {
        let Some(listener) = spec.listener.as_ref().map(|l| l.socket()) else {
            continue;
        };
        for host in spec.hosts.iter().map(|host| host::canonical(host)) {
            for route in &spec.routes {
                let key = (listener, host.clone(), &route.matcher);
                match taken.get(&key) {
                    Some(first) if *first != name => conflicts.push(FleetConflict::Match {
                        first: (*first).clone(),
                        second: name.clone(),
                        listener,
                        host: host.clone(),
                        matcher: route.matcher.clone(),
                    }),
                    // Twice within one service is that service's own problem, and found there.
                    Some(_) => {}
                    None => {
                        taken.insert(key, name);
                    }
                }
            }
        }
    }
    conflicts
}

fn target_conflicts(services: &BTreeMap<Name, Arc<ServiceSpec>>) -> Vec<FleetConflict> {
    let mut taken: BTreeMap<&str, &Name> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for (name, spec) in services {
        let Some(target) = spec.grpc_target(name) else {
            continue;
        };
        match taken.entry(target) {
            Entry::Vacant(place) => drop(place.insert(name)),
            Entry::Occupied(first) => conflicts.push(FleetConflict::Target {
                first: (*first.get()).clone(),
                second: name.clone(),
                target: target.to_owned(),
            }),
        }
    }
    conflicts
}

/// `0.0.0.0:P` takes what comes to any other IPv4 address' port P; IPv6 likewise. Envoy keeps the families apart.
fn listener_conflicts(services: &BTreeMap<Name, Arc<ServiceSpec>>) -> Vec<FleetConflict> {
    let mut addresses: BTreeMap<SocketAddr, &Name> = BTreeMap::new();
    for (name, spec) in services {
        if let Some(listener) = &spec.listener
            && let Entry::Vacant(place) = addresses.entry(listener.socket())
        {
            place.insert(name);
        }
    }
    let any: BTreeMap<(bool, u16), (SocketAddr, &Name)> = addresses
        .iter()
        .filter(|(address, _)| address.ip().is_unspecified())
        .map(|(address, name)| ((address.is_ipv4(), address.port()), (*address, *name)))
        .collect();
    let clashes = addresses.iter().filter_map(|(address, name)| {
        let (general, owner) = any.get(&(address.is_ipv4(), address.port()))?;
        if address == general {
            return None;
        }
        let mut pair = [(*owner, *general), (*name, *address)];
        pair.sort();
        let [(first, first_address), (second, second_address)] = pair;
        Some(FleetConflict::Listeners {
            first: first.clone(),
            second: second.clone(),
            first_address,
            second_address,
        })
    });
    clashes.collect()
}
