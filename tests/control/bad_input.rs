//! Bad input: one clear line, the right code, nothing changed; and never a panic.

use bluegreen::api;
use proptest::prelude::*;
use tonic::Code;

use super::calls::*;
use crate::support::server::{Client, Events, Server, Settings};

#[tokio::test]
async fn every_bad_document_is_refused_and_changes_nothing() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let good = document("fraud-model", 10000);
    let cases = [
        ("", "bad-input"),
        ("apiVersion: v9", "bad-input"),
        (&*good.replace("endpoints", "endpoint"), "bad-input"),
        (&*good.replace("9001", "99999"), "bad-input"),
        (
            &*good.replace("name: fraud-model", "name: a/b"),
            "bad-input",
        ),
        (&*good.replace("port: 10000", "port: 0"), "bad-input"),
        (&*format!("{good}---\n{good}"), "bad-input"),
        (
            &*format!("{good}---\n{}", document("twin", 10000)),
            "bad-input",
        ),
    ];
    for (text, reason) in cases {
        let refused = apply(&mut client, text).await;
        let refusal = refused.refused();
        assert_eq!(refusal.reason, reason, "{text}: {refusal:?}");
        assert!(!refusal.message.contains('\n'), "{refusal:?}");
        assert!(!refusal.remedy.is_empty(), "{refusal:?}");
    }
    let known = client.get_status(api::GetStatusRequest::default()).await;
    assert!(known.unwrap().into_inner().services.is_empty());
}

#[tokio::test]
async fn services_that_take_each_others_requests_or_ports_are_refused_by_name() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let first = document("fraud-model", 10000);
    apply(&mut client, &first).await.outcome();
    let twin = document("twin", 10000);
    let refused = apply(&mut client, &twin).await;
    assert_eq!(refused.refused().exit_code, 2);
    assert_eq!(
        refused.refused().message,
        "services fraud-model and twin both take prefix \"/\" of host \"*\" on 0.0.0.0:10000"
    );
    let beside = twin.replace("0.0.0.0", "127.0.0.1");
    let refused = apply(&mut client, &beside).await;
    assert_eq!(refused.refused().exit_code, 2);
    assert!(refused.refused().message.contains("can't both be bound"));
    assert_eq!(history(&mut client).await.len(), 1);
    // In one apply the second may take what the first gives up, in either order.
    let moved = document("fraud-model", 10001);
    apply(&mut client, &format!("{twin}---\n{moved}"))
        .await
        .outcome();
}

#[tokio::test]
async fn a_refusal_that_would_be_longer_than_a_header_arrives() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for name in ["x".repeat(100_000), "é".repeat(50_000)] {
        let refused = deploy(&mut client, &name, "v1.3", "127.0.0.1:9002").await;
        assert_eq!(refused.refused().reason, "bad-input");
        let fleets = api::GetFleetsRequest {
            fleet: name,
            ..Default::default()
        };
        let unknown = client.get_fleets(fleets).await.unwrap_err();
        assert_eq!(unknown.code(), tonic::Code::NotFound, "{unknown:?}");
    }
}

#[tokio::test]
async fn a_name_is_declared_once_in_all_files_of_an_apply() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let file = |name: &str| api::File {
        name: name.to_owned(),
        content: document("fraud-model", 10000),
    };
    let request = api::ApplyRequest {
        meta: meta(),
        files: vec![file("one.yaml"), file("two.yaml")],
        ..Default::default()
    };
    let refused = Events::of(client.apply(request).await).await;
    assert_eq!(refused.refused().exit_code, 2);
    assert_eq!(
        refused.refused().message,
        "Service fraud-model is declared twice, in one.yaml line 1 and in two.yaml line 1"
    );
}

#[tokio::test]
async fn commands_keep_to_the_rules_of_documents() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let text = document("fraud-model", 10000);
    apply(&mut client, &text).await.outcome();
    // What a command could put in force and no document may hold would stop every later apply.
    for (version, endpoint) in [
        (" v1.3", "127.0.0.1:9002"),
        (&*"v".repeat(129), "127.0.0.1:9002"),
    ] {
        let refused = deploy(&mut client, "fraud-model", version, endpoint).await;
        assert_eq!(refused.refused().exit_code, 2, "{version}");
    }
    let doubled = ["model.test:1", "MODEL.test:1"];
    let refused = scale(&mut client, "fraud-model", api::Colour::Blue, &doubled).await;
    assert_eq!(refused.refused().exit_code, 2);
    // Every refusal says what happened and what to do apart from each other.
    let refused = deploy(&mut client, "fraud-model", "", "127.0.0.1:9002").await;
    let refused = refused.refused();
    assert!(!refused.message.contains(&refused.remedy), "{refused:?}");
}

