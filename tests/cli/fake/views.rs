//! What the scripted server shows.

use bluegreen::api::{
    self, Colour, EnvironmentStatus, Role, ServiceStatus, resource_change::Kind, type_status::State,
};
use tonic::Status;

use super::answers::{change, delivery, disconnected, nacked, not_found, undeclared};

pub fn status(service: &str) -> Result<api::GetStatusResponse, Status> {
    let healthy = ServiceStatus {
        service: "fraud-model".into(),
        fleet: "payments".into(),
        live: Colour::Green.into(),
        revision: 43,
        blue: Some(environment(Role::Standby, "v1.2", 1, "10.0.0.1:9000", 0)),
        green: Some(environment(Role::Live, "v1.3", 2, "models-green:9000", 100)),
        delivery: Some(delivery("payments", 3, vec![])),
        drift: vec![],
        release: Some(api::ReleaseStatus {
            number: 1,
            from_version: "v1.2".into(),
            to_version: "v1.3".into(),
            phase: "Switched".into(),
            revision: 43,
            at: "2026-11-23T10:00:00Z".into(),
            ..Default::default()
        }),
        temporary: vec![],
    };
    let troubled = ServiceStatus {
        service: "risk-model".into(),
        fleet: "edge".into(),
        live: Colour::Blue.into(),
        revision: 9,
        blue: Some(environment(Role::Live, "v7", 3, "10.0.0.3:9000", 100)),
        green: Some(EnvironmentStatus {
            rolled_back: true,
            ..environment(Role::Staged, "v8", 4, "10.0.0.4:9000", 0)
        }),
        delivery: Some(delivery(
            "edge",
            1,
            vec![nacked("edge-2"), disconnected("edge-3")],
        )),
        drift: vec!["spec.environments.blue.version".into()],
        release: None,
        temporary: vec![
            temporary(api::TemporaryStatus {
                kind: "shadow".into(),
                percent: 10,
                ..Default::default()
            }),
            temporary(api::TemporaryStatus {
                kind: "preview".into(),
                header: "x-bluegreen-preview".into(),
                value: "green".into(),
                ended_by_proxies: true,
                ..Default::default()
            }),
        ],
    };
    let (services, alarms) = match service {
        "" => (
            vec![healthy, troubled],
            vec![
                "edge-9 presents revision 12, which is newer than ours: see docs/operations.md"
                    .into(),
            ],
        ),
        "fraud-model" => (vec![healthy], vec![]),
        "risk-model" => (vec![troubled], vec![]),
        other => return Err(not_found(other)),
    };
    Ok(api::GetStatusResponse { services, alarms })
}

fn temporary(what: api::TemporaryStatus) -> api::TemporaryStatus {
    api::TemporaryStatus {
        to: Colour::Green.into(),
        since: "2026-11-23T10:00:00Z".into(),
        until: "2026-11-23T10:10:00Z".into(),
        ..what
    }
}

fn environment(
    role: Role,
    version: &str,
    deployment: u64,
    endpoint: &str,
    weight: u32,
) -> EnvironmentStatus {
    EnvironmentStatus {
        role: role.into(),
        version: version.into(),
        deployment,
        endpoints: vec![endpoint.into()],
        addresses: vec![endpoint.replace("models-green", "10.0.0.2")],
        rolled_back: false,
        weight,
    }
}

pub fn documents(asked: &api::GetDocumentsRequest) -> api::GetDocumentsResponse {
    let service = r#"{"apiVersion":"bluegreen/v1","kind":"Service","metadata":{"name":"fraud-model"},"spec":{
        "fleet":"payments","hosts":["*"],"environments":{"blue":{"version":"v1.2","endpoints":["10.0.0.1:9000"]},
        "green":{"version":"1.30","endpoints":["models-green:9000"]}},"live":"green"}}"#;
    let resources = r#"{"apiVersion":"bluegreen/v1","kind":"EnvoyResources","metadata":{"name":"extra"},"spec":{
        "fleet":"payments","resources":[{"@type":"type.googleapis.com/envoy.config.cluster.v3.Cluster","name":"extra"},
        {"@type":"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret","name":"tls",
        "tls_certificate":{"private_key":{"inline_string":"PRIVATE"}}}]}}"#;
    let all = [
        (
            "Service",
            "fraud-model",
            service,
            vec!["spec.environments.blue.version".to_owned()],
        ),
        ("EnvoyResources", "extra", resources, vec![]),
    ];
    let fits = |asked: &str, is: &str| asked.is_empty() || asked == is;
    let documents = all
        .into_iter()
        .filter(|(kind, name, _, _)| {
            fits(&asked.kind, kind) && fits(&asked.name, name) && fits(&asked.fleet, "payments")
        })
        .map(|(kind, name, json, drift)| api::Document {
            kind: kind.into(),
            name: name.into(),
            fleet: "payments".into(),
            json: json.into(),
            drift,
        });
    api::GetDocumentsResponse {
        documents: documents.collect(),
    }
}

