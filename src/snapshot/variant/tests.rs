//! What goes and what stays in a held route configuration.

use std::sync::Arc;

use envoy_types::pb::envoy::config::route::v3::{
    RouteAction, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster, route_action,
    route_match::PathSpecifier,
};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::snapshot::References;

fn weighted(clusters: &[(&str, Option<u32>)]) -> ClusterSpecifier {
    ClusterSpecifier::WeightedClusters(WeightedCluster {
        clusters: clusters
            .iter()
            .map(|(name, weight)| ClusterWeight {
                name: (*name).to_owned(),
                weight: weight.map(|value| UInt32Value { value }),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    })
}

fn route(name: &str, to: ClusterSpecifier, mirror: Option<&str>) -> Route {
    Route {
        name: name.to_owned(),
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix(format!("/{name}"))),
            ..Default::default()
        }),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(to),
            request_mirror_policies: mirror
                .map(|cluster| RequestMirrorPolicy {
                    cluster: cluster.to_owned(),
                    ..Default::default()
                })
                .into_iter()
                .collect(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn configuration(hosts: Vec<(&str, Vec<Route>)>) -> RouteConfiguration {
    RouteConfiguration {
        name: "main".to_owned(),
        virtual_hosts: hosts
            .into_iter()
            .map(|(domain, routes)| VirtualHost {
                name: domain.to_owned(),
                domains: vec![domain.to_owned()],
                routes,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

fn resource(configuration: &RouteConfiguration, clusters: &[&str]) -> Resource {
    let references = References {
        clusters: clusters.iter().map(|name| Arc::from(*name)).collect(),
        ..Default::default()
    };
    Resource::new(
        TypeUrl::RouteConfiguration,
        "main",
        configuration.encode_to_vec().into(),
        references,
    )
}

fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn decoded(resource: &Resource) -> RouteConfiguration {
    RouteConfiguration::decode(resource.bytes.clone()).unwrap()
}

#[test]
fn routes_to_a_missing_cluster_go_and_so_does_a_host_without_routes() {
    let whole = configuration(vec![
        (
            "a",
            vec![
                route("stays", ClusterSpecifier::Cluster("old".into()), None),
                route(
                    "goes",
                    weighted(&[("s/blue", Some(100)), ("s/green", Some(0))]),
                    None,
                ),
            ],
        ),
        (
            "b",
            vec![route(
                "goes",
                ClusterSpecifier::Cluster("s/green".into()),
                None,
            )],
        ),
        ("always-empty", vec![]),
    ]);
    let whole = resource(&whole, &["old", "s/blue", "s/green"]);
    let held = ready_part(&whole, None, &names(&["s/green"]));
    let expected = configuration(vec![
        (
            "a",
            vec![route(
                "stays",
                ClusterSpecifier::Cluster("old".into()),
                None,
            )],
        ),
        ("always-empty", vec![]),
    ]);
    assert_eq!(decoded(&held), expected);
    assert_eq!(held.references.clusters, names(&["old"]));
    assert_ne!(held.digest, whole.digest);
}

#[test]
fn a_mirror_to_a_missing_cluster_goes_and_its_route_stays() {
    let to = || ClusterSpecifier::Cluster("old".into());
    let whole = configuration(vec![("a", vec![route("r", to(), Some("new"))])]);
    let held = ready_part(&resource(&whole, &["old", "new"]), None, &names(&["new"]));
    let expected = configuration(vec![("a", vec![route("r", to(), None)])]);
    assert_eq!(decoded(&held), expected);
}

#[test]
fn a_route_that_waits_keeps_what_the_client_has_for_the_same_requests() {
    let to = |name: &str| ClusterSpecifier::Cluster(name.into());
    let split = |green| weighted(&[("s/blue", Some(100 - green)), ("s/green", Some(green))]);
    let before = configuration(vec![
        (
            "a",
            vec![route("moves", to("old"), None), route("s", split(0), None)],
        ),
        ("gone", vec![route("r", to("old"), None)]),
    ]);
    let newest = configuration(vec![
        (
            "a",
            vec![
                route("new", to("cold"), None),
                route("moves", to("cold"), None),
                route("s", split(100), None),
                route("other", to("ready"), None),
            ],
        ),
        ("b", vec![route("moves", to("cold"), None)]),
    ]);
    let [before, whole] = [&before, &newest].map(|rc| resource(rc, &["whatever"]));
    let part = ready_part(&whole, Some(&before), &names(&["cold"]));
    let expected = configuration(vec![(
        "a",
        vec![
            route("moves", to("old"), None),
            route("s", split(100), None),
            route("other", to("ready"), None),
        ],
    )]);
    assert_eq!(decoded(&part), expected);
    let named = names(&["old", "ready", "s/blue", "s/green"]);
    assert_eq!(part.references.clusters, named);

    // A split over a cluster that is missing again keeps its weights: the client has been told of it already.
    let part = ready_part(&whole, Some(&before), &names(&["cold", "s/green"]));
    let routes = &decoded(&part).virtual_hosts[0].routes;
    assert_eq!(routes[1], route("s", split(0), None));
}

#[test]
fn splits_take_the_weights_of_the_newest_and_nothing_else_does() {
    let with = |blue, green, other| {
        configuration(vec![(
            "a",
            vec![
                route("s", weighted(&[("s/blue", blue), ("s/green", green)]), None),
                route("o", weighted(&[("x", other), ("y", other)]), None),
            ],
        )])
    };
    let previous = resource(&with(Some(100), None, Some(1)), &[]);
    let newest = resource(&with(Some(0), Some(100), Some(9)), &[]);
    let held = with_splits_of(&previous, &newest);
    assert_eq!(decoded(&held), with(Some(0), Some(100), Some(1)));
}

#[test]
fn a_service_that_the_newest_does_not_have_keeps_its_weights() {
    let split = |service: &str| {
        let (blue, green) = (format!("{service}/blue"), format!("{service}/green"));
        configuration(vec![(
            "a",
            vec![route(
                "s",
                weighted(&[(&blue, Some(3)), (&green, Some(4))]),
                None,
            )],
        )])
    };
    let previous = resource(&split("gone"), &[]);
    let held = with_splits_of(&previous, &resource(&split("other"), &[]));
    assert_eq!(held.bytes, previous.bytes);
}

#[test]
fn a_mirror_to_the_service_that_moves_goes_with_the_move_and_only_then() {
    let with = |blue, green, mirror| {
        let split = weighted(&[("s/blue", Some(blue)), ("s/green", Some(green))]);
        configuration(vec![("a", vec![route("s", split, mirror)])])
    };
    let mirrored = resource(&with(100, 0, Some("s/green")), &[]);
    let switched = resource(&with(0, 100, None), &[]);
    let held = with_splits_of(&mirrored, &switched);
    assert_eq!(decoded(&held), with(0, 100, None));
    let unmoved = with_splits_of(&mirrored, &mirrored);
    assert_eq!(unmoved.bytes, mirrored.bytes);
    let elsewhere = resource(&with(100, 0, Some("audit")), &[]);
    let held = with_splits_of(&elsewhere, &switched);
    assert_eq!(decoded(&held), with(0, 100, Some("audit")));
}

#[test]
fn mirrors_of_hosts_and_configurations_go_too() {
    let whole = RouteConfiguration {
        request_mirror_policies: vec![RequestMirrorPolicy {
            cluster: "m".into(),
            ..Default::default()
        }],
        virtual_hosts: vec![VirtualHost {
            request_mirror_policies: vec![route_action::RequestMirrorPolicy {
                cluster: "m".into(),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let held = ready_part(&resource(&whole, &["m"]), None, &names(&["m"]));
    let expected = RouteConfiguration {
        virtual_hosts: vec![VirtualHost::default()],
        ..Default::default()
    };
    assert_eq!(decoded(&held), expected);
}

proptest! {
    #[test]
    fn any_bytes_come_back_without_a_panic(bytes: Vec<u8>) {
        let resource = Resource::new(TypeUrl::RouteConfiguration, "r", bytes.into(), References::default());
        ready_part(&resource, None, &names(&["x"]));
        with_splits_of(&resource, &resource);
    }

    #[test]
    fn nothing_missing_changes_nothing(weights in proptest::collection::vec(0u32..100, 0..6)) {
        let routes = weights
            .iter()
            .map(|weight| route("r", weighted(&[("s/blue", Some(*weight)), ("s/green", None)]), None))
            .collect();
        let whole = resource(&configuration(vec![("a", routes)]), &[]);
        prop_assert_eq!(ready_part(&whole, None, &names(&["other"])).digest, whole.digest);
    }
}
