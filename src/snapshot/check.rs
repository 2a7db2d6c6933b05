//! What Envoy would accept and then answer 503 for: checked before a snapshot is served.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use envoy_types::pb::envoy::config::{
    core::v3::{Address, address, socket_address::PortSpecifier},
    endpoint::v3::{ClusterLoadAssignment, lb_endpoint::HostIdentifier},
    listener::v3::Listener,
    route::v3::{RouteConfiguration, VirtualHost, route::Action, route_action::ClusterSpecifier},
};
use prost::Message;

use super::{Resource, Snapshot};
use crate::model::TypeUrl;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Requests would fail: the snapshot is refused, unless its author waives the checks.
    Error,
    /// It may be meant so.
    Warning,
}

/// Something in a snapshot that would not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the snapshot is refused.
    pub severity: Severity,
    /// The type of the resource.
    pub type_url: TypeUrl,
    /// The resource.
    pub name: Arc<str>,
    /// Where in it, as in its JSON form; empty: the resource as a whole.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What can be done about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.type_url, self.name)?;
        if !self.path.is_empty() {
            write!(f, " at {}", self.path)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Everything in a snapshot that would not work.
pub fn check(snapshot: &Snapshot) -> Vec<Problem> {
    check_since(&Snapshot::empty(snapshot.fleet.clone()), snapshot)
}

/// As [`check`], for the successor of a snapshot that was checked: contents are read only of resources that changed,
/// so the cost follows the change. What resources refer to is compared for all of them: a cluster that was removed is
/// a problem of the routes that stayed.
pub fn check_since(previous: &Snapshot, snapshot: &Snapshot) -> Vec<Problem> {
    let mut problems = Vec::new();
    for set in snapshot.types() {
        let old = previous.get(set.type_url);
        for (name, resource) in &set.resources {
            check_references(snapshot, resource, &mut problems);
            let known = old.and_then(|old| old.resources.get(name));
            if known.is_none_or(|known| known.digest != resource.digest) {
                check_content(resource, &mut problems);
            }
        }
    }
    let listeners = |snapshot: &Snapshot| snapshot.get(TypeUrl::Listener).map(|set| set.digest);
    if listeners(previous) != listeners(snapshot) {
        check_ports(snapshot, &mut problems);
    }
    problems.sort_by_key(|problem| problem.severity);
    problems
}

struct Finding<'a> {
    resource: &'a Resource,
    problems: &'a mut Vec<Problem>,
}

impl Finding<'_> {
    fn add(&mut self, severity: Severity, path: &str, what: String, remedy: &str) {
        self.problems.push(Problem {
            severity,
            type_url: self.resource.type_url,
            name: self.resource.name.clone(),
            path: path.to_owned(),
            what,
            remedy: remedy.to_owned(),
        });
    }

    fn error(&mut self, path: &str, what: String, remedy: &str) {
        self.add(Severity::Error, path, what, remedy);
    }
}

fn check_references(snapshot: &Snapshot, resource: &Resource, problems: &mut Vec<Problem>) {
    let mut found = Finding { resource, problems };
    let missing = |type_url, names: &BTreeSet<Arc<str>>| -> Vec<Arc<str>> {
        let there = |name: &Arc<str>| snapshot.resource(type_url, name).is_some();
        names.iter().filter(|name| !there(name)).cloned().collect()
    };
    let references = &resource.references;
    for name in missing(TypeUrl::Cluster, &references.clusters) {
        found.error(
            "",
            format!("it names the cluster {name}, which does not exist; Envoy would answer 503"),
            "add the cluster or name another one (a service's are SERVICE/blue and SERVICE/green)",
        );
    }
    for name in missing(TypeUrl::RouteConfiguration, &references.routes) {
        found.error(
            "",
            format!("it asks for the route configuration {name}, which does not exist; Envoy would not open the listener"),
            "add the RouteConfiguration or name another one in rds.route_config_name",
        );
    }
    for name in missing(TypeUrl::ClusterLoadAssignment, &references.endpoints) {
        found.error(
            "",
            format!("it takes its endpoints from the load assignment {name}, which does not exist; Envoy would wait for it"),
            "add the ClusterLoadAssignment, with the cluster's name or its service_name as cluster_name",
        );
    }
    for name in missing(TypeUrl::Secret, &references.secrets) {
        found.error(
            "",
            format!("it takes the secret {name} from SDS, which does not exist; Envoy would wait for it, at its start with everything"),
            "add the Secret or name another one in its SDS configuration",
        );
    }
    for name in missing(TypeUrl::TypedExtensionConfig, &references.filters) {
        found.error(
            "",
            format!("it takes the filter {name} from ECDS, which does not exist; Envoy would wait for it, and then fail requests"),
            "add the TypedExtensionConfig or name another one, or give it a default_config",
        );
    }
    for name in missing(TypeUrl::Cluster, &references.helpers) {
        found.add(
            Severity::Warning,
            "",
            format!("it calls the cluster {name}, which is not in this configuration"),
            "add it, unless it is in the bootstrap of every proxy",
        );
    }
}

