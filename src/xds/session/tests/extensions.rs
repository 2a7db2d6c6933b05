//! Filters that call clusters: as extensions of their own, and as settings within routes.

use envoy_types::pb::{
    envoy::{
        config::{
            core::v3::{
                GrpcService,
                grpc_service::{EnvoyGrpc, TargetSpecifier},
            },
            route::v3::RouteConfiguration,
        },
        extensions::filters::http::ext_authz::v3::{
            CheckSettings, ExtAuthzPerRoute, check_settings::ServiceOverride,
            ext_authz_per_route::Override,
        },
    },
    google::protobuf::Any,
};
use prost::Message as _;

use super::*;
use crate::snapshot::EVERYTHING;

const ECDS: TypeUrl = TypeUrl::TypedExtensionConfig;

/// A filter that asks a cluster whether a request may go on.
fn authz(cluster: &str) -> Resource {
    let references = References {
        helpers: [Arc::from(cluster)].into(),
        ..References::default()
    };
    Resource::new(ECDS, "authz", format!("asks {cluster}").into(), references)
}

/// Routes to service `a`, whose requests have to pass a filter that asks a cluster.
fn guarded_routes(green: bool, cluster: &str) -> Resource {
    let routes = routes("main", &[("a", green)]);
    let mut configuration = RouteConfiguration::decode(&routes.bytes[..]).unwrap();
    let settings = CheckSettings {
        service_override: Some(ServiceOverride::GrpcService(GrpcService {
            target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
                cluster_name: cluster.to_owned(),
                ..EnvoyGrpc::default()
            })),
            ..GrpcService::default()
        })),
        ..CheckSettings::default()
    };
    let per_route = ExtAuthzPerRoute {
        r#override: Some(Override::CheckSettings(settings)),
    };
    let filter = Any {
        type_url: "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
            .to_owned(),
        value: per_route.encode_to_vec(),
    };
    let filters = &mut configuration.virtual_hosts[0].typed_per_filter_config;
    filters.insert("authz".to_owned(), filter);
    let mut references = (*routes.references).clone();
    references.helpers = [Arc::from(cluster)].into();
    Resource::new(
        RDS,
        "main",
        configuration.encode_to_vec().into(),
        references,
    )
}

/// An Envoy rejects a filter that calls a cluster which it does not have.
#[test]
fn line_19_an_extension_waits_for_the_cluster_that_it_calls() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        client.ask(ECDS, &["authz"]);
        client.push(fleet.put(service("b").into_iter().chain([authz("b/blue")])));
        let first = client.ack(CDS);
        assert_eq!(sent(&first), [(ECDS, vec!["authz".into()])], "{mode:?}");
        client.ack(ECDS);
        let held = client.push(fleet.put(service("c").into_iter().chain([authz("c/blue")])));
        let types: Vec<TypeUrl> = sent(&held).into_iter().map(|(of, _)| of).collect();
        assert_eq!(types, [CDS], "{mode:?}");
        let next = client.ack(CDS);
        assert_eq!(sent(&next), [(ECDS, vec!["authz".into()])], "{mode:?}");
    }
}

/// An Envoy uses a listener without a filter that does not come, and fails every request.
#[test]
fn line_19_a_listener_waits_for_the_cluster_that_its_extension_calls() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let plain = listener("main", 2, &["main"]);
        let references = References {
            filters: [Arc::from("authz")].into(),
            ..(*plain.references).clone()
        };
        let filtered = Resource::new(LDS, "main", plain.bytes, references);
        let more = service("b").into_iter().chain([authz("b/blue"), filtered]);
        let held = client.push(fleet.put(more));
        let types: Vec<TypeUrl> = sent(&held).into_iter().map(|(of, _)| of).collect();
        assert_eq!(types, [CDS], "{mode:?}");
        assert_eq!(
            sent(&client.ack(CDS)),
            [(LDS, vec!["main".into()])],
            "{mode:?}"
        );
        client.ack(LDS);
        client.ask(ECDS, &["authz"]);
        client.ack(ECDS);
        // The filter calls another one: the listener is what it was.
        let other = service("c").into_iter().chain([authz("c/blue")]);
        let held = client.push(fleet.put(other));
        assert!(sent(&held).iter().all(|(of, _)| *of != LDS), "{mode:?}");
        let next = client.ack(CDS);
        assert_eq!(sent(&next), [(ECDS, vec!["authz".into()])], "{mode:?}");
    }
}

#[test]
fn line_19_routes_wait_for_the_cluster_that_a_filter_of_theirs_calls_and_a_switch_does_not() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let added = service("b").into_iter();
        let held = client.push(fleet.put(added.chain([guarded_routes(false, "b/blue")])));
        let types: Vec<TypeUrl> = sent(&held).into_iter().map(|(of, _)| of).collect();
        assert_eq!(types, [CDS], "{mode:?}");
        let switch = client.push(fleet.put([guarded_routes(true, "b/blue")]));
        assert_eq!(sent(&switch), [(RDS, vec!["main".into()])], "{mode:?}");
        let turned = switch.responses[0].resource(0);
        assert_eq!(turned.digest, routes("main", &[("a", true)]).digest);
        client.ack(RDS);
        let ready = client.ack(CDS);
        assert_eq!(sent(&ready), [(RDS, vec!["main".into()])], "{mode:?}");
        let guarded = guarded_routes(true, "b/blue");
        assert_eq!(ready.responses[0].resource(0).digest, guarded.digest);
    }
}

