//! What a command reports at its end: the same shape for every command, as JSON, YAML or for people.

use std::fmt::Write;

use serde::Serialize;

use super::{
    change::change_text,
    convert,
    out::{BAD, DIM, GOOD, WARN, paint},
    table::Columns,
};
use crate::api;

/// Proxies listed by name for people; the rest is counted. `fleet` and the other formats list all.
const MAX_LISTED: usize = 20;

/// What a command reports at its end.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub service: Option<String>,
    pub from: Option<&'static str>,
    pub to: Option<&'static str>,
    pub from_version: Option<String>,
    pub to_version: Option<String>,
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

    /// The report for people.
    pub fn text(&self) -> String {
        let style = match self.result {
            "done" | "unchanged" | "planned" => GOOD,
            "not-all-acked" => WARN,
            _ => BAD,
        };
        let mut text = format!("{}\n", paint(style, &self.message));
        if !self.fleets.is_empty() {
            text.push('\n');
            text.push_str(&self.delivery_table());
        }
        text.push_str(&not_acked_text(&self.not_acked));
        text
    }

    /// What a dry run would change, resource by resource.
    pub fn diffs(&self) -> String {
        let changes = self.plan.iter().flat_map(|plan| &plan.changes);
        changes
            .filter(|change| !change.diff.is_empty())
            .map(|change| format!("\n{}", change_text(change)))
            .collect()
    }

    /// Where to look next, for an outcome that is not what was wanted.
    pub fn hint(&self) -> Option<String> {
        let fleet = &self.fleets.first()?.fleet;
        match self.result {
            "not-all-acked" => Some(format!(
                "`bluegreen fleet {fleet}` shows who is missing; the same command with --operation-id {} waits again",
                self.operation_id
            )),
            "reverted" | "nacked" => Some(format!(
                "`bluegreen fleet {fleet}` shows who rejected what, `bluegreen history {fleet}` keeps it"
            )),
            _ => None,
        }
    }

    fn delivery_table(&self) -> String {
        let ms = |ms: Option<f64>| ms.map(|ms| format!("{ms:.1} ms")).unwrap_or_default();
        let mut table = Columns::new([
            "FLEET",
            "REVISION",
            "PROXIES",
            "ACKED",
            "PENDING",
            "NACKED",
            "AWAY",
            "DURABLE",
            "FIRST-ACK",
            "LAST-ACK",
        ]);
        for fleet in &self.fleets {
            let revision = match fleet.superseded_by {
                Some(later) => format!("{} (superseded by {later})", fleet.revision),
                None => fleet.revision.to_string(),
            };
            table.row([
                fleet.fleet.clone(),
                revision,
                fleet.proxies.total.to_string(),
                fleet.proxies.acked.to_string(),
                fleet.proxies.pending.to_string(),
                fleet.proxies.nacked.to_string(),
                fleet.proxies.disconnected.to_string(),
                ms(fleet.ms.durable),
                ms(fleet.ms.first_ack),
                ms(fleet.ms.last_ack),
            ]);
        }
        table.text()
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

/// Who has not accepted and why, a proxy a line; nothing when everybody has.
pub(super) fn not_acked_text(proxies: &[NotAcked]) -> String {
    let mut text = String::new();
    let width = proxies
        .iter()
        .take(MAX_LISTED)
        .map(|p| p.proxy.len())
        .max()
        .unwrap_or_default();
    for proxy in proxies.iter().take(MAX_LISTED) {
        let (style, why) = match proxy.state {
            "nacked" => (BAD, rejection(proxy)),
            "disconnected" if !proxy.since.is_empty() => {
                (WARN, format!("away since {}", proxy.since))
            }
            "disconnected" => (WARN, "away".to_owned()),
            state => (WARN, state.to_owned()),
        };
        // Writing into a String can't fail.
        let _ = writeln!(text, "  {:width$}  {}", proxy.proxy, paint(style, why));
    }
    if proxies.len() > MAX_LISTED {
        let more = format!("  … and {} more", proxies.len() - MAX_LISTED);
        let _ = writeln!(text, "{}", paint(DIM, more));
    }
    text
}

fn rejection(proxy: &NotAcked) -> String {
    let mut text = format!("rejected {}", proxy.type_);
    if !proxy.resources.is_empty() {
        text = format!("{text} {}", proxy.resources.join(", "));
    }
    format!("{}: {}", text.trim_end(), proxy.error.trim_end())
}
