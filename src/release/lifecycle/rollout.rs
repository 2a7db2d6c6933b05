//! One release on its way: its phase, why it is there, and what it waits for. Stored with the service.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{PhaseClock, Purpose};
use crate::model::{
    Colour, Endpoint, NackPolicy, Name, Promotion, ReleaseSpec, Revision,
    check::{CheckKind, CheckSpec, Decision},
};

/// Changes of phase that are kept; of more, those in the middle go: how it began and how it ended is what one reads.
pub const MAX_LOG: usize = 48;

/// The longest reason that is kept, in characters: it is read in a terminal and in a change ticket.
pub const MAX_REASON: usize = 600;

/// Decisions that are kept: nobody has asked so many people, and a revision stays small.
pub(super) const MAX_DECISIONS: usize = 100;

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RolloutPhase {
    /// The provision hook makes the new environment.
    Provisioning,
    /// The new deployment is in its environment; the fleet accepts its endpoints.
    Staged,
    /// The gates run.
    Validating,
    /// All gates have passed; somebody has to say go.
    Ready,
    /// A share of the live traffic is mirrored to the new environment.
    Shadowing,
    /// A share of the traffic goes to the new environment.
    Shifting,
    /// All traffic has been pushed to the new environment; proxies accept it.
    Switching,
    /// The watched time after the switch.
    Baking,
    /// The deployment before is kept for a rollback.
    Standby,
    /// The standby's time is over; what is still open on it drains.
    Retiring,
    /// The deployment before is given up.
    Completed,
    /// It stays where it is until somebody says `resume`.
    Paused,
    /// All traffic has been pushed back; proxies accept it.
    RollingBack,
    /// Every proxy that is there has accepted that the traffic is back.
    RolledBack,
    /// Given up before any traffic moved.
    Aborted,
    /// The gates did not pass, or a hook failed; no traffic has moved.
    Failed,
}

impl RolloutPhase {
    /// All of them, in their usual order.
    pub const ALL: [RolloutPhase; 16] = [
        Self::Provisioning,
        Self::Staged,
        Self::Validating,
        Self::Ready,
        Self::Shadowing,
        Self::Shifting,
        Self::Switching,
        Self::Baking,
        Self::Standby,
        Self::Retiring,
        Self::Completed,
        Self::Paused,
        Self::RollingBack,
        Self::RolledBack,
        Self::Aborted,
        Self::Failed,
    ];

    /// As it is shown and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "Provisioning",
            Self::Staged => "Staged",
            Self::Validating => "Validating",
            Self::Ready => "Ready",
            Self::Shadowing => "Shadowing",
            Self::Shifting => "Shifting",
            Self::Switching => "Switching",
            Self::Baking => "Baking",
            Self::Standby => "Standby",
            Self::Retiring => "Retiring",
            Self::Completed => "Completed",
            Self::Paused => "Paused",
            Self::RollingBack => "RollingBack",
            Self::RolledBack => "RolledBack",
            Self::Aborted => "Aborted",
            Self::Failed => "Failed",
        }
    }

    /// Nothing comes of it any more by itself.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::RolledBack | Self::Aborted | Self::Failed
        )
    }

    /// No request of a user has been answered by the new environment yet (a mirrored one has, whose answer is dropped).
    pub fn is_before_traffic(self) -> bool {
        matches!(
            self,
            Self::Provisioning | Self::Staged | Self::Validating | Self::Ready | Self::Shadowing
        )
    }
}

impl fmt::Display for RolloutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One release on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The release's number; counts per service, from 1.
    pub number: u64,
    /// Where it stands.
    pub phase: RolloutPhase,
    /// Why, and what comes next, in a sentence.
    pub reason: String,
    /// Since when it is in that phase.
    pub since: Timestamp,
    /// While it is paused: where it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<RolloutPhase>,
    /// What takes over.
    pub to: Side,
    /// What had the traffic when it began; None: nothing did.
    pub from: Option<Side>,
    /// How it is released, as declared when it began. None: by the commands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Box<ReleaseSpec>>,
    /// When it began.
    pub begun: Timestamp,
    /// Who began it.
    pub by: String,
    /// Why, as the operator said.
    pub why: String,
    /// The passed gates, and what exactly they were passed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated: Option<Validated>,
    /// What the running gates are run for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject: Vec<Endpoint>,
    /// The analysis run that this phase waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<u64>,
    /// What people said to `manual` checks, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// The revision that made the preview route for gates that go through the proxies, while they run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_in: Option<Revision>,
    /// How many analysis runs there have been; the number of the newest.
    #[serde(default)]
    pub analyses: u64,
    /// The canary step that it is at, from 0.
    #[serde(default)]
    pub step: usize,
    /// Mirroring is over.
    #[serde(default)]
    pub shadowed: bool,
    /// The confirmPromotion hook said yes.
    #[serde(default)]
    pub confirmed: bool,
    /// The push that proxies have to accept before anything comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<Revision>,
    /// The revision that moved its traffic last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_in: Option<Revision>,
    /// The service's deployments when it began.
    #[serde(default)]
    pub deployments: u64,
    /// While the provision hook runs: what takes the standby's place may take it.
    #[serde(default)]
    pub replace_standby: bool,
    /// The time that the phase has had, and has to have.
    #[serde(default)]
    pub clock: PhaseClock,
    /// It was rolled back by the server. That happens once.
    #[serde(default)]
    pub rolled_back_by_server: bool,
    /// What happens when proxies reject what is pushed of it.
    #[serde(default)]
    pub policy: NackPolicy,
    /// Preconditions that were waived, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<String>,
    /// Its phases, oldest first.
    #[serde(default)]
    pub log: Vec<LogEntry>,
}

