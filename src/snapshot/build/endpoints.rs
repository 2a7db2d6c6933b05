//! The endpoints of one environment as an Envoy load assignment.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use envoy_types::pb::envoy::config::{
    core::v3::Locality,
    endpoint::v3::{
        ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
        lb_endpoint::HostIdentifier,
    },
};

use super::envoy::{address, number, resource};
use crate::{
    model::TypeUrl,
    snapshot::{References, Resource},
};

/// The load assignment of `SERVICE/COLOUR`, also when it has no endpoints: Envoy withholds its answer to a new cluster
/// until the load assignment has come.
///
/// Addresses are sorted and each is named once: name servers rotate their answers, which is no change, and gRPC
/// clients refuse an address that is there twice.
pub(super) fn load_assignment(name: &str, addresses: &[SocketAddr]) -> Arc<Resource> {
    let addresses: BTreeSet<_> = addresses.iter().copied().collect();
    let endpoints = addresses.into_iter().map(endpoint).collect::<Vec<_>>();
    let locality = LocalityLbEndpoints {
        locality: Some(Locality::default()),
        lb_endpoints: endpoints,
        // gRPC clients ignore a locality that has no weight.
        load_balancing_weight: number(1),
        ..Default::default()
    };
    let assignment = ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: if locality.lb_endpoints.is_empty() {
            Vec::new()
        } else {
            vec![locality]
        },
        ..Default::default()
    };
    resource(
        TypeUrl::ClusterLoadAssignment,
        name,
        &assignment,
        References::default(),
    )
}

fn endpoint(socket: SocketAddr) -> LbEndpoint {
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(address(socket)),
            ..Default::default()
        })),
        ..Default::default()
    }
}
