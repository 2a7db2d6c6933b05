//! Between which clusters routes choose: of them, a client that asks for clusters by name asks for those with a weight.

use std::{collections::BTreeSet, sync::Arc};

use envoy_types::pb::envoy::config::route::v3::{
    RouteConfiguration, route::Action, route_action::ClusterSpecifier,
};
use prost::Message;

use super::Resource;
use crate::model::TypeUrl;

/// The clusters of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// All that it names, of whatever weight.
    pub named: BTreeSet<Arc<str>>,
    /// Those that requests go to.
    pub weighted: BTreeSet<Arc<str>>,
}

/// The choices in a route configuration, each once. Bytes that are none hold no choice.
pub fn choices(resource: &Resource) -> BTreeSet<Choice> {
    if resource.type_url != TypeUrl::RouteConfiguration {
        return BTreeSet::new();
    }
    let configuration = RouteConfiguration::decode(&resource.bytes[..]).unwrap_or_default();
    let hosts = configuration.virtual_hosts.into_iter();
    let routes = hosts.flat_map(|host| host.routes);
    routes
        .filter_map(|route| of_action(route.action?))
        .collect()
}

fn of_action(action: Action) -> Option<Choice> {
    let Action::Route(action) = action else {
        return None;
    };
    match action.cluster_specifier? {
        ClusterSpecifier::Cluster(name) => {
            let only = BTreeSet::from([Arc::from(name)]);
            Some(Choice {
                named: only.clone(),
                weighted: only,
            })
        }
        ClusterSpecifier::WeightedClusters(split) => {
            let mut choice = Choice::default();
            for cluster in split.clusters {
                let name: Arc<str> = cluster.name.into();
                if cluster.weight.is_some_and(|weight| weight.value > 0) {
                    choice.weighted.insert(name.clone());
                }
                choice.named.insert(name);
            }
            Some(choice)
        }
        _ => None,
    }
}
