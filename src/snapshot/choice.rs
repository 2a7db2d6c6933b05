//! Between which clusters routes choose: of them, a client that asks for clusters by name asks for those with a weight.

use std::{collections::BTreeSet, sync::Arc};

use envoy_types::pb::envoy::{
    config::{
        listener::v3::Listener,
        route::v3::{
            RouteConfiguration, VirtualHost, route::Action, route_action::ClusterSpecifier,
        },
    },
    extensions::filters::network::http_connection_manager::v3::{
        HttpConnectionManager, http_connection_manager::RouteSpecifier,
    },
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

/// The choices in a route configuration, in a virtual host, or in the routes that stand in an API listener, each once. Bytes that
/// are none hold no choice.
pub fn choices(resource: &Resource) -> BTreeSet<Choice> {
    let configuration = match resource.type_url {
        TypeUrl::RouteConfiguration => RouteConfiguration::decode(&resource.bytes[..]).ok(),
        TypeUrl::Listener => in_listener(&resource.bytes),
        _ => None,
    };
    let host = match resource.type_url {
        TypeUrl::VirtualHost => VirtualHost::decode(&resource.bytes[..]).ok(),
        _ => None,
    };
    let hosts = configuration.unwrap_or_default().virtual_hosts.into_iter();
    let hosts = hosts.chain(host);
    let routes = hosts.flat_map(|host| host.routes);
    routes
        .filter_map(|route| of_action(route.action?))
        .collect()
}

/// Of other listeners no client asks by name for the clusters that they route to.
fn in_listener(bytes: &[u8]) -> Option<RouteConfiguration> {
    let listener = Listener::decode(bytes).ok()?;
    let manager = listener.api_listener?.api_listener?;
    let manager = HttpConnectionManager::decode(&manager.value[..]).ok()?;
    match manager.route_specifier? {
        RouteSpecifier::RouteConfig(configuration) => Some(configuration),
        _ => None,
    }
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
