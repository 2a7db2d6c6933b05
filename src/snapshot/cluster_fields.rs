//! The fields of Envoy's API that name clusters, and how each uses the cluster.

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

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
const FIELDS: [(&str, &str, Use); 37] = [
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
        "envoy.extensions.filters.network.thrift_proxy.v3.RouteAction",
        "cluster_header",
        Use::Header,
    ),
    (
        "envoy.extensions.filters.network.thrift_proxy.v3.WeightedCluster.ClusterWeight",
        "name",
        Use::Connection,
    ),
    (
        "envoy.extensions.filters.network.thrift_proxy.v3.RouteAction.RequestMirrorPolicy",
        "cluster",
        Use::Mirror,
    ),
    (
        "envoy.extensions.filters.network.dubbo_proxy.v3.RouteAction",
        "cluster",
        Use::Connection,
    ),
    (
        "envoy.extensions.filters.network.generic_proxy.action.v3.RouteAction",
        "cluster",
        Use::Connection,
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route",
        "cluster",
        Use::Connection,
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route.ReadCommandPolicy",
        "cluster",
        Use::Connection,
    ),
    (
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy",
        "cluster",
        Use::Mirror,
    ),
    (
        "envoy.extensions.clusters.aggregate.v3.ClusterConfig",
        "clusters",
        Use::Aggregate,
    ),
    (
        "envoy.extensions.clusters.composite.v3.ClusterConfig.ClusterEntry",
        "name",
        Use::Aggregate,
    ),
    (
        "envoy.extensions.clusters.mcp_multicluster.v3.ClusterConfig.McpCluster",
        "cluster",
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
    (
        "envoy.config.trace.v3.LightstepConfig",
        "collector_cluster",
        Use::Helper,
    ),
    (
        "envoy.data.dns.v3.DnsTable.DnsEndpoint",
        "cluster_name",
        Use::Helper,
    ),
    (
        "envoy.data.dns.v3.DnsTable.DnsServiceTarget",
        "cluster_name",
        Use::Helper,
    ),
    (
        "envoy.extensions.access_loggers.fluentd.v3.FluentdAccessLogConfig",
        "cluster",
        Use::Helper,
    ),
    (
        "envoy.extensions.tracers.fluentd.v3.FluentdConfig",
        "cluster",
        Use::Helper,
    ),
    (
        "envoy.extensions.filters.http.cache_v2.v3.CacheV2Config",
        "override_upstream_cluster",
        Use::Helper,
    ),
    (
        "envoy.extensions.filters.http.gcp_authn.v3.GcpAuthnFilterConfig",
        "cluster",
        Use::Helper,
    ),
    (
        "envoy.extensions.filters.http.mcp_router.v3.McpRouter.McpCluster",
        "cluster",
        Use::Helper,
    ),
    // A plugin of a route chooses: which requests, no check can know. So it is seen as what a filter may call.
    (
        "envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig",
        "default_cluster",
        Use::Helper,
    ),
    (
        "envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction",
        "cluster",
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
                Some(Value::String(name)) => vec![name.clone()],
                Some(Value::List(names)) => names
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::Kind;

    use super::*;
    use crate::snapshot::dynamic;

    /// Fields that sound so and name no cluster that requests go to: of the message itself, of a proxy's own node, of the
    /// bootstrap, of a plugin, or what a filter compares with.
    const OTHERS: [(&str, &str); 11] = [
        (
            "envoy.config.bootstrap.v3.ClusterManager",
            "local_cluster_name",
        ),
        ("envoy.config.core.v3.Node", "cluster"),
        (
            "envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name",
        ),
        ("envoy.config.endpoint.v3.ClusterStats", "cluster_name"),
        (
            "envoy.config.endpoint.v3.ClusterStats",
            "cluster_service_name",
        ),
        ("envoy.config.metrics.v3.StatsdSink", "tcp_cluster_name"),
        (
            "envoy.config.route.v3.RouteAction",
            "cluster_specifier_plugin",
        ),
        (
            "envoy.extensions.clusters.dynamic_modules.v3.ClusterConfig",
            "cluster_name",
        ),
        (
            "envoy.extensions.filters.http.fault.v3.HTTPFault",
            "upstream_cluster",
        ),
        (
            "envoy.extensions.filters.network.reverse_tunnel.v3.ReverseTunnel",
            "required_cluster_name",
        ),
        (
            "envoy.extensions.filters.network.reverse_tunnel.v3.Validation",
            "cluster_id_format",
        ),
    ];

    /// What Envoy reports, not what it is configured with.
    const REPORTS: [&str; 5] = [
        "envoy.admin.",
        "envoy.service.",
        "envoy.data.accesslog.",
        "envoy.data.cluster.",
        "envoy.data.core.",
    ];

    /// An update of the API may bring more: each is to be looked at.
    #[test]
    fn every_field_of_the_api_that_sounds_like_a_cluster_is_known() {
        let known = FIELDS.iter().map(|(message, field, _)| (*message, *field));
        let known: BTreeSet<_> = known.chain(OTHERS).collect();
        let mut found = BTreeSet::new();
        let messages: Vec<_> = dynamic::envoy().all_messages().collect();
        for message in &messages {
            let is_report = REPORTS
                .iter()
                .any(|package| message.full_name().starts_with(package));
            for field in message.fields().filter(|_| !is_report) {
                let name = field.name().to_owned();
                if matches!(field.kind(), Kind::String) && name.contains("cluster") {
                    found.insert((message.full_name(), name));
                }
            }
        }
        let is_known = |(message, name): &(&str, String)| known.contains(&(*message, &**name));
        found.retain(|field| !is_known(field));
        assert!(found.is_empty(), "{found:?}");
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
}
