//! What a resource refers to, found wherever it stands: also in filters, which are messages of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, OnceLock},
    time::Duration,
};

use prost_reflect::{DynamicMessage, ReflectMessage as _};
use serde::{Deserialize, Serialize};

use super::dynamic;
use crate::model::{Path, TypeUrl};

/// The names that a resource refers to. Stored beside the resource, so that reading it back needs no look inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct References {
    /// Clusters that requests go to: of routes, mirror policies, TCP proxies, aggregate clusters.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub clusters: BTreeSet<Arc<str>>,
    /// Route configurations that a listener asks RDS for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub routes: BTreeSet<Arc<str>>,
    /// The load assignment that an EDS cluster asks for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub endpoints: BTreeSet<Arc<str>>,
    /// Clusters that filters, loggers and tracers call. Such a cluster may also stand in the proxy's bootstrap, which
    /// we don't see.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub helpers: BTreeSet<Arc<str>>,
    /// How long a request may be open that goes to a cluster, in milliseconds, where that is not Envoy's default; 0: as
    /// long as it likes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub timeouts: BTreeMap<Arc<str>, u64>,
    /// A request's header names the cluster: no check can know whether it is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_header: bool,
}

/// After this long Envoy ends a request unless its route says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// How a field uses the cluster that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// All requests of a route go there.
    Route,
    /// A share of requests goes there.
    Share,
    /// Copies of requests go there.
    Mirror,
    /// Connections go there.
    Connection,
    /// Another cluster sends its requests there.
    Aggregate,
    /// A filter calls it.
    Helper,
    /// The field names a header, and that the cluster.
    Header,
}

/// Fields that name clusters: message, field, how it is used.
const FIELDS: [(&str, &str, Use); 18] = [
    ("envoy.config.route.v3.RouteAction", "cluster", Use::Route),
    (
        "envoy.config.route.v3.RouteAction",
        "cluster_header",
        Use::Header,
    ),
    (
        "envoy.config.route.v3.WeightedCluster.ClusterWeight",
        "name",
        Use::Share,
    ),
    (
        "envoy.config.route.v3.WeightedCluster.ClusterWeight",
        "cluster_header",
        Use::Header,
    ),
    (
        "envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
        "cluster",
        Use::Mirror,
    ),
    (
        "envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
        "cluster_header",
        Use::Header,
    ),
    (
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "cluster",
        Use::Connection,
    ),
    (
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight",
        "name",
        Use::Connection,
    ),
    (
        "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig",
        "cluster",
        Use::Connection,
    ),
    (
        "envoy.extensions.filters.udp.udp_proxy.v3.Route",
        "cluster",
        Use::Connection,
    ),
    (
        "envoy.extensions.filters.network.thrift_proxy.v3.RouteAction",
        "cluster",
        Use::Connection,
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route",
        "cluster",
        Use::Connection,
    ),
    (
        "envoy.extensions.clusters.aggregate.v3.ClusterConfig",
        "clusters",
        Use::Aggregate,
    ),
    (
        "envoy.config.core.v3.GrpcService.EnvoyGrpc",
        "cluster_name",
        Use::Helper,
    ),
    ("envoy.config.core.v3.HttpUri", "cluster", Use::Helper),
    (
        "envoy.config.core.v3.ApiConfigSource",
        "cluster_names",
        Use::Helper,
    ),
    (
        "envoy.config.trace.v3.ZipkinConfig",
        "collector_cluster",
        Use::Helper,
    ),
    (
        "envoy.config.trace.v3.DatadogConfig",
        "collector_cluster",
        Use::Helper,
    ),
];

