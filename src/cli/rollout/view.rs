//! A release as programs read it: the same shape in `status`, `watch`, `release` and `releases`.

use serde::Serialize;

use crate::api;

/// Where a release stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseView {
    pub number: u64,
    pub from_version: String,
    pub to_version: String,
    pub phase: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Since when it is in that phase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub since: String,
    /// The time that the phase has had; with `limitMs`, only where time ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_ms: Option<u64>,
    /// Why no time counts at present.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time_waits_for: String,
    /// Why its next step can't be stored at present.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stuck: String,
    /// Of its last push.
    pub revision: u64,
    pub at: String,
    /// Nothing comes of it any more by itself.
    pub over: bool,
    /// It goes on only by `switch` or `resume`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_command: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<StepView>,
}

/// How far a check is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    pub name: String,
    pub kind: String,
    pub purpose: String,
    pub phase: String,
    pub measurements: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One phase that a release was in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    pub at: String,
    pub revision: u64,
    pub phase: String,
    pub reason: String,
    pub by: String,
    /// The new environment's share of the traffic from then on, in percent.
    pub weight: u32,
}

impl From<api::ReleaseStatus> for ReleaseView {
    fn from(release: api::ReleaseStatus) -> Self {
        let timed = release.limit_ms > 0;
        Self {
            number: release.number,
            from_version: release.from_version,
            to_version: release.to_version,
            phase: release.phase,
            reason: release.reason,
            since: release.since,
            elapsed_ms: timed.then_some(release.elapsed_ms),
            limit_ms: timed.then_some(release.limit_ms),
            time_waits_for: release.time_waits_for,
            stuck: release.stuck,
            revision: release.revision,
            at: release.at,
            over: release.over,
            waits_for_command: release.waits_for_command,
            checks: release.checks.into_iter().map(CheckView::from).collect(),
            log: release.log.into_iter().map(StepView::from).collect(),
        }
    }
}

impl From<api::CheckStatus> for CheckView {
    fn from(check: api::CheckStatus) -> Self {
        Self {
            name: check.name,
            kind: check.kind,
            purpose: check.purpose,
            phase: check.phase,
            measurements: check.measurements,
            message: check.message,
        }
    }
}

impl From<api::ReleaseStep> for StepView {
    fn from(step: api::ReleaseStep) -> Self {
        Self {
            at: step.at,
            revision: step.revision,
            phase: step.phase,
            reason: step.reason,
            by: step.by,
            weight: step.weight,
        }
    }
}
