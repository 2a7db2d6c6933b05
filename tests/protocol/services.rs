//! One stream per type instead of one for all, over real sockets.

use std::collections::BTreeSet;

use bluegreen::snapshot::{References, Resource};
use envoy_types::pb::envoy::service::{
    cluster::v3::cluster_discovery_service_client::ClusterDiscoveryServiceClient,
    discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest, DiscoveryResponse},
    endpoint::v3::endpoint_discovery_service_client::EndpointDiscoveryServiceClient,
    extension::v3::extension_config_discovery_service_client::ExtensionConfigDiscoveryServiceClient,
    listener::v3::listener_discovery_service_client::ListenerDiscoveryServiceClient,
    route::v3::{
        route_discovery_service_client::RouteDiscoveryServiceClient,
        scoped_routes_discovery_service_client::ScopedRoutesDiscoveryServiceClient,
        virtual_host_discovery_service_client::VirtualHostDiscoveryServiceClient,
    },
    runtime::v3::runtime_discovery_service_client::RuntimeDiscoveryServiceClient,
    secret::v3::secret_discovery_service_client::SecretDiscoveryServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;

use super::*;

/// The one who asks, on every stream.
fn asking(names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        node: Some(node("edge-1", FLEET)),
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DiscoveryRequest::default()
    }
}

/// A stream that stays open, and where further requests go.
struct Open {
    /// What is asked for, in every request.
    names: Vec<String>,
    requests: mpsc::UnboundedSender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
}

macro_rules! open {
    ($client:ident, $method:ident, $plane:expr, $names:expr) => {
        open_on!($client, $method, channel($plane.address).await, $names)
    };
}

/// On a connection that others may share.
macro_rules! open_on {
    ($client:ident, $method:ident, $channel:expr, $names:expr) => {{
        let (requests, stream) = mpsc::unbounded_channel();
        let first = asking($names);
        let names = first.resource_names.clone();
        requests.send(first).unwrap();
        let mut client = $client::new($channel);
        let opened = client.$method(UnboundedReceiverStream::new(stream)).await;
        Open {
            names,
            requests,
            responses: opened.unwrap().into_inner(),
        }
    }};
}

impl Open {
    /// The next response, accepted.
    async fn take(&mut self) -> DiscoveryResponse {
        let next = tokio::time::timeout(PATIENCE, self.responses.message());
        let response = next.await.unwrap().unwrap().expect("the stream ended");
        let ack = DiscoveryRequest {
            version_info: response.version_info.clone(),
            response_nonce: response.nonce.clone(),
            resource_names: self.names.clone(),
            ..DiscoveryRequest::default()
        };
        self.requests.send(ack).unwrap();
        response
    }
}

#[tokio::test]
async fn line_02_streams_of_one_type_each_are_one_proxy_in_sotw() {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let route = MAIN;
    let mut cds = open!(ClusterDiscoveryServiceClient, stream_clusters, plane, &[]);
    assert_eq!(cds.take().await.resources.len(), 2);
    let mut eds = open!(
        EndpointDiscoveryServiceClient,
        stream_endpoints,
        plane,
        &FRAUD
    );
    assert_eq!(eds.take().await.resources.len(), 2);
    let mut lds = open!(ListenerDiscoveryServiceClient, stream_listeners, plane, &[]);
    assert_eq!(lds.take().await.resources.len(), 1);
    let mut rds = open!(RouteDiscoveryServiceClient, stream_routes, plane, &[route]);
    assert_eq!(rds.take().await.resources.len(), 1);
    let mut rtds = open!(
        RuntimeDiscoveryServiceClient,
        stream_runtime,
        plane,
        &["bluegreen"]
    );
    assert_eq!(rtds.take().await.resources.len(), 1);
    let all = Requirement::new(Revision(1), vec![CDS, EDS, LDS, RDS]);
    let one = |ledger: &bluegreen::fleet::Ledger| {
        let proof = ledger.proof(&all);
        proof.is_complete() && proof.total == 1
    };
    fleets.until(FLEET, "one proxy has everything", one).await;
    let views = fleets.ledger(FLEET).proxies(&BTreeMap::new());
    assert!(!views[0].duplicate && views.len() == 1, "{views:?}");

    // Nothing waits for what this stream never carries.
    fleets.change(FLEET, risk);
    assert_eq!(rds.take().await.resources.len(), 1);
}

