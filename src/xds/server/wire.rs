//! Requests as they come over the wire, as far as they are needed.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use tonic::Status;

use super::node::Node;
use crate::{
    model::TypeUrl,
    xds::session::{DeltaRequest, Mode, Output, Request, Session},
};

/// `envoy.service.discovery.v3.DiscoveryRequest`. Fields that are not listed are skipped while decoding, so that no
/// byte of a node's hundreds of extensions is kept.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DiscoveryRequest {
    #[prost(string, tag = "1")]
    pub version_info: String,
    #[prost(message, optional, tag = "2")]
    pub node: Option<Node>,
    #[prost(string, repeated, tag = "3")]
    pub resource_names: Vec<String>,
    #[prost(string, tag = "4")]
    pub type_url: String,
    #[prost(string, tag = "5")]
    pub response_nonce: String,
    #[prost(message, optional, tag = "6")]
    pub error_detail: Option<ErrorDetail>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ErrorDetail {
    #[prost(string, tag = "2")]
    pub message: String,
}

/// `envoy.service.discovery.v3.DeltaDiscoveryRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DeltaDiscoveryRequest {
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    #[prost(string, tag = "2")]
    pub type_url: String,
    #[prost(string, repeated, tag = "3")]
    pub resource_names_subscribe: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub resource_names_unsubscribe: Vec<String>,
    #[prost(btree_map = "string, string", tag = "5")]
    pub initial_resource_versions: BTreeMap<String, String>,
    #[prost(string, tag = "6")]
    pub response_nonce: String,
    #[prost(message, optional, tag = "7")]
    pub error_detail: Option<ErrorDetail>,
}

/// A request of either mode.
pub(super) trait Said: Message + Default + 'static {
    /// How its stream speaks.
    const MODE: Mode;

    /// Who says it; in the first request only.
    fn node(&self) -> Option<&Node>;

    /// What it is about.
    fn type_url(&self) -> &str;

    /// Hands it to the session, without the node.
    fn say(self, session: &mut Session, type_url: TypeUrl, now: Timestamp) -> Output;

    /// Reads one message.
    fn read(message: Bytes) -> Result<Self, Status> {
        Self::decode(message).map_err(|error| {
            Status::invalid_argument(format!("this is no discovery request of xDS v3: {error}"))
        })
    }
}

impl Said for DiscoveryRequest {
    const MODE: Mode = Mode::Sotw;

    fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    fn type_url(&self) -> &str {
        &self.type_url
    }

    fn say(self, session: &mut Session, type_url: TypeUrl, now: Timestamp) -> Output {
        let request = Request {
            version: self.version_info,
            nonce: self.response_nonce,
            names: self.resource_names,
            error: self.error_detail.map(|error| error.message),
        };
        session.request(type_url, request, now)
    }
}

impl Said for DeltaDiscoveryRequest {
    const MODE: Mode = Mode::Delta;

    fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    fn type_url(&self) -> &str {
        &self.type_url
    }

    fn say(self, session: &mut Session, type_url: TypeUrl, now: Timestamp) -> Output {
        let request = DeltaRequest {
            nonce: self.response_nonce,
            subscribe: self.resource_names_subscribe,
            unsubscribe: self.resource_names_unsubscribe,
            versions: self.initial_resource_versions,
            error: self.error_detail.map(|error| error.message),
        };
        session.delta_request(type_url, request, now)
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::service::discovery::v3 as envoy;

    use super::*;
    use crate::model::TypeUrl;

    #[test]
    fn of_a_request_only_what_is_needed_is_kept() {
        use envoy_types::pb::envoy::config::core::v3 as core;
        let node = core::Node {
            id: "edge-1".into(),
            cluster: "payments".into(),
            user_agent_name: "envoy".into(),
            extensions: vec![core::Extension::default(); 500],
            user_agent_version_type: Some(core::node::UserAgentVersionType::UserAgentBuildVersion(
                core::BuildVersion {
                    version: Some(envoy_types::pb::envoy::r#type::v3::SemanticVersion {
                        major_number: 1,
                        minor_number: 40,
                        patch: 0,
                    }),
                    metadata: None,
                },
            )),
            ..Default::default()
        };
        let request = envoy::DiscoveryRequest {
            node: Some(node),
            version_info: "3-a1b2c3d4".into(),
            resource_names: vec!["a".into()],
            type_url: TypeUrl::Cluster.url().into(),
            response_nonce: "2".into(),
            error_detail: Some(envoy_types::pb::google::rpc::Status {
                code: 13,
                message: "no".into(),
                details: vec![],
            }),
            ..Default::default()
        };
        let read = DiscoveryRequest::decode(&request.encode_to_vec()[..]).unwrap();
        let node = read.node.clone().unwrap();
        assert_eq!(node.software(), "envoy 1.40.0");
        assert_eq!((&*node.id, &*node.cluster), ("edge-1", "payments"));
        assert_eq!(read.error_detail.clone().unwrap().message, "no");
        assert_eq!(read.response_nonce, "2");
        assert_eq!(read.resource_names, ["a"]);
        // What is kept of a node with 500 extensions encodes to next to nothing.
        assert!(read.encoded_len() < 200);
    }
}
