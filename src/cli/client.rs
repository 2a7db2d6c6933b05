//! The connection to the admin API: where, with which token, and who is asking.

use std::{fs, path::Path, time::Duration};

use envoy_types::pb::envoy::service::status::v3::client_status_discovery_service_client::ClientStatusDiscoveryServiceClient;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint, Uri},
};

use super::{
    args::Globals,
    error::{self, Error},
    out::Output,
};
use crate::api::{self, admin_client::AdminClient};

/// Where the admin API is when nothing is said: the default of `bluegreen serve --admin`.
const DEFAULT_SERVER: &str = "http://127.0.0.1:18001";
/// How long connecting may take: a server that is there answers in milliseconds, over any distance in a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that stopped without closing its connections is noticed after these two, while a command is watched.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer: `show` of a fleet with thousands of resources is some tens of MiB of JSON.
const MAX_ANSWER: usize = 256 << 20;

/// The admin API with the token on each call.
pub(super) type Client = AdminClient<InterceptedService<Channel, Token>>;

/// The client status discovery service with the token on each call.
pub(super) type StatusClient =
    ClientStatusDiscoveryServiceClient<InterceptedService<Channel, Token>>;

/// Everything a verb is given besides its own arguments.
pub(super) struct Context {
    pub globals: Globals,
    pub out: Output,
}

impl Context {
    pub fn new(globals: Globals) -> Self {
        let out = Output::new(globals.output);
        Self { globals, out }
    }

    /// The server, as a URL.
    pub fn url(&self) -> String {
        let environment = || std::env::var("BLUEGREEN_SERVER").ok();
        let server = self.globals.server.clone().or_else(environment);
        let server = server
            .as_deref()
            .map(str::trim)
            .filter(|url| !url.is_empty());
        let server = server.unwrap_or(DEFAULT_SERVER);
        if server.contains("://") {
            server.to_owned()
        } else {
            format!("http://{server}")
        }
    }

    /// Connects to the server.
    pub async fn connect(&self) -> Result<Client, Error> {
        let channel = self.channel().await?;
        Ok(AdminClient::with_interceptor(channel, self.token()?)
            .max_decoding_message_size(MAX_ANSWER))
    }

    /// Connects to the server's client status discovery service, which is beside the admin API.
    pub async fn connect_to_client_status(&self) -> Result<StatusClient, Error> {
        let channel = self.channel().await?;
        Ok(
            ClientStatusDiscoveryServiceClient::with_interceptor(channel, self.token()?)
                .max_decoding_message_size(MAX_ANSWER),
        )
    }

    async fn channel(&self) -> Result<Channel, Error> {
        let url = self.url();
        let wrong = |why: &str| Error::Url {
            url: url.clone(),
            why: why.to_owned(),
        };
        let endpoint = Endpoint::from_shared(url.clone()).map_err(|e| wrong(&e.to_string()))?;
        if endpoint.uri().scheme_str() != Some("http") {
            return Err(wrong("the admin API is spoken over http"));
        }
        if let Some(port) = wrong_port(endpoint.uri()) {
            return Err(wrong(&format!("{port} is no port from 1 to 65535")));
        }
        endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .connect()
            .await
            .map_err(|source| Error::Unreachable { url, source })
    }

    /// Connects, and makes sure that an admin API answers there: a command that is sent to something else looks
    /// like one whose answer was lost.
    pub async fn connect_to_admin_api(&self) -> Result<Client, Error> {
        let mut client = self.connect().await?;
        match client.get_server_info(api::GetServerInfoRequest {}).await {
            Err(status) if error::lost(&status) => Err(self.failed(&status)),
            // Any other answer is one, even a refusal: the command will hear it too.
            _ => Ok(client),
        }
    }

    /// What an RPC's status means here.
    pub fn failed(&self, status: &Status) -> Error {
        Error::from_status(status, &self.url())
    }

    /// Completes a command's `meta` by who gives it, why, and an id.
    pub fn identify(&self, meta: api::CommandMeta) -> api::CommandMeta {
        api::CommandMeta {
            operation_id: match &self.globals.operation_id {
                Some(id) => id.clone(),
                None => uuid::Uuid::now_v7().to_string(),
            },
            actor: actor(),
            message: self.globals.message.clone().unwrap_or_default(),
            ..meta
        }
    }

    fn token(&self) -> Result<Token, Error> {
        let text = match &self.globals.token_file {
            Some(path) => Some(token_in(path)?),
            None => std::env::var("BLUEGREEN_TOKEN").ok(),
        };
        let Some(text) = text
            .map(|text| text.trim().to_owned())
            .filter(|t| !t.is_empty())
        else {
            return Ok(Token(None));
        };
        let mut value: MetadataValue<Ascii> = format!("Bearer {text}").parse().map_err(|_| {
            Error::Usage("the token holds characters that a header can't carry".into())
        })?;
        value.set_sensitive(true);
        Ok(Token(Some(value)))
    }
}

/// What a URL has in place of a port, if that is none: it would be taken for the port of HTTP.
fn wrong_port(uri: &Uri) -> Option<&str> {
    let (_, port) = uri.authority()?.as_str().rsplit_once(':')?;
    // The last part of an IPv6 address without a port.
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0) || port.ends_with(']');
    (!is_port).then_some(port)
}

/// The token in a file. One that holds none is a mistake, not the wish to go without.
fn token_in(path: &Path) -> Result<String, Error> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(Error::Usage(format!(
            "--token-file {shown} holds no token: write the server's token into it"
        ))),
        Ok(text) => Ok(text),
        Err(source) => Err(Error::Usage(format!(
            "--token-file {shown} can't be read: {source}"
        ))),
    }
}

/// Puts the bearer token on each call.
#[derive(Clone)]
pub(super) struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// Who gives the command, `user@host`: a claim, which the history marks as such.
pub(super) fn actor() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = set("USER")
        .or_else(|| set("LOGNAME"))
        .unwrap_or_else(|| format!("uid{}", rustix::process::getuid().as_raw()));
    let host = fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| set("HOSTNAME"))
        .unwrap_or_else(|| "unknown-host".to_owned());
    format!("{user}@{}", host.trim())
}
