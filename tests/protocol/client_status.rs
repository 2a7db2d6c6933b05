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
    CDS, EDS, FLEET, FRAUD, RDS, fraud, routes, started,
    support::{
        delta_client::DeltaClient,
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

#[tokio::test]
async fn line_34_it_tells_what_is_synced_stale_not_sent_and_rejected() {
    let (fleets, plane, mut client) = started().await;
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
        // The layers that `quiet` asks for do not exist, and were answered with empty ones.
        assert_eq!(one.config_status(), ConfigStatus::Synced, "{one:?}");
        let Some(resource) = newest.resource(type_url, &one.name) else {
            assert_eq!(type_url, TypeUrl::Runtime, "{one:?}");
            continue;
        };
        assert_eq!(one.version_info, client.versions[&type_url], "{one:?}");
        let content = one.xds_config.as_ref().unwrap();
        assert_eq!(content.type_url, one.type_url);
        assert_eq!(content.value, resource.bytes, "{}", one.name);
    }

    // A switch that is not answered, and then is refused.
    let table = routes(&fleets);
    fleets.change(FLEET, fraud(Colour::Green));
    client.expect(RDS, 1).await;
    let without = ClientStatusRequest {
        exclude_resource_contents: true,
        ..Default::default()
    };
    let configs = fetch(plane.address, without.clone()).await.unwrap();
    let stale = (
        &*table,
        ConfigStatus::Stale,
        ClientResourceStatus::Requested,
    );
    assert_eq!(of_type(&configs[0], RDS), [stale]);
    let resources = &configs[0].generic_xds_configs;
    assert!(resources.iter().all(|one| one.xds_config.is_none()));
    client.nack(RDS, "Only a single wildcard domain is permitted");
    client.quiet().await;
    let configs = fetch(plane.address, without.clone()).await.unwrap();
    let error = (&*table, ConfigStatus::Error, ClientResourceStatus::Nacked);
    assert_eq!(of_type(&configs[0], RDS), [error]);
    let mut resources = configs[0].generic_xds_configs.iter();
    let rejected = resources.find(|one| one.type_url == RDS.url()).unwrap();
    let state = rejected.error_state.as_ref().unwrap();
    assert_eq!(state.details, "Only a single wildcard domain is permitted");
    let newest = fleets.newest(FLEET).get(RDS).unwrap().version();
    assert_eq!(state.version_info, newest);
    assert_ne!(rejected.version_info, newest, "that is what it still has");

    // A name that does not exist.
    client.subscribe(RDS, &[&table, "nowhere"]);
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
    let (_fleets, plane, mut client) = started().await;
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
    let (_fleets, plane, mut client) = started().await;
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

#[tokio::test]
async fn line_34_a_proxy_that_reads_nothing_is_told_of_too() {
    let (fleets, plane, mut client) = started().await;
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
