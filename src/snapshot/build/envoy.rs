//! The few shapes that several generated resources share.

use std::{sync::Arc, time::Duration};

use envoy_types::pb::{
    envoy::config::core::v3::{
        Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, address,
        config_source::ConfigSourceSpecifier, socket_address::PortSpecifier,
    },
    google::protobuf::{Any, Duration as ProtoDuration, UInt32Value},
};
use prost::Message;

use crate::{
    model::TypeUrl,
    snapshot::{References, Resource},
};

/// Encodes a generated message. Its bytes follow from its content alone as long as no map in it has two entries:
/// generated types keep maps in hash order. No resource that we generate has such a map.
pub(super) fn resource<M: Message>(
    type_url: TypeUrl,
    name: &str,
    message: &M,
    references: References,
) -> Arc<Resource> {
    let bytes = message.encode_to_vec().into();
    Arc::new(Resource::new(type_url, name, bytes, references))
}

/// A message wrapped with its type.
pub(super) fn any<M: Message + prost::Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// "Ask the control plane that this came from, and wait for it as long as it takes." With Envoy's default of 15 s a
/// proxy that starts against a slow control plane would open its listeners without routes and answer 404.
pub(super) fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        initial_fetch_timeout: Some(duration(Duration::ZERO)),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..Default::default()
    }
}

/// A TCP address.
pub(super) fn address(socket: std::net::SocketAddr) -> Address {
    Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: socket.ip().to_string(),
            port_specifier: Some(PortSpecifier::PortValue(socket.port().into())),
            ..Default::default()
        })),
    }
}

/// A duration; what is too long for the format (292 billion years) is as long as it can be.
pub(super) fn duration(duration: Duration) -> ProtoDuration {
    ProtoDuration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        // Fewer than 10^9, so it fits.
        nanos: duration.subsec_nanos() as i32,
    }
}

/// A number that is there, also when it is 0.
pub(super) fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}
