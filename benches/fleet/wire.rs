//! Requests and responses of ADS as they stand on the wire: only the fields that a proxy needs, nothing copied.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};

/// What a proxy asks for, in the order in which Envoy does.
pub const TYPES: [&str; 4] = [
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
];

/// Places in [`TYPES`].
pub const CDS: usize = 0;
/// Load assignments.
pub const EDS: usize = 1;
/// Listeners.
pub const LDS: usize = 2;
/// Route configurations.
pub const RDS: usize = 3;

/// The two variants of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// State of the world.
    Sotw,
    /// Incremental.
    Delta,
}

impl Mode {
    /// Its method on the wire.
    pub fn path(self) -> &'static str {
        match self {
            Self::Sotw => {
                "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
            }
            Self::Delta => {
                "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
            }
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sotw => "sotw",
            Self::Delta => "delta",
        })
    }
}

/// `DiscoveryResponse` and `DeltaDiscoveryResponse`, whose field numbers agree. Resources stay encoded: an `Any`, or
/// a delta `Resource`.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    /// State of the world only.
    #[prost(string, tag = "1")]
    pub version: String,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub resources: Vec<Bytes>,
    #[prost(string, tag = "4")]
    pub type_url: String,
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// Delta only.
    #[prost(string, repeated, tag = "6")]
    pub removed: Vec<String>,
}

/// One request, in words that both variants share.
#[derive(Default)]
pub struct Request<'a> {
    /// In the first request of a stream.
    pub node: Option<&'a [u8]>,
    pub type_url: &'a str,
    /// State of the world: what was accepted last.
    pub version: &'a str,
    /// State of the world: all names. Delta: those newly asked for.
    pub names: &'a [Arc<str>],
    /// Delta: names no longer wanted.
    pub unsubscribe: &'a [Arc<str>],
    /// Delta, first request of a type: name and version of what the proxy has already.
    pub initial: &'a [(Arc<str>, Arc<str>)],
    pub nonce: &'a str,
}

impl Request<'_> {
    /// Appends the request as a gRPC message.
    pub fn write(&self, mode: Mode, out: &mut BytesMut) {
        let start = out.len();
        // Not compressed; the length follows once it is known.
        out.put_slice(&[0; 5]);
        match mode {
            Mode::Sotw => {
                text(1, self.version, out);
                field(2, self.node.unwrap_or_default(), out);
                self.names.iter().for_each(|name| text(3, name, out));
                text(4, self.type_url, out);
                text(5, self.nonce, out);
            }
            Mode::Delta => {
                field(1, self.node.unwrap_or_default(), out);
                text(2, self.type_url, out);
                self.names.iter().for_each(|name| text(3, name, out));
                self.unsubscribe.iter().for_each(|name| text(4, name, out));
                for (name, version) in self.initial {
                    let mut entry = BytesMut::with_capacity(name.len() + version.len() + 8);
                    text(1, name, &mut entry);
                    text(2, version, &mut entry);
                    field(5, &entry, out);
                }
                text(6, self.nonce, out);
            }
        }
        let length = (out.len() - start - 5) as u32;
        out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
    }
}

fn text(number: u32, content: &str, out: &mut BytesMut) {
    field(number, content.as_bytes(), out);
}

/// An empty field is left out, as proto3 does.
fn field(number: u32, content: &[u8], out: &mut BytesMut) {
    if !content.is_empty() {
        encode_key(number, WireType::LengthDelimited, out);
        encode_varint(content.len() as u64, out);
        out.put_slice(content);
    }
}

/// Cuts gRPC messages out of what the stream brings.
#[derive(Default)]
pub struct Messages {
    rest: BytesMut,
}

impl Messages {
    /// Takes what came, and gives every message that is whole now.
    pub fn take(&mut self, mut data: Bytes, mut each: impl FnMut(Bytes)) {
        if self.rest.is_empty() {
            // Most messages come in one piece, which needs no copy.
            while let Some(length) = whole(&data) {
                each(data.split_to(length).slice(5..));
            }
        }
        if !data.is_empty() {
            self.rest.extend_from_slice(&data);
        }
        while let Some(length) = whole(&self.rest) {
            each(self.rest.split_to(length).freeze().slice(5..));
        }
        if self.rest.is_empty() {
            // A message of 20 KB now and then must not be kept by ten thousand proxies.
            self.rest = BytesMut::new();
        }
    }
}

/// The length with its prefix of the message that `data` begins with, if all of it is there.
fn whole(data: &[u8]) -> Option<usize> {
    let prefix = data.get(1..5)?;
    let length = 5 + u32::from_be_bytes(prefix.try_into().ok()?) as usize;
    (data.len() >= length).then_some(length)
}

/// An encoded `envoy.config.core.v3.Node` with that id and cluster, and as many extensions as asked for: an Envoy names
/// all that it was built with, some 500, each with its category and the types of its configuration.
pub fn node(id: &str, cluster: &str, extensions: usize) -> Vec<u8> {
    use envoy_types::pb::envoy::{
        config::core::v3::{BuildVersion, Extension, Node, node::UserAgentVersionType},
        r#type::v3::SemanticVersion,
    };
    let node = Node {
        id: id.to_owned(),
        cluster: cluster.to_owned(),
        user_agent_name: "envoy".to_owned(),
        user_agent_version_type: Some(UserAgentVersionType::UserAgentBuildVersion(BuildVersion {
            version: Some(SemanticVersion {
                major_number: 1,
                minor_number: 40,
                patch: 0,
            }),
            metadata: None,
        })),
        extensions: (0..extensions)
            .map(|number| Extension {
                name: format!("envoy.filters.http.simulated_extension_{number}"),
                category: "envoy.filters.http".to_owned(),
                type_urls: vec![format!(
                    "envoy.extensions.filters.http.simulated_extension_{number}.v3.Config"
                )],
                ..Extension::default()
            })
            .collect(),
        ..Node::default()
    };
    prost::Message::encode_to_vec(&node)
}