/// The clusters that a message itself names (not the messages in it): field, how it is used, name.
pub(super) fn clusters_of(
    message: &DynamicMessage,
) -> impl Iterator<Item = (&'static str, Use, String)> {
    let descriptor = message.descriptor();
    FIELDS
        .iter()
        .filter(move |(name, _, _)| *name == descriptor.full_name())
        .flat_map(|(_, field, used)| {
            let value = message.get_field_by_name(field);
            let names: Vec<String> = match value.as_deref() {
                Some(prost_reflect::Value::String(name)) => vec![name.clone()],
                Some(prost_reflect::Value::List(names)) => names
                    .iter()
                    .filter_map(|name| name.as_str().map(str::to_owned))
                    .collect(),
                _ => Vec::new(),
            };
            names.into_iter().map(|name| (*field, *used, name))
        })
        .filter(|(_, _, name)| !name.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
}

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
    /// To nothing: one for all.
    pub fn none() -> Arc<Self> {
        static NONE: OnceLock<Arc<References>> = OnceLock::new();
        NONE.get_or_init(Arc::default).clone()
    }

    /// The same for many to hold.
    pub(super) fn shared(self) -> Arc<Self> {
        match self == Self::default() {
            true => Self::none(),
            false => Arc::new(self),
        }
    }

    /// How long a request that goes to that cluster may be open: zero where Envoy's default holds, the longest duration
    /// there is where nothing ends it.
    pub fn patience(&self, cluster: &str) -> Duration {
        match self.timeouts.get(cluster) {
            None => Duration::ZERO,
            Some(0) => Duration::MAX,
            Some(millis) => Duration::from_millis(*millis),
        }
    }

    /// Remembers how long a request to a cluster may be open, in milliseconds, if that is longer than by default.
    pub(super) fn add_timeout(&mut self, cluster: &str, millis: u64) {
        if millis > 0 && millis <= DEFAULT_TIMEOUT.as_millis() as u64 {
            return;
        }
        let longest = self.timeouts.entry(cluster.into()).or_insert(millis);
        *longest = match (*longest, millis) {
            (0, _) | (_, 0) => 0,
            (known, new) => known.max(new),
        };
    }

    fn add_route(&mut self, action: &DynamicMessage) {
        let Some(timeout) = dynamic::child(action, "timeout") else {
            return;
        };
        let millis = duration_of(&timeout).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let mut names: Vec<String> = clusters_of(action).map(|(_, _, name)| name).collect();
        let weighted = dynamic::child(action, "weighted_clusters");
        for list in [
            weighted
                .as_ref()
                .and_then(|w| w.get_field_by_name("clusters")),
            action.get_field_by_name("request_mirror_policies"),
        ] {
            let items = list.as_deref().and_then(prost_reflect::Value::as_list);
            let items = items.into_iter().flatten();
            let messages = items.filter_map(prost_reflect::Value::as_message);
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
        match message.descriptor().full_name() {
            "envoy.extensions.filters.network.http_connection_manager.v3.Rds"
                if is_ours(message, "config_source") =>
            {
                let name = dynamic::text(message, "route_config_name");
                self.routes.insert(name.into());
            }
            "envoy.config.route.v3.ScopedRouteConfiguration" => {
                let name = dynamic::text(message, "route_configuration_name");
                if !name.is_empty() {
                    self.routes.insert(name.into());
                }
            }
            "envoy.config.cluster.v3.Cluster" => self.endpoints.extend(endpoints_name(message)),
            "envoy.config.route.v3.RouteAction" => self.add_route(message),
            _ => {}
        }
    }
}

/// A `google.protobuf.Duration`; what is negative is none.
pub(super) fn duration_of(message: &DynamicMessage) -> Duration {
    let seconds = message.get_field_by_name("seconds");
    let seconds = seconds.and_then(|seconds| seconds.as_i64()).unwrap_or(0);
    let nanos = message.get_field_by_name("nanos");
    let nanos = nanos.and_then(|nanos| nanos.as_i32()).unwrap_or(0);
    Duration::new(
        seconds.try_into().unwrap_or(0),
        nanos.try_into().unwrap_or(0),
    )
}

/// The load assignment that a cluster asks this control plane for.
fn endpoints_name(cluster: &DynamicMessage) -> Option<Arc<str>> {
    /// `envoy.config.cluster.v3.Cluster.DiscoveryType.EDS`.
    const EDS: i32 = 3;
    let discovery = cluster.get_field_by_name("type")?;
    if discovery.as_enum_number() != Some(EDS) {
        return None;
    }
    let config = dynamic::child(cluster, "eds_cluster_config")?;
    if !is_ours(&config, "eds_config") {
        return None;
    }
    let named = dynamic::text(&config, "service_name");
    let name = if named.is_empty() {
        dynamic::text(cluster, "name")
    } else {
        named
    };
    Some(name.into())
}

/// Whether a config source is the stream that the resource came by, and not a file or another server.
fn is_ours(message: &DynamicMessage, field: &str) -> bool {
    dynamic::child(message, field)
        .is_some_and(|source| source.has_field_by_name("ads") || source.has_field_by_name("self"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(type_url: TypeUrl, value: serde_json::Value) -> References {
        let message = DynamicMessage::deserialize(dynamic::descriptor(type_url).unwrap(), value);
        references_of(type_url, &dynamic::encode(&message.unwrap()))
    }

    fn names(names: &BTreeSet<Arc<str>>) -> Vec<&str> {
        names.iter().map(|name| &**name).collect()
    }

    #[test]
    fn every_field_that_names_a_cluster_is_one_of_the_api() {
        for (message, field, _) in FIELDS {
            let descriptor = dynamic::envoy().get_message_by_name(message);
            let field = descriptor
                .unwrap_or_else(|| panic!("{message}"))
                .get_field_by_name(field);
            assert!(field.is_some(), "{message}");
        }
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
