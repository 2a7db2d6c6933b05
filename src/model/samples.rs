//! Random declarations, for property tests.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*};
use serde_json::Value;

use super::{
    BakeSpec, CanarySpec, CanaryStep, CircuitBreaker, Client, ClusterSpec, Colour, Endpoint,
    EnvironmentSpec, Environments, HealthCheck, Hook, Hooks, HumanDuration, ListenerSpec, Name,
    OnFailure, Promotion, Protocol, ReleaseSpec, ReleaseStrategy, RetryOn, RetrySpec, RouteMatch,
    RouteSpec, SHORT_STANDBY, ServiceSpec, ShadowSpec,
};

pub(crate) fn name() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9][-_.a-zA-Z0-9]{0,62}".prop_map(|text| Name::parse(&text).unwrap())
}

pub(crate) fn duration() -> impl Strategy<Value = HumanDuration> {
    let ms = prop_oneof![1..5_000_u64, 1..super::MAX_DURATION.as_millis() as u64];
    ms.prop_map(|ms| HumanDuration(Duration::from_millis(ms)))
}

pub(crate) fn endpoint() -> impl Strategy<Value = Endpoint> {
    let host = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
        "[a-z][a-z0-9]{0,9}(\\.[a-z][a-z0-9]{0,9}){0,3}",
    ];
    (host, 1..=u16::MAX).prop_map(|(host, port)| Endpoint { host, port })
}

/// Labels as people write them, and such as YAML takes for something else.
fn version() -> impl Strategy<Value = String> {
    prop_oneof![
        "v[0-9]\\.[0-9]{1,2}",
        "[0-9]\\.[0-9]{1,2}0",
        "[!-~]([ -~]{0,9}[!-~])?",
        prop::sample::select(vec![
            "null", "~", "true", "no", "1e3", "- a", "a: b", "# c", "é"
        ])
        .prop_map(str::to_owned),
    ]
}

fn environment() -> impl Strategy<Value = EnvironmentSpec> {
    let endpoints = vec(endpoint(), 0..3).prop_map(|mut endpoints| {
        endpoints.sort();
        endpoints.dedup();
        endpoints
    });
    (version(), endpoints).prop_map(|(version, endpoints)| EnvironmentSpec { version, endpoints })
}

/// How a service is released, without gates: those have samples of their own.
pub(crate) fn release() -> impl Strategy<Value = Box<ReleaseSpec>> {
    let hook = || {
        let call = prop_oneof![
            "https?://[a-z]{1,8}/[a-z]{0,8}".prop_map(|url| (Some(url), None)),
            vec("[a-z/]{1,8}", 1..3).prop_map(|command| (None, Some(command))),
        ];
        (call, option::of(duration())).prop_map(|((webhook, exec), timeout)| Hook {
            webhook,
            exec,
            timeout,
        })
    };
    let hooks = (option::of(hook()), option::of(hook()), option::of(hook()));
    let shadow = (1..=100_u32, duration()).prop_map(|(percent, duration)| ShadowSpec {
        percent,
        duration,
        monitors: Vec::new(),
    });
    let step = (1..=100_u32, option::of(duration()));
    let canary = vec(step, 1..5).prop_map(|mut steps| {
        steps.sort_by_key(|(weight, _)| *weight);
        steps.dedup_by_key(|(weight, _)| *weight);
        let step = |(weight, pause)| CanaryStep { weight, pause };
        CanarySpec {
            steps: steps.into_iter().map(step).collect(),
            sticky: None,
            monitors: Vec::new(),
        }
    });
    let bake = (duration(), duration(), any::<bool>()).prop_map(|(a, b, pause)| BakeSpec {
        duration: a.max(b),
        interval: a.min(b),
        on_failure: if pause {
            OnFailure::Pause
        } else {
            OnFailure::Rollback
        },
        monitors: Vec::new(),
    });
    let flags = (any::<bool>(), any::<bool>());
    (
        flags,
        hooks,
        option::of(shadow),
        option::of(canary),
        option::of(bake),
        duration(),
    )
        .prop_map(
            |((canary_strategy, automatic), hooks, shadow, canary, bake, standby)| {
                let (provision, confirm_promotion, terminate) = hooks;
                Box::new(ReleaseSpec {
                    strategy: match canary_strategy && canary.is_some() {
                        true => ReleaseStrategy::Canary,
                        false => ReleaseStrategy::BlueGreen,
                    },
                    promotion: match automatic {
                        true => Promotion::Automatic,
                        false => Promotion::Manual,
                    },
                    hooks: Hooks {
                        provision,
                        confirm_promotion,
                        terminate,
                    },
                    validation: Vec::new(),
                    shadow,
                    canary,
                    bake,
                    standby,
                    accept_short_standby: standby.0 < SHORT_STANDBY,
                })
            },
        )
}

