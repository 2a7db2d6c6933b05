//! Who is at the other end: what is needed of a node, and which fleet and proxy it is.

use std::net::SocketAddr;

use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::metadata;
use crate::{fleet::ProxyInfo, model::Name, text::escaped};

/// By what of its node a proxy says which fleet it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FleetBy {
    /// `node.cluster`.
    #[default]
    Cluster,
    /// `node.id`: each proxy is a fleet of its own, or all proxies of a fleet share their id.
    Id,
    /// A text in `node.metadata`. Dots lead into nested structs; a key that holds dots itself is found too.
    Metadata(String),
}

/// Text that names no part of a node.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write cluster, id, or metadata:KEY with a key of node.metadata, e.g. metadata:fleet")]
pub struct FleetByError;

impl std::str::FromStr for FleetBy {
    type Err = FleetByError;

    fn from_str(text: &str) -> Result<Self, FleetByError> {
        match (text, text.strip_prefix("metadata:")) {
            ("cluster", _) => Ok(Self::Cluster),
            ("id", _) => Ok(Self::Id),
            (_, Some(key)) if !key.is_empty() => Ok(Self::Metadata(key.to_owned())),
            _ => Err(FleetByError),
        }
    }
}

/// `envoy.config.core.v3.Node`. Fields that are not listed are skipped while decoding, so that no byte of its hundreds
/// of extensions is kept.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Node {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub cluster: String,
    /// A struct, not decoded: it may be large, and at most one text of it is needed.
    #[prost(bytes = "bytes", tag = "3")]
    pub metadata: Bytes,
    #[prost(string, tag = "6")]
    pub user_agent_name: String,
    #[prost(string, tag = "7")]
    pub user_agent_version: String,
    #[prost(message, optional, tag = "8")]
    pub user_agent_build_version: Option<BuildVersion>,
}

/// `envoy.config.core.v3.BuildVersion`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BuildVersion {
    #[prost(message, optional, tag = "1")]
    pub version: Option<SemanticVersion>,
}

/// `envoy.type.v3.SemanticVersion`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct SemanticVersion {
    #[prost(uint32, tag = "1")]
    pub major: u32,
    #[prost(uint32, tag = "2")]
    pub minor: u32,
    #[prost(uint32, tag = "3")]
    pub patch: u32,
}

impl Node {
    /// What it says it is, e.g. `envoy 1.40.0`.
    pub(super) fn software(&self) -> String {
        let build = self.user_agent_build_version.as_ref();
        let version = match build.and_then(|build| build.version) {
            Some(v) => format!("{}.{}.{}", v.major, v.minor, v.patch),
            None => self.user_agent_version.clone(),
        };
        format!("{} {version}", self.user_agent_name)
            .trim()
            .to_owned()
    }
}

/// The longest id of a node, in bytes: twice what those hold that are put together of a pod, its address and its namespace. It is
/// kept, stored, and stands in what operators read, as often as there is a proxy.
const MAX_ID: usize = 512;

/// So much is kept of what a proxy says it is, in characters.
const MAX_SOFTWARE: usize = 128;

/// Which fleet and proxy a node is.
pub(super) fn identify(
    node: Option<&Node>,
    peer: Option<SocketAddr>,
    by: &FleetBy,
) -> Result<(Name, ProxyInfo), Status> {
    let flags = match by {
        FleetBy::Cluster => "--service-node NAME --service-cluster FLEET",
        FleetBy::Id => "--service-node FLEET",
        FleetBy::Metadata(_) => "--service-node NAME, and the metadata in `node` of its bootstrap",
    };
    let node = node.ok_or_else(|| unset("node", flags))?;
    if node.id.is_empty() {
        return Err(unset("node.id", "--service-node NAME"));
    }
    if node.id.len() > MAX_ID {
        return Err(Status::invalid_argument(format!(
            "node.id has {} bytes, more than {MAX_ID}: start Envoy with a shorter --service-node NAME",
            node.id.len()
        )));
    }
    let (field, said) = match by {
        FleetBy::Cluster if node.cluster.is_empty() => {
            return Err(unset("node.cluster", "--service-cluster FLEET"));
        }
        FleetBy::Cluster => ("node.cluster".to_owned(), node.cluster.clone()),
        FleetBy::Id => ("node.id".to_owned(), node.id.clone()),
        FleetBy::Metadata(key) => {
            let field = format!("node.metadata {key:?}");
            let said = metadata::text(&node.metadata, key).filter(|said| !said.is_empty());
            let Some(said) = said else {
                return Err(Status::invalid_argument(format!(
                    "{field} is not set in the first request, or is no text: set it in `node.metadata` of Envoy's bootstrap to the name of its fleet (this server runs with --fleet-by metadata:{key})"
                )));
            };
            (field, said)
        }
    };
    let fleet = Name::parse(&said).map_err(|error| {
        Status::invalid_argument(format!(
            "{field} is no name of a fleet: {error}; set it to `spec.fleet` of your documents"
        ))
    })?;
    let address = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
    // What a proxy calls itself stands in lines of the log and of tables: it begins no line of its own there.
    let proxy = ProxyInfo {
        id: escaped(&node.id, MAX_ID).into(),
        address: address.into(),
        software: escaped(&node.software(), MAX_SOFTWARE).into(),
    };
    Ok((fleet, proxy))
}

