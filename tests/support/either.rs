//! A scripted ADS client that speaks either variant of the protocol, for rules that are the same in both; and the list
//! that makes a test of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use bluegreen::model::TypeUrl;
pub use bluegreen::xds::session::Mode;
use envoy_types::pb::{
    envoy::{config::core::v3::Node, service::discovery::v3 as discovery},
    google::protobuf::Any,
};
use prost::{Message, Name as _};
use tonic::{Status, transport::Channel};

use super::{
    delta_client::DeltaClient,
    plane::PATIENCE,
    xds_client::{XdsClient, at_start, channel, node},
};

/// Makes tests of functions that take a [`Mode`]: `name::sotw` and `name::delta`. The checklist in `docs/testing.md` counts
/// them as both.
#[allow(unused_macros, reason = "every test file uses its own part")]
macro_rules! in_both_modes {
    ($($name:ident),+ $(,)?) => {
        $(
            mod $name {
                use $crate::support::either::Mode;

                #[tokio::test]
                async fn sotw() {
                    super::$name(Mode::Sotw).await;
                }

                #[tokio::test]
                async fn delta() {
                    super::$name(Mode::Delta).await;
                }
            }
        )+
    };
}

#[allow(unused_imports, reason = "every test file uses its own part")]
pub(crate) use in_both_modes;

/// One stream of one proxy.
pub enum Client {
    Sotw(Box<XdsClient>, Names),
    Delta(Box<DeltaClient>, Names),
}

/// What it asks for, by type.
type Names = BTreeMap<TypeUrl, Vec<String>>;

/// A response, in words of both.
#[derive(Clone, Debug)]
pub struct Said {
    pub type_url: TypeUrl,
    /// Of the list, or of what changed.
    pub resources: Vec<Resource>,
    /// What is gone or never was; state of the world has no word for it.
    pub removed: Vec<String>,
    pub nonce: String,
    /// Of the whole response.
    pub version: String,
}

/// A resource in a response.
#[derive(Clone, Debug)]
pub struct Resource {
    pub name: String,
    /// The message itself, out of any wrapper; none in a heartbeat of delta.
    pub bytes: Vec<u8>,
    /// How long it lives, where that is said.
    pub ttl_ms: Option<i64>,
}

impl Said {
    pub fn names(&self) -> Vec<&str> {
        let resources = self.resources.iter();
        resources.map(|resource| &*resource.name).collect()
    }

    /// The message of that name.
    pub fn content(&self, name: &str) -> &[u8] {
        let mut resources = self.resources.iter();
        let found = resources.find(|resource| resource.name == name);
        &found
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .bytes
    }
}

/// Every xDS resource has its name in the first field.
#[derive(Clone, PartialEq, prost::Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

fn named(content: Any) -> Resource {
    let name = Named::decode(&content.value[..]).unwrap().name;
    Resource {
        name,
        bytes: content.value,
        ttl_ms: None,
    }
}

fn wrapped(wrapper: discovery::Resource) -> Resource {
    let ttl_ms = wrapper
        .ttl
        .map(|ttl| ttl.seconds * 1000 + i64::from(ttl.nanos) / 1_000_000);
    Resource {
        name: wrapper.name,
        bytes: wrapper.resource.map(|any| any.value).unwrap_or_default(),
        ttl_ms,
    }
}

impl From<discovery::DiscoveryResponse> for Said {
    fn from(response: discovery::DiscoveryResponse) -> Self {
        let resources = response.resources.into_iter();
        Self {
            type_url: TypeUrl::from_url(&response.type_url).unwrap(),
            resources: resources
                .map(
                    |any| match any.type_url == discovery::Resource::type_url() {
                        true => wrapped(discovery::Resource::decode(&any.value[..]).unwrap()),
                        false => named(any),
                    },
                )
                .collect(),
            removed: Vec::new(),
            nonce: response.nonce,
            version: response.version_info,
        }
    }
}

impl From<discovery::DeltaDiscoveryResponse> for Said {
    fn from(response: discovery::DeltaDiscoveryResponse) -> Self {
        Self {
            type_url: TypeUrl::from_url(&response.type_url).unwrap(),
            resources: response.resources.into_iter().map(wrapped).collect(),
            removed: response.removed_resources,
            nonce: response.nonce,
            version: response.system_version_info,
        }
    }
}

impl Client {
    /// Opens a stream. Nothing is said yet.
    pub async fn connect(mode: Mode, server: SocketAddr, id: &str, cluster: &str) -> Self {
        Self::with_node(mode, server, Some(node(id, cluster))).await
    }

    pub async fn with_node(mode: Mode, server: SocketAddr, node: Option<Node>) -> Self {
        Self::on(mode, channel(server).await, node).await
    }

    /// A stream on a connection that others may share.
    pub async fn on(mode: Mode, channel: Channel, node: Option<Node>) -> Self {
        let names = Names::new();
        match mode {
            Mode::Sotw => {
                let client = XdsClient::on(channel, node).await.unwrap();
                Self::Sotw(Box::new(client), names)
            }
            Mode::Delta => Self::Delta(Box::new(DeltaClient::on(channel, node).await), names),
        }
    }

    /// The same proxy on a new stream, which shows what it has. It has asked for nothing yet.
    pub async fn reconnect(self, server: SocketAddr, id: &str, cluster: &str) -> Self {
        let names = Names::new();
        match self {
            Self::Sotw(client, _) => {
                let client = client.reconnect(server, id, cluster).await;
                Self::Sotw(Box::new(client), names)
            }
            Self::Delta(client, _) => {
                let client = client.reconnect(server, id, cluster).await;
                Self::Delta(Box::new(client), names)
            }
        }
    }

