//! A scripted delta ADS client over a real socket: says what a test tells it, and shows what the server answers.

use std::{collections::BTreeMap, net::SocketAddr};

use bluegreen::model::TypeUrl;
use envoy_types::pb::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
    },
    google::rpc::Status as RpcStatus,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::{
    plane::PATIENCE,
    xds_client::{at_start, channel, node},
};

/// One stream of one proxy.
pub struct DeltaClient {
    node: Option<Node>,
    requests: mpsc::UnboundedSender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
    /// The newest response of each type.
    last: BTreeMap<TypeUrl, DeltaDiscoveryResponse>,
    /// The version of each resource that was accepted.
    pub versions: BTreeMap<TypeUrl, BTreeMap<String, String>>,
    probes: usize,
}

impl DeltaClient {
    /// Opens a stream. Nothing is said yet.
    pub async fn connect(server: SocketAddr, id: &str, cluster: &str) -> Self {
        Self::with_node(server, Some(node(id, cluster))).await
    }

    pub async fn with_node(server: SocketAddr, node: Option<Node>) -> Self {
        Self::on(channel(server).await, node).await
    }

    /// A stream on a connection that others may share.
    pub async fn on(channel: Channel, node: Option<Node>) -> Self {
        // As Envoys do, which take responses of any size.
        let mut ads =
            AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(usize::MAX);
        let (requests, stream) = mpsc::unbounded_channel();
        let responses = ads
            .delta_aggregated_resources(UnboundedReceiverStream::new(stream))
            .await
            .unwrap()
            .into_inner();
        Self {
            node,
            requests,
            responses,
            last: BTreeMap::new(),
            versions: BTreeMap::new(),
            probes: 0,
        }
    }

    /// The same proxy on a new stream, on which it shows what it has.
    pub async fn reconnect(self, server: SocketAddr, id: &str, cluster: &str) -> Self {
        let mut client = Self::connect(server, id, cluster).await;
        client.versions = self.versions;
        client.versions.remove(&TypeUrl::Runtime);
        client.probes = self.probes;
        client
    }

    /// Says exactly this. The node goes with the first request only.
    pub fn say(&mut self, mut request: DeltaDiscoveryRequest) {
        request.node = self.node.take();
        // A stream that has ended is seen where the answer is awaited.
        let _ = self.requests.send(request);
    }

    /// Asks for these names; in the first request of a type with the versions that it has.
    pub fn subscribe(&mut self, type_url: TypeUrl, names: &[&str]) {
        let first = !self.last.contains_key(&type_url);
        let versions = self.versions.get(&type_url).filter(|_| first).cloned();
        self.say(DeltaDiscoveryRequest {
            type_url: type_url.url().to_owned(),
            resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
            initial_resource_versions: versions.unwrap_or_default().into_iter().collect(),
            ..DeltaDiscoveryRequest::default()
        });
    }

    /// No longer asks for these names.
    pub fn unsubscribe(&mut self, type_url: TypeUrl, names: &[&str]) {
        self.say(DeltaDiscoveryRequest {
            type_url: type_url.url().to_owned(),
            resource_names_unsubscribe: names.iter().map(|name| (*name).to_owned()).collect(),
            ..DeltaDiscoveryRequest::default()
        });
    }

    /// Asks for some names, gives up others, and answers the response of that nonce; empty: none.
    pub fn change(&mut self, type_url: TypeUrl, more: &[&str], less: &[&str], nonce: &str) {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        self.say(DeltaDiscoveryRequest {
            type_url: type_url.url().to_owned(),
            resource_names_subscribe: list(more),
            resource_names_unsubscribe: list(less),
            response_nonce: nonce.to_owned(),
            ..DeltaDiscoveryRequest::default()
        });
    }

    /// Accepts the newest response of a type.
    pub fn ack(&mut self, type_url: TypeUrl) {
        self.ack_and_ask(type_url, &[]);
    }

    /// Accepts the newest response of a type and, in the same request, asks for more names.
    pub fn ack_and_ask(&mut self, type_url: TypeUrl, more: &[&str]) {
        let newest = self.last[&type_url].clone();
        let versions = self.versions.entry(type_url).or_default();
        for name in &newest.removed_resources {
            versions.remove(name);
        }
        let resources = newest.resources.into_iter();
        versions.extend(resources.map(|resource| (resource.name, resource.version)));
        self.change(type_url, more, &[], &newest.nonce);
    }

    /// Rejects the newest response of a type.
    pub fn nack(&mut self, type_url: TypeUrl, error: &str) {
        let nonce = self.last[&type_url].nonce.clone();
        self.answer(type_url, &nonce, Some(error));
    }

    /// Answers the response of that nonce.
    pub fn answer(&mut self, type_url: TypeUrl, nonce: &str, error: Option<&str>) {
        self.say(DeltaDiscoveryRequest {
            type_url: type_url.url().to_owned(),
            response_nonce: nonce.to_owned(),
            error_detail: error.map(|message| RpcStatus {
                code: 13,
                message: message.to_owned(),
                details: Vec::new(),
            }),
            ..DeltaDiscoveryRequest::default()
        });
    }

    /// The next response, whatever it is.
    pub async fn next(&mut self) -> Result<Option<DeltaDiscoveryResponse>, Status> {
        let next = tokio::time::timeout(PATIENCE, self.responses.message());
        let response = next.await.expect("the server said nothing")?;
        if let Some(response) = &response {
            let type_url = TypeUrl::from_url(&response.type_url).unwrap();
            self.last.insert(type_url, response.clone());
        }
        Ok(response)
    }

    /// The next response, which must be of that type, bring these resources, and take those away.
    pub async fn expect(
        &mut self,
        type_url: TypeUrl,
        changed: &[&str],
        removed: &[&str],
    ) -> DeltaDiscoveryResponse {
        let response = self.next().await.unwrap().expect("the stream ended");
        assert_eq!(response.type_url, type_url.url(), "{response:?}");
        let names: Vec<&str> = response.resources.iter().map(|r| &*r.name).collect();
        assert_eq!(names, changed, "{type_url}");
        assert_eq!(response.removed_resources, removed, "{type_url}");
        response
    }

    /// Asks for everything as an Envoy does that starts, and accepts it.
    pub async fn start(&mut self, clusters: &[&str], listener: &str, routes: &str) {
        for (type_url, names, resources) in at_start(clusters, &[listener], &[routes]) {
            self.subscribe(type_url, names);
            self.expect(type_url, resources, &[]).await;
            self.ack(type_url);
        }
    }

    /// Nothing more is on its way: a name that does not exist is answered at once, and that answer comes next.
    pub async fn quiet(&mut self) {
        self.probes += 1;
        let name = format!("probe-{}", self.probes);
        self.subscribe(TypeUrl::Runtime, &[&name]);
        self.expect(TypeUrl::Runtime, &[], &[&name]).await;
        self.ack(TypeUrl::Runtime);
    }
}