fn check_content(resource: &Resource, problems: &mut Vec<Problem>) {
    let mut found = Finding { resource, problems };
    let bytes = resource.bytes.clone();
    match resource.type_url {
        TypeUrl::RouteConfiguration => {
            if let Ok(configuration) = RouteConfiguration::decode(bytes) {
                check_domains(&configuration, &mut found);
                for (at, host) in configuration.virtual_hosts.iter().enumerate() {
                    check_weights(host, &format!("virtual_hosts[{at}]."), &mut found);
                }
            }
        }
        TypeUrl::VirtualHost => {
            if let Ok(host) = VirtualHost::decode(bytes) {
                check_weights(&host, "", &mut found);
            }
        }
        TypeUrl::ClusterLoadAssignment => {
            if let Ok(assignment) = ClusterLoadAssignment::decode(bytes) {
                check_addresses(&assignment, &mut found);
            }
        }
        _ => {}
    }
}

/// "Only a single virtual host may have the domain": Envoy rejects the whole route configuration otherwise.
fn check_domains(configuration: &RouteConfiguration, found: &mut Finding<'_>) {
    let mut names = BTreeSet::new();
    let mut domains = BTreeSet::new();
    for (at, host) in configuration.virtual_hosts.iter().enumerate() {
        if !names.insert(&host.name) {
            found.error(
                &format!("virtual_hosts[{at}].name"),
                format!(
                    "two virtual hosts are called {}; Envoy rejects that",
                    host.name
                ),
                "give one of them another name",
            );
        }
        for (index, domain) in host.domains.iter().enumerate() {
            if !domains.insert(domain.to_ascii_lowercase()) {
                found.error(
                    &format!("virtual_hosts[{at}].domains[{index}]"),
                    format!("the domain {domain} is there twice; Envoy rejects that"),
                    "leave it to one virtual host",
                );
            }
        }
    }
}

fn check_weights(host: &VirtualHost, outer: &str, found: &mut Finding<'_>) {
    for (at, route) in host.routes.iter().enumerate() {
        let Some(Action::Route(action)) = &route.action else {
            continue;
        };
        let Some(ClusterSpecifier::WeightedClusters(weighted)) = &action.cluster_specifier else {
            continue;
        };
        let weights = weighted
            .clusters
            .iter()
            .map(|cluster| u64::from(cluster.weight.map_or(0, |weight| weight.value)));
        let sum: u64 = weights.sum();
        let path = format!("{outer}routes[{at}].route.weighted_clusters");
        if sum == 0 {
            found.error(
                &path,
                "the weights add up to 0; Envoy rejects that".to_owned(),
                "give one of the clusters a weight",
            );
        } else if sum > u64::from(u32::MAX) {
            found.error(
                &path,
                format!(
                    "the weights add up to {sum}; Envoy rejects more than {}",
                    u32::MAX
                ),
                "use smaller weights",
            );
        }
    }
}

fn check_addresses(assignment: &ClusterLoadAssignment, found: &mut Finding<'_>) {
    for (locality, endpoints) in assignment.endpoints.iter().enumerate() {
        for (at, endpoint) in endpoints.lb_endpoints.iter().enumerate() {
            let Some(HostIdentifier::Endpoint(endpoint)) = &endpoint.host_identifier else {
                continue;
            };
            let address = endpoint
                .address
                .as_ref()
                .and_then(|outer| outer.address.as_ref());
            if let Some(address::Address::SocketAddress(socket)) = address
                && socket.address.parse::<IpAddr>().is_err()
            {
                found.error(
                    &format!("endpoints[{locality}].lb_endpoints[{at}].endpoint.address.socket_address.address"),
                    format!("{:?} is no IP address; Envoy rejects host names in load assignments", socket.address),
                    "write the IP address, or let a service's environment name the host: those are resolved and followed",
                );
            }
        }
    }
}

/// Two listeners on one address: Envoy rejects the second. One on all addresses and one on a single address of the
/// same port can both be opened, and the single one takes its connections from the other.
fn check_ports(snapshot: &Snapshot, problems: &mut Vec<Problem>) {
    let mut taken: BTreeMap<_, Vec<(IpAddr, Arc<str>)>> = BTreeMap::new();
    let listeners = snapshot.get(TypeUrl::Listener);
    for resource in listeners.into_iter().flat_map(|set| set.resources.values()) {
        let Ok(listener) = Listener::decode(resource.bytes.clone()) else {
            continue;
        };
        let more = listener
            .additional_addresses
            .iter()
            .map(|more| more.address.as_ref());
        for address in std::iter::once(listener.address.as_ref()).chain(more) {
            let Some((ip, port, udp)) = bound(address) else {
                continue;
            };
            let others = taken.entry((port, udp)).or_default();
            let mut found = Finding { resource, problems };
            for (other, name) in others.iter() {
                if *other == ip {
                    found.error(
                            "address",
                            format!("it listens on {ip} port {port}, as the listener {name} does; Envoy rejects that"),
                            "give one of them another port",
                        );
                } else if other.is_ipv4() == ip.is_ipv4()
                    && (other.is_unspecified() || ip.is_unspecified())
                {
                    found.add(
                            Severity::Warning,
                            "address",
                            format!("it listens on {ip} port {port}, and the listener {name} on {other}: connections go to the more specific address"),
                            "give one of them another port if that is not meant",
                        );
                }
            }
            others.push((ip, resource.name.clone()));
        }
    }
}

/// Address, port, and whether it is UDP; None where it is no IP address, or a port that the system chooses.
fn bound(address: Option<&Address>) -> Option<(IpAddr, u32, bool)> {
    /// `envoy.config.core.v3.SocketAddress.Protocol.UDP`.
    const UDP: i32 = 1;
    let Some(address::Address::SocketAddress(socket)) = &address?.address else {
        return None;
    };
    match socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) if port > 0 => {
            Some((socket.address.parse().ok()?, port, socket.protocol == UDP))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