pub fn fleets(name: &str) -> api::GetFleetsResponse {
    let payments = api::FleetStatus {
        fleet: "payments".into(),
        revision: 43,
        waiting: false,
        delivery: Some(delivery(
            "payments",
            1,
            vec![nacked("envoy-3"), disconnected("envoy-4")],
        )),
        proxies: vec![
            proxy("envoy-1", true, [(State::Synced, 43); 2]),
            proxy("envoy-3", true, [(State::Synced, 43), (State::Nacked, 42)]),
            proxy("envoy-4", false, [(State::Stale, 41), (State::NotSent, 0)]),
        ],
        alarms: vec![],
    };
    let waiting = api::FleetStatus {
        fleet: "edge".into(),
        waiting: true,
        proxies: vec![api::ProxyStatus {
            duplicate: true,
            types: ["VirtualHost", "TypedExtensionConfig"].map(synced).into(),
            software: "envoy 1.29.1".into(),
            warnings: vec![
                "envoy 1.29.1 is older than 1.36, the oldest that is supported: update it".into(),
            ],
            ..proxy("edge-1", true, [(State::NotSent, 0); 2])
        }],
        alarms: vec!["edge-9 presents revision 12, which is newer than ours".into()],
        ..Default::default()
    };
    let all = [payments, waiting];
    api::GetFleetsResponse {
        fleets: all
            .into_iter()
            .filter(|fleet| name.is_empty() || fleet.fleet == name)
            .collect(),
    }
}

fn synced(of_type: &str) -> api::TypeStatus {
    api::TypeStatus {
        r#type: of_type.into(),
        state: State::Synced.into(),
        revision: 12,
        ..Default::default()
    }
}

fn proxy(name: &str, connected: bool, states: [(State, u64); 2]) -> api::ProxyStatus {
    let types = ["RouteConfiguration", "Cluster"]
        .into_iter()
        .zip([states[1], states[0]]);
    api::ProxyStatus {
        proxy: name.into(),
        address: "10.1.0.1:40112".into(),
        connected,
        since: "2026-11-23T09:58:00Z".into(),
        software: "envoy 1.40.0".into(),
        duplicate: false,
        warnings: vec![],
        types: types
            .map(|(of_type, (state, revision))| api::TypeStatus {
                held_for: match state {
                    State::NotSent => vec!["risk-model/green".into()],
                    _ => vec![],
                },
                r#type: of_type.into(),
                state: state.into(),
                revision,
                error: match state {
                    State::Nacked => "Only a single wildcard domain is permitted".into(),
                    _ => String::new(),
                },
                resources: match state {
                    State::Nacked => vec!["0.0.0.0:10000".into()],
                    _ => vec![],
                },
            })
            .collect(),
    }
}

pub fn history(asked: &api::GetHistoryRequest) -> Result<api::GetHistoryResponse, Status> {
    if asked.fleet == "newcomers" {
        return Err(undeclared(&asked.fleet));
    }
    if asked.fleet != "payments" && asked.service != "fraud-model" {
        return Err(not_found(if asked.fleet.is_empty() {
            &asked.service
        } else {
            &asked.fleet
        }));
    }
    let switched = api::HistoryEntry {
        fleet: "payments".into(),
        revision: 43,
        at: "2026-11-23T10:00:00Z".into(),
        actor: "ada@desk".into(),
        actor_verified: false,
        command: "switch".into(),
        what: "fraud-model: blue (v1.2) -> green (v1.3)".into(),
        why: "retrained in November".into(),
        services: vec!["fraud-model".into()],
        waived: vec!["fleet-lagging".into()],
        notes: vec!["accepted by all 3 proxies after 4.2 ms".into()],
        added: 0,
        changed: 1,
        removed: 0,
    };
    let applied = api::HistoryEntry {
        revision: 42,
        at: "2026-11-23T09:00:00Z".into(),
        command: "apply".into(),
        what: "fraud-model declared".into(),
        why: String::new(),
        waived: vec![],
        notes: vec![],
        added: 6,
        changed: 0,
        ..switched.clone()
    };
    let all = [switched, applied].into_iter();
    Ok(api::GetHistoryResponse {
        entries: all.take(asked.limit as usize).collect(),
    })
}

pub fn diff(asked: &api::GetDiffRequest) -> api::GetDiffResponse {
    let mut moved = change(Kind::Changed, "RouteConfiguration", "0.0.0.0:10000");
    moved.diff =
        "@@ -8,4 +8,4 @@\n     - name: fraud-model/blue\n-      weight: 100\n+      weight: 0\n"
            .into();
    api::GetDiffResponse {
        changes: vec![moved],
        from_revision: asked.from_revision,
        to_revision: match asked.to_revision {
            0 => 43,
            revision => revision,
        },
    }
}

pub fn snapshot(asked: &api::GetSnapshotRequest) -> api::GetSnapshotResponse {
    let type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    let cluster = |name: &str| api::SnapshotResource {
        r#type: "Cluster".into(),
        type_url: type_url.into(),
        name: name.into(),
        version: "a1b2c3d4".into(),
        json: format!(r#"{{"@type":"{type_url}","name":"{name}","connectTimeout":"0.250s"}}"#),
    };
    let resources = match asked.fleet.as_str() {
        "huge" => (0..2000)
            .map(|n| cluster(&format!("service-{n}/blue")))
            .collect(),
        _ => vec![cluster("fraud-model/blue"), cluster("fraud-model/green")],
    };
    api::GetSnapshotResponse {
        fleet: asked.fleet.clone(),
        revision: match asked.revision {
            0 => 43,
            revision => revision,
        },
        resources,
    }
}
