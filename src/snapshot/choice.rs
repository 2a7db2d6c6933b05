//! Between which clusters routes choose: of them, requests go to those with a weight.

use std::{collections::BTreeSet, sync::Arc};

use envoy_types::pb::envoy::{
    config::{
        listener::v3::Listener,
        route::v3::{
            RouteConfiguration, RouteMatch, VirtualHost, route::Action,
            route_action::ClusterSpecifier,
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
        .filter(|route| !route.r#match.as_ref().is_some_and(never))
        .filter_map(|route| of_action(route.action?))
        .collect()
}

/// No request takes such a route: it is there for clients to know its cluster.
fn never(matcher: &RouteMatch) -> bool {
    matcher.runtime_fraction.as_ref().is_some_and(|fraction| {
        let percent = fraction.default_value.unwrap_or_default();
        fraction.runtime_key.is_empty() && percent.numerator == 0
    })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::snapshot::dynamic;

    #[test]
    fn a_route_that_no_request_takes_is_no_choice() {
        let route = |cluster: &str, fraction: serde_json::Value| json!({ "match": { "prefix": "/", "runtime_fraction": fraction }, "route": { "cluster": cluster } });
        let some = |numerator: u32, key: &str| json!({ "default_value": { "numerator": numerator }, "runtime_key": key });
        let message = prost_reflect::DynamicMessage::deserialize(
            dynamic::descriptor(TypeUrl::RouteConfiguration).unwrap(),
            json!({ "name": "r", "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": [
                route("never", some(0, "")),
                route("at-times", some(0, "key")),
                route("seldom", some(1, "")),
                { "match": { "prefix": "/" }, "route": { "cluster": "always" } },
            ] }] }),
        );
        let bytes = dynamic::encode(&message.unwrap()).into();
        let resource = Resource::new(TypeUrl::RouteConfiguration, "r", bytes, Default::default());
        let found = choices(&resource);
        let named: Vec<&str> = found
            .iter()
            .flat_map(|it| &it.named)
            .map(|it| &**it)
            .collect();
        assert_eq!(named, ["always", "at-times", "seldom"]);
    }
}
