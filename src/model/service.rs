//! The declared service: where it is listened for, how it is routed, and its two environments.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::{Colour, Endpoint, HumanDuration, Name, ReleaseSpec};

/// `spec` of `kind: Service`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSpec {
    /// Envoys whose `node.cluster` is this.
    pub fleet: Name,
    /// Where the Envoys listen for it. Several services may share one. None: raw routes name the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<ListenerSpec>,
    /// Host names (`:authority`), exact, `*.suffix`, `prefix.*` or `*`.
    #[serde(default = "any_host")]
    pub hosts: Vec<String>,
    /// Who calls it.
    #[serde(default, skip_serializing_if = "Client::is_envoy")]
    pub client: Client,
    /// What gRPC clients dial, without `xds:///`. None: the service's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_target: Option<String>,
    /// What is routed to it; all of these go to the same split of blue and green.
    #[serde(default = "any_path")]
    pub routes: Vec<RouteSpec>,
    /// How the Envoys talk to its endpoints. The same for both environments.
    #[serde(default)]
    pub cluster: ClusterSpec,
    /// The two environments.
    #[serde(default)]
    pub environments: Environments,
    /// The environment that is live at first. Counts only when the service is created.
    #[serde(default = "blue")]
    pub live: Colour,
    /// How a new version takes over. None: by the commands alone, without gates, bake or a limited standby.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Box<ReleaseSpec>>,
}

fn any_host() -> Vec<String> {
    vec!["*".to_owned()]
}

fn any_path() -> Vec<RouteSpec> {
    vec![RouteSpec {
        matcher: RouteMatch::Prefix("/".to_owned()),
        timeout: None,
        idle_timeout: None,
        retry: None,
        websocket: false,
    }]
}

fn blue() -> Colour {
    Colour::Blue
}

impl ServiceSpec {
    /// What gRPC clients dial to reach the service called `name`, without `xds:///`; None if they can't.
    pub fn grpc_target<'a>(&'a self, name: &'a Name) -> Option<&'a str> {
        match self.client {
            Client::Envoy => None,
            Client::Grpc => Some(self.grpc_target.as_deref().unwrap_or(name.as_str())),
        }
    }
}

/// Who calls a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Client {
    /// Envoys.
    #[default]
    Envoy,
    /// gRPC clients without a proxy in between (`xds:///TARGET`), and Envoys too if the service has a listener.
    Grpc,
}

impl Client {
    fn is_envoy(&self) -> bool {
        *self == Self::Envoy
    }
}

/// A TCP socket on which the Envoys accept requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerSpec {
    /// The address to bind.
    #[serde(deserialize_with = "ip_address")]
    pub address: IpAddr,
    /// The port to bind, 1 to 65535.
    pub port: u16,
}

impl ListenerSpec {
    /// Address and port as one.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

fn ip_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let no_address =
        |_| de::Error::custom(format!("{text:?} is no IP address: write e.g. 0.0.0.0"));
    text.parse().map_err(no_address)
}

/// One route of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteSpec {
    /// Which requests.
    #[serde(rename = "match")]
    pub matcher: RouteMatch,
    /// The longest a whole request may take. None: Envoy's 15 s. `0s`: no limit, for streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<HumanDuration>,
    /// The longest a stream may be silent. None: Envoy's default (5 min of the connection manager).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<HumanDuration>,
    /// Whether and when Envoy tries again. None: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,
    /// Requests may be upgraded to WebSocket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub websocket: bool,
}

/// Which paths a route takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum RouteMatch {
    /// Exactly this path, without the query.
    Path(String),
    /// Every path that begins so.
    Prefix(String),
}

impl RouteMatch {
    /// Whether it can match a gRPC call, whose path is always `/SERVICE/METHOD`. gRPC clients ignore other routes.
    pub fn matches_grpc(&self) -> bool {
        let (Self::Path(text) | Self::Prefix(text)) = self;
        let parts: Vec<&str> = text.trim_start_matches('/').splitn(3, '/').collect();
        match (self, parts.as_slice()) {
            (Self::Path(_), [service, method]) => !service.is_empty() && !method.is_empty(),
            (Self::Path(_), _) => false,
            (Self::Prefix(_), parts) => parts.len() <= 2 && !text.starts_with("//"),
        }
    }
}

