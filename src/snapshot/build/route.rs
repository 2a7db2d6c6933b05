//! The route configuration of a listener: the one place where it stands which environment has the traffic.

use std::{sync::Arc, time::Duration};

use envoy_types::pb::{
    envoy::{
        config::route::v3::{
            RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch as EnvoyMatch,
            VirtualHost, WeightedCluster,
            retry_policy::{RetryHostPredicate, retry_host_predicate},
            route::Action,
            route_action::{ClusterSpecifier, UpgradeConfig},
            route_match::PathSpecifier,
            weighted_cluster::{ClusterWeight, RandomValueSpecifier},
        },
        extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate,
    },
    google::protobuf::BoolValue,
};

use super::{
    envoy::{any, duration, number, resource},
    error::BuildError,
    listener::WEBSOCKET,
    merge::{self, Group, Rule},
    overrides,
};
use crate::{
    model::{
        Colour, HumanDuration, ListenerSpec, Name, Protocol, RetryOn, RetrySpec, RouteMatch,
        ServiceSpec, TypeUrl,
    },
    snapshot::{References, Resource, ServiceInput, cluster_name},
};

/// How often Envoy looks for an endpoint that it has not tried yet before it takes what it gets.
const OTHER_ENDPOINT_ATTEMPTS: i64 = 3;

/// The route configuration of all services that share a listener.
pub(super) fn route_configuration(
    listener: &ListenerSpec,
    group: &Group<'_>,
) -> Result<Arc<Resource>, BuildError> {
    let name = super::listener::name(listener);
    let virtual_hosts = merge::hosts(listener, group)?
        .into_iter()
        .map(|host| VirtualHost {
            // Host names are unique here, so the first of them is a name.
            name: host.domains.first().cloned().unwrap_or_default(),
            domains: host.domains,
            routes: host.rules.into_iter().flat_map(routes).collect(),
            ..Default::default()
        })
        .collect();
    let configuration = RouteConfiguration {
        name: name.clone(),
        virtual_hosts,
        // Clients name the port in the host header where it is not 80: "model.example.com:10000" is that host.
        ignore_port_in_host_matching: true,
        ..Default::default()
    };
    let clusters = group
        .iter()
        .flat_map(|(service, _)| Colour::BOTH.map(|colour| cluster_name(service, colour)));
    let mut references = References {
        clusters: clusters.collect(),
        ..Default::default()
    };
    for (service, input) in group.iter() {
        let timeouts = input.spec.routes.iter();
        let timeouts = timeouts.filter_map(|route| timeout(route.timeout, &input.spec));
        for timeout in timeouts {
            let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            for colour in Colour::BOTH {
                references.add_timeout(&cluster_name(service, colour), millis);
            }
        }
    }
    Ok(resource(
        TypeUrl::RouteConfiguration,
        &name,
        &configuration,
        references,
    ))
}

/// How long a request may be open; None: as long as Envoy lets it by default.
fn timeout(declared: Option<HumanDuration>, spec: &ServiceSpec) -> Option<Duration> {
    match (declared, spec.cluster.protocol) {
        (Some(timeout), _) => Some(timeout.0),
        // gRPC clients bring their own deadline, and a stream is one long request.
        (None, Protocol::Grpc) => Some(Duration::ZERO),
        (None, Protocol::Http1 | Protocol::Http2) => None,
    }
}

/// Whether the routes of a service would come out the same.
pub(super) fn same_routes(a: &ServiceInput, b: &ServiceInput) -> bool {
    overrides::same_action(a, b)
        && (Arc::ptr_eq(&a.spec, &b.spec)
            || (a.spec.routes == b.spec.routes
                && a.spec.hosts == b.spec.hosts
                && a.spec.cluster.protocol == b.spec.cluster.protocol))
}

/// The route of a rule, below the route of its preview if there is one: the first match wins.
fn routes(rule: Rule<'_>) -> impl Iterator<Item = Route> {
    let route = route(rule);
    let preview = overrides::preview(rule.service, rule.input, &route);
    preview.into_iter().chain([route])
}

fn route(rule: Rule<'_>) -> Route {
    let Rule {
        service,
        input,
        route,
    } = rule;
    let path = match &route.matcher {
        RouteMatch::Path(path) => PathSpecifier::Path(path.clone()),
        RouteMatch::Prefix(prefix) => PathSpecifier::Prefix(prefix.clone()),
    };
    let timeout = timeout(route.timeout, &input.spec);
    let websocket = route.websocket.then(|| UpgradeConfig {
        upgrade_type: WEBSOCKET.to_owned(),
        enabled: Some(BoolValue { value: true }),
        ..Default::default()
    });
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(split(service, input))),
        hash_policy: overrides::hash_policy(input),
        request_mirror_policies: overrides::mirrors(service, input),
        timeout: timeout.map(duration),
        idle_timeout: route.idle_timeout.map(|timeout| duration(timeout.0)),
        retry_policy: route.retry.as_ref().map(retry_policy),
        upgrade_configs: websocket.into_iter().collect(),
        ..Default::default()
    };
    Route {
        // In access logs as %ROUTE_NAME%.
        name: service.to_string(),
        r#match: Some(EnvoyMatch {
            path_specifier: Some(path),
            ..Default::default()
        }),
        action: Some(Action::Route(action)),
        ..Default::default()
    }
}

/// Both environments with their weights. A weight of 0 is said too: absent, Envoy and gRPC read it differently.
///
/// `runtime_key_prefix` is never set: a runtime value could then override the weights behind our back.
pub(in crate::snapshot) fn split(service: &Name, input: &ServiceInput) -> WeightedCluster {
    let clusters = Colour::BOTH.map(|colour| ClusterWeight {
        name: cluster_name(service, colour).to_string(),
        weight: number(input.split.weight(colour)),
        ..Default::default()
    });
    WeightedCluster {
        clusters: clusters.into(),
        random_value_specifier: overrides::is_sticky(input).then_some(
            RandomValueSpecifier::UseHashPolicy(BoolValue { value: true }),
        ),
        ..Default::default()
    }
}

pub(super) fn retry_policy(spec: &RetrySpec) -> RetryPolicy {
    let on: Vec<&str> = spec
        .on
        .iter()
        .map(|condition| retry_on(*condition))
        .collect();
    RetryPolicy {
        retry_on: on.join(","),
        num_retries: number(spec.attempts),
        per_try_timeout: spec.per_try_timeout.map(|timeout| duration(timeout.0)),
        // The endpoint that just failed is the worst choice for the next try.
        retry_host_predicate: vec![RetryHostPredicate {
            name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
            config_type: Some(retry_host_predicate::ConfigType::TypedConfig(any(
                &PreviousHostsPredicate {},
            ))),
        }],
        host_selection_retry_max_attempts: OTHER_ENDPOINT_ATTEMPTS,
        ..Default::default()
    }
}

/// Envoy's names of the conditions (`x-envoy-retry-on`, `x-envoy-retry-grpc-on`).
fn retry_on(condition: RetryOn) -> &'static str {
    match condition {
        RetryOn::ServerError => "5xx",
        RetryOn::GatewayError => "gateway-error",
        RetryOn::Reset => "reset",
        RetryOn::ConnectFailure => "connect-failure",
        RetryOn::RefusedStream => "refused-stream",
        RetryOn::Retriable4xx => "retriable-4xx",
        RetryOn::Cancelled => "cancelled",
        RetryOn::DeadlineExceeded => "deadline-exceeded",
        RetryOn::ResourceExhausted => "resource-exhausted",
        RetryOn::Unavailable => "unavailable",
    }
}
