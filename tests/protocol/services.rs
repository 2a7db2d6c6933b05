//! One stream per type instead of one for all, over real sockets.

use envoy_types::pb::envoy::service::{
    cluster::v3::cluster_discovery_service_client::ClusterDiscoveryServiceClient,
    discovery::v3::{DeltaDiscoveryRequest, DiscoveryResponse},
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
    requests: mpsc::UnboundedSender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
}

macro_rules! open {
    ($client:ident, $method:ident, $plane:expr, $names:expr) => {{
        let (requests, stream) = mpsc::unbounded_channel();
        requests.send(asking($names)).unwrap();
        let mut client = $client::new(channel($plane.address).await);
        let opened = client.$method(UnboundedReceiverStream::new(stream)).await;
        Open {
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
            node: None,
            ..asking(&[])
        };
        let names = response.resources.len();
        let named = self.names(names, &response);
        self.requests
            .send(DiscoveryRequest {
                resource_names: named,
                ..ack
            })
            .unwrap();
        response
    }

    /// Types that are asked for by name repeat the names.
    fn names(&self, count: usize, response: &DiscoveryResponse) -> Vec<String> {
        match TypeUrl::from_url(&response.type_url).unwrap() {
            TypeUrl::ClusterLoadAssignment => FRAUD[..count].iter().map(|n| (*n).into()).collect(),
            TypeUrl::RouteConfiguration => vec!["127.0.0.1:10000".into()],
            _ => Vec::new(),
        }
    }
}

#[tokio::test]
async fn line_02_streams_of_one_type_each_are_one_proxy() {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    let route = routes(&fleets);
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
    let mut rds = open!(RouteDiscoveryServiceClient, stream_routes, plane, &[&route]);
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

#[tokio::test]
async fn line_02_every_service_is_served_in_both_modes() {
    let fleets = Fleets::default();
    fleets.change(FLEET, fraud(Colour::Blue));
    let plane = Plane::start(&fleets).await;
    macro_rules! delta {
        ($client:ident, $method:ident) => {{
            let first = DeltaDiscoveryRequest {
                node: Some(node("edge-1", FLEET)),
                resource_names_subscribe: vec!["nowhere".into()],
                ..DeltaDiscoveryRequest::default()
            };
            let requests =
                futures::StreamExt::chain(tokio_stream::iter([first]), tokio_stream::pending());
            let mut client = $client::new(channel(plane.address).await);
            let mut stream = client.$method(requests).await.unwrap().into_inner();
            let answer = tokio::time::timeout(PATIENCE, stream.message()).await;
            let answer = answer.unwrap().unwrap().unwrap();
            assert_eq!(answer.removed_resources, ["nowhere"], stringify!($method));
        }};
    }
    delta!(ClusterDiscoveryServiceClient, delta_clusters);
    delta!(EndpointDiscoveryServiceClient, delta_endpoints);
    delta!(ListenerDiscoveryServiceClient, delta_listeners);
    delta!(RouteDiscoveryServiceClient, delta_routes);
    delta!(ScopedRoutesDiscoveryServiceClient, delta_scoped_routes);
    delta!(VirtualHostDiscoveryServiceClient, delta_virtual_hosts);
    delta!(SecretDiscoveryServiceClient, delta_secrets);
    delta!(RuntimeDiscoveryServiceClient, delta_runtime);
    delta!(
        ExtensionConfigDiscoveryServiceClient,
        delta_extension_configs
    );
    open!(
        ScopedRoutesDiscoveryServiceClient,
        stream_scoped_routes,
        plane,
        &[]
    );
    open!(
        SecretDiscoveryServiceClient,
        stream_secrets,
        plane,
        &["nowhere"]
    );
    open!(
        ExtensionConfigDiscoveryServiceClient,
        stream_extension_configs,
        plane,
        &["nowhere"]
    );
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
