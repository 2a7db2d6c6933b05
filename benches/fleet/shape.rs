//! The two generated fleets, as documents that `bluegreen apply` takes.

use bluegreen::api;
use serde_json::{Value, json};

/// The name of the fleet, which is the proxies' `node.cluster`.
pub const FLEET: &str = "fleet";

/// The service that is switched.
pub const SERVICE: &str = "demo";

const ROUTES: &str = "main-routes";

/// How much configuration the fleet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// 2 clusters of 3 endpoints, 1 route.
    Small,
    /// 200 clusters of 10 endpoints, 500 routes in one route configuration.
    Large,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Small => "small",
            Self::Large => "large",
        })
    }
}

impl Shape {
    /// Clusters, endpoints of each, routes.
    fn size(self) -> (usize, usize, usize) {
        match self {
            Self::Small => (2, 3, 1),
            Self::Large => (200, 10, 500),
        }
    }

    /// A service with two environments, and Envoy resources around it. Only the last route is the service's.
    pub fn files(self) -> Vec<api::File> {
        let (clusters, endpoints, routes) = self.size();
        let addresses = |cluster: usize| -> Vec<String> {
            (1..=endpoints)
                .map(|host| format!("10.{}.{}.{host}:8080", cluster / 250, cluster % 250))
                .collect()
        };
        let service = json!({
            "apiVersion": "bluegreen/v1",
            "kind": "Service",
            "metadata": { "name": SERVICE },
            "spec": {
                "fleet": FLEET,
                "environments": {
                    "blue": { "version": "v1", "endpoints": addresses(0) },
                    "green": { "version": "v2", "endpoints": addresses(1) },
                },
            },
        });
        let mut resources = vec![listener(), route_configuration(routes, clusters)];
        for number in 2..clusters {
            resources.push(cluster(number));
            resources.push(endpoints_of(number, endpoints));
        }
        let around = json!({
            "apiVersion": "bluegreen/v1",
            "kind": "EnvoyResources",
            "metadata": { "name": "edge" },
            "spec": { "fleet": FLEET, "resources": resources },
        });
        [("service.yaml", service), ("edge.yaml", around)]
            .map(|(name, document)| api::File {
                name: name.to_owned(),
                // JSON is YAML.
                content: document.to_string(),
            })
            .into()
    }
}

fn ads() -> Value {
    json!({ "ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s" })
}

fn name(number: usize) -> String {
    match number {
        0 => format!("{SERVICE}/blue"),
        1 => format!("{SERVICE}/green"),
        other => format!("svc-{other:04}"),
    }
}

fn cluster(number: usize) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name(number),
        "type": "EDS",
        "connect_timeout": "1s",
        "eds_cluster_config": { "eds_config": ads() },
    })
}

fn endpoints_of(number: usize, count: usize) -> Value {
    let endpoints: Vec<Value> = (1..=count)
        .map(|host| {
            let address = format!("10.{}.{}.{host}", number / 250, number % 250);
            let address = json!({ "socket_address": { "address": address, "port_value": 8080 } });
            json!({ "endpoint": { "address": address } })
        })
        .collect();
    json!({
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": name(number),
        "endpoints": [{ "lb_endpoints": endpoints }],
    })
}

fn listener() -> Value {
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "main-listener",
        "address": { "socket_address": { "address": "0.0.0.0", "port_value": 10000 } },
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "ingress",
                "rds": { "route_config_name": ROUTES, "config_source": ads() },
                "http_filters": [
                    { "name": "envoy.filters.http.router", "typed_config": { "@type": router } },
                ],
            },
        }] }],
    })
}

fn route_configuration(routes: usize, clusters: usize) -> Value {
    let mut all: Vec<Value> = (0..routes - 1)
        .map(|number| {
            json!({
                "match": { "prefix": format!("/api/v1/service-{number:05}/") },
                "route": { "cluster": name(number % clusters), "timeout": "15s" },
            })
        })
        .collect();
    all.push(json!({
        "match": { "prefix": "/" },
        "route": { "cluster": format!("service:{SERVICE}"), "timeout": "15s" },
    }));
    json!({
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": all }],
    })
}