    pub fn mode(&self) -> Mode {
        match self {
            Self::Sotw(..) => Mode::Sotw,
            Self::Delta(..) => Mode::Delta,
        }
    }

    /// From now on asks for these names of a type and no others.
    pub fn ask(&mut self, type_url: TypeUrl, names: &[&str]) {
        let owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        match self {
            Self::Sotw(client, _) => client.subscribe(type_url, names),
            Self::Delta(client, known) => {
                let before = known.insert(type_url, owned);
                let Some(before) = before else {
                    client.subscribe(type_url, names);
                    return;
                };
                let wanted: BTreeSet<&str> = names.iter().copied().collect();
                let given_up = before.iter().map(String::as_str);
                let given_up: Vec<&str> = given_up.filter(|name| !wanted.contains(name)).collect();
                let new = names
                    .iter()
                    .filter(|name| !before.iter().any(|known| known == *name));
                let new: Vec<&str> = new.copied().collect();
                client.change(type_url, &new, &given_up, "");
            }
        }
    }

    /// Accepts the newest response of a type.
    pub fn ack(&mut self, type_url: TypeUrl) {
        match self {
            Self::Sotw(client, _) => client.ack(type_url),
            Self::Delta(client, _) => client.ack(type_url),
        }
    }

    /// Accepts the newest response of a type and, in the same request, asks for more names.
    pub fn ack_and_ask(&mut self, type_url: TypeUrl, more: &[&str]) {
        match self {
            Self::Sotw(client, _) => client.ack_and_ask(type_url, more),
            Self::Delta(client, names) => {
                let known = names.entry(type_url).or_default();
                known.extend(more.iter().map(|name| (*name).to_owned()));
                client.ack_and_ask(type_url, more);
            }
        }
    }

    /// Rejects the newest response of a type.
    pub fn nack(&mut self, type_url: TypeUrl, error: &str) {
        match self {
            Self::Sotw(client, _) => client.nack(type_url, error),
            Self::Delta(client, _) => client.nack(type_url, error),
        }
    }

    /// Answers the response of that nonce, without an error.
    pub fn answer(&mut self, type_url: TypeUrl, nonce: &str) {
        match self {
            Self::Sotw(client, _) => client.answer(type_url, nonce),
            Self::Delta(client, _) => client.answer(type_url, nonce, None),
        }
    }

    /// Shows in the first request of a type that it has this of an earlier stream: a revision, and the name of a
    /// resource.
    pub fn shows(&mut self, type_url: TypeUrl, revision: u64, name: &str) {
        match self {
            Self::Sotw(client, _) => {
                let version = format!("{revision}-a1b2c3d4");
                client.versions.insert(type_url, version);
            }
            Self::Delta(client, _) => {
                let versions = client.versions.entry(type_url).or_default();
                versions.insert(name.to_owned(), format!("{revision}-a1b2c3d4a1b2c3d4"));
            }
        }
    }

    /// The version under which it has accepted a resource: of the list, or the resource's own.
    pub fn version(&self, type_url: TypeUrl, name: &str) -> &str {
        match self {
            Self::Sotw(client, _) => &client.versions[&type_url],
            Self::Delta(client, _) => &client.versions[&type_url][name],
        }
    }

    /// The next response, whatever it is.
    pub async fn next(&mut self) -> Result<Option<Said>, Status> {
        Ok(match self {
            Self::Sotw(client, _) => client.next().await?.map(Said::from),
            Self::Delta(client, _) => client.next().await?.map(Said::from),
        })
    }

    /// The next response, which must be of that type, hold these resources, and take none away.
    pub async fn expect(&mut self, type_url: TypeUrl, names: &[&str]) -> Said {
        let said = self.next().await.unwrap().expect("the stream ended");
        let told = (said.type_url, said.names(), said.removed.len());
        assert_eq!(told, (type_url, names.to_vec(), 0), "{said:?}");
        said
    }

    /// The next response, which must take these away: in state of the world by a list of what is left.
    pub async fn expect_without(
        &mut self,
        type_url: TypeUrl,
        gone: &[&str],
        left: &[&str],
    ) -> Said {
        let said = self.next().await.unwrap().expect("the stream ended");
        let expected = match self.mode() {
            Mode::Sotw => (type_url, left.to_vec(), &[][..]),
            Mode::Delta => (type_url, vec![], gone),
        };
        let removed: Vec<&str> = said.removed.iter().map(String::as_str).collect();
        assert_eq!((said.type_url, said.names(), &*removed), expected);
        said
    }

    /// How the stream ends: the error of the server, or `None` if it ends cleanly. Responses before are skipped.
    pub async fn end(&mut self) -> Option<Status> {
        let end = async {
            loop {
                match self.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(status) => return Some(status),
                }
            }
        };
        let end = tokio::time::timeout(PATIENCE, end).await;
        end.expect("the stream did not end")
    }

    /// Asks for everything as an Envoy does that starts, and accepts it.
    pub async fn start(&mut self, clusters: &[&str], listener: &str, routes: &str) {
        for (type_url, names, resources) in at_start(clusters, &[listener], &[routes]) {
            self.ask(type_url, names);
            self.expect(type_url, resources).await;
            self.ack(type_url);
        }
    }

    /// Nothing more is on its way: a layer that does not exist is answered at once, and that answer comes next.
    pub async fn quiet(&mut self) {
        match self {
            Self::Sotw(client, _) => client.quiet().await,
            Self::Delta(client, _) => client.quiet().await,
        }
    }
}
