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
    use super::*;
    use crate::snapshot::dynamic;

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