fn unset(what: &str, flag: &str) -> Status {
    Status::invalid_argument(format!(
        "{what} is not set in the first request: start Envoy with {flag}, or set it in `node` of its bootstrap"
    ))
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::{
        envoy::config::core::v3 as core,
        google::protobuf::{Struct, Value, value::Kind},
    };

    use super::*;

    fn text(text: &str) -> Value {
        Value {
            kind: Some(Kind::StringValue(text.to_owned())),
        }
    }

    fn within(fields: Vec<(&str, Value)>) -> Struct {
        let fields = fields.into_iter();
        Struct {
            fields: fields.map(|(key, value)| (key.to_owned(), value)).collect(),
        }
    }

    fn nested(fields: Vec<(&str, Value)>) -> Value {
        Value {
            kind: Some(Kind::StructValue(within(fields))),
        }
    }

    fn node(id: &str, cluster: &str, metadata: Vec<(&str, Value)>) -> Node {
        let sent = core::Node {
            id: id.to_owned(),
            cluster: cluster.to_owned(),
            metadata: Some(within(metadata)),
            ..Default::default()
        };
        Node::decode(&sent.encode_to_vec()[..]).unwrap()
    }

    fn fleet(node: &Node, by: &str) -> Result<String, String> {
        identify(Some(node), None, &by.parse().unwrap())
            .map(|(fleet, _)| fleet.to_string())
            .map_err(|status| {
                assert_eq!(status.code(), tonic::Code::InvalidArgument);
                status.message().to_owned()
            })
    }

    #[test]
    fn the_fleet_is_read_where_the_server_was_told_to() {
        let labels = nested(vec![
            ("app", text("deep")),
            ("example.com/team", text("dotted")),
        ]);
        let node = node(
            "edge-1",
            "payments",
            vec![("fleet", text("flat")), ("labels", labels)],
        );
        for (by, expected) in [
            ("cluster", "payments"),
            ("id", "edge-1"),
            ("metadata:fleet", "flat"),
            ("metadata:labels.app", "deep"),
            ("metadata:labels.example.com/team", "dotted"),
        ] {
            assert_eq!(fleet(&node, by).as_deref(), Ok(expected), "{by}");
        }
    }

    #[test]
    fn what_a_proxy_calls_itself_is_one_line() {
        let mut node = node("edge-1\n\u{1b}[2Jedge-2", "payments", vec![]);
        node.user_agent_name = "envoy\u{1b}]0;title\u{7}".to_owned();
        let (_, proxy) = identify(Some(&node), None, &FleetBy::Cluster).unwrap();
        assert_eq!(&*proxy.id, r"edge-1\n\u{1b}[2Jedge-2");
        assert_eq!(&*proxy.software, r"envoy\u{1b}]0;title\u{7}");
    }

    #[test]
    fn what_a_proxy_calls_itself_is_bounded() {
        let mut long = node(&"n".repeat(MAX_ID), "payments", vec![]);
        long.user_agent_name = "envoy".repeat(1000);
        let (_, proxy) = identify(Some(&long), None, &FleetBy::Cluster).unwrap();
        assert_eq!(proxy.software.chars().count(), MAX_SOFTWARE + 1);
        long.id.push('n');
        let refused = identify(Some(&long), None, &FleetBy::Cluster).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(refused.message().contains("more than 512"));
    }

    #[test]
    fn line_01_a_node_that_fits_no_fleet_is_told_what_to_set() {
        let flag = Value {
            kind: Some(Kind::BoolValue(true)),
        };
        let node = node("edge 1", "", vec![("flag", flag)]);
        for (by, expected) in [
            ("cluster", "node.cluster is not set"),
            ("cluster", "--service-cluster FLEET"),
            ("id", "node.id is no name of a fleet"),
            ("metadata:flag", "node.metadata \"flag\" is not set"),
            ("metadata:fleet.name", "--fleet-by metadata:fleet.name"),
        ] {
            let message = fleet(&node, by).unwrap_err();
            assert!(message.contains(expected), "{by}: {message}");
        }
        for by in [FleetBy::Cluster, FleetBy::Id] {
            let nobody = identify(None, None, &by).unwrap_err();
            assert!(nobody.message().starts_with("node is not set"), "{nobody}");
        }
        assert_eq!("metadata:".parse::<FleetBy>(), Err(FleetByError));
        assert_eq!("name".parse::<FleetBy>(), Err(FleetByError));
    }

    #[test]
    fn by_id_a_node_needs_no_cluster() {
        assert_eq!(
            fleet(&node("edge", "", vec![]), "id").as_deref(),
            Ok("edge")
        );
    }
}