#[tokio::test]
async fn a_refusal_says_its_message_once_and_its_remedy_apart() {
    let server = Server::start().await;
    let mut client = server.client().await;
    apply(&mut client, &document("fraud-model", 10000))
        .await
        .outcome();
    let refused = switch(&mut client, "fraud-model").await;
    let refused = refused.refused();
    assert_eq!(refused.reason, "nothing-staged");
    assert!(!refused.message.contains(&refused.remedy), "{refused:?}");
    let start: String = refused.message.chars().take(20).collect();
    assert_eq!(refused.message.matches(&start).count(), 1, "{refused:?}");
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let switched = switch(&mut client, "nobody").await;
    assert_eq!(switched.refused().code, Code::NotFound);
    assert_eq!(switched.refused().exit_code, 3);
    let name = || "nobody".to_owned();
    let history = client
        .get_history(api::GetHistoryRequest {
            fleet: name(),
            ..Default::default()
        })
        .await;
    assert_eq!(history.unwrap_err().code(), Code::NotFound);
    let fleet = client
        .get_fleets(api::GetFleetsRequest {
            fleet: name(),
            ..Default::default()
        })
        .await;
    assert_eq!(fleet.unwrap_err().code(), Code::NotFound);
    let forgotten = client
        .forget_proxy(api::ForgetProxyRequest {
            fleet: name(),
            ..Default::default()
        })
        .await;
    assert_eq!(forgotten.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_server_with_a_token_answers_nobody_without() {
    let settings = Settings {
        token: Some("secret".to_owned()),
        ..Settings::default()
    };
    let server = Server::with(settings).await;
    let mut client = server.client().await;
    let refused = apply(&mut client, &document("fraud-model", 10000)).await;
    assert_eq!(refused.refused().code, Code::Unauthenticated);
    assert_eq!(refused.refused().exit_code, 9);

    let mut request = tonic::Request::new(api::GetStatusRequest::default());
    let token = "Bearer secret".parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    client.get_status(request).await.unwrap();
}

/// Names that exist, names that don't, and no names at all.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("a".to_owned()),
        2 => Just("payments".to_owned()),
        1 => "\\PC{0,70}",
    ]
}

fn endpoints() -> impl Strategy<Value = Vec<String>> {
    let one = prop_oneof![
        3 => (1u16..4).prop_map(|port| format!("127.0.0.1:{port}")),
        1 => "\\PC{0,20}",
    ];
    prop::collection::vec(one, 0..3)
}

#[derive(Clone, Debug)]
enum Call {
    Apply(String),
    Delete(String, String),
    Deploy(String, String, Vec<String>, bool),
    Scale(String, i32, Vec<String>, bool),
    Switch(String, i32, u32, bool),
    Rollback(String),
    SwitchGroup(Vec<String>),
    RollbackGroup(Vec<String>),
    Shift(String, u32),
    Shadow(String, u32, u64, bool),
    Preview(String, String, String, u64),
    RollbackFleet(String, u64, bool, bool),
    Retire(String, bool),
    Rebuild(String),
    Read(String, u64, u64),
}

fn call() -> impl Strategy<Value = Call> {
    let text = prop_oneof![
        Just(document("a", 10000)),
        Just(document("b", 10000)),
        Just(document("a", 10001).replace("v1.2", "v1.9")),
        "\\PC{0,200}",
    ];
    prop_oneof![
        2 => text.prop_map(Call::Apply),
        1 => ("service|EnvoyResources|\\PC{0,9}", name()).prop_map(|(a, b)| Call::Delete(a, b)),
        3 => (name(), "v[0-9]|\\PC{0,9}", endpoints(), any::<bool>())
            .prop_map(|(a, b, c, d)| Call::Deploy(a, b, c, d)),
        2 => (name(), -1..4i32, endpoints(), any::<bool>())
            .prop_map(|(a, b, c, d)| Call::Scale(a, b, c, d)),
        3 => (name(), -1..4i32, any::<u32>(), any::<bool>())
            .prop_map(|(a, b, c, d)| Call::Switch(a, b, c, d)),
        2 => name().prop_map(Call::Rollback),
        1 => prop::collection::vec(name(), 1..4).prop_map(Call::SwitchGroup),
        1 => prop::collection::vec(name(), 1..4).prop_map(Call::RollbackGroup),
        2 => (name(), prop_oneof![0..102u32, any::<u32>()]).prop_map(|(a, b)| Call::Shift(a, b)),
        2 => (name(), 0..102u32, prop_oneof![1..9u64, any::<u64>()], any::<bool>())
            .prop_map(|(a, b, c, d)| Call::Shadow(a, b, c, d)),
        2 => (name(), "x-[a-z]{1,9}|\\PC{0,9}", "\\PC{0,9}", prop_oneof![1..9u64, any::<u64>()])
            .prop_map(|(a, b, c, d)| Call::Preview(a, b, c, d)),
        2 => (name(), 0..9u64, any::<bool>(), any::<bool>())
            .prop_map(|(a, b, c, d)| Call::RollbackFleet(a, b, c, d)),
        1 => (name(), any::<bool>()).prop_map(|(a, b)| Call::Retire(a, b)),
        1 => name().prop_map(Call::Rebuild),
        1 => (name(), any::<u64>(), 0..9u64).prop_map(|(a, b, c)| Call::Read(a, b, c)),
    ]
}

