//! Gates `through: proxies`: they take the way of users' requests, and meet the staged version alone.

use std::net::Ipv4Addr;

use bluegreen::model::TypeUrl;
use serde_json::Value;
use tonic::transport::Channel;

use crate::{
    fixtures::{Backends, all_answered, load, no_trouble},
    rollout::{self, reached},
    support::{
        asker::Asker,
        backend::Backend,
        load::{Protocol, Shot},
        waiting,
        world::World,
        xds_client::{XdsClient, node},
    },
};

/// The header of a preview of green.
const PREVIEW: [(&str, &str); 1] = [("x-bluegreen-preview", "green")];

/// Both begin as soon as the proxies can lead there.
const GATES: &str = r#"  release:
    validation:
      - name: answers
        through: proxies
        http: { path: /score, expect: { headers: { x-model-version: "{{colour}}" } } }
      - name: bears-it
        through: proxies
        load:
          rate: { perSecond: 200 }
          duration: 2s
          requests: [ { path: /score } ]
          limits: { errorRate: 0.0 }
"#;

/// What `bears-it` sends.
const LOAD: u64 = 400;

fn requests(backends: &[Backend]) -> u64 {
    backends.iter().map(Backend::requests).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_through_proxies_meet_the_staged_version_and_never_the_live_one() {
    let backends = Backends::start().await;
    let world = rollout::world(&backends, GATES).await;
    rollout::begin(&world, &[]).await;
    let release = reached(&world, "Ready").await;
    let checks = release["checks"].as_array().expect("checks");
    assert_eq!(checks.len(), 2, "{release}");
    for check in checks {
        assert_eq!(check["phase"], "Successful", "{check}");
    }
    assert_eq!(requests(&backends.blue), 0);
    let asked = requests(&backends.green);
    assert!(asked >= LOAD, "{asked} requests");
    // Every one of them came by the Envoys.
    let sent = "^cluster.fraud-model/green.upstream_rq_total$";
    assert_eq!(world.counter(sent).await, asked);

    // The way there ends with the gates.
    let led_to = async || {
        let mut asker = Asker::connect(world.listener.addr()).await;
        asker.ask(&PREVIEW).await
    };
    waiting::until("no way there", led_to, |by| by == "blue").await;
    no_trouble(&world).await;
}

/// Neither before the server knew of any proxy, nor where it knew them before a person said yes.
#[tokio::test(flavor = "multi_thread")]
async fn gates_through_proxies_ask_those_that_are_there_when_they_measure() {
    let gates = r#"  release:
    validation:
      - name: sign-off
        manual: { question: Shall it be tried? }
      - name: answers
        after: sign-off
        through: proxies
        http: { path: /score, expect: { headers: { x-model-version: "{{colour}}" } } }
"#;
    let backends = Backends::start().await;
    let world = rollout::world(&backends, gates).await;
    rollout::begin(&world, &[]).await;
    reached(&world, "Validating").await;
    world.kill().await;
    world.serve(&[rollout::REPORTS]).await;
    let approve = ["approve", rollout::SERVICE, "--check", "sign-off"];
    world.json(&approve).await;
    reached(&world, "Ready").await;
    assert_eq!(requests(&backends.blue), 0);
    assert!(requests(&backends.green) > 0);
}

/// A proxy at another address, which is behind: it takes everything but the route of a preview.
async fn without_previews(world: &World) {
    let (name, value) = PREVIEW[0];
    let endpoint = Channel::from_shared(format!("http://{}", world.xds)).expect("an address");
    // Nothing listens there at the port of the service.
    let endpoint = endpoint.local_address(Some(Ipv4Addr::new(127, 0, 0, 2).into()));
    let channel = endpoint.connect().await.expect("a connection");
    let behind = Some(node("behind", "payments"));
    let mut behind = XdsClient::on(channel, behind).await.expect("a stream");
    let clusters = ["blue", "green"].map(|colour| format!("{}/{colour}", rollout::SERVICE));
    let route = world.listener.addr().to_string();
    behind.subscribe(TypeUrl::Cluster, &[]);
    behind.subscribe(
        TypeUrl::ClusterLoadAssignment,
        &clusters.each_ref().map(String::as_str),
    );
    behind.subscribe(TypeUrl::Listener, &[]);
    behind.subscribe(TypeUrl::RouteConfiguration, &[&route]);
    while let Ok(Some(response)) = behind.sometime().await {
        let Some(type_url) = TypeUrl::from_url(&response.type_url) else {
            continue;
        };
        let has = |text: &str| {
            let mut bodies = response.resources.iter();
            bodies.any(|any| {
                any.value
                    .windows(text.len())
                    .any(|at| at == text.as_bytes())
            })
        };
        match type_url {
            TypeUrl::RouteConfiguration if has(name) && has(value) => {
                behind.nack(type_url, "no previews here");
            }
            _ => behind.ack(type_url),
        }
    }
}

/// It would be answered by the live version there.
#[tokio::test(flavor = "multi_thread")]
async fn gates_through_proxies_do_not_ask_one_that_rejected_the_way() {
    let gates = r#"  release:
    validation:
      - name: answers
        through: proxies
        http: { path: /score, expect: { headers: { x-model-version: "{{colour}}" } } }
"#;
    let backends = Backends::start().await;
    let world = rollout::world(&backends, gates).await;
    let behind = without_previews(&world);
    let released = async {
        let known = async || world.json(&["fleet", "payments", "behind"]).await["types"].clone();
        let has_routes = |types: &Value| {
            let mut types = types.as_array().into_iter().flatten();
            types.any(|one| one["type"] == "RouteConfiguration" && one["state"] == "synced")
        };
        waiting::until("in step", known, has_routes).await;
        rollout::begin(&world, &["--max-nack", "1"]).await;
        reached(&world, "Ready").await
    };
    tokio::select! {
        release = released => assert_eq!(release["checks"][0]["phase"], "Successful", "{release}"),
        () = behind => panic!("its stream ended"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_through_proxies_that_fails_moves_no_traffic() {
    // The staged version answers, and it is not what was expected.
    let gates = GATES.replace("\"{{colour}}\"", "blue");
    let spec = format!("{gates}    promotion: automatic\n");
    let backends = Backends::start().await;
    let world = rollout::world(&backends, &spec).await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/score")]);
    rollout::begin(&world, &[]).await;
    let release = reached(&world, "Failed").await;
    let reason = release["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("answers") && reason.contains("x-model-version"),
        "{reason}"
    );
    let refused = world.cli(&["switch", "fraud-model", "-o", "json"]).await;
    assert_eq!(refused.json()["reason"], "gates-not-passed", "{refused:?}");
    let report = load.stop().await;
    all_answered(&report);
    let by: Vec<_> = report.versions().into_keys().collect();
    assert_eq!(by, ["blue".into()], "users met the staged version");
    no_trouble(&world).await;
}
