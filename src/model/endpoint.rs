//! `HOST:PORT`, where a deployment listens.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where one instance of a deployment listens: an IP address or a name that the server resolves and follows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    /// An IP address (IPv6 without brackets) or a host name.
    pub host: String,
    /// TCP port, 1 to 65535.
    pub port: u16,
}

/// Text that is no endpoint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// No `:PORT` at the end.
    #[error("{0:?} is no endpoint: write HOST:PORT, e.g. 10.0.0.1:8080 or [::1]:8080")]
    NoPort(String),
    /// A port that is no number from 1 to 65535.
    #[error("{text:?} is no endpoint: {port:?} is no port from 1 to 65535")]
    Port {
        /// The whole text.
        text: String,
        /// The part after the last colon.
        port: String,
    },
    /// A host that is neither an IP address nor a host name.
    #[error("{text:?} is no endpoint: {host:?} is neither an IP address nor a host name")]
    Host {
        /// The whole text.
        text: String,
        /// The part before the last colon.
        host: String,
    },
}

impl Endpoint {
    /// The address, when the host is one and needs no resolving.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(EndpointError::NoPort(text.to_owned()));
        };
        let port = match port.parse::<u16>() {
            Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => number,
            _ => {
                return Err(EndpointError::Port {
                    text: text.to_owned(),
                    port: port.to_owned(),
                });
            }
        };
        let bare = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(v6) if v6.parse::<std::net::Ipv6Addr>().is_ok() => Some(v6),
            Some(_) => None,
            None if is_host(host) => Some(host),
            None => None,
        };
        match bare {
            Some(host) => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            None => Err(EndpointError::Host {
                text: text.to_owned(),
                host: host.to_owned(),
            }),
        }
    }
}

/// An IPv4 address or a host name (RFC 1123, with `_` as container networks use it).
fn is_host(host: &str) -> bool {
    if host.parse::<std::net::Ipv4Addr>().is_ok() {
        return true;
    }
    // All digits and dots, but no address: "10.0.0" is a typing error, not a name.
    let looks_numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !host.is_empty()
        && !looks_numeric
        && host.len() <= 253
        && host.trim_end_matches('.').split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.to_string()
    }
}