/// Any of them ends with an outcome or a refusal; a panic in the server would end the stream with neither.
async fn give(client: &mut Client, call: Call) {
    let meta = with(|meta| {
        meta.wait_ms = 0;
        meta.operation_id.clear();
    });
    let answer = match call {
        Call::Apply(text) => {
            apply_with(client, &text, meta).await;
            return;
        }
        Call::Delete(kind, name) => {
            let request = api::DeleteRequest {
                meta,
                kind,
                name,
                no_verify: false,
            };
            client.delete(request).await
        }
        Call::Deploy(service, version, endpoints, replace_standby) => {
            let request = api::DeployRequest {
                meta,
                service,
                version,
                endpoints,
                replace_standby,
            };
            client.deploy(request).await
        }
        Call::Scale(service, colour, endpoints, force) => {
            let request = api::ScaleRequest {
                meta,
                service,
                colour,
                endpoints,
                replace_standby: force,
                force,
            };
            client.scale(request).await
        }
        Call::Switch(service, to, allow_lagging, force) => {
            let request = api::SwitchRequest {
                meta,
                service,
                to,
                services: Vec::new(),
                waive: Some(api::Waivers {
                    allow_lagging,
                    skip_probe: true,
                    force,
                    ..Default::default()
                }),
            };
            client.switch(request).await
        }
        Call::Rollback(service) => {
            client
                .rollback(api::RollbackRequest {
                    meta,
                    service,
                    services: Vec::new(),
                })
                .await
        }
        Call::SwitchGroup(services) => {
            let waive = Some(no_probe());
            let request = api::SwitchRequest {
                meta,
                services,
                waive,
                ..Default::default()
            };
            client.switch(request).await
        }
        Call::RollbackGroup(services) => {
            let request = api::RollbackRequest {
                meta,
                services,
                ..Default::default()
            };
            client.rollback(request).await
        }
        Call::Shift(service, weight) => {
            let request = api::ShiftRequest {
                meta,
                service,
                weight,
                waive: Some(no_probe()),
            };
            client.shift(request).await
        }
        Call::Shadow(service, percent, duration_ms, stop) => {
            let request = api::ShadowRequest {
                meta,
                service,
                percent,
                duration_ms,
                stop,
            };
            client.shadow(request).await
        }
        Call::Preview(service, header, value, duration_ms) => {
            let request = api::PreviewRequest {
                meta,
                service,
                header,
                value,
                duration_ms,
                stop: false,
            };
            client.preview(request).await
        }
        Call::RollbackFleet(fleet, to_revision, exact, yes) => {
            let request = api::RollbackFleetRequest {
                meta,
                fleet,
                to_revision,
                exact,
                yes,
            };
            client.rollback_fleet(request).await
        }
        Call::Retire(service, force) => {
            let request = api::RetireRequest {
                meta,
                service,
                force,
            };
            client.retire(request).await
        }
        Call::Rebuild(fleet) => client.rebuild(api::RebuildRequest { meta, fleet }).await,
        Call::Read(fleet, from_revision, to_revision) => {
            let request = api::GetDiffRequest {
                fleet,
                from_revision,
                to_revision,
            };
            let known = [Code::NotFound, Code::InvalidArgument];
            if let Err(status) = client.get_diff(request).await {
                assert!(known.contains(&status.code()), "{status:?}");
            }
            return;
        }
    };
    if let Err(refused) = Events::of(answer).await.end {
        assert!(!refused.reason.is_empty(), "{refused:?}");
        assert_ne!(refused.code, Code::Internal, "{refused:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_sequence_of_requests_makes_the_server_panic(
        calls in prop::collection::vec(call(), 1..24)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start().await;
            let mut client = server.client().await;
            for call in calls {
                give(&mut client, call).await;
            }
            // Whatever happened, it is still there.
            client.get_status(api::GetStatusRequest::default()).await.unwrap();
            drop(client);
            server.stop().await;
        });
    }
}
