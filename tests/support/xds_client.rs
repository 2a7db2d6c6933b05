//! A scripted ADS client over a real socket: says what a test tells it, and shows what the server answers.

use std::{collections::BTreeMap, net::SocketAddr};

use bluegreen::model::TypeUrl;
use envoy_types::pb::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{
            DiscoveryRequest, DiscoveryResponse,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
    },
    google::rpc::Status as RpcStatus,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::plane::PATIENCE;

/// One stream of one proxy.
pub struct XdsClient {
    node: Option<Node>,
    requests: mpsc::UnboundedSender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
    /// The newest response of each type.
    last: BTreeMap<TypeUrl, DiscoveryResponse>,
    /// The version last accepted of each type.
    pub versions: BTreeMap<TypeUrl, String>,
    names: BTreeMap<TypeUrl, Vec<String>>,
}

/// A node as Envoy sends it.
pub fn node(id: &str, cluster: &str) -> Node {
    Node {
        id: id.to_owned(),
        cluster: cluster.to_owned(),
        user_agent_name: "scripted".to_owned(),
        ..Node::default()
    }
}

/// What an Envoy asks for when it starts, type by type: the names, and what is to come.
pub fn at_start<'a>(
    clusters: &'a [&'a str],
    listeners: &'a [&'a str],
    routes: &'a [&'a str],
) -> [(TypeUrl, &'a [&'a str], &'a [&'a str]); 4] {
    [
        (TypeUrl::Cluster, &[], clusters),
        (TypeUrl::ClusterLoadAssignment, clusters, clusters),
        (TypeUrl::Listener, &[], listeners),
        (TypeUrl::RouteConfiguration, routes, routes),
    ]
}