/// A listener whose secret is asked for on a stream of its own.
fn with_secret(listener: Resource) -> Resource {
    let references = References {
        apart: [(TypeUrl::Secret, Arc::from("key"))].into(),
        ..(*listener.references).clone()
    };
    Resource::new(LDS, &listener.name, listener.bytes, references)
}

/// It comes to the other stream a moment after the listener was accepted, and may be rejected there.
#[test]
fn line_36_what_is_asked_for_on_another_stream_is_not_taken_for_what_nobody_needs() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let secret = Resource::new(TypeUrl::Secret, "key", "pem".into(), References::default());
        let listener = with_secret(listener("main", 2, &["main"]));
        let pushed = fleet.put([listener, secret]);
        client.push(pushed.clone());
        let settled = accepted(&client.ack(LDS));
        let has = |type_url| settled.contains(&(type_url, pushed.revision));
        assert!(has(LDS), "{mode:?}: {settled:?}");
        assert!(!has(TypeUrl::Secret), "{mode:?}: {settled:?}");
    }
}

/// So that it is seen whether the stream for it is there.
#[test]
fn line_36_what_is_asked_for_on_another_stream_is_told_by_its_name_on_both() {
    for mode in MODES {
        let secret = TypeUrl::Secret;
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let key = Resource::new(secret, "key", "pem".into(), References::default());
        client.push(fleet.put([with_secret(listener("main", 2, &["main"])), key]));
        let told = client.ack(LDS).records;
        let apart = Record::Apart(vec![(secret, "key".into())]);
        assert!(told.contains(&apart), "{mode:?}: {told:?}");
        let gone = client.push(fleet.change([], [(secret, "key")])).records;
        assert!(gone.contains(&Record::Apart(vec![])), "{mode:?}: {gone:?}");
        let mut other = Client::speaking(mode);
        other.session = Session::new(mode, Options::default(), Arc::default()).of_one_type();
        let named = other.ask(secret, &["key"]).records;
        let name = Record::Named(secret, vec!["key".into()]);
        assert!(named.contains(&name), "{mode:?}: {named:?}");
    }
}

/// Virtual hosts and scopes come on streams of their own too, by the name of what they belong to, or all of them.
#[test]
fn line_36_virtual_hosts_and_scopes_of_another_stream_are_not_taken_for_what_nobody_needs() {
    let names = |of: TypeUrl, name: &str, resource: Resource| {
        let references = References {
            apart: [(of, Arc::from(name))].into(),
            ..(*resource.references).clone()
        };
        Resource::new(
            resource.type_url,
            &resource.name,
            resource.bytes,
            references,
        )
    };
    let hosts = TypeUrl::VirtualHost;
    let scopes = TypeUrl::ScopedRouteConfiguration;
    let main = || routes("main", &[("a", true)]);
    for (of, name, referrer, resource) in [
        (hosts, "main", main(), "main/host"),
        (scopes, EVERYTHING, listener("main", 2, &["main"]), "scope"),
    ] {
        for mode in MODES {
            let mut fleet = Fleet::with_a();
            let mut client = Client::settled_in(mode, &fleet);
            let referrer = names(of, name, referrer.clone());
            let answered = referrer.type_url;
            let apart = |content: &str| {
                let bytes = content.to_owned().into();
                Resource::new(of, resource, bytes, References::default())
            };
            client.push(fleet.put([referrer, apart("first")]));
            client.ack(answered);
            let pushed = fleet.put([apart("second")]);
            let settled = accepted(&client.push(pushed.clone()));
            let has = |type_url| settled.contains(&(type_url, pushed.revision));
            assert!(has(answered), "{mode:?}: {settled:?}");
            assert!(!has(of), "{mode:?}: {settled:?}");
        }
    }
}

/// Envoy keeps a secret or a filter that it rejects: it rejects every listener and cluster that comes later and uses it, and
/// accepts it without using it when it comes once more (seen with 1.40). Told again what it uses, it forgets it.
#[test]
fn line_07_after_a_rejected_secret_or_filter_the_one_before_is_said_again() {
    let said = |output: &Output| -> Vec<bytes::Bytes> {
        let resources = output.responses.iter().flat_map(Response::resources);
        resources.map(|resource| resource.bytes.clone()).collect()
    };
    for of in [TypeUrl::Secret, ECDS] {
        let with = |content: &str| {
            let bytes = content.to_owned().into();
            Resource::new(of, "key", bytes, References::default())
        };
        for mode in MODES {
            let mut fleet = Fleet::with_a();
            fleet.put([with("good")]);
            let mut client = Client::settled_in(mode, &fleet);
            client.ask(of, &["key"]);
            client.ack(of);
            client.push(fleet.put([with("bad")]));
            let again = client.nack(of, "no good");
            assert_eq!(said(&again), ["good"], "{mode:?}");
            let nothing = client.ack(of);
            assert_eq!(said(&nothing), [""; 0], "{mode:?}");
            let settled = accepted(&client.push(fleet.put([with("good")])));
            assert!(settled.contains(&(of, rev(4))), "{mode:?}");
            // It takes that neither.
            client.push(fleet.put([with("worse")]));
            client.nack(of, "no good");
            let nothing = client.nack(of, "nor this");
            assert_eq!(said(&nothing), [""; 0], "{mode:?}");
        }
    }
}

