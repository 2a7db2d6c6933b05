//! What goes over the wire: requests as far as they are needed, and responses made from bytes that are encoded once.

use bytes::BufMut;
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::node::Node;
use crate::{snapshot::Resource, xds::session::Response};

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

/// Reads discovery requests, writes responses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SotwCodec;

impl Codec for SotwCodec {
    type Encode = Response;
    type Decode = DiscoveryRequest;
    type Encoder = ResponseEncoder;
    type Decoder = RequestDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        ResponseEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder
    }
}

/// Decodes requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestDecoder;

impl Decoder for RequestDecoder {
    type Item = DiscoveryRequest;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        DiscoveryRequest::decode(source).map(Some).map_err(|error| {
            Status::invalid_argument(format!("this is no DiscoveryRequest of xDS v3: {error}"))
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

/// Writes `envoy.service.discovery.v3.DiscoveryResponse`. The resources are copied as they are: a push costs a stream
/// one copy of its bytes and nothing else.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseEncoder;

/// Field numbers of the response and of `google.protobuf.Any`.
mod field {
    pub const VERSION_INFO: u32 = 1;
    pub const RESOURCES: u32 = 2;
    pub const TYPE_URL: u32 = 4;
    pub const NONCE: u32 = 5;
    pub const ANY_TYPE_URL: u32 = 1;
    pub const ANY_VALUE: u32 = 2;
}

impl Encoder for ResponseEncoder {
    type Item = Response;
    type Error = Status;

    fn encode(&mut self, response: Response, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(encoded_len(&response));
        write(&response, out);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

/// Length of the encoded response, in bytes.
pub(super) fn encoded_len(response: &Response) -> usize {
    let resources: usize = response
        .resources
        .iter()
        .map(|resource| field_len(field::RESOURCES, any_len(resource)))
        .sum();
    field_len(field::VERSION_INFO, response.version.len())
        + resources
        + field_len(field::TYPE_URL, response.type_url.url().len())
        + field_len(field::NONCE, response.nonce.len())
}

fn write(response: &Response, out: &mut impl BufMut) {
    put(field::VERSION_INFO, response.version.as_bytes(), out);
    for resource in &response.resources {
        encode_key(field::RESOURCES, WireType::LengthDelimited, out);
        encode_varint(any_len(resource) as u64, out);
        put(field::ANY_TYPE_URL, resource.type_url.url().as_bytes(), out);
        put(field::ANY_VALUE, &resource.bytes, out);
    }
    put(field::TYPE_URL, response.type_url.url().as_bytes(), out);
    put(field::NONCE, response.nonce.as_bytes(), out);
}

fn any_len(resource: &Resource) -> usize {
    field_len(field::ANY_TYPE_URL, resource.type_url.url().len())
        + field_len(field::ANY_VALUE, resource.bytes.len())
}

fn field_len(number: u32, content: usize) -> usize {
    key_len(number) + encoded_len_varint(content as u64) + content
}

fn put(number: u32, content: &[u8], out: &mut impl BufMut) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(content.len() as u64, out);
    out.put_slice(content);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use envoy_types::pb::envoy::service::discovery::v3 as envoy;

    use super::*;
    use crate::{model::TypeUrl, snapshot::References};

    #[test]
    fn a_response_is_what_envoy_reads() {
        let resource = |name: &str, bytes: &'static [u8]| {
            Arc::new(Resource::new(
                TypeUrl::Cluster,
                name,
                Bytes::from_static(bytes),
                References::default(),
            ))
        };
        let response = Response {
            type_url: TypeUrl::Cluster,
            version: "43-a1b2c3d4".into(),
            nonce: "7".into(),
            resources: vec![resource("a", b"first"), resource("b", &[7; 300])],
        };
        let mut bytes = Vec::new();
        write(&response, &mut bytes);
        assert_eq!(bytes.len(), encoded_len(&response));
        let read = envoy::DiscoveryResponse::decode(&bytes[..]).unwrap();
        assert_eq!(read.version_info, "43-a1b2c3d4");
        assert_eq!(read.nonce, "7");
        assert_eq!(read.type_url, TypeUrl::Cluster.url());
        let values: Vec<&[u8]> = read.resources.iter().map(|any| &any.value[..]).collect();
        assert_eq!(values, [&b"first"[..], &[7; 300]]);
        assert!(
            read.resources
                .iter()
                .all(|any| any.type_url == TypeUrl::Cluster.url())
        );
    }

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
