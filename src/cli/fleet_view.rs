//! Fleets and their proxies as the CLI shows them, in JSON too.

use serde::Serialize;

use super::{convert, fleet_resources::Resource, report::Proxies};
use crate::api;

/// One fleet and its proxies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fleet {
    pub fleet: String,
    pub revision: u64,
    /// Proxies wait for it; nothing is declared yet.
    pub waiting: bool,
    pub delivery: Proxies,
    pub proxies: Vec<Proxy>,
    pub alarms: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proxy {
    pub proxy: String,
    pub address: String,
    pub connected: bool,
    pub since: String,
    pub software: String,
    pub duplicate: bool,
    /// What an operator should know of it.
    pub warnings: Vec<String>,
    pub types: Vec<Type>,
    /// One by one; of a single proxy only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<Resource>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Type {
    #[serde(rename = "type")]
    pub type_: String,
    pub state: &'static str,
    pub revision: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Clusters that the proxy must accept before it gets the newest of this type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_for: Vec<String>,
}

impl Fleet {
    /// Whether a proxy of that name is in it.
    pub fn has(&self, name: &str) -> bool {
        self.proxies.iter().any(|proxy| proxy.proxy == name)
    }
}

impl From<api::FleetStatus> for Fleet {
    fn from(fleet: api::FleetStatus) -> Self {
        Self {
            fleet: fleet.fleet,
            revision: fleet.revision,
            waiting: fleet.waiting,
            delivery: fleet
                .delivery
                .as_ref()
                .map(Proxies::from)
                .unwrap_or_default(),
            proxies: fleet.proxies.into_iter().map(Proxy::from).collect(),
            alarms: fleet.alarms,
        }
    }
}

impl From<api::ProxyStatus> for Proxy {
    fn from(proxy: api::ProxyStatus) -> Self {
        let types = proxy.types.into_iter().map(|t| Type {
            state: convert::type_state(t.state),
            type_: t.r#type,
            revision: t.revision,
            error: t.error,
            resources: t.resources,
            held_for: t.held_for,
        });
        Self {
            proxy: proxy.proxy,
            address: proxy.address,
            connected: proxy.connected,
            since: proxy.since,
            software: proxy.software,
            duplicate: proxy.duplicate,
            warnings: proxy.warnings,
            types: types.collect(),
            resources: None,
        }
    }
}
