//! What an Envoy keeps: of what it rejects, a certificate (SDS) and a filter (ECDS) that were taken back are in nobody's way; and a
//! filter for as long as something needs it.

use std::{net::SocketAddr, time::Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::{
    fixtures::{
        Backends, Flip, RDS, all_answered, load, more_answers, no_trouble, only, proven, world,
    },
    support::{
        document,
        load::{Protocol, Shot},
        ports::ReservedPort,
        waiting,
        world::World,
    },
};

/// The routes of the listeners here. Answers say what a load wants to know: from which version they are.
const ROUTES: &str = r#"    - "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
      name: edge
      virtual_hosts: [ { name: all, domains: ["*"], routes: [ { match: { prefix: / }, direct_response: { status: 200 } } ] } ]
      response_headers_to_add: [ { header: { key: x-model-version, value: edge } } ]
"#;

/// A setting by which a listener is another.
const SMALL: &str = "      per_connection_buffer_limit_bytes: 30000\n";

/// What answers for the listener's name.
struct Certificate {
    chain: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        let made = generate_simple_self_signed(["edge.test".to_owned()]);
        let CertifiedKey { cert, key_pair } = made.expect("a certificate");
        Self {
            chain: cert.pem(),
            key: key_pair.serialize_pem(),
        }
    }
}

/// A listener with TLS, whose certificate is a secret. `setting` is one more line of it.
fn edge(world: &World, certificate: &Certificate, setting: &str) -> String {
    let parts = secured(world.listener.addr(), certificate, setting);
    document::resources("edge", &[&parts[0], ROUTES, &parts[1]])
}

/// That listener, and the secret.
fn secured(at: SocketAddr, certificate: &Certificate, setting: &str) -> [String; 2] {
    let text = |text: &str| serde_json::to_string(text).expect("a text");
    let (chain, key) = (text(&certificate.chain), text(&certificate.key));
    let secret = format!(
        r#"    - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
      name: edge
      tls_certificate: {{ certificate_chain: {{ inline_string: {chain} }}, private_key: {{ inline_string: {key} }} }}
"#
    );
    let socket = r#"filter_chains:
        - transport_socket:
            name: tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context: { tls_certificate_sds_secret_configs: [ { name: edge, sds_config: { ads: {}, resource_api_version: V3 } } ] }
          filters:"#;
    let listener = document::http_listener("edge", at, RDS, &[]);
    let plain = "filter_chains:\n        - filters:";
    assert!(listener.contains(plain), "{listener}");
    [listener.replace(plain, socket) + setting, secret]
}

#[tokio::test(flavor = "multi_thread")]
async fn line_07_a_rejected_certificate_is_in_the_way_of_nothing_that_comes_later() {
    let mut world = World::start().await;
    let [first, second] = [Certificate::new(), Certificate::new()];
    let bad = Certificate {
        chain: second.chain.clone(),
        key: first.key.clone(),
    };
    let wait = ["--wait", "30s"];
    world.apply(&edge(&world, &first, ""), &[]).await.ok();
    world.fleet(1).await;
    world.apply(&edge(&world, &second, ""), &wait).await.ok();
    let refused = world.apply(&edge(&world, &bad, ""), &wait).await;
    assert_eq!(refused.code, 7, "{refused:?}");
    // A listener that comes later uses the certificate that is in use, not the one that was rejected.
    let other = edge(&world, &second, SMALL);
    world.apply(&other, &wait).await.ok();

    // Left in place, it is rejected again by who comes back, and not taken for what is in use.
    let kept = edge(&world, &bad, SMALL);
    let halt = ["--wait", "30s", "--on-nack", "halt"];
    let refused = world.apply(&kept, &halt).await;
    assert_eq!(refused.code, 8, "{refused:?}");
    world.kill().await;
    world.serve(&[]).await;
    waiting::fleet(&world, "rejected once more", |fleet| {
        fleet["delivery"]["nacked"] == 1
    })
    .await;
    world.apply(&other, &wait).await.ok();
}

/// A listener with a filter of its own, which is this script.
fn scripted(world: &World, script: &str, setting: &str) -> String {
    let [listener, filter] = with_script(world.listener.addr(), script);
    document::resources("edge", &[&(listener + setting), ROUTES, &filter])
}