/// Envoy fails every request on a filter chain of which a filter is gone: while the listener without it is on its way, and on
/// connections of before as long as they drain (seen with 1.40). It gives the name up when nothing needs it any more.
#[test]
fn line_19_a_filter_goes_once_the_client_has_given_it_up() {
    for optional in [false, true] {
        let mut fleet = Fleet::with_a();
        let plain = listener("main", 1, &["main"]);
        let filters = [Arc::from("key")].into();
        let references = match optional {
            false => References {
                filters,
                ..(*plain.references).clone()
            },
            true => References {
                spare_filters: filters,
                ..(*plain.references).clone()
            },
        };
        let filtered = Resource::new(LDS, "main", "filtered".into(), references);
        let filter = Resource::new(ECDS, "key", "filter".into(), References::default());
        fleet.put([filtered, filter]);
        let mut client = Client::settled_in(Mode::Delta, &fleet);
        client.ask(ECDS, &["key"]);
        client.ack(ECDS);
        if optional {
            // Without it the listener does as it does by default, and that is what was asked for.
            let gone = client.push(fleet.change([], [(ECDS, "key")]));
            assert_eq!(removed(&gone), [(ECDS, vec!["key".into()])]);
            continue;
        }
        let waits = service("b")
            .into_iter()
            .chain([tcp_listener("main", "b/blue")]);
        let gone = fleet.change(waits, [(ECDS, "key")]);
        let held = client.push(gone);
        assert_eq!(removed(&held), []);
        assert!(accepted(&held).contains(&(ECDS, rev(3))));
        client.ask_again(EDS, &["a/blue", "a/green", "b/blue", "b/green"]);
        client.ack(EDS);
        assert_eq!(removed(&client.ack(CDS)), [], "the listener is on its way");
        assert_eq!(removed(&client.ack(LDS)), [], "connections of before drain");
        let mut reconnected = client.reconnected();
        reconnected.push(fleet.newest());
        reconnected.ask(LDS, &[]);
        assert_eq!(removed(&reconnected.ask(ECDS, &["key"])), []);
        client.ask_again(ECDS, &[]);
        let asked = client.ask_again(ECDS, &["key"]);
        assert_eq!(removed(&asked), [(ECDS, vec!["key".into()])]);
    }
}

/// A listener that leaves its scopes, or its route configuration with virtual hosts of its own, has connections of before.
#[test]
fn line_19_scopes_and_virtual_hosts_stay_for_the_connections_of_a_listener_that_leaves_them() {
    let scope = TypeUrl::ScopedRouteConfiguration;
    let host = TypeUrl::VirtualHost;
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let plain = |content: u32, routes: &[&str]| listener("main", content, routes);
        let references = References {
            scoped: true,
            ..(*plain(2, &["old"]).references).clone()
        };
        let scoped = Resource::new(LDS, "main", "scoped".into(), references);
        let old = Resource::new(RDS, "old", "hosts apart".into(), References::default());
        let one = |of, name: &str| Resource::new(of, name, "one".into(), References::default());
        let (first, second) = (one(scope, "first"), one(scope, "second"));
        fleet.put([scoped, old, first, second, one(host, "old/one")]);
        let mut client = Client::settled_in(mode, &fleet);
        client.ask_again(RDS, &["main", "old"]);
        client.ack(RDS);
        for of in [scope, host] {
            client.ask(of, &[]);
            client.ack(of);
        }
        // One of them goes while the listener uses scopes: that is what was asked for.
        let less = client.push(fleet.change([], [(scope, "second")]));
        assert_eq!(less.responses.len(), 1, "{mode:?}");
        client.ack(scope);
        let gone = [(scope, "first"), (host, "old/one"), (RDS, "old")];
        let left = client.push(fleet.change([plain(3, &["main"])], gone));
        assert_eq!(sent(&left), [(LDS, vec!["main".into()])], "{mode:?}");
        let settled = client.ack(LDS);
        let told: Vec<TypeUrl> = sent(&settled).into_iter().map(|(of, _)| of).collect();
        assert!(
            !told.contains(&scope) && !told.contains(&host),
            "{mode:?}: {told:?}"
        );
        let has = |type_url| accepted(&left).contains(&(type_url, rev(4)));
        assert!(has(scope) && has(host), "{mode:?}");
    }
}
