//! What routes have for a while only, and the keys that switch it on.

use std::sync::Arc;

use envoy_types::pb::{
    envoy::{
        config::route::v3::{
            Route, RouteAction, RouteConfiguration, header_matcher::HeaderMatchSpecifier,
            route::Action, route_action::ClusterSpecifier, weighted_cluster::RandomValueSpecifier,
        },
        service::runtime::v3::Runtime,
        r#type::matcher::v3::string_matcher::MatchPattern,
    },
    google::protobuf::value::Kind,
};
use prost::Message as _;
use serde_json::json;

use super::build;
use crate::{
    model::{Colour, EndedBy, Name, ResourceSet, ServiceSpec, Split, Sticky, TypeUrl},
    snapshot::{Input, Preview, ServiceInput, Shadow, Snapshot, only_routes_differ},
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn service() -> ServiceInput {
    let spec = json!({
        "fleet": "payments",
        "listener": { "address": "0.0.0.0", "port": 10000 },
        "routes": [{ "match": { "prefix": "/" }, "timeout": "3s" }, { "match": { "path": "/score" } }],
    });
    let spec: ServiceSpec = serde_json::from_value(spec).unwrap();
    let live = Split::all_to(Colour::Blue);
    ServiceInput::new(Arc::new(spec), Vec::new(), Vec::new(), live)
}

fn shadow(ended_by: EndedBy) -> Option<Shadow> {
    Some(Shadow {
        to: Colour::Green,
        percent: 10,
        ended_by,
        on_routes: true,
    })
}

fn preview(ended_by: EndedBy) -> Option<Preview> {
    Some(Preview {
        to: Colour::Green,
        header: "x-bluegreen-preview".to_owned(),
        value: "green".to_owned(),
        ended_by,
        on_routes: true,
    })
}

/// The fleet of that one service, and a route of its own to it.
fn input(service: ServiceInput) -> Input {
    let routes = json!({
        "@type": TypeUrl::RouteConfiguration.url(),
        "name": "mine",
        "virtualHosts": [{ "name": "v", "domains": ["*"], "routes": [
            { "match": { "prefix": "/other" }, "direct_response": { "status": 404 } },
            { "match": { "prefix": "/" }, "route": { "cluster": "service:fraud-model",
                "request_mirror_policies": [{ "cluster": "fraud-model/green",
                    "runtime_fraction": { "default_value": { "numerator": 5 } } }] } },
        ] }],
    });
    let set = ResourceSet {
        fleet: name("payments"),
        resources: vec![routes],
    };
    Input {
        services: [(name("fraud-model"), Arc::new(service))].into(),
        resources: [(name("extra"), Arc::new(set))].into(),
    }
}

fn built(service: ServiceInput) -> Snapshot {
    let nothing = Snapshot::empty(name("payments"));
    let built = build(&nothing, &Input::default(), &input(service)).unwrap();
    built.snapshot
}

fn routes(snapshot: &Snapshot, name: &str) -> Vec<Route> {
    let resource = snapshot.resource(TypeUrl::RouteConfiguration, name);
    let mut configuration = RouteConfiguration::decode(resource.unwrap().bytes.clone()).unwrap();
    configuration.virtual_hosts.remove(0).routes
}

fn action(route: &Route) -> &RouteAction {
    match &route.action {
        Some(Action::Route(action)) => action,
        other => panic!("{other:?}"),
    }
}

fn keys(snapshot: &Snapshot) -> Vec<(String, f64)> {
    let resource = snapshot.resource(TypeUrl::Runtime, "bluegreen").unwrap();
    let runtime = Runtime::decode(resource.bytes.clone()).unwrap();
    let fields = runtime.layer.unwrap().fields.into_iter();
    let mut keys: Vec<_> = fields
        .map(|(key, value)| match value.kind {
            Some(Kind::NumberValue(number)) => (key, number),
            other => panic!("{other:?}"),
        })
        .collect();
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(resource.ttl.is_some(), !keys.is_empty());
    keys
}

#[test]
fn what_is_not_used_is_nowhere() {
    let snapshot = built(service());
    assert_eq!(keys(&snapshot), []);
    for configuration in ["0.0.0.0:10000", "mine"] {
        let routes = routes(&snapshot, configuration);
        assert_eq!(routes.len(), 2);
        assert!(
            routes
                .iter()
                .all(|route| route.r#match.as_ref().unwrap().headers.is_empty())
        );
    }
    assert_eq!(
        action(&routes(&snapshot, "0.0.0.0:10000")[0]).request_mirror_policies,
        []
    );
}

#[test]
fn a_preview_stands_above_each_route_and_is_off_but_for_its_key() {
    let snapshot = built(ServiceInput {
        preview: preview(EndedBy::Proxies),
        shadow: shadow(EndedBy::Proxies),
        ..service()
    });
    assert_eq!(
        keys(&snapshot),
        [
            ("bluegreen.preview.fraud-model".to_owned(), 100.0),
            ("bluegreen.shadow.fraud-model".to_owned(), 10.0),
        ]
    );
    let generated = routes(&snapshot, "0.0.0.0:10000");
    let names: Vec<_> = generated.iter().map(|route| route.name.as_str()).collect();
    let (preview, live) = ("fraud-model/preview", "fraud-model");
    assert_eq!(names, [preview, live, preview, live]);
    for (above, below) in [
        (&generated[0], &generated[1]),
        (&generated[2], &generated[3]),
    ] {
        let (condition, same) = (
            above.r#match.as_ref().unwrap(),
            below.r#match.as_ref().unwrap(),
        );
        assert_eq!(condition.path_specifier, same.path_specifier);
        let header = &condition.headers[0];
        assert_eq!(header.name, "x-bluegreen-preview");
        let Some(HeaderMatchSpecifier::StringMatch(value)) = &header.header_match_specifier else {
            panic!("{header:?}");
        };
        assert_eq!(
            value.match_pattern,
            Some(MatchPattern::Exact("green".to_owned()))
        );
        let fraction = condition.runtime_fraction.as_ref().unwrap();
        assert_eq!(fraction.runtime_key, "bluegreen.preview.fraud-model");
        assert_eq!(fraction.default_value.unwrap().numerator, 0);
        let cluster = ClusterSpecifier::Cluster("fraud-model/green".to_owned());
        assert_eq!(action(above).cluster_specifier, Some(cluster));
        assert_eq!(action(above).timeout, action(below).timeout);
        assert_eq!(action(above).request_mirror_policies, []);
        let [mirror] = action(below).request_mirror_policies.as_slice() else {
            panic!("{below:?}");
        };
        assert_eq!(mirror.cluster, "fraud-model/green");
        let fraction = mirror.runtime_fraction.as_ref().unwrap();
        assert_eq!(fraction.runtime_key, "bluegreen.shadow.fraud-model");
        assert_eq!(fraction.default_value.unwrap().numerator, 0);
    }

    // Routes of the user's own have the same, and what the user wrote stays.
    let own = routes(&snapshot, "mine");
    assert_eq!(own.len(), 3);
    let cluster = ClusterSpecifier::Cluster("fraud-model/green".to_owned());
    assert_eq!(action(&own[1]).cluster_specifier, Some(cluster));
    assert_eq!(action(&own[1]).request_mirror_policies.len(), 1);
    assert_eq!(action(&own[2]).request_mirror_policies.len(), 2);
}

#[test]
fn where_proxies_have_no_layer_the_route_itself_says_how_much() {
    let snapshot = built(ServiceInput {
        preview: preview(EndedBy::Server),
        shadow: shadow(EndedBy::Server),
        ..service()
    });
    assert_eq!(keys(&snapshot), []);
    let routes = routes(&snapshot, "0.0.0.0:10000");
    let preview = routes[0].r#match.clone().unwrap().runtime_fraction.unwrap();
    let mirror = action(&routes[1]).request_mirror_policies[0].clone();
    let mirror = mirror.runtime_fraction.unwrap();
    assert_eq!(preview.default_value.unwrap().numerator, 100);
    assert_eq!(mirror.default_value.unwrap().numerator, 10);
    assert_eq!(
        (preview.runtime_key, mirror.runtime_key),
        Default::default()
    );
}

#[test]
fn a_switch_takes_them_off_the_routes_and_changes_routes_only() {
    let before = ServiceInput {
        preview: preview(EndedBy::Proxies),
        shadow: shadow(EndedBy::Proxies),
        ..service()
    };
    let mut after = before.clone();
    after.split = Split::all_to(Colour::Green);
    after.preview.as_mut().unwrap().on_routes = false;
    after.shadow.as_mut().unwrap().on_routes = false;
    let old = built(before.clone());
    let new = build(&old, &input(before), &input(after.clone())).unwrap();
    assert_eq!(only_routes_differ(&old, &new.snapshot), Ok(()));
    assert_eq!(routes(&new.snapshot, "0.0.0.0:10000").len(), 2);
    assert_eq!(keys(&new.snapshot).len(), 2);

    let done = ServiceInput {
        preview: None,
        shadow: None,
        ..after.clone()
    };
    let last = build(&new.snapshot, &input(after), &input(done)).unwrap();
    assert_eq!(keys(&last.snapshot), []);
    let set = |snapshot: &Snapshot| snapshot.get(TypeUrl::RouteConfiguration).unwrap().clone();
    assert!(Arc::ptr_eq(&set(&new.snapshot), &set(&last.snapshot)));
}

#[test]
fn clients_are_kept_in_one_environment_only_while_there_are_two() {
    for (sticky, divided) in [
        (Some(Sticky::Header("x-user-id".to_owned())), true),
        (Some(Sticky::Cookie("session".to_owned())), true),
        (Some(Sticky::Header("x-user-id".to_owned())), false),
        (None, true),
    ] {
        let wanted = sticky.is_some() && divided;
        let green = if divided { 10 } else { 0 };
        let snapshot = built(ServiceInput {
            sticky,
            split: Split {
                blue: 100 - green,
                green,
            },
            ..service()
        });
        for (configuration, at) in [("0.0.0.0:10000", 0), ("mine", 1)] {
            let route = &routes(&snapshot, configuration)[at];
            assert_eq!(action(route).hash_policy.len(), usize::from(wanted));
            let Some(ClusterSpecifier::WeightedClusters(weighted)) =
                &action(route).cluster_specifier
            else {
                panic!("{route:?}");
            };
            let by_hash = matches!(
                &weighted.random_value_specifier,
                Some(RandomValueSpecifier::UseHashPolicy(yes)) if yes.value
            );
            assert_eq!(by_hash, wanted);
        }
    }
}