/// A deployment in its environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The environment.
    pub colour: Colour,
    /// The deployment's number; 0: it is not made yet.
    pub deployment: u64,
    /// Its version.
    pub version: String,
}

/// What gates were passed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Validated {
    /// The analysis run; 0: there are no gates.
    pub analysis: u64,
    /// The deployment.
    pub deployment: u64,
    /// Its endpoints, sorted.
    pub endpoints: Vec<Endpoint>,
}

/// One phase that a release was in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// When it came there.
    pub at: Timestamp,
    /// The revision that says so.
    pub revision: Revision,
    /// The phase.
    pub phase: RolloutPhase,
    /// Why.
    pub reason: String,
    /// Who caused it.
    pub by: String,
    /// The new environment's share of the traffic from then on, in percent.
    pub weight: u32,
}

impl Rollout {
    /// The phase that counts for what the traffic does: a paused release stays where it is.
    pub fn standing(&self) -> RolloutPhase {
        match (self.phase, self.resume) {
            (RolloutPhase::Paused, Some(phase)) => phase,
            (phase, _) => phase,
        }
    }

    /// The new environment has traffic, and is watched.
    pub fn has_traffic(&self) -> bool {
        matches!(
            self.standing(),
            RolloutPhase::Shifting | RolloutPhase::Switching | RolloutPhase::Baking
        )
    }

    /// Nothing comes of it any more by itself.
    pub fn is_over(&self) -> bool {
        self.phase.is_over()
    }

    /// The checks of an analysis.
    pub fn checks(&self, purpose: Purpose) -> &[CheckSpec] {
        let Some(spec) = &self.spec else {
            return &[];
        };
        match purpose {
            Purpose::Validation => &spec.validation,
            Purpose::Shadow => spec.shadow.as_ref().map_or(&[], |it| &it.monitors),
            Purpose::Step => spec.canary.as_ref().map_or(&[], |it| &it.monitors),
            Purpose::Bake => spec.bake.as_ref().map_or(&[], |it| &it.monitors),
        }
    }

    /// Some check of any of its analyses has that name and asks people.
    pub(super) fn asks_people(&self, check: &Name) -> bool {
        Purpose::ALL
            .into_iter()
            .flat_map(|purpose| self.checks(purpose))
            .any(|spec| spec.name == *check && matches!(spec.kind, CheckKind::Manual(_)))
    }

    /// It goes on by itself once the gates have passed.
    pub fn is_automatic(&self) -> bool {
        self.spec
            .as_ref()
            .is_some_and(|spec| spec.promotion == Promotion::Automatic)
    }

    /// A new release in its first phase.
    pub(in crate::release) fn new(number: u64, to: Side, from: Option<Side>) -> Self {
        Self {
            number,
            phase: RolloutPhase::Staged,
            reason: String::new(),
            since: Timestamp::UNIX_EPOCH,
            resume: None,
            to,
            from,
            spec: None,
            begun: Timestamp::UNIX_EPOCH,
            by: String::new(),
            why: String::new(),
            validated: None,
            subject: Vec::new(),
            analysis: None,
            decisions: Vec::new(),
            preview_in: None,
            analyses: 0,
            step: 0,
            shadowed: false,
            confirmed: false,
            pushed: None,
            moved_in: None,
            deployments: 0,
            replace_standby: false,
            clock: PhaseClock::default(),
            rolled_back_by_server: false,
            policy: NackPolicy::default(),
            waived: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Something else brought it into a phase in which nothing happens by itself; `weight` is the share of the traffic that its new
    /// environment has from then on, in percent.
    pub(in crate::release) fn end(
        &mut self,
        phase: RolloutPhase,
        reason: &str,
        weight: u32,
        context: &super::super::Context,
    ) {
        self.phase = phase;
        self.reason = reason.to_owned();
        self.since = context.now;
        self.resume = None;
        self.analysis = None;
        self.pushed = None;
        self.clock = PhaseClock::default();
        // Without a declaration nothing ends it by itself.
        if !phase.is_over() {
            self.spec = None;
        }
        self.note(LogEntry {
            at: context.now,
            revision: context.revision,
            phase,
            reason: reason.to_owned(),
            by: context.actor.clone(),
            weight,
        });
    }

    pub(in crate::release) fn note(&mut self, entry: LogEntry) {
        self.log.push(entry);
        if self.log.len() > MAX_LOG {
            self.log.remove(MAX_LOG / 2);
        }
    }
}