/// That listener, and the filter.
fn with_script(at: SocketAddr, script: &str) -> [String; 2] {
    const LUA: &str = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua";
    let filter = format!(
        r#"    - "@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
      name: script
      typed_config: {{ "@type": {LUA}, default_source_code: {{ inline_string: "{script}" }} }}
"#
    );
    let asked = format!(
        "{{ name: script, config_discovery: {{ config_source: {{ ads: {{}}, resource_api_version: V3 }}, type_urls: [{LUA}] }} }}"
    );
    let listener = document::http_listener("scripted", at, RDS, &[&asked]);
    [listener, filter]
}

#[tokio::test(flavor = "multi_thread")]
async fn line_07_a_rejected_filter_is_in_the_way_of_nothing_that_comes_later() {
    let mut world = World::start().await;
    let good = "function envoy_on_response(handle) end";
    let wait = ["--wait", "30s"];
    world.apply(&scripted(&world, good, ""), &[]).await.ok();
    world.fleet(1).await;
    let bad = world.apply(&scripted(&world, "no script", ""), &wait).await;
    assert_eq!(bad.code, 7, "{bad:?}");
    let other = scripted(&world, good, SMALL);
    world.apply(&other, &wait).await.ok();
}

/// Its connections of before go on using it until they have drained.
#[tokio::test(flavor = "multi_thread")]
async fn line_19_no_request_fails_when_a_filter_goes() {
    let mut world = World::start().await;
    let script = "function envoy_on_response(handle) end";
    world.apply(&scripted(&world, script, ""), &[]).await.ok();
    world.fleet(1).await;
    let target = world.listener.addr();
    let load = load(target, Protocol::Http1, 100, vec![Shot::get("/")]);
    more_answers(&load, 50).await;
    let plain = document::http_listener("edge", target, RDS, &[]);
    let without = document::resources("edge", &[&plain, ROUTES]);
    let wait = ["--wait", "30s"];
    world.apply(&without, &wait).await.ok();
    more_answers(&load, 50).await;
    all_answered(&load.stop().await);
}

/// Certificates and filters that change, come and go in the moments of switches: nothing is lost, and what is called accepted is there.
#[tokio::test(flavor = "multi_thread")]
async fn line_36_certificates_and_filters_that_change_during_switches_are_there_when_they_are_accepted()
 {
    let backends = Backends::start().await;
    let world = world(&backends, "").await;
    let ports = [(); 2].map(|()| ReservedPort::take().expect("a free port"));
    let [secure, plain] = [&ports[0], &ports[1]].map(|port| port.addr());
    let resources = |round: usize| {
        let script = format!(
            "function envoy_on_response(handle) handle:headers():replace('x-model-version', 'round-{round}') end"
        );
        let [listener, filter] = with_script(plain, &script);
        let mut all = vec![listener, filter, ROUTES.to_owned()];
        if round % 3 != 2 {
            all.extend(secured(secure, &Certificate::new(), ""));
        }
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        document::resources("edge", &all)
    };
    let wait = ["--wait", "30s"];
    world.apply(&resources(0), &wait).await.ok();
    let shots = |path: &str| vec![Shot::get(path)];
    let scored = load(world.listener.addr(), Protocol::Http1, 100, shots("/score"));
    let scripted = load(plain, Protocol::Http1, 100, shots("/"));
    more_answers(&scripted, 50).await;
    let (mut flips, mut accepted) = (Vec::new(), Vec::<(String, Instant, Instant)>::new());
    for round in 1..=8 {
        let colour = ["blue", "green"][round % 2];
        let switch = ["switch", "fraud-model", "--to", colour, "--force"];
        let document = resources(round);
        let (flip, applied) = tokio::join!(
            Flip::run(&world, colour, &switch[..if round == 1 { 5 } else { 4 }]),
            world.apply(&document, &wait)
        );
        let applied = applied.ok();
        flips.push(flip);
        accepted.push((format!("round-{round}"), applied.started, applied.returned));
        more_answers(&scripted, 20).await;
    }
    for report in [scored.stop().await, scripted.stop().await] {
        all_answered(&report);
        if report
            .samples
            .iter()
            .any(|one| one.outcome.as_deref() == Ok("round-1"))
        {
            for pair in accepted.windows(2) {
                only(&report, &pair[0].0, pair[0].2, pair[1].1);
            }
        } else {
            proven(&report, &flips);
        }
    }
    no_trouble(&world).await;
}