fn route() -> impl Strategy<Value = RouteSpec> {
    let text = "/[a-z0-9/]{0,8}";
    let matcher = prop_oneof![
        text.prop_map(RouteMatch::Path),
        text.prop_map(RouteMatch::Prefix),
    ];
    let on = prop::sample::select(vec![
        RetryOn::ServerError,
        RetryOn::ConnectFailure,
        RetryOn::Retriable4xx,
    ]);
    let retry = (vec(on, 1..3), 1..=super::MAX_ATTEMPTS).prop_map(|(on, attempts)| RetrySpec {
        on,
        attempts,
        per_try_timeout: None,
    });
    let times = (option::of(duration()), option::of(duration()));
    (matcher, times, option::of(retry), any::<bool>()).prop_map(
        |(matcher, (timeout, idle_timeout), retry, websocket)| RouteSpec {
            matcher,
            timeout,
            idle_timeout,
            retry,
            websocket,
        },
    )
}

fn cluster() -> impl Strategy<Value = ClusterSpec> {
    let protocol = prop::sample::select(vec![Protocol::Http1, Protocol::Http2, Protocol::Grpc]);
    let check =
        ("/[a-z]{0,8}", duration(), duration()).prop_map(|(path, interval, timeout)| HealthCheck {
            path,
            interval,
            timeout,
        });
    let most = || option::of(1..100_u32);
    let breaker =
        (most(), most(), most()).prop_map(|(connections, pending, requests)| CircuitBreaker {
            max_connections: connections,
            max_pending_requests: pending,
            max_requests: requests,
        });
    (protocol, duration(), option::of(check), option::of(breaker)).prop_map(
        |(protocol, connect_timeout, health_check, circuit_breaker)| ClusterSpec {
            protocol,
            connect_timeout,
            health_check,
            circuit_breaker,
        },
    )
}

/// A service that passes [`super::validate_service`]; its live environment may be undeclared.
pub(crate) fn service() -> impl Strategy<Value = ServiceSpec> {
    let address = prop::sample::select(vec!["0.0.0.0", "127.0.0.1", "::"]);
    let listener = (address, 1..=u16::MAX).prop_map(|(address, port)| ListenerSpec {
        address: address.parse().unwrap(),
        port,
    });
    let host = prop_oneof![
        Just("*".to_owned()),
        "(\\*\\.)?[a-z]{1,5}",
        "[a-z]{1,5}\\.\\*"
    ];
    let hosts = vec(host, 1..4).prop_map(|mut hosts| {
        hosts.sort();
        hosts.dedup();
        hosts
    });
    let routes = vec(route(), 1..4).prop_map(|mut routes| {
        routes.sort_by(|a, b| a.matcher.cmp(&b.matcher));
        routes.dedup_by(|a, b| a.matcher == b.matcher);
        routes
    });
    let environments = (option::of(environment()), option::of(environment()))
        .prop_map(|(blue, green)| Environments { blue, green });
    let live = prop::sample::select(Colour::BOTH.to_vec());
    (
        name(),
        option::of(listener),
        hosts,
        routes,
        cluster(),
        environments,
        live,
        option::of(option::of("[a-z][-a-z0-9.:/]{0,12}")),
        option::of(release().boxed()),
    )
        .prop_map(
            |(fleet, listener, hosts, routes, cluster, environments, live, grpc, release)| {
                let usable = routes.iter().any(|route| route.matcher.matches_grpc());
                let grpc = grpc.filter(|_| usable);
                ServiceSpec {
                    fleet,
                    listener,
                    hosts,
                    client: match &grpc {
                        Some(_) => Client::Grpc,
                        None => Client::Envoy,
                    },
                    grpc_target: grpc.flatten(),
                    routes,
                    cluster,
                    environments,
                    live,
                    release,
                }
            },
        )
}

/// A service's spec as somebody may write it: some of the fields that have a default are left out.
pub(crate) fn written() -> impl Strategy<Value = Value> {
    let optional = prop::sample::subsequence(
        vec![
            "listener",
            "hosts",
            "routes",
            "cluster",
            "environments",
            "live",
            "grpcTarget",
            "release",
        ],
        0..=8,
    );
    (service(), optional).prop_map(|(spec, left_out)| {
        let mut value = serde_json::to_value(spec).unwrap();
        if let Value::Object(fields) = &mut value {
            fields.retain(|key, _| !left_out.contains(&key.as_str()));
        }
        value
    })
}
