//! `ClientStatusDiscoveryService`: what each proxy has, resource by resource, asked of its streams at that moment.

use std::{collections::BTreeSet, fmt, pin::Pin, str::FromStr, sync::Arc, time::Duration};

use envoy_types::pb::{
    envoy::{
        admin::v3::{ClientResourceStatus, UpdateFailureState},
        config::core::v3::Node,
        service::status::v3::{
            ClientConfig, ClientStatusRequest, ClientStatusResponse, ConfigStatus,
            client_config::GenericXdsConfig,
            client_status_discovery_service_server::{
                ClientStatusDiscoveryService, ClientStatusDiscoveryServiceServer,
            },
        },
    },
    google::protobuf::{Any, Struct, Value, value::Kind},
};
use futures::{future::join_all, stream};
use prost::Message;
use tokio::{sync::Semaphore, time::timeout};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    inspect::{Seat, Streams},
    matcher::Nodes,
};
use crate::{
    model::TypeUrl,
    xds::session::{ResourceState, ResourceStatus},
};

/// Streams that are asked at a time: their answers are in memory together.
const AT_ONCE: usize = 64;

/// Answers that are made at a time. Each takes several times its size until it is encoded.
const MADE_AT_ONCE: usize = 4;

/// An answer is at most so large: one proxy of a large configuration fits many times, a fleet's need not.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A stream answers between two of its messages, so only one whose task has no turn takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who may ask on the port of the proxies. The answers hold the whole configuration, secrets of raw resources too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsdsAccess {
    /// Nobody.
    Off,
    /// Peers on this machine.
    #[default]
    Loopback,
    /// Everybody who reaches the port.
    On,
}

/// Text that says nothing of that.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write off, loopback or on")]
pub struct CsdsAccessError;

impl FromStr for CsdsAccess {
    type Err = CsdsAccessError;

    fn from_str(text: &str) -> Result<Self, CsdsAccessError> {
        match text {
            "off" => Ok(Self::Off),
            "loopback" => Ok(Self::Loopback),
            "on" => Ok(Self::On),
            _ => Err(CsdsAccessError),
        }
    }
}

/// Serves `envoy.service.status.v3.ClientStatusDiscoveryService`.
#[derive(Clone)]
pub struct ClientStatus {
    streams: Arc<Streams>,
    access: CsdsAccess,
    turns: Arc<Semaphore>,
}

impl fmt::Debug for ClientStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientStatus")
    }
}

/// The service over these streams, for a port with that rule.
pub fn client_status(
    streams: Arc<Streams>,
    access: CsdsAccess,
) -> ClientStatusDiscoveryServiceServer<ClientStatus> {
    ClientStatusDiscoveryServiceServer::new(ClientStatus {
        streams,
        access,
        turns: Arc::new(Semaphore::new(MADE_AT_ONCE)),
    })
}

impl ClientStatus {
    fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let local = request
            .remote_addr()
            .is_some_and(|peer| peer.ip().to_canonical().is_loopback());
        match self.access {
            CsdsAccess::On => Ok(()),
            CsdsAccess::Loopback if local => Ok(()),
            CsdsAccess::Loopback => Err(Status::permission_denied(
                "client status is told to peers on the server's own machine only: ask there, ask the admin port with its token, or start the server with --csds on",
            )),
            CsdsAccess::Off => Err(Status::permission_denied(
                "client status is not told on this port (--csds off): ask the admin port with its token",
            )),
        }
    }

    async fn answer(&self, request: ClientStatusRequest) -> Result<ClientStatusResponse, Status> {
        let nodes = Nodes::new(&request.node_matchers)?;
        let _turn = self.turns.acquire().await;
        let seats = self
            .streams
            .of(|seat| nodes.fit(&seat.proxy.id, seat.fleet.as_str()));
        let mut clients: Vec<Client> = Vec::new();
        let mut size = 0;
        for some in seats.chunks(AT_ONCE) {
            let asked = some.iter().map(|seat| async move {
                let answer = timeout(PATIENCE, seat.ask()).await.ok().flatten();
                (seat.clone(), answer)
            });
            for (seat, status) in join_all(asked).await {
                // One that has ended meanwhile is no client any more.
                let Some(status) = status else { continue };
                let types = status.iter().map(|one| one.type_url).collect();
                let resources = status.iter();
                let configs: Vec<GenericXdsConfig> = resources
                    .map(|one| config(one, request.exclude_resource_contents))
                    .collect();
                size += configs.iter().map(Message::encoded_len).sum::<usize>();
                if size > MAX_ANSWER {
                    return Err(Status::resource_exhausted(format!(
                        "the answer is larger than {} MiB: narrow it with node_matchers, or set exclude_resource_contents",
                        MAX_ANSWER >> 20
                    )));
                }
                Client::add(&mut clients, seat, types, configs);
            }
        }
        let config = clients.into_iter().map(Client::config).collect();
        Ok(ClientStatusResponse { config })
    }
}

