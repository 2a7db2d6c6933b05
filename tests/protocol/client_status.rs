//! CSDS over real sockets: what each proxy has, asked by matchers, and who may ask.

use std::net::SocketAddr;

use bluegreen::{
    model::{Colour, TypeUrl},
    xds::server::{CsdsAccess, Options},
};
use envoy_types::pb::envoy::{
    admin::v3::ClientResourceStatus,
    service::status::v3::{
        ClientConfig, ClientStatusRequest, ConfigStatus,
        client_status_discovery_service_client::ClientStatusDiscoveryServiceClient,
    },
    r#type::matcher::v3::{NodeMatcher, StringMatcher, string_matcher::MatchPattern},
};
use tonic::{Code, Status};

use crate::{
    CDS, EDS, FLEET, FRAUD, MAIN, RDS, fraud, started,
    support::{
        delta_client::DeltaClient,
        either::{Mode, in_both_modes},
        plane::{Fleets, PATIENCE, Plane},
        xds_client::{XdsClient, channel},
    },
};

fn asking(pattern: MatchPattern) -> ClientStatusRequest {
    ClientStatusRequest {
        node_matchers: vec![NodeMatcher {
            node_id: Some(StringMatcher {
                match_pattern: Some(pattern),
                ignore_case: false,
            }),
            node_metadatas: vec![],
        }],
        ..Default::default()
    }
}

async fn fetch(
    server: SocketAddr,
    request: ClientStatusRequest,
) -> Result<Vec<ClientConfig>, Status> {
    let mut csds = ClientStatusDiscoveryServiceClient::new(channel(server).await);
    let answer = csds.fetch_client_status(request).await?;
    Ok(answer.into_inner().config)
}

fn ids(configs: &[ClientConfig]) -> Vec<&str> {
    let nodes = configs.iter().map(|config| config.node.as_ref().unwrap());
    nodes.map(|node| node.id.as_str()).collect()
}

/// The resources of a type: name, status, status of the client.
fn of_type(
    config: &ClientConfig,
    type_url: TypeUrl,
) -> Vec<(&str, ConfigStatus, ClientResourceStatus)> {
    let configs = config.generic_xds_configs.iter();
    configs
        .filter(|one| one.type_url == type_url.url())
        .map(|one| (one.name.as_str(), one.config_status(), one.client_status()))
        .collect()
}

/// How the resources of a type stand with the one client.
pub async fn of_client(
    server: SocketAddr,
    type_url: TypeUrl,
) -> Vec<(String, ClientResourceStatus)> {
    let configs = fetch(server, ClientStatusRequest::default()).await.unwrap();
    let [config] = configs.as_slice() else {
        panic!("{configs:?}");
    };
    let resources = of_type(config, type_url).into_iter();
    resources
        .map(|(name, _, status)| (name.to_owned(), status))
        .collect()
}

in_both_modes!(
    line_34_it_tells_what_is_synced_stale_not_sent_and_rejected,
    line_34_a_proxy_that_reads_nothing_is_told_of_too,
);

async fn line_34_it_tells_what_is_synced_stale_not_sent_and_rejected(mode: Mode) {
    let (fleets, plane, mut client) = started(mode).await;
    client.quiet().await;
    let configs = fetch(plane.address, asking(MatchPattern::Exact("edge-1".into())));
    let configs = configs.await.unwrap();
    let [config] = configs.as_slice() else {
        panic!("{configs:?}");
    };
    let node = config.node.as_ref().unwrap();
    assert_eq!((&*node.id, &*node.cluster), ("edge-1", FLEET));
    let synced = |name| (name, ConfigStatus::Synced, ClientResourceStatus::Acked);
    assert_eq!(of_type(config, CDS), FRAUD.map(synced));
    assert_eq!(of_type(config, EDS), FRAUD.map(synced));
    let newest = fleets.newest(FLEET);
    for one in &config.generic_xds_configs {
        let type_url = TypeUrl::from_url(&one.type_url).unwrap();
        // The layers that `quiet` asks for do not exist. A list has an empty one for each.
        let Some(resource) = newest.resource(type_url, &one.name) else {
            let expected = match mode {
                Mode::Sotw => ConfigStatus::Synced,
                Mode::Delta => ConfigStatus::NotSent,
            };
            assert_eq!(
                (type_url, one.config_status()),
                (TypeUrl::Runtime, expected)
            );
            continue;
        };
        assert_eq!(one.config_status(), ConfigStatus::Synced, "{one:?}");
        // In delta it is the content's alone, from whatever revision.
        let version = client.version(type_url, &one.name);
        assert!(version.ends_with(&one.version_info), "{version}: {one:?}");
        assert!(
            mode == Mode::Delta || version == one.version_info,
            "{one:?}"
        );
        let content = one.xds_config.as_ref().unwrap();
        assert_eq!(content.type_url, one.type_url);
        assert_eq!(content.value, resource.bytes, "{}", one.name);
    }

    // A switch that is not answered, and then is refused.
    fleets.change(FLEET, fraud(Colour::Green));
    client.expect(RDS, &[MAIN]).await;
    let without = ClientStatusRequest {
        exclude_resource_contents: true,
        ..Default::default()
    };
    let configs = fetch(plane.address, without.clone()).await.unwrap();
    let stale = (MAIN, ConfigStatus::Stale, ClientResourceStatus::Requested);
    assert_eq!(of_type(&configs[0], RDS), [stale]);
    let resources = &configs[0].generic_xds_configs;
    assert!(resources.iter().all(|one| one.xds_config.is_none()));
    client.nack(RDS, "Only a single wildcard domain is permitted");
    client.quiet().await;
    let configs = fetch(plane.address, without.clone()).await.unwrap();
    let error = (MAIN, ConfigStatus::Error, ClientResourceStatus::Nacked);
    assert_eq!(of_type(&configs[0], RDS), [error]);
    let mut resources = configs[0].generic_xds_configs.iter();
    let rejected = resources.find(|one| one.type_url == RDS.url()).unwrap();
    let state = rejected.error_state.as_ref().unwrap();
    assert_eq!(state.details, "Only a single wildcard domain is permitted");
    assert_ne!(
        rejected.version_info, state.version_info,
        "it still has another"
    );
    if mode == Mode::Sotw {
        let newest = fleets.newest(FLEET).get(RDS).unwrap().version();
        assert_eq!(state.version_info, newest);
    }

    // A name that does not exist.
    client.ask(RDS, &[MAIN, "nowhere"]);
    if mode == Mode::Delta {
        client.expect_without(RDS, &["nowhere"], &[]).await;
        client.ack(RDS);
    }
    client.quiet().await;
    let configs = fetch(plane.address, without).await.unwrap();
    let absent = (
        "nowhere",
        ConfigStatus::NotSent,
        ClientResourceStatus::DoesNotExist,
    );
    assert!(of_type(&configs[0], RDS).contains(&absent), "{configs:?}");
}

