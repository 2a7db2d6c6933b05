//! Finds what a resource refers to, wherever it stands: also in filters, which are messages of their own.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc};

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use super::{
    EVERYTHING, References,
    cluster_fields::{Use, clusters_of},
    dynamic,
};
use crate::model::{Path, TypeUrl};

/// What a resource of that type refers to. Bytes that are no such message refer to nothing.
pub fn references_of(type_url: TypeUrl, bytes: &[u8]) -> References {
    match dynamic::decode(type_url, bytes) {
        Some(mut message) => references_in(&mut message),
        None => References::default(),
    }
}

/// As [`references_of`], of a decoded message. The message comes out as it went in.
pub(super) fn references_in(message: &mut DynamicMessage) -> References {
    let mut references = References::default();
    let walked = dynamic::walk(message, &Path::default(), &mut |message, _| {
        references.add(message);
        Ok::<(), Infallible>(())
    });
    match walked {
        Ok(()) => references,
        Err(never) => match never {},
    }
}

impl References {
    fn add_route(&mut self, action: &DynamicMessage) {
        let Some(timeout) = dynamic::child(action, "timeout") else {
            return;
        };
        let millis = dynamic::duration(&timeout).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let mut names: Vec<String> = clusters_of(action).map(|(_, _, name)| name).collect();
        let weighted = dynamic::child(action, "weighted_clusters");
        for list in [
            weighted
                .as_ref()
                .and_then(|w| w.get_field_by_name("clusters")),
            action.get_field_by_name("request_mirror_policies"),
        ] {
            let items = list.as_deref().and_then(Value::as_list);
            let items = items.into_iter().flatten();
            let messages = items.filter_map(Value::as_message);
            names.extend(messages.flat_map(clusters_of).map(|(_, _, name)| name));
        }
        for name in names {
            self.add_timeout(&name, millis);
        }
    }

    fn add(&mut self, message: &DynamicMessage) {
        for (_, used, name) in clusters_of(message) {
            match used {
                Use::Header => self.by_header = true,
                Use::Helper => drop(self.helpers.insert(name.into())),
                Use::Connection => {
                    // A connection has no timeout.
                    self.add_timeout(&name, 0);
                    self.clusters.insert(name.into());
                }
                _ => drop(self.clusters.insert(name.into())),
            }
        }
        if let Some(discovery) = dynamic::child(message, "config_discovery") {
            let name = dynamic::text(message, "name");
            let source = Source::of(&discovery, "config_source");
            // With a default it works without.
            let filters = match discovery.has_field_by_name("default_config") {
                true => &mut self.spare_filters,
                false => &mut self.filters,
            };
            let of = TypeUrl::TypedExtensionConfig;
            source.enter(of, &name, filters, &mut self.apart);
        }
        match message.descriptor().full_name() {
            "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig" => {
                let name = dynamic::text(message, "name");
                let source = Source::of(message, "sds_config");
                source.enter(TypeUrl::Secret, &name, &mut self.secrets, &mut self.apart);
            }
            "envoy.extensions.filters.network.http_connection_manager.v3.Rds" => {
                let name = dynamic::text(message, "route_config_name");
                let source = Source::of(message, "config_source");
                let of = TypeUrl::RouteConfiguration;
                source.enter(of, &name, &mut self.routes, &mut self.apart);
            }
            "envoy.config.route.v3.RouteConfiguration" => {
                let name = dynamic::text(message, "name");
                let hosts = dynamic::child(message, "vhds");
                if hosts.is_some_and(|hosts| Source::of(&hosts, "config_source") == Source::Apart) {
                    self.apart.insert((TypeUrl::VirtualHost, name.into()));
                }
            }
            "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes" => {
                let scopes = dynamic::child(message, "scoped_rds");
                let scopes = scopes.map(|it| Source::of(&it, "scoped_rds_config_source"));
                self.scoped |= scopes == Some(Source::Same);
                for (of, source) in [
                    (TypeUrl::ScopedRouteConfiguration, scopes),
                    (
                        TypeUrl::RouteConfiguration,
                        Some(Source::of(message, "rds_config_source")),
                    ),
                ] {
                    if source == Some(Source::Apart) {
                        self.apart.insert((of, EVERYTHING.into()));
                    }
                }
            }
            "envoy.config.route.v3.ScopedRouteConfiguration" => {
                let name = dynamic::text(message, "route_configuration_name");
                if !name.is_empty() {
                    self.routes.insert(name.into());
                }
            }
            "envoy.config.cluster.v3.Cluster" => {
                if let Some((name, source)) = endpoints_name(message) {
                    let of = TypeUrl::ClusterLoadAssignment;
                    source.enter(of, &name, &mut self.endpoints, &mut self.apart);
                }
            }
            "envoy.config.route.v3.RouteAction" => self.add_route(message),
            _ => {}
        }
    }
}