/// An Envoy opens a stream for each such cluster, and each again when it likes.
#[tokio::test]
async fn line_36_the_stream_of_a_load_assignment_is_waited_for_until_it_is_there() {
    let resources = ["one", "other"].map(|name| {
        let apart = References {
            apart: [(EDS, Arc::from(name))].into(),
            ..References::default()
        };
        let content = [&[10, name.len() as u8], name.as_bytes()].concat();
        let cluster = Resource::new(CDS, name, content.clone().into(), apart);
        let endpoints = Resource::new(EDS, name, content.into(), References::default());
        [cluster, endpoints]
    });
    let of = |type_url: TypeUrl| {
        let resources = resources.iter().flatten().cloned();
        let resources = resources.filter(|one| one.type_url == type_url);
        let changes = resources.map(|one| (one.name.clone(), Some(Arc::new(one))));
        (type_url, changes.collect())
    };
    let fleets = Fleets::default();
    let empty = fleets.newest(FLEET);
    fleets.push(FLEET, empty.with(Revision(1), [of(CDS), of(EDS)].into()));
    let plane = Plane::start(&fleets).await;
    let connection = channel(plane.address).await;
    let envoy = Some(node("edge-1", FLEET));
    let mut ads = Client::on(Mode::Sotw, connection.clone(), envoy).await;
    ads.ask(CDS, &[]);
    ads.expect(CDS, &["one", "other"]).await;
    ads.ack(CDS);
    let mut one = open_on!(
        EndpointDiscoveryServiceClient,
        stream_endpoints,
        connection.clone(),
        &["one"]
    );
    one.take().await;
    for type_url in [CDS, EDS] {
        let has_it = |ledger: &Ledger| {
            let proxies = ledger.proxies(&BTreeMap::new());
            let mut types = proxies.iter().flat_map(|proxy| &proxy.types);
            types.any(|its| its.type_url == type_url && its.accepted == Revision(1))
        };
        fleets
            .until(FLEET, "both streams are answered", has_it)
            .await;
    }
    let endpoints = Requirement::new(Revision(1), vec![EDS]);
    let proof = fleets.ledger(FLEET).proof(&endpoints);
    assert_eq!((proof.total, proof.pending), (1, 1), "{proof:?}");
    let mut other = open_on!(
        EndpointDiscoveryServiceClient,
        stream_endpoints,
        connection,
        &["other"]
    );
    other.take().await;
    accepted(&fleets, Revision(1), &[EDS]).await;
}

/// A fleet with one resource of each type, which nobody looks into.
fn raw() -> Fleets {
    let changes = TypeUrl::ALL.map(|type_url| {
        let resource = Resource::new(
            type_url,
            raw_name(type_url),
            RAW.into(),
            References::default(),
        );
        let resources = [(resource.name.clone(), Some(Arc::new(resource)))];
        (type_url, resources.into())
    });
    let fleets = Fleets::default();
    let empty = fleets.newest(FLEET);
    fleets.push(FLEET, empty.with(Revision(1), changes.into()));
    fleets
}

/// A message whose first field is a name.
const RAW: &[u8] = b"\x0a\x03raw";

/// A virtual host is asked for by its route configuration.
fn raw_name(type_url: TypeUrl) -> &'static str {
    match type_url {
        TypeUrl::VirtualHost => "raw/host",
        _ => "raw",
    }
}

