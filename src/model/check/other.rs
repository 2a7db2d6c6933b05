//! The checks that ask one question: `parity`, `prometheus`, `webhook`, `manual`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    super::{HumanDuration, Name},
    Decision, Phase, Verdict,
};

/// `parity:` the two environments are alike but for the version: endpoints, what they speak, cluster settings, and what
/// each tells of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParityCheck {
    /// The path at which every endpoint tells of itself, as JSON. None: only the rest is compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What may differ in it: names of fields (anywhere), or JSON paths that begin with `$`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Whether both must have the same number of endpoints.
    pub endpoints: bool,
    /// Whether every endpoint of both must speak the declared protocol.
    pub protocol: bool,
    /// Whether the two clusters must be the same but for their names.
    pub cluster: bool,
}

impl Default for ParityCheck {
    fn default() -> Self {
        Self {
            path: None,
            ignore: Vec::new(),
            endpoints: true,
            protocol: true,
            cluster: true,
        }
    }
}

/// `prometheus:` the result of a query, judged by conditions. With neither condition, a query that gives a number is
/// Successful.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusCheck {
    /// The server, e.g. `http://prometheus:9090`.
    pub address: String,
    /// PromQL. Templates are filled in.
    pub query: String,
    /// A CEL expression over `result`: a number for a scalar, the list of numbers for a vector, as in Argo Rollouts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_condition: Option<String>,
    /// As `successCondition`; when it holds, the measurement is Failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_condition: Option<String>,
    /// What an empty vector means: nothing was measured.
    #[serde(default = "inconclusive")]
    pub when_empty: Phase,
    /// What a NaN means: usually 0 divided by 0, no traffic.
    #[serde(rename = "whenNaN", default = "inconclusive")]
    pub when_nan: Phase,
    /// Header names and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

fn inconclusive() -> Phase {
    Phase::Inconclusive
}

/// `webhook:` asks somebody else: POST of JSON that says what is released, answered with JSON
/// `{"phase": "Successful", "message": "…", "values": {"NAME": 1.5}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookCheck {
    /// Where to. Templates are filled in.
    pub url: String,
    /// Header names and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What goes along as `data`. Templates are filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// So many more times it is asked after a status from 500, a 429, or no answer.
    #[serde(default = "retries")]
    pub retries: u32,
    /// Between two times; doubled each time.
    #[serde(default = "retry_delay")]
    pub retry_delay: HumanDuration,
}

/// A service that restarts is back after 1 + 2 + 4 s.
fn retries() -> u32 {
    3
}

fn retry_delay() -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(1))
}

/// `manual:` a person approves or rejects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ManualCheck {
    /// What the person is asked. Templates are filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Who may decide, as the operator's name is recorded (`ann@desk`), or without the host (`ann`). Empty: whoever may switch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// So many different people must approve; one who rejects is enough to fail.
    pub approvals: u32,
}

impl ManualCheck {
    /// Somebody who is recorded as `who` has a say.
    pub fn asks(&self, who: &str) -> bool {
        let named = |approver: &String| approver == who || approver == person(who);
        self.approvers.is_empty() || self.approvers.iter().any(named)
    }

    /// What was said to it comes to, with the words that count: one has rejected, or enough different people have
    /// approved. None: it goes on waiting.
    pub fn outcome<'a>(
        &self,
        check: &Name,
        said: &'a [Decision],
    ) -> Option<(Verdict, Vec<&'a Decision>)> {
        let may = |it: &&Decision| it.check == *check && self.asks(&it.by);
        let mut approved = Vec::new();
        let mut people = BTreeSet::new();
        for decision in said.iter().filter(may) {
            match decision.verdict {
                Verdict::Rejected => return Some((Verdict::Rejected, vec![decision])),
                // Twice the same person is one approval.
                Verdict::Approved if people.insert(person(&decision.by)) => approved.push(decision),
                Verdict::Approved => {}
            }
        }
        (approved.len() >= self.approvals as usize).then_some((Verdict::Approved, approved))
    }
}

/// Who an operator is, wherever the command was given: `ann` of `ann@desk`.
pub fn person(who: &str) -> &str {
    who.split_once('@').map_or(who, |(person, _)| person)
}

impl Default for ManualCheck {
    fn default() -> Self {
        Self {
            question: None,
            approvers: Vec::new(),
            approvals: 1,
        }
    }
}