/// One proxy: streams of one node id that come over one connection, are about different types, or name different listeners, as
/// in the ledger. Two connections about the same are two proxies.
struct Client {
    seat: Arc<Seat>,
    /// Of its connections.
    addresses: BTreeSet<Arc<str>>,
    types: BTreeSet<TypeUrl>,
    configs: Vec<GenericXdsConfig>,
}

impl Client {
    fn add(
        clients: &mut Vec<Client>,
        seat: Arc<Seat>,
        types: BTreeSet<TypeUrl>,
        configs: Vec<GenericXdsConfig>,
    ) {
        let address = seat.proxy.address.clone();
        let known = clients.iter_mut().find(|client| {
            client.seat.fleet == seat.fleet
                && client.seat.proxy.id == seat.proxy.id
                && (client.addresses.contains(&address)
                    || client.types.is_disjoint(&types)
                    || client.names_other_listeners(&configs))
        });
        match known {
            Some(client) => {
                client.addresses.insert(address);
                client.types.extend(types);
                // Two streams may ask for the same.
                let new = configs.into_iter();
                let new: Vec<_> = new.filter(|one| !client.configs.contains(one)).collect();
                client.configs.extend(new);
            }
            None => clients.push(Client {
                seat,
                addresses: [address].into(),
                types,
                configs,
            }),
        }
    }

    fn names_other_listeners(&self, configs: &[GenericXdsConfig]) -> bool {
        let named = |configs: &[GenericXdsConfig]| -> BTreeSet<String> {
            let listeners = configs
                .iter()
                .filter(|one| one.type_url == TypeUrl::Listener.url());
            listeners.map(|one| one.name.clone()).collect()
        };
        let (ours, theirs) = (named(&self.configs), named(configs));
        !ours.is_empty() && !theirs.is_empty() && ours.is_disjoint(&theirs)
    }

    fn config(self) -> ClientConfig {
        let fleet = Value {
            kind: Some(Kind::StringValue(self.seat.fleet.to_string())),
        };
        ClientConfig {
            node: Some(Node {
                id: self.seat.proxy.id.to_string(),
                cluster: self.seat.fleet.to_string(),
                metadata: Some(Struct {
                    fields: [("fleet".to_owned(), fleet)].into(),
                }),
                user_agent_name: self.seat.proxy.software.to_string(),
                ..Node::default()
            }),
            generic_xds_configs: self.configs,
            ..ClientConfig::default()
        }
    }
}

/// One resource as the service tells it.
fn config(status: &ResourceStatus, without_content: bool) -> GenericXdsConfig {
    let (config_status, client_status) = match &status.state {
        ResourceState::Synced => (ConfigStatus::Synced, ClientResourceStatus::Acked),
        ResourceState::Stale => (ConfigStatus::Stale, ClientResourceStatus::Requested),
        ResourceState::NotSent => (ConfigStatus::NotSent, ClientResourceStatus::Requested),
        ResourceState::Absent => (ConfigStatus::NotSent, ClientResourceStatus::DoesNotExist),
        ResourceState::Rejected { .. } => (ConfigStatus::Error, ClientResourceStatus::Nacked),
    };
    let content = status.content.as_ref().filter(|_| !without_content);
    let content = content.map(|resource| Any {
        type_url: resource.type_url.url().to_owned(),
        value: resource.bytes.to_vec(),
    });
    let error_state = match &status.state {
        ResourceState::Rejected { message, version } => Some(UpdateFailureState {
            details: message.clone(),
            version_info: version.clone(),
            ..UpdateFailureState::default()
        }),
        _ => None,
    };
    GenericXdsConfig {
        type_url: status.type_url.url().to_owned(),
        name: status.name.to_string(),
        version_info: status.version.clone(),
        xds_config: content,
        config_status: config_status.into(),
        client_status: client_status.into(),
        error_state,
        ..GenericXdsConfig::default()
    }
}

#[tonic::async_trait]
impl ClientStatusDiscoveryService for ClientStatus {
    type StreamClientStatusStream =
        Pin<Box<dyn Stream<Item = Result<ClientStatusResponse, Status>> + Send>>;

    async fn fetch_client_status(
        &self,
        request: Request<ClientStatusRequest>,
    ) -> Result<Response<ClientStatusResponse>, Status> {
        self.admit(&request)?;
        self.answer(request.into_inner()).await.map(Response::new)
    }

    async fn stream_client_status(
        &self,
        request: Request<Streaming<ClientStatusRequest>>,
    ) -> Result<Response<Self::StreamClientStatusStream>, Status> {
        self.admit(&request)?;
        // Made when the one before is gone: of a client that does not read, only the one that it does not read is in memory.
        let asked = Some((self.clone(), request.into_inner()));
        let answers = stream::unfold(asked, async |asked| {
            let (service, mut requests) = asked?;
            let request = requests.message().await.ok()??;
            let answer = service.answer(request).await;
            let next = answer.is_ok().then_some((service, requests));
            Some((answer, next))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