/// The load assignment that a cluster asks for, and where.
fn endpoints_name(cluster: &DynamicMessage) -> Option<(String, Source)> {
    /// `envoy.config.cluster.v3.Cluster.DiscoveryType.EDS`.
    const EDS: i32 = 3;
    let discovery = cluster.get_field_by_name("type")?;
    if discovery.as_enum_number() != Some(EDS) {
        return None;
    }
    let config = dynamic::child(cluster, "eds_cluster_config")?;
    let named = dynamic::text(&config, "service_name");
    let name = if named.is_empty() {
        dynamic::text(cluster, "name")
    } else {
        named
    };
    Some((name, Source::of(&config, "eds_config")))
}

/// Where a proxy asks for what a resource refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// On the stream that the resource came by.
    Same,
    /// On a stream of its own, of this server or of another.
    Apart,
    /// In a file, in the bootstrap.
    Elsewhere,
}

impl Source {
    /// What a config source says.
    fn of(message: &DynamicMessage, field: &str) -> Self {
        let source = dynamic::child(message, field);
        let says = |field: &str| {
            source
                .as_ref()
                .is_some_and(|it| it.has_field_by_name(field))
        };
        match () {
            () if says("ads") || says("self") => Self::Same,
            () if says("api_config_source") => Self::Apart,
            () => Self::Elsewhere,
        }
    }

    /// Enters a name of a type where it belongs: with those that are asked for on the same stream, or apart.
    fn enter(
        self,
        of: TypeUrl,
        name: &str,
        same: &mut BTreeSet<Arc<str>>,
        apart: &mut BTreeSet<(TypeUrl, Arc<str>)>,
    ) {
        match self {
            Self::Same => drop(same.insert(name.into())),
            Self::Apart => drop(apart.insert((of, name.into()))),
            Self::Elsewhere => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn of(type_url: TypeUrl, value: serde_json::Value) -> References {
        let message = DynamicMessage::deserialize(dynamic::descriptor(type_url).unwrap(), value);
        references_of(type_url, &dynamic::encode(&message.unwrap()))
    }

    fn names(names: &BTreeSet<Arc<str>>) -> Vec<&str> {
        names.iter().map(|name| &**name).collect()
    }

    #[test]
    fn routes_refer_to_their_clusters() {
        let found = of(
            TypeUrl::RouteConfiguration,
            json!({
                "name": "r",
                "request_mirror_policies": [{ "cluster": "m0" }],
                "virtual_hosts": [{
                    "name": "v", "domains": ["*"],
                    "routes": [
                        { "match": { "prefix": "/a" }, "route": { "cluster": "a",
                            "request_mirror_policies": [{ "cluster": "m1" }] } },
                        { "match": { "prefix": "/b" }, "route": { "weighted_clusters": {
                            "clusters": [{ "name": "b0", "weight": 1 }, { "name": "b1", "weight": 0 }] } } },
                        { "match": { "prefix": "/c" }, "route": { "cluster_header": "x-cluster" } },
                        { "match": { "prefix": "/d" }, "direct_response": { "status": 404 } },
                    ],
                }],
            }),
        );
        assert_eq!(names(&found.clusters), ["a", "b0", "b1", "m0", "m1"]);
        assert!(found.by_header);
    }

    #[test]
    fn a_request_may_be_open_as_long_as_its_route_says() {
        let route = |timeout: serde_json::Value, action: serde_json::Value| {
            let mut action = action;
            action["timeout"] = timeout;
            json!({ "match": { "prefix": "/" }, "route": action })
        };
        let found = of(
            TypeUrl::RouteConfiguration,
            json!({ "name": "r", "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": [
                route(json!("60s"), json!({ "cluster": "long" })),
                route(json!("120.5s"), json!({ "cluster": "long" })),
                route(json!("3s"), json!({ "cluster": "short" })),
                route(json!("0s"), json!({ "weighted_clusters": { "clusters": [{ "name": "open", "weight": 1 }] },
                    "request_mirror_policies": [{ "cluster": "mirror" }] })),
                route(json!("60s"), json!({ "cluster": "open" })),
            ] }] }),
        );
        let patience = |name: &str| found.patience(name);
        assert_eq!(patience("long"), Duration::from_millis(120_500));
        assert_eq!(patience("short"), Duration::ZERO);
        assert_eq!([patience("open"), patience("mirror")], [Duration::MAX; 2]);
    }