#[tokio::test]
async fn line_34_matchers_choose_the_proxies_of_either_mode() {
    let (_fleets, plane, mut client) = started(Mode::Sotw).await;
    client.quiet().await;
    let mut delta = DeltaClient::connect(plane.address, "inner-1", FLEET).await;
    delta.subscribe(CDS, &[]);
    delta.expect(CDS, &FRAUD, &[]).await;
    delta.ack(CDS);
    delta.quiet().await;
    for (pattern, expected) in [
        (MatchPattern::Exact("inner-1".into()), vec!["inner-1"]),
        (MatchPattern::Prefix("edge".into()), vec!["edge-1"]),
        (MatchPattern::Suffix("-1".into()), vec!["edge-1", "inner-1"]),
        (MatchPattern::Contains("nobody".into()), vec![]),
    ] {
        let configs = fetch(plane.address, asking(pattern)).await.unwrap();
        assert_eq!(ids(&configs), expected);
    }
    let configs = fetch(plane.address, ClientStatusRequest::default())
        .await
        .unwrap();
    assert_eq!(ids(&configs), ["edge-1", "inner-1"]);
    let synced = |name| (name, ConfigStatus::Synced, ClientResourceStatus::Acked);
    assert_eq!(of_type(&configs[1], CDS), FRAUD.map(synced));
    // Who has gone is not told of any more.
    drop(delta);
    let gone = async {
        let everybody = ClientStatusRequest::default;
        while ids(&fetch(plane.address, everybody()).await.unwrap()) != ["edge-1"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("it is gone");
}

#[tokio::test]
async fn line_34_a_stream_is_answered_question_by_question_until_one_is_nonsense() {
    let (_fleets, plane, mut client) = started(Mode::Sotw).await;
    client.quiet().await;
    let mut csds = ClientStatusDiscoveryServiceClient::new(channel(plane.address).await);
    let (questions, stream) = tokio::sync::mpsc::channel(4);
    let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
    let answer = csds.stream_client_status(stream).await.unwrap();
    let mut answers = answer.into_inner();
    for _ in 0..2 {
        questions
            .send(ClientStatusRequest::default())
            .await
            .unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(ids(&answer.config), ["edge-1"]);
    }
    let nonsense = ClientStatusRequest {
        node_matchers: vec![NodeMatcher {
            node_id: Some(StringMatcher::default()),
            node_metadatas: vec![],
        }],
        ..Default::default()
    };
    questions.send(nonsense).await.unwrap();
    let refused = answers.message().await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

async fn line_34_a_proxy_that_reads_nothing_is_told_of_too(mode: Mode) {
    let (fleets, plane, mut client) = started(mode).await;
    client.quiet().await;
    // More than fits on its way to a client that does not read.
    for _ in 0..40 {
        fleets.change(FLEET, fraud(Colour::Green));
        fleets.change(FLEET, fraud(Colour::Blue));
    }
    let configs = fetch(plane.address, ClientStatusRequest::default())
        .await
        .unwrap();
    assert_eq!(ids(&configs), ["edge-1"]);
}

#[tokio::test]
async fn the_rule_of_the_port_says_who_may_ask() {
    for (csds, allowed) in [
        (CsdsAccess::Off, false),
        (CsdsAccess::Loopback, true),
        (CsdsAccess::On, true),
    ] {
        let fleets = Fleets::default().served_with(Options {
            csds,
            ..Options::default()
        });
        fleets.change(FLEET, fraud(Colour::Blue));
        let plane = Plane::start(&fleets).await;
        let answer = fetch(plane.address, ClientStatusRequest::default()).await;
        let code = answer.err().map(|status| status.code());
        let expected = (!allowed).then_some(Code::PermissionDenied);
        assert_eq!(code, expected, "{csds:?}");
        // Proxies are served whatever the rule.
        let mut client = XdsClient::connect(plane.address, "edge-1", FLEET).await;
        client.quiet().await;
    }
}
