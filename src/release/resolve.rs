//! From endpoints as declared to addresses: host names are followed, and keep their last good answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use super::{Context, Deployment};
use crate::model::Endpoint;

/// What endpoints stand for.
pub(super) struct Resolved {
    /// The last good answer for each host name among them.
    pub(super) names: BTreeMap<String, Vec<IpAddr>>,
    /// All addresses, each once, in the order of the endpoints.
    pub(super) addresses: Vec<SocketAddr>,
    /// Host names that have no address and never had.
    pub(super) unresolved: Vec<String>,
}

/// Looks every endpoint up: what a name resolves to now, or else what it resolved to `last`.
pub(super) fn resolve(
    endpoints: &[Endpoint],
    context: &Context,
    last: &BTreeMap<String, Vec<IpAddr>>,
) -> Resolved {
    let mut resolved = Resolved {
        names: BTreeMap::new(),
        addresses: Vec::with_capacity(endpoints.len()),
        unresolved: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for endpoint in endpoints {
        let ips = match endpoint.ip() {
            Some(ip) => vec![ip],
            None => {
                let known = [
                    context.addresses.get(&endpoint.host),
                    last.get(&endpoint.host),
                ];
                let Some(good) = known.into_iter().flatten().find(|ips| !ips.is_empty()) else {
                    if !resolved.unresolved.contains(&endpoint.host) {
                        resolved.unresolved.push(endpoint.host.clone());
                    }
                    continue;
                };
                // Name servers rotate their answers: the order must not look like news.
                let ips: Vec<IpAddr> = good
                    .iter()
                    .copied()
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect();
                resolved.names.insert(endpoint.host.clone(), ips.clone());
                ips
            }
        };
        for ip in ips {
            let address = SocketAddr::new(ip, endpoint.port);
            if seen.insert(address) {
                resolved.addresses.push(address);
            }
        }
    }
    resolved
}

impl Deployment {
    /// Looks the endpoints up again. What has no address now keeps the last good one; returned are the host names
    /// that never had any. `introduced` follows only if the set of addresses is another one.
    pub(super) fn take_addresses(&mut self, context: &Context) -> Vec<String> {
        let resolved = resolve(&self.endpoints, context, &self.names);
        let before: BTreeSet<_> = self.addresses.iter().collect();
        if before != resolved.addresses.iter().collect() {
            self.introduced = context.revision;
            self.addresses = resolved.addresses;
        }
        self.names = resolved.names;
        resolved.unresolved
    }

    /// The same endpoints, in whatever order.
    pub(super) fn has_endpoints(&self, endpoints: &[Endpoint]) -> bool {
        self.endpoints.iter().collect::<BTreeSet<_>>() == endpoints.iter().collect()
    }

    /// Traffic that goes here is answered by nobody.
    pub fn is_unreachable(&self) -> bool {
        self.addresses.is_empty()
    }
}
