//! What gRPC clients without a proxy ask for beside clusters and load assignments: a listener called as the target
//! they dial, and its routes.
//!
//! Its route configuration is its own, so that a switch is one response here too, whatever else Envoys are routed to.

use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::{
        core::v3::RuntimeFractionalPercent,
        listener::v3::{ApiListener, Listener},
        route::v3::{
            Route, RouteAction, RouteConfiguration, RouteMatch as EnvoyMatch, VirtualHost,
            route::Action, route_action::ClusterSpecifier, route_action::MaxStreamDuration,
            route_match::PathSpecifier,
        },
    },
    extensions::filters::{
        http::router::v3::Router,
        network::http_connection_manager::v3::{
            HttpConnectionManager, HttpFilter, Rds, http_connection_manager::RouteSpecifier,
            http_filter,
        },
    },
    r#type::v3::FractionalPercent,
};

use super::{
    draft::Draft,
    envoy::{ads, any, duration, resource},
    merge::{self, Rule},
    overrides, route,
};
use crate::{
    model::{Colour, Name, RouteMatch, TypeUrl},
    snapshot::{Input, References, Resource, ServiceInput, cluster_name},
};

/// Puts and removes the listeners of targets, and their route configurations.
pub(super) fn changed(draft: &mut Draft<'_>, before: &Input, after: &Input) {
    for (service, input) in &before.services {
        let now = after.services.get(service);
        let target = input.spec.grpc_target(service);
        if let Some(target) = target
            && now.and_then(|now| now.spec.grpc_target(service)) != Some(target)
        {
            draft.remove(TypeUrl::Listener, target);
            draft.remove(TypeUrl::RouteConfiguration, target);
        }
    }
    for (service, input) in &after.services {
        let Some(target) = input.spec.grpc_target(service) else {
            continue;
        };
        let old = before.services.get(service);
        if old.is_some_and(|old| Arc::ptr_eq(old, input)) {
            continue;
        }
        let old = old.filter(|old| old.spec.grpc_target(service) == Some(target));
        if old.is_none() || draft.is_new(TypeUrl::Listener, target) {
            draft.put(listener(target));
        }
        if old.is_none_or(|old| !route::same_routes(old, input))
            || draft.is_new(TypeUrl::RouteConfiguration, target)
        {
            draft.put(route_configuration(target, service, input));
        }
    }
}

/// The listener of a target. It listens nowhere: the client reads from it how to route its own calls.
fn listener(target: &str) -> Arc<Resource> {
    let manager = HttpConnectionManager {
        // Of no use to a client, but a message without it is not valid.
        stat_prefix: "grpc_client".to_owned(),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name: target.to_owned(),
        })),
        // gRPC refuses a list that does not end with this one.
        http_filters: vec![HttpFilter {
            name: "envoy.filters.http.router".to_owned(),
            config_type: Some(http_filter::ConfigType::TypedConfig(
                any(&Router::default()),
            )),
            ..Default::default()
        }],
        ..Default::default()
    };
    let listener = Listener {
        name: target.to_owned(),
        api_listener: Some(ApiListener {
            api_listener: Some(any(&manager)),
        }),
        ..Default::default()
    };
    let references = References {
        routes: [Arc::from(target)].into(),
        ..Default::default()
    };
    resource(TypeUrl::Listener, target, &listener, references)
}

/// The routes of a target: its service's, for whatever authority the calls bear.
fn route_configuration(target: &str, service: &Name, input: &ServiceInput) -> Arc<Resource> {
    let rules = merge::ordered([(service, input)].into_iter());
    let configuration = RouteConfiguration {
        name: target.to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: target.to_owned(),
            domains: vec!["*".to_owned()],
            routes: rules
                .into_iter()
                .flat_map(routes)
                .chain(known(service))
                .collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let references = References {
        clusters: Colour::BOTH
            .map(|colour| cluster_name(service, colour))
            .into(),
        ..Default::default()
    };
    resource(
        TypeUrl::RouteConfiguration,
        target,
        &configuration,
        references,
    )
}

/// The route of a rule, below that of its preview. Clients know no mirrors and no runtime keys: only a preview that
/// the server ends is one for them.
fn routes(rule: Rule<'_>) -> impl Iterator<Item = Route> {
    let route = route(rule);
    let preview = overrides::preview(rule.service, rule.input, &route);
    preview.into_iter().chain([route])
}

/// A route for each environment that no call takes: a client asks for the clusters of all routes, so it knows both long before
/// a switch. What a route leads to that is new to a client is there a moment later than the route: in Go, calls of that moment
/// fail ("unknown cluster selected for RPC").
pub(in crate::snapshot) fn known(service: &Name) -> impl Iterator<Item = Route> {
    let route = |cluster: Arc<str>| Route {
        name: cluster.to_string(),
        r#match: Some(EnvoyMatch {
            path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
            runtime_fraction: Some(RuntimeFractionalPercent {
                default_value: Some(FractionalPercent::default()),
                ..Default::default()
            }),
            ..Default::default()
        }),
        // No split: a switch leaves it as it is.
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_string())),
            ..Default::default()
        })),
        ..Default::default()
    };
    Colour::BOTH
        .map(|colour| route(cluster_name(service, colour)))
        .into_iter()
}