impl fmt::Display for RouteMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteMatch::Path(path) => write!(f, "path {path:?}"),
            RouteMatch::Prefix(prefix) => write!(f, "prefix {prefix:?}"),
        }
    }
}

/// Envoy's retry policy, the part that is safe to offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetrySpec {
    /// Conditions under which Envoy tries again.
    pub on: Vec<RetryOn>,
    /// How many times at most, beyond the first.
    pub attempts: u32,
    /// The longest one try may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<HumanDuration>,
}

/// Envoy's `x-envoy-retry-on` and `x-envoy-retry-grpc-on` conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The names are Envoy's.
pub enum RetryOn {
    #[serde(rename = "5xx")]
    ServerError,
    GatewayError,
    Reset,
    ConnectFailure,
    RefusedStream,
    #[serde(rename = "retriable-4xx")]
    Retriable4xx,
    Cancelled,
    DeadlineExceeded,
    ResourceExhausted,
    Unavailable,
}

/// How the Envoys talk to the endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterSpec {
    /// What the endpoints speak.
    pub protocol: Protocol,
    /// The longest a TCP connect may take.
    pub connect_timeout: HumanDuration,
    /// Whether the Envoys ask the endpoints for their health. None: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// How much one Envoy may have open to one environment. None: no limit of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,
}

impl Default for ClusterSpec {
    fn default() -> Self {
        Self {
            protocol: Protocol::Http1,
            connect_timeout: HumanDuration(std::time::Duration::from_millis(250)),
            health_check: None,
            circuit_breaker: None,
        }
    }
}

/// What the endpoints of a service speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS.
    Http2,
    /// gRPC: HTTP/2, and routes without a time limit unless they say one.
    Grpc,
}

/// Active health checking by the Envoys, and the path that `switch` asks before it moves traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    /// Asked with GET; 200 means healthy.
    pub path: String,
    /// Between two checks of one endpoint by one Envoy.
    pub interval: HumanDuration,
    /// The longest one check may take.
    pub timeout: HumanDuration,
}

/// Envoy's circuit breaker thresholds, per Envoy and environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CircuitBreaker {
    /// Open connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// Requests that wait for a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pending_requests: Option<u32>,
    /// Requests in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u32>,
}

/// The two environments as declared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Environments {
    /// The environment called blue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blue: Option<EnvironmentSpec>,
    /// The environment called green.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green: Option<EnvironmentSpec>,
}

impl Environments {
    /// The declared environment of that colour, if there is one.
    pub fn get(&self, colour: Colour) -> Option<&EnvironmentSpec> {
        match colour {
            Colour::Blue => self.blue.as_ref(),
            Colour::Green => self.green.as_ref(),
        }
    }

    /// Declares, replaces or takes away the environment of that colour.
    pub fn set(&mut self, colour: Colour, environment: Option<EnvironmentSpec>) {
        match colour {
            Colour::Blue => self.blue = environment,
            Colour::Green => self.green = environment,
        }
    }
}

/// One environment: a version and where it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// The user's label of what runs there, e.g. `v1.3`.
    pub version: String,
    /// Where it runs. Empty is legal for an environment without traffic.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// How a service's traffic is divided, in percent. The two add up to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Split {
    pub blue: u32,
    pub green: u32,
}

impl Split {
    /// Everything to one environment.
    pub fn all_to(live: Colour) -> Self {
        match live {
            Colour::Blue => Self {
                blue: 100,
                green: 0,
            },
            Colour::Green => Self {
                blue: 0,
                green: 100,
            },
        }
    }

    /// The share of one environment, in percent.
    pub fn weight(self, colour: Colour) -> u32 {
        match colour {
            Colour::Blue => self.blue,
            Colour::Green => self.green,
        }
    }
}

/// `spec` of `kind: EnvoyResources`: the user's own Envoy configuration.
// `Eq` is what makes comparing two `Arc`s of the same set cost nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceSet {
    /// Envoys whose `node.cluster` is this.
    pub fleet: Name,
    /// xDS v3 resources in proto3 JSON, each with its `@type`.
    #[serde(default)]
    pub resources: Vec<Value>,
}