    #[test]
    fn listeners_refer_to_what_their_filters_name() {
        const HCM: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
        let hcm = |specifier: &str, value: serde_json::Value| {
            json!({ "filters": [{ "name": "hcm", "typed_config": {
                "@type": HCM, "stat_prefix": "s", specifier: value,
                "http_filters": [{ "name": "authz", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                    "grpc_service": { "envoy_grpc": { "cluster_name": "authz" } } } }],
            } }] })
        };
        let found = of(
            TypeUrl::Listener,
            json!({ "name": "l", "filter_chains": [
                hcm("rds", json!({ "config_source": { "ads": {} }, "route_config_name": "ours" })),
                hcm("rds", json!({ "config_source": { "path": "/routes.yaml" }, "route_config_name": "a-file" })),
                hcm("route_config", json!({ "virtual_hosts": [{ "name": "v", "domains": ["*"],
                    "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "inline" } }] }] })),
                { "filters": [{ "name": "tcp", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "stat_prefix": "t", "cluster": "tcp" } }] },
            ] }),
        );
        assert_eq!(names(&found.clusters), ["inline", "tcp"]);
        assert_eq!(names(&found.routes), ["ours"]);
        assert_eq!(names(&found.helpers), ["authz"]);
        assert!(!found.by_header);
    }

    #[test]
    fn secrets_and_filters_are_asked_for_where_their_source_is_this_server() {
        const TLS: &str =
            "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
        let secret = |name: &str, source| json!({ "name": name, "sds_config": source });
        let ads = || json!({ "ads": {} });
        let file = || json!({ "path": "/secret.yaml" });
        let found = of(
            TypeUrl::Cluster,
            json!({ "name": "c", "transport_socket": { "name": "tls", "typed_config": {
                "@type": TLS, "common_tls_context": {
                    "tls_certificate_sds_secret_configs": [secret("ours", ads()), secret("theirs", file()), { "name": "static" }],
                    "validation_context_sds_secret_config": secret("ca", ads()) } } } }),
        );
        assert_eq!(names(&found.secrets), ["ca", "ours"]);
        let filter = |name: &str, source| json!({ "name": name, "config_discovery": { "config_source": source } });
        let mut with_default = filter("has-default", ads());
        with_default["config_discovery"]["default_config"] =
            json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": {} });
        let found = of(
            TypeUrl::Listener,
            json!({ "name": "l", "listener_filters": [filter("listener", ads())],
                "filter_chains": [{ "filters": [filter("network", ads()), filter("theirs", file()), with_default] }] }),
        );
        assert_eq!(names(&found.filters), ["listener", "network"]);
        assert_eq!(names(&found.spare_filters), ["has-default"]);
    }

    #[test]
    fn what_is_asked_for_on_a_stream_of_its_own_is_known_and_checked_by_nobody() {
        let apart = || json!({ "api_config_source": { "api_type": "GRPC" } });
        let found = of(
            TypeUrl::Cluster,
            json!({ "name": "c", "type": "EDS", "eds_cluster_config": { "eds_config": apart() } }),
        );
        let expected = |type_url, name: &str| [(type_url, Arc::from(name))].into();
        assert_eq!(found.apart, expected(TypeUrl::ClusterLoadAssignment, "c"));
        assert_eq!(found.endpoints, BTreeSet::new());
        let found = of(
            TypeUrl::Listener,
            json!({ "name": "l", "listener_filters": [{ "name": "f", "config_discovery": { "config_source": apart() } }] }),
        );
        assert_eq!(found.apart, expected(TypeUrl::TypedExtensionConfig, "f"));
        assert_eq!(found.filters, BTreeSet::new());
        let hosts = |source| json!({ "name": "r", "vhds": { "config_source": source } });
        let found = of(TypeUrl::RouteConfiguration, hosts(apart()));
        assert_eq!(found.apart, expected(TypeUrl::VirtualHost, "r"));
        let found = of(TypeUrl::RouteConfiguration, hosts(json!({ "ads": {} })));
        assert_eq!(found.apart, BTreeSet::new());
        let scopes = |of_scopes: serde_json::Value, of_routes: serde_json::Value| {
            json!({ "name": "l", "filter_chains": [{ "filters": [{ "name": "hcm", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "scoped_routes": { "name": "s", "rds_config_source": of_routes,
                    "scoped_rds": { "scoped_rds_config_source": of_scopes } } } }] }] })
        };
        let ads = || json!({ "ads": {} });
        let found = of(TypeUrl::Listener, scopes(apart(), ads()));
        let all = |type_url| expected(type_url, EVERYTHING);
        assert_eq!(found.apart, all(TypeUrl::ScopedRouteConfiguration));
        assert!(!found.scoped);
        let found = of(TypeUrl::Listener, scopes(ads(), apart()));
        assert_eq!(found.apart, all(TypeUrl::RouteConfiguration));
        assert!(found.scoped);
    }

    #[test]
    fn clusters_refer_to_load_assignments_and_to_each_other() {
        let ads = json!({ "ads": {} });
        let named = json!({ "name": "c", "type": "EDS", "eds_cluster_config": { "eds_config": ads, "service_name": "s" } });
        let own =
            json!({ "name": "c", "type": "EDS", "eds_cluster_config": { "eds_config": ads } });
        let file = json!({ "name": "c", "type": "EDS", "eds_cluster_config": { "eds_config": { "path": "/x" } } });
        let dns = json!({ "name": "c", "type": "STRICT_DNS" });
        let endpoints = |value| {
            let found = of(TypeUrl::Cluster, value).endpoints;
            found.into_iter().next().map(|name| name.to_string())
        };
        assert_eq!(endpoints(named).as_deref(), Some("s"));
        assert_eq!(endpoints(own).as_deref(), Some("c"));
        assert_eq!(endpoints(file), None);
        assert_eq!(endpoints(dns), None);
        let aggregate = of(
            TypeUrl::Cluster,
            json!({ "name": "c", "cluster_type": { "name": "envoy.clusters.aggregate", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig",
                "clusters": ["one", "two"] } } }),
        );
        assert_eq!(names(&aggregate.clusters), ["one", "two"]);
    }

    #[test]
    fn bytes_that_are_no_message_refer_to_nothing() {
        for type_url in TypeUrl::ALL {
            assert_eq!(references_of(type_url, &[0xff; 40]), References::default());
        }
    }
}