#[tokio::test]
async fn line_02_every_service_serves_its_type_in_sotw() {
    let plane = Plane::start(&raw()).await;
    let mut served = BTreeSet::new();
    macro_rules! serves {
        ($client:ident, $method:ident) => {{
            let mut stream = open!($client, $method, plane, &["raw"]).responses;
            let answer = tokio::time::timeout(PATIENCE, stream.message()).await;
            let answer = answer.unwrap().unwrap().unwrap();
            let [resource] = answer.resources.as_slice() else {
                panic!("{answer:?}");
            };
            assert_eq!(
                (&*resource.value, &resource.type_url),
                (RAW, &answer.type_url)
            );
            served.insert(TypeUrl::from_url(&answer.type_url).unwrap());
        }};
    }
    serves!(ClusterDiscoveryServiceClient, stream_clusters);
    serves!(EndpointDiscoveryServiceClient, stream_endpoints);
    serves!(ListenerDiscoveryServiceClient, stream_listeners);
    serves!(RouteDiscoveryServiceClient, stream_routes);
    serves!(ScopedRoutesDiscoveryServiceClient, stream_scoped_routes);
    serves!(SecretDiscoveryServiceClient, stream_secrets);
    serves!(RuntimeDiscoveryServiceClient, stream_runtime);
    serves!(
        ExtensionConfigDiscoveryServiceClient,
        stream_extension_configs
    );
    // Virtual hosts are for delta alone.
    served.insert(TypeUrl::VirtualHost);
    assert_eq!(served, TypeUrl::ALL.into());
}

#[tokio::test]
async fn line_02_every_service_serves_its_type_in_delta() {
    let plane = Plane::start(&raw()).await;
    let mut served = BTreeSet::new();
    macro_rules! serves {
        ($client:ident, $method:ident) => {{
            let first = DeltaDiscoveryRequest {
                node: Some(node("edge-1", FLEET)),
                resource_names_subscribe: vec!["raw".into()],
                ..DeltaDiscoveryRequest::default()
            };
            let requests =
                futures::StreamExt::chain(tokio_stream::iter([first]), tokio_stream::pending());
            let mut client = $client::new(channel(plane.address).await);
            let mut stream = client.$method(requests).await.unwrap().into_inner();
            let answer = tokio::time::timeout(PATIENCE, stream.message()).await;
            let answer = answer.unwrap().unwrap().unwrap();
            let [resource] = answer.resources.as_slice() else {
                panic!("{answer:?}");
            };
            let content = resource.resource.as_ref().unwrap();
            assert_eq!(
                (&*content.value, &content.type_url),
                (RAW, &answer.type_url)
            );
            let type_url = TypeUrl::from_url(&answer.type_url).unwrap();
            assert_eq!(resource.name, raw_name(type_url));
            served.insert(type_url);
        }};
    }
    serves!(ClusterDiscoveryServiceClient, delta_clusters);
    serves!(EndpointDiscoveryServiceClient, delta_endpoints);
    serves!(ListenerDiscoveryServiceClient, delta_listeners);
    serves!(RouteDiscoveryServiceClient, delta_routes);
    serves!(ScopedRoutesDiscoveryServiceClient, delta_scoped_routes);
    serves!(VirtualHostDiscoveryServiceClient, delta_virtual_hosts);
    serves!(SecretDiscoveryServiceClient, delta_secrets);
    serves!(RuntimeDiscoveryServiceClient, delta_runtime);
    serves!(
        ExtensionConfigDiscoveryServiceClient,
        delta_extension_configs
    );
    assert_eq!(served, TypeUrl::ALL.into());
}

#[tokio::test]
async fn line_02_a_single_request_is_refused_with_what_to_use() {
    let fleets = Fleets::default();
    let plane = Plane::start(&fleets).await;
    let mut cds = ClusterDiscoveryServiceClient::new(channel(plane.address).await);
    let status = cds.fetch_clusters(asking(&[])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("open a stream"), "{status}");
}

#[tokio::test]
async fn line_02_a_stream_of_one_type_carries_no_other() {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let other = DiscoveryRequest {
        type_url: CDS.url().to_owned(),
        ..asking(&[])
    };
    let mut rds = RouteDiscoveryServiceClient::new(channel(plane.address).await);
    let answers = rds.stream_routes(tokio_stream::iter([other])).await;
    let status = answers.unwrap().into_inner().message().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("RouteConfiguration"), "{status}");
}
