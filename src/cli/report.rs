//! What a command reports at its end: the same shape for every command, as JSON and YAML have it.

use serde::Serialize;

use super::convert;
use crate::api;

/// What a command reports at its end.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub service: Option<String>,
    pub from: Option<&'static str>,
    pub to: Option<&'static str>,
    pub from_version: Option<String>,
    pub to_version: Option<String>,
    /// Every service whose traffic moved, of a command on several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// The revision that the command made, where it made one in one fleet.
    pub revision: Option<u64>,
    /// The revision that took the change back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverted_by: Option<u64>,
    pub result: &'static str,
    /// Over all fleets that the command touched.
    pub proxies: Proxies,
    pub ms: Ms,
    pub not_acked: Vec<NotAcked>,
    /// Fleet by fleet.
    pub fleets: Vec<FleetReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<Plan>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// The stable name of a refusal, and what can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    pub operation_id: String,
    pub exit_code: u8,
    pub message: String,
}

/// Traffic of one service that moved.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Move {
    pub service: String,
    pub from: Option<&'static str>,
    pub to: Option<&'static str>,
    pub from_version: String,
    pub to_version: String,
}

/// One fleet's part of a report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FleetReport {
    pub fleet: String,
    pub revision: u64,
    /// A later revision that changed the same again; its ACKs count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<u64>,
    pub proxies: Proxies,
    pub ms: Ms,
    pub not_acked: Vec<NotAcked>,
}

/// Proxies of the roster, by how far they are.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Proxies {
    pub total: u32,
    pub acked: u32,
    pub pending: u32,
    pub nacked: u32,
    pub disconnected: u32,
}

/// Milliseconds from the command's arrival at the server.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ms {
    pub durable: Option<f64>,
    pub first_ack: Option<f64>,
    pub last_ack: Option<f64>,
}

/// A proxy that has not accepted, and why.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotAcked {
    pub proxy: String,
    pub state: &'static str,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub type_: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// What a command changes in a fleet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    pub fleet: String,
    pub from_revision: u64,
    pub changes: Vec<Change>,
}

/// What happens to one resource.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub kind: &'static str,
    #[serde(rename = "type")]
    pub type_: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub diff: String,
}

/// Something the operator should know and that stops nothing.
#[derive(Debug, Serialize)]
pub(super) struct Notice {
    pub kind: String,
    pub text: String,
}

impl From<api::Plan> for Plan {
    fn from(plan: api::Plan) -> Self {
        Self {
            fleet: plan.fleet,
            from_revision: plan.from_revision,
            changes: plan.changes.into_iter().map(Change::from).collect(),
        }
    }
}

impl From<api::ResourceChange> for Change {
    fn from(change: api::ResourceChange) -> Self {
        Self {
            kind: convert::change_kind(change.kind),
            type_: change.r#type,
            name: change.name,
            diff: change.diff,
        }
    }
}

impl From<api::Move> for Move {
    fn from(one: api::Move) -> Self {
        Self {
            service: one.service,
            from: convert::colour(one.from),
            to: convert::colour(one.to),
            from_version: one.from_version,
            to_version: one.to_version,
        }
    }
}

impl From<&api::Delivery> for Proxies {
    fn from(delivery: &api::Delivery) -> Self {
        Self {
            total: delivery.total,
            acked: delivery.acked,
            pending: delivery.pending,
            nacked: delivery.nacked,
            disconnected: delivery.disconnected,
        }
    }
}

impl From<api::ProxyDelivery> for NotAcked {
    fn from(proxy: api::ProxyDelivery) -> Self {
        Self {
            state: convert::delivery_state(proxy.state),
            proxy: proxy.proxy,
            type_: proxy.r#type,
            resources: proxy.resources,
            error: proxy.error,
            since: proxy.since,
            revision: (proxy.revision > 0).then_some(proxy.revision),
        }
    }
}

impl Report {
    /// The report of a command that has not answered yet.
    pub fn of(meta: &api::CommandMeta) -> Self {
        Self {
            operation_id: meta.operation_id.clone(),
            ..Self::default()
        }
    }

    /// The resources that the plan takes away, `Cluster extra`.
    pub fn removed(&self) -> Vec<String> {
        let changes = self.plan.iter().flat_map(|plan| &plan.changes);
        changes
            .filter(|change| change.kind == "removed")
            .map(|change| format!("{} {}", change.type_, change.name))
            .collect()
    }

    /// Takes over the server's outcome; plan and notices came before.
    pub fn conclude(&mut self, outcome: api::Outcome) {
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        self.service = text(outcome.service);
        self.from = convert::colour(outcome.from);
        self.to = convert::colour(outcome.to);
        self.from_version = text(outcome.from_version);
        self.to_version = text(outcome.to_version);
        // What moved alone stands above.
        if outcome.moves.len() > 1 {
            self.moves = outcome.moves.into_iter().map(Move::from).collect();
        }
        self.reverted_by = Some(outcome.reverted_by).filter(|revision| *revision > 0);
        self.result = convert::result(outcome.result);
        self.message = outcome.message;
        // A code that no exit status can hold is still no success.
        self.exit_code = u8::try_from(outcome.exit_code).unwrap_or(1);
        if !outcome.operation_id.is_empty() {
            self.operation_id = outcome.operation_id;
        }
        self.fleets = fleets(&outcome.revisions, outcome.deliveries);
        self.add_up();
    }

    fn add_up(&mut self) {
        let least = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::min);
        let most = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::max);
        for fleet in &self.fleets {
            self.proxies.total += fleet.proxies.total;
            self.proxies.acked += fleet.proxies.acked;
            self.proxies.pending += fleet.proxies.pending;
            self.proxies.nacked += fleet.proxies.nacked;
            self.proxies.disconnected += fleet.proxies.disconnected;
            self.ms.durable = most(self.ms.durable, fleet.ms.durable);
            self.ms.first_ack = least(self.ms.first_ack, fleet.ms.first_ack);
            self.ms.last_ack = most(self.ms.last_ack, fleet.ms.last_ack);
            self.not_acked.extend(fleet.not_acked.iter().cloned());
        }
        self.revision = match self.fleets.as_slice() {
            [only] => Some(only.revision),
            _ => None,
        };
    }
}

/// Joins what is known per fleet: when it was durable, and how far its delivery is.
fn fleets(durable: &[api::Durable], deliveries: Vec<api::Delivery>) -> Vec<FleetReport> {
    let mut fleets: Vec<FleetReport> = deliveries
        .into_iter()
        .map(|delivery| FleetReport {
            proxies: Proxies::from(&delivery),
            fleet: delivery.fleet,
            revision: delivery.revision,
            superseded_by: Some(delivery.superseded_by).filter(|revision| *revision > 0),
            ms: Ms {
                durable: None,
                first_ack: delivery.first_ack_ms,
                last_ack: delivery.last_ack_ms,
            },
            not_acked: delivery.not_acked.into_iter().map(NotAcked::from).collect(),
        })
        .collect();
    for durable in durable {
        match fleets.iter_mut().find(|fleet| fleet.fleet == durable.fleet) {
            Some(fleet) => {
                fleet.revision = durable.revision;
                fleet.ms.durable = Some(durable.ms);
            }
            None => fleets.push(FleetReport {
                fleet: durable.fleet.clone(),
                revision: durable.revision,
                superseded_by: None,
                proxies: Proxies::default(),
                ms: Ms {
                    durable: Some(durable.ms),
                    ..Ms::default()
                },
                not_acked: Vec::new(),
            }),
        }
    }
    fleets
}