/// A route, with what gRPC clients understand of it.
fn route(rule: Rule<'_>) -> Route {
    let path = match &rule.route.matcher {
        RouteMatch::Path(path) => PathSpecifier::Path(path.clone()),
        RouteMatch::Prefix(prefix) => PathSpecifier::Prefix(prefix.clone()),
    };
    // gRPC knows no `timeout`; zero means no limit here too.
    let limit = rule
        .route
        .timeout
        .map(|timeout| timeout.0)
        .filter(|timeout| !timeout.is_zero());
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(route::split(
            rule.service,
            rule.input,
        ))),
        max_stream_duration: limit.map(|limit| MaxStreamDuration {
            max_stream_duration: Some(duration(limit)),
            ..Default::default()
        }),
        retry_policy: rule.route.retry.as_ref().map(route::retry_policy),
        ..Default::default()
    };
    Route {
        name: rule.service.to_string(),
        r#match: Some(EnvoyMatch {
            path_specifier: Some(path),
            ..Default::default()
        }),
        action: Some(Action::Route(action)),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        model::{ServiceSpec, Split},
        snapshot::{Snapshot, build, check, only_routes_differ, references_of},
    };

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn input(more: Value) -> Input {
        let mut spec = json!({ "fleet": "payments", "client": "grpc" });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let spec: ServiceSpec = serde_json::from_value(spec).unwrap();
        let service = ServiceInput::new(
            Arc::new(spec),
            vec!["127.0.0.1:9001".parse().unwrap()],
            vec!["127.0.0.1:9002".parse().unwrap()],
            Split::all_to(Colour::Blue),
        );
        Input {
            services: BTreeMap::from([(name("fraud-model"), Arc::new(service))]),
            ..Input::default()
        }
    }

    fn next(previous: &Snapshot, before: &Input, after: &Input) -> Snapshot {
        build(previous, before, after).unwrap().snapshot
    }

    fn first(after: &Input) -> Snapshot {
        next(&Snapshot::empty(name("payments")), &Input::default(), after)
    }

    fn names(snapshot: &Snapshot, type_url: TypeUrl) -> Vec<&str> {
        let sets = snapshot.get(type_url).into_iter();
        sets.flat_map(|set| set.resources.keys())
            .map(|name| &**name)
            .collect()
    }

    #[test]
    fn line_32_the_listener_is_called_as_the_target_and_asks_for_routes_by_ads() {
        let snapshot = first(&input(json!({})));
        assert_eq!(check(&snapshot), []);
        assert_eq!(names(&snapshot, TypeUrl::Listener), ["fraud-model"]);
        let found = snapshot.resource(TypeUrl::Listener, "fraud-model").unwrap();
        assert!(found.named_only);
        // Found in the message itself too: the route configuration comes by this stream.
        let references = references_of(TypeUrl::Listener, &found.bytes);
        assert_eq!(references, *found.references);
        let listener = Listener::decode(found.bytes.clone()).unwrap();
        assert_eq!(listener.address, None);
        let manager = listener.api_listener.unwrap().api_listener.unwrap();
        let manager = HttpConnectionManager::decode(&manager.value[..]).unwrap();
        assert_eq!(manager.http_filters.len(), 1);
        let Some(RouteSpecifier::Rds(rds)) = manager.route_specifier else {
            panic!("no RDS");
        };
        assert_eq!(rds.config_source, Some(ads()));
        assert_eq!(rds.route_config_name, "fraud-model");
    }

    #[test]
    fn line_32_localities_have_a_weight() {
        use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
        let snapshot = first(&input(json!({})));
        for colour in Colour::BOTH {
            let name = cluster_name(&name("fraud-model"), colour);
            let found = snapshot.resource(TypeUrl::ClusterLoadAssignment, &name);
            let assignment = ClusterLoadAssignment::decode(found.unwrap().bytes.clone()).unwrap();
            let weights = assignment.endpoints.iter().map(|e| e.load_balancing_weight);
            let weights: Vec<_> = weights.map(|weight| weight.unwrap().value).collect();
            assert_eq!(weights, [1]);
        }
    }

    #[test]
    fn a_switch_changes_the_routes_of_both_kinds_of_clients_and_nothing_else() {
        let before = input(json!({ "listener": { "address": "0.0.0.0", "port": 10000 } }));
        let mut after = before.clone();
        for service in after.services.values_mut() {
            Arc::make_mut(service).split = Split::all_to(Colour::Green);
        }
        let old = first(&before);
        let new = next(&old, &before, &after);
        assert_eq!(only_routes_differ(&old, &new), Ok(()));
        for name in ["0.0.0.0:10000", "fraud-model"] {
            let digest = |snapshot: &Snapshot| {
                let found = snapshot.resource(TypeUrl::RouteConfiguration, name);
                found.unwrap().digest
            };
            assert_ne!(digest(&old), digest(&new), "{name}");
        }
    }

    /// The routes of the target.
    fn routes_of(snapshot: &Snapshot) -> Vec<Route> {
        let found = snapshot.resource(TypeUrl::RouteConfiguration, "fraud-model");
        let found = RouteConfiguration::decode(found.unwrap().bytes.clone()).unwrap();
        assert_eq!(found.virtual_hosts.len(), 1);
        let host = found.virtual_hosts.into_iter().next().unwrap();
        assert_eq!(host.domains, ["*"]);
        host.routes
    }

    #[test]
    fn line_33_both_environments_are_known_to_a_client_by_routes_that_no_call_takes() {
        let mut known = Vec::new();
        for live in Colour::BOTH {
            let mut input = input(json!({}));
            for service in input.services.values_mut() {
                Arc::make_mut(service).split = Split::all_to(live);
            }
            let snapshot = first(&input);
            assert_eq!(check(&snapshot), []);
            let routes = routes_of(&snapshot);
            let never = |route: &&Route| {
                let matcher = route.r#match.clone().unwrap();
                let fraction = matcher.runtime_fraction.unwrap_or_default();
                let percent = fraction.default_value.map(|percent| percent.numerator);
                percent == Some(0) && fraction.runtime_key.is_empty()
            };
            let (never, taken): (Vec<_>, Vec<_>) = routes.iter().partition(never);
            assert_eq!(taken.len(), 1);
            let clusters = never.iter().map(|route| match &route.action {
                Some(Action::Route(RouteAction {
                    cluster_specifier: Some(ClusterSpecifier::Cluster(name)),
                    ..
                })) => name.as_str(),
                other => panic!("{other:?}"),
            });
            let clusters: Vec<_> = clusters.collect();
            assert_eq!(clusters, ["fraud-model/blue", "fraud-model/green"]);
            known.push(never.into_iter().cloned().collect::<Vec<_>>());
        }
        assert_eq!(known[0], known[1], "a switch leaves them as they are");
    }

    #[test]
    fn a_route_keeps_what_grpc_understands_of_it() {
        let routes = json!([
            { "match": { "prefix": "/" } },
            { "match": { "path": "/fraud.Model/Score" }, "timeout": "2s",
              "retry": { "on": ["unavailable"], "attempts": 2 } },
            { "match": { "prefix": "/fraud.Model/" }, "timeout": "0s" },
        ]);
        let snapshot = first(&input(json!({ "routes": routes, "hosts": ["a.example"] })));
        let routes = routes_of(&snapshot);
        let shapes = routes[..3].iter().map(|route| {
            let Some(Action::Route(action)) = &route.action else {
                panic!("{route:?}");
            };
            let path = route.r#match.as_ref().unwrap().path_specifier.clone();
            let limit = action.max_stream_duration;
            let limit = limit.map(|limit| limit.max_stream_duration.unwrap().seconds);
            let retry = action.retry_policy.as_ref();
            (path, limit, retry.map(|retry| retry.retry_on.as_str()))
        });
        let prefix = |text: &str| Some(PathSpecifier::Prefix(text.to_owned()));
        assert_eq!(
            shapes.collect::<Vec<_>>(),
            [
                (
                    Some(PathSpecifier::Path("/fraud.Model/Score".to_owned())),
                    Some(2),
                    Some("unavailable")
                ),
                (prefix("/fraud.Model/"), None, None),
                (prefix("/"), None, None),
            ]
        );
    }

    #[test]
    fn targets_come_move_and_go_with_their_service() {
        let plain = input(json!({ "client": "envoy" }));
        let grpc = input(json!({}));
        let renamed = input(json!({ "grpcTarget": "models.example:443" }));
        let mut snapshot = first(&plain);
        let mut before = &plain;
        for (after, expected) in [
            (&grpc, &["fraud-model"][..]),
            (&renamed, &["models.example:443"]),
            (&grpc, &["fraud-model"]),
            (&plain, &[]),
            (&grpc, &["fraud-model"]),
            (&Input::default(), &[]),
        ] {
            snapshot = next(&snapshot, before, after);
            before = after;
            for type_url in [TypeUrl::Listener, TypeUrl::RouteConfiguration] {
                assert_eq!(names(&snapshot, type_url), expected);
            }
        }
    }

    #[test]
    fn a_target_is_not_taken_twice() {
        let mut input = input(json!({}));
        let raw = json!({ "fleet": "payments", "resources": [{
            "@type": TypeUrl::RouteConfiguration.url(), "name": "fraud-model" }] });
        let raw = Arc::new(serde_json::from_value(raw).unwrap());
        input.resources.insert(name("mine"), raw);
        let error = build(
            &Snapshot::empty(name("payments")),
            &Input::default(),
            &input,
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "RouteConfiguration fraud-model comes from the gRPC target of fraud-model and from EnvoyResources mine: rename or remove one"
        );
    }
}
