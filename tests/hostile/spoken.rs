//! The same words in either variant of the protocol, byte by byte under the test's control.

use std::net::SocketAddr;

use bluegreen::model::TypeUrl;
use bytes::Bytes;
use envoy_types::pb::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    },
};
use prost::Message as _;

use crate::wire::{Raw, framed};

/// State of the world, aggregated.
pub const SOTW: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

/// Delta, aggregated.
const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// How a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Sotw,
    Delta,
}

/// A response, as far as the tests look.
#[derive(Clone, Debug)]
pub struct Answer {
    pub type_url: String,
    pub version: String,
    pub resources: usize,
    /// Names that are gone or never were; delta alone has a word for them.
    pub removed: usize,
    nonce: String,
}

impl Mode {
    /// A stream of its own, on a connection of its own.
    pub async fn open(self, server: SocketAddr) -> Raw {
        match self {
            Self::Sotw => Raw::open(server, SOTW).await,
            Self::Delta => Raw::open(server, DELTA).await,
        }
    }

    /// A request for these names: in state of the world instead of those before, in delta besides them.
    pub fn ask(self, node: Option<Node>, type_url: &str, names: Vec<String>) -> Bytes {
        let type_url = type_url.to_owned();
        match self {
            Self::Sotw => framed(
                &DiscoveryRequest {
                    node,
                    type_url,
                    resource_names: names,
                    ..DiscoveryRequest::default()
                }
                .encode_to_vec(),
            ),
            Self::Delta => framed(
                &DeltaDiscoveryRequest {
                    node,
                    type_url,
                    resource_names_subscribe: names,
                    ..DeltaDiscoveryRequest::default()
                }
                .encode_to_vec(),
            ),
        }
    }

    /// Accepts a response and, in state of the world, still asks for everything.
    pub fn accept(self, answer: &Answer) -> Bytes {
        let (type_url, response_nonce) = (answer.type_url.clone(), answer.nonce.clone());
        match self {
            Self::Sotw => framed(
                &DiscoveryRequest {
                    type_url,
                    response_nonce,
                    version_info: answer.version.clone(),
                    ..DiscoveryRequest::default()
                }
                .encode_to_vec(),
            ),
            Self::Delta => framed(
                &DeltaDiscoveryRequest {
                    type_url,
                    response_nonce,
                    ..DeltaDiscoveryRequest::default()
                }
                .encode_to_vec(),
            ),
        }
    }

    /// Reads the next response.
    pub async fn answer(self, raw: &mut Raw) -> Answer {
        match self {
            Self::Sotw => {
                let read: DiscoveryResponse = raw.next().await;
                Answer {
                    type_url: read.type_url,
                    version: read.version_info,
                    resources: read.resources.len(),
                    removed: 0,
                    nonce: read.nonce,
                }
            }
            Self::Delta => {
                let read: DeltaDiscoveryResponse = raw.next().await;
                Answer {
                    type_url: read.type_url,
                    version: read.system_version_info,
                    resources: read.resources.len(),
                    removed: read.removed_resources.len(),
                    nonce: read.nonce,
                }
            }
        }
    }

    /// Waits until everything that was said has been read: a layer that does not exist is answered at once, and what comes
    /// before that answer is skipped.
    pub async fn understood(self, raw: &mut Raw) {
        let layer = vec!["probe".to_owned()];
        raw.bytes(self.ask(None, TypeUrl::Runtime.url(), layer))
            .await;
        while self.answer(raw).await.type_url != TypeUrl::Runtime.url() {}
    }
}