pub async fn channel(server: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{server}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

impl XdsClient {
    /// Opens a stream. Nothing is said yet.
    pub async fn connect(server: SocketAddr, id: &str, cluster: &str) -> Self {
        Self::with_node(server, Some(node(id, cluster))).await
    }

    pub async fn with_node(server: SocketAddr, node: Option<Node>) -> Self {
        Self::on(channel(server).await, node).await.unwrap()
    }

    /// The same, of a server that may go away at any moment.
    pub async fn try_connect(server: SocketAddr, id: &str, cluster: &str) -> Result<Self, Status> {
        let endpoint = Channel::from_shared(format!("http://{server}")).unwrap();
        let connected = endpoint.connect().await;
        let channel = connected.map_err(|error| Status::unavailable(error.to_string()))?;
        Self::on(channel, Some(node(id, cluster))).await
    }

    /// A stream on a connection that others may share.
    pub async fn on(channel: Channel, node: Option<Node>) -> Result<Self, Status> {
        // As Envoys do, which take responses of any size.
        let mut ads =
            AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(usize::MAX);
        let (requests, stream) = mpsc::unbounded_channel();
        let responses = ads
            .stream_aggregated_resources(UnboundedReceiverStream::new(stream))
            .await?
            .into_inner();
        Ok(Self {
            node,
            requests,
            responses,
            last: BTreeMap::new(),
            versions: BTreeMap::new(),
            names: BTreeMap::new(),
        })
    }

    /// The same proxy on a new stream, which shows the versions that it has.
    pub async fn reconnect(self, server: SocketAddr, id: &str, cluster: &str) -> Self {
        let mut client = Self::connect(server, id, cluster).await;
        client.versions = self.versions;
        // What `quiet` asked for is not part of the proxy.
        client.versions.remove(&TypeUrl::Runtime);
        client
    }

    /// Says exactly this. The node goes with the first request only.
    pub fn say(&mut self, mut request: DiscoveryRequest) {
        request.node = self.node.take();
        // A stream that has ended is seen where the answer is awaited.
        let _ = self.requests.send(request);
    }

    fn request(&mut self, type_url: TypeUrl, error: Option<&str>) {
        let newest = self.last.get(&type_url);
        let nonce = newest.map(|r| r.nonce.clone()).unwrap_or_default();
        self.request_with(type_url, nonce, error);
    }

    fn request_with(&mut self, type_url: TypeUrl, nonce: String, error: Option<&str>) {
        let request = DiscoveryRequest {
            type_url: type_url.url().to_owned(),
            version_info: self.versions.get(&type_url).cloned().unwrap_or_default(),
            response_nonce: nonce,
            resource_names: self.names.get(&type_url).cloned().unwrap_or_default(),
            error_detail: error.map(|message| RpcStatus {
                code: 13,
                message: message.to_owned(),
                details: Vec::new(),
            }),
            ..DiscoveryRequest::default()
        };
        self.say(request);
    }

    /// Asks for these names of a type, for the first time or instead of those before.
    pub fn subscribe(&mut self, type_url: TypeUrl, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.names.insert(type_url, names);
        self.request(type_url, None);
    }

    /// Accepts the newest response of a type.
    pub fn ack(&mut self, type_url: TypeUrl) {
        let version = self.last[&type_url].version_info.clone();
        self.versions.insert(type_url, version);
        self.request(type_url, None);
    }

    /// Accepts the newest response of a type and, in the same request, asks for more names.
    pub fn ack_and_ask(&mut self, type_url: TypeUrl, more: &[&str]) {
        let names = self.names.entry(type_url).or_default();
        names.extend(more.iter().map(|name| (*name).to_owned()));
        self.ack(type_url);
    }

    /// Answers the response of that nonce with the version and the names of before, without an error.
    pub fn answer(&mut self, type_url: TypeUrl, nonce: &str) {
        self.request_with(type_url, nonce.to_owned(), None);
    }

    /// Rejects the newest response of a type.
    pub fn nack(&mut self, type_url: TypeUrl, error: &str) {
        self.request(type_url, Some(error));
    }

    /// The next response, whatever it is.
    pub async fn next(&mut self) -> Result<Option<DiscoveryResponse>, Status> {
        let next = tokio::time::timeout(PATIENCE, self.sometime());
        next.await.expect("the server said nothing")
    }

    /// The next response, whenever it comes.
    pub async fn sometime(&mut self) -> Result<Option<DiscoveryResponse>, Status> {
        let response = self.responses.message().await?;
        if let Some(response) = &response {
            let type_url = TypeUrl::from_url(&response.type_url).unwrap();
            self.last.insert(type_url, response.clone());
        }
        Ok(response)
    }

    /// The next response, which must be of that type and hold that many resources.
    pub async fn expect(&mut self, type_url: TypeUrl, resources: usize) -> DiscoveryResponse {
        let response = self.next().await.unwrap().expect("the stream ended");
        assert_eq!(response.type_url, type_url.url());
        assert_eq!(response.resources.len(), resources, "{response:?}");
        response
    }

    /// How the stream ends: the error of the server, or `None` if it ends cleanly. Responses before are skipped.
    pub async fn end(&mut self) -> Option<Status> {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    }

    /// Asks for everything as an Envoy does that starts, and accepts it.
    pub async fn start(&mut self, clusters: &[&str], routes: &str) {
        for (type_url, names, resources) in at_start(clusters, &[routes], &[routes]) {
            self.subscribe(type_url, names);
            self.expect(type_url, resources.len()).await;
            self.ack(type_url);
        }
    }

    /// Nothing more is on its way: a layer that does not exist is answered at once, and that answer comes next.
    pub async fn quiet(&mut self) {
        let probe = TypeUrl::Runtime;
        let mut names = self.names.get(&probe).cloned().unwrap_or_default();
        names.push(format!("probe-{}", names.len()));
        self.names.insert(probe, names);
        self.request(probe, None);
        let response = self.next().await.unwrap().expect("the stream ended");
        assert_eq!(
            response.type_url,
            probe.url(),
            "something else was on its way: {response:?}"
        );
        self.ack(probe);
    }
}
