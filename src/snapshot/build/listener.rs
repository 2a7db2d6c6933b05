//! The listener of an address and port, shared by all services that are listened for there.

use std::{net::SocketAddr, sync::Arc};

use envoy_types::pb::{
    envoy::{
        config::listener::v3::{Filter, FilterChain, Listener, filter},
        extensions::filters::{
            http::router::v3::Router,
            network::http_connection_manager::v3::{
                HttpConnectionManager, HttpFilter, Rds,
                http_connection_manager::{CodecType, RouteSpecifier, UpgradeConfig},
                http_filter,
            },
        },
    },
    google::protobuf::BoolValue,
};

use super::envoy::{address, ads, any, resource};
use crate::{
    model::{ListenerSpec, TypeUrl},
    snapshot::{References, Resource},
};

/// Envoy's name of the upgrade, in any case in which clients write it.
pub(super) const WEBSOCKET: &str = "websocket";

/// The name of the listener and of the route configuration that it asks for: `ADDRESS:PORT`.
///
/// It is part of what proxies know: another name would be another listener on the same port.
pub(super) fn name(spec: &ListenerSpec) -> String {
    SocketAddr::new(spec.address, spec.port).to_string()
}

/// The listener. Nothing in it depends on the services that are listened for: a changed listener drains its
/// connections, so all that services declare is in the route configuration.
pub(super) fn listener(spec: &ListenerSpec) -> Arc<Resource> {
    let name = name(spec);
    let manager = HttpConnectionManager {
        codec_type: CodecType::Auto.into(),
        stat_prefix: stat_prefix(&name),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name: name.clone(),
        })),
        http_filters: vec![HttpFilter {
            name: "envoy.filters.http.router".to_owned(),
            config_type: Some(http_filter::ConfigType::TypedConfig(
                any(&Router::default()),
            )),
            ..Default::default()
        }],
        // Clients connect to this listener directly: their address is that of the connection, whatever they say.
        use_remote_address: Some(BoolValue { value: true }),
        // Known to every listener but off: a route switches it on, which changes no listener.
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: WEBSOCKET.to_owned(),
            enabled: Some(BoolValue { value: false }),
            ..Default::default()
        }],
        ..Default::default()
    };
    let listener = Listener {
        name: name.clone(),
        address: Some(address(SocketAddr::new(spec.address, spec.port))),
        filter_chains: vec![FilterChain {
            filters: vec![Filter {
                name: "envoy.filters.network.http_connection_manager".to_owned(),
                config_type: Some(filter::ConfigType::TypedConfig(any(&manager))),
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let references = References {
        routes: [Arc::from(name.as_str())].into(),
        ..Default::default()
    };
    resource(TypeUrl::Listener, &name, &listener, references)
}

/// `ingress_ADDRESS_PORT`, without the dots and colons that would split it into several levels of Envoy's statistics.
fn stat_prefix(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("ingress_{plain}")
}
