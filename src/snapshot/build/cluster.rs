//! One environment of a service as an Envoy cluster.

use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::{
        cluster::v3::{
            CircuitBreakers, Cluster,
            circuit_breakers::Thresholds,
            cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig},
        },
        core::v3::{
            ApiVersion, ConfigSource, HealthCheck as EnvoyHealthCheck, Http1ProtocolOptions,
            Http2ProtocolOptions, RoutingPriority, SelfConfigSource,
            config_source::ConfigSourceSpecifier,
            health_check::{HealthChecker, HttpHealthCheck},
        },
    },
    extensions::upstreams::http::v3::{
        HttpProtocolOptions,
        http_protocol_options::{
            ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig,
        },
    },
    r#type::v3::CodecClientType,
};
use prost::Name as _;

use super::envoy::{ads, any, duration, number, resource};
use crate::{
    model::{CircuitBreaker, ClusterSpec, Colour, HealthCheck, Name, Protocol, TypeUrl},
    snapshot::{References, Resource},
};

/// Failed checks in a row until an endpoint counts as dead: one lost packet must not take an endpoint away.
const UNHEALTHY_THRESHOLD: u32 = 2;

/// Passed checks in a row until it counts as alive again: what answers gets traffic.
const HEALTHY_THRESHOLD: u32 = 1;

/// What backends may report about themselves by ORCA headers, forwarded to the control plane in load reports: their
/// own measures (a model's scores, say), and how busy they are.
const ORCA_METRICS: [&str; 5] = [
    "named_metrics.*",
    "utilization.*",
    "cpu_utilization",
    "mem_utilization",
    "application_utilization",
];

/// No limit. Envoy's defaults of 1,024 connections, pending requests and requests, and 3 retries, per cluster, would
/// fail requests of a busy service with 503: a switch moves all of its load at once to a cluster that has no
/// connections yet, and then everything is pending for a moment.
const UNLIMITED: u32 = u32::MAX;

/// The name of an environment's cluster and load assignment: `SERVICE/COLOUR`.
pub fn cluster_name(service: &Name, colour: Colour) -> Arc<str> {
    format!("{service}/{colour}").into()
}

/// The cluster `SERVICE/COLOUR`. Its endpoints come by EDS, so that a change of endpoints leaves the cluster, and the
/// connections in it, alone.
pub(super) fn cluster(name: &str, spec: &ClusterSpec) -> Arc<Resource> {
    let options = protocol_options(spec.protocol);
    let cluster = Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(ads()),
            ..Default::default()
        }),
        connect_timeout: Some(duration(spec.connect_timeout.0)),
        typed_extension_protocol_options: [(HttpProtocolOptions::full_name(), any(&options))]
            .into(),
        health_checks: spec
            .health_check
            .iter()
            .map(|check| health_check(check, spec.protocol))
            .collect(),
        // Otherwise an endpoint that was taken away keeps getting traffic for as long as it passes its checks.
        ignore_health_on_host_removal: true,
        circuit_breakers: Some(circuit_breakers(spec.circuit_breaker.as_ref())),
        lrs_server: Some(ConfigSource {
            resource_api_version: ApiVersion::V3.into(),
            config_source_specifier: Some(ConfigSourceSpecifier::Self_(SelfConfigSource {
                transport_api_version: ApiVersion::V3.into(),
            })),
            ..Default::default()
        }),
        lrs_report_endpoint_metrics: ORCA_METRICS.map(str::to_owned).to_vec(),
        ..Default::default()
    };
    let references = References {
        endpoints: [Arc::from(name)].into(),
        ..Default::default()
    };
    resource(TypeUrl::Cluster, name, &cluster, references)
}

fn protocol_options(protocol: Protocol) -> HttpProtocolOptions {
    let protocol = match protocol {
        Protocol::Http1 => ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()),
        Protocol::Http2 | Protocol::Grpc => {
            ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default())
        }
    };
    HttpProtocolOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(
            ExplicitHttpConfig {
                protocol_config: Some(protocol),
            },
        )),
        ..Default::default()
    }
}

fn health_check(check: &HealthCheck, protocol: Protocol) -> EnvoyHealthCheck {
    let codec = match protocol {
        Protocol::Http1 => CodecClientType::Http1,
        Protocol::Http2 | Protocol::Grpc => CodecClientType::Http2,
    };
    EnvoyHealthCheck {
        timeout: Some(duration(check.timeout.0)),
        interval: Some(duration(check.interval.0)),
        // Envoy checks a cluster without traffic only every 60 s: a staged endpoint that died would count as alive
        // for a minute, the minute in which the switch comes.
        no_traffic_interval: Some(duration(check.interval.0)),
        unhealthy_threshold: number(UNHEALTHY_THRESHOLD),
        healthy_threshold: number(HEALTHY_THRESHOLD),
        health_checker: Some(HealthChecker::HttpHealthCheck(HttpHealthCheck {
            path: check.path.clone(),
            codec_client_type: codec.into(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn circuit_breakers(wanted: Option<&CircuitBreaker>) -> CircuitBreakers {
    let limit =
        |of: fn(&CircuitBreaker) -> Option<u32>| number(wanted.and_then(of).unwrap_or(UNLIMITED));
    let thresholds = [RoutingPriority::Default, RoutingPriority::High].map(|priority| Thresholds {
        priority: priority.into(),
        max_connections: limit(|wanted| wanted.max_connections),
        max_pending_requests: limit(|wanted| wanted.max_pending_requests),
        max_requests: limit(|wanted| wanted.max_requests),
        max_retries: number(UNLIMITED),
        ..Default::default()
    });
    CircuitBreakers {
        thresholds: thresholds.into(),
        ..Default::default()
    }
}
