//! Small resources for the tests of the session.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use envoy_types::pb::{
    envoy::{
        config::{
            listener::v3::{ApiListener, Listener},
            route::v3::{
                Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster,
                route::Action, route_action::ClusterSpecifier, route_match::PathSpecifier,
                weighted_cluster::ClusterWeight,
            },
        },
        extensions::filters::network::http_connection_manager::v3::{
            HttpConnectionManager, http_connection_manager::RouteSpecifier,
        },
    },
    google::protobuf::{Any, UInt32Value},
};
use prost::Message;

use crate::{
    model::TypeUrl,
    snapshot::{References, Resource},
};

pub const CDS: TypeUrl = TypeUrl::Cluster;
pub const EDS: TypeUrl = TypeUrl::ClusterLoadAssignment;
pub const LDS: TypeUrl = TypeUrl::Listener;
pub const RDS: TypeUrl = TypeUrl::RouteConfiguration;

fn names(list: &[&str]) -> std::collections::BTreeSet<Arc<str>> {
    list.iter().map(|name| Arc::from(*name)).collect()
}

/// A cluster whose content is its settings and whose load assignment has its name.
pub fn cluster(name: &str, settings: u32) -> Resource {
    let references = References {
        endpoints: names(&[name]),
        ..References::default()
    };
    let bytes = Bytes::from(format!("cluster {name} {settings}"));
    Resource::new(CDS, name, bytes, references)
}

pub fn endpoints(name: &str, content: u32) -> Resource {
    let bytes = Bytes::from(format!("endpoints {name} {content}"));
    Resource::new(EDS, name, bytes, References::default())
}

/// A listener that takes its routes from these route configurations.
pub fn listener(name: &str, content: u32, routes: &[&str]) -> Resource {
    let references = References {
        routes: names(routes),
        ..References::default()
    };
    let bytes = Bytes::from(format!("listener {name} {content} {routes:?}"));
    Resource::new(LDS, name, bytes, references)
}

/// A listener for gRPC clients that takes its routes from this route configuration.
pub fn api_listener(name: &str, routes: &str) -> Resource {
    let listener = Listener {
        name: name.to_owned(),
        api_listener: Some(ApiListener::default()),
        ..Listener::default()
    };
    let references = References {
        routes: names(&[routes]),
        ..References::default()
    };
    Resource::new(LDS, name, listener.encode_to_vec().into(), references)
}

/// A listener for gRPC clients in which these routes stand.
pub fn api_listener_with(name: &str, routes: &Resource) -> Resource {
    let configuration = RouteConfiguration::decode(&routes.bytes[..]).unwrap();
    let manager = HttpConnectionManager {
        route_specifier: Some(RouteSpecifier::RouteConfig(configuration)),
        ..HttpConnectionManager::default()
    };
    let manager = Any {
        type_url: "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager".to_owned(),
        value: manager.encode_to_vec(),
    };
    let listener = Listener {
        name: name.to_owned(),
        api_listener: Some(ApiListener {
            api_listener: Some(manager),
        }),
        ..Listener::default()
    };
    let references = (*routes.references).clone();
    Resource::new(LDS, name, listener.encode_to_vec().into(), references)
}

/// A listener that hands connections to a cluster.
pub fn tcp_listener(name: &str, to: &str) -> Resource {
    let references = References {
        clusters: names(&[to]),
        ..References::default()
    };
    let bytes = Bytes::from(format!("tcp listener {name} {to}"));
    Resource::new(LDS, name, bytes, references)
}

pub fn runtime(name: &str) -> Resource {
    Resource::new(
        TypeUrl::Runtime,
        name,
        Bytes::from_static(b"runtime"),
        References::default(),
    )
}

/// A route configuration with a split per service: to green, or to blue.
pub fn routes(name: &str, services: &[(&str, bool)]) -> Resource {
    let mut clusters = std::collections::BTreeSet::new();
    let virtual_hosts = services
        .iter()
        .map(|(service, green)| {
            let mut weight = |colour: &str, weight: u32| {
                let name = format!("{service}/{colour}");
                clusters.insert(Arc::from(name.as_str()));
                ClusterWeight {
                    name,
                    weight: Some(UInt32Value { value: weight }),
                    ..Default::default()
                }
            };
            let split = WeightedCluster {
                clusters: [("blue", !green), ("green", *green)]
                    .map(|(colour, live)| (colour, if live { 100 } else { 0 }))
                    .map(|(colour, percent)| weight(colour, percent))
                    .into(),
                ..Default::default()
            };
            VirtualHost {
                name: (*service).to_owned(),
                domains: vec![format!("{service}.test")],
                routes: vec![Route {
                    r#match: Some(RouteMatch {
                        path_specifier: Some(PathSpecifier::Prefix("/".into())),
                        ..Default::default()
                    }),
                    action: Some(Action::Route(RouteAction {
                        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(split)),
                        ..Default::default()
                    })),
                    ..Default::default()
                }],
                ..Default::default()
            }
        })
        .collect();
    let configuration = RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts,
        ..Default::default()
    };
    let references = References {
        clusters,
        ..References::default()
    };
    Resource::new(RDS, name, configuration.encode_to_vec().into(), references)
}

/// The weight of green per service in an encoded route configuration, and whether the service has a route at all.
pub fn green(resource: &Resource) -> BTreeMap<String, bool> {
    let configuration = RouteConfiguration::decode(&resource.bytes[..]).unwrap();
    let hosts = configuration.virtual_hosts.into_iter();
    hosts
        .map(|host| {
            let Some(Action::Route(RouteAction {
                cluster_specifier: Some(ClusterSpecifier::WeightedClusters(split)),
                ..
            })) = &host.routes[0].action
            else {
                panic!("no split in {host:?}");
            };
            let live = split
                .clusters
                .iter()
                .find(|c| c.weight.as_ref().unwrap().value == 100);
            (host.name, live.unwrap().name.ends_with("green"))
        })
        .collect()
}
