//! What one proxy has, resource by resource: asked of the server by CSDS.

use envoy_types::pb::envoy::{
    admin::v3::ClientResourceStatus,
    service::status::v3::{
        ClientConfig, ClientStatusRequest, ConfigStatus, client_config::GenericXdsConfig,
    },
    r#type::matcher::v3::{NodeMatcher, StringMatcher, string_matcher::MatchPattern},
};
use serde::Serialize;

use super::{client::Context, error::Error, table::Columns};

/// One resource of one proxy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    #[serde(rename = "type")]
    type_: String,
    name: String,
    /// What the proxy was sent last; empty if nothing.
    sent: String,
    /// What it has accepted; empty if nothing, or if that is not known any more.
    accepted: String,
    status: &'static str,
    client_status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
}

/// The resources of a proxy; none if it is away.
pub(super) async fn fetch(cx: &Context, fleet: &str, proxy: &str) -> Result<Vec<Resource>, Error> {
    let exact = StringMatcher {
        match_pattern: Some(MatchPattern::Exact(proxy.to_owned())),
        ignore_case: false,
    };
    let request = ClientStatusRequest {
        node_matchers: vec![NodeMatcher {
            node_id: Some(exact),
            node_metadatas: vec![],
        }],
        exclude_resource_contents: true,
        ..ClientStatusRequest::default()
    };
    let mut client = cx.connect_to_client_status().await?;
    let answer = match client.fetch_client_status(request).await {
        Ok(answer) => answer.into_inner(),
        // A server that is older than this command.
        Err(status) if status.code() == tonic::Code::Unimplemented => return Ok(Vec::new()),
        Err(status) => return Err(cx.failed(&status)),
    };
    let clients = answer
        .config
        .into_iter()
        .filter(|client| is_of(client, fleet));
    let resources = clients.flat_map(|client| client.generic_xds_configs);
    Ok(resources.map(resource).collect())
}

fn is_of(client: &ClientConfig, fleet: &str) -> bool {
    client
        .node
        .as_ref()
        .is_some_and(|node| node.cluster == fleet)
}

fn resource(config: GenericXdsConfig) -> Resource {
    let status = config.config_status();
    let client_status = config.client_status();
    let error = config.error_state.unwrap_or_default();
    let (sent, accepted) = match status {
        ConfigStatus::Synced => (config.version_info.clone(), config.version_info),
        ConfigStatus::Error => (error.version_info, config.version_info),
        _ => (config.version_info, String::new()),
    };
    let short = config.type_url.rsplit('.').next().unwrap_or_default();
    Resource {
        type_: short.to_owned(),
        name: config.name,
        sent,
        accepted,
        status: match status {
            ConfigStatus::Synced => "synced",
            ConfigStatus::Stale => "stale",
            ConfigStatus::NotSent => "not-sent",
            ConfigStatus::Error => "error",
            ConfigStatus::Unknown => "unknown",
        },
        client_status: match client_status {
            ClientResourceStatus::Acked => "acked",
            ClientResourceStatus::Nacked => "nacked",
            ClientResourceStatus::Requested => "requested",
            ClientResourceStatus::DoesNotExist => "does-not-exist",
            _ => "unknown",
        },
        error: error.details,
    }
}

/// A line per resource.
pub(super) fn text(resources: &[Resource]) -> String {
    if resources.is_empty() {
        return String::new();
    }
    let mut table = Columns::new([
        "TYPE", "NAME", "SENT", "ACCEPTED", "STATUS", "CLIENT", "ERROR",
    ]);
    for resource in resources {
        table.row([
            resource.type_.clone(),
            resource.name.clone(),
            resource.sent.clone(),
            resource.accepted.clone(),
            resource.status.to_uppercase().replace('-', " "),
            resource.client_status.to_uppercase().replace('-', " "),
            resource.error.trim_end().to_owned(),
        ]);
    }
    format!("\n{}", table.text())
}
