//! One release on its way: its phase, why it is there, and what it waits for. Stored with the service.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    super::{Context, Preview},
    PhaseClock, Purpose, RolloutPhase,
};
use crate::model::{
    Colour, Endpoint, NackPolicy, Name, Promotion, ReleaseSpec, Revision,
    check::{CheckKind, CheckSpec, Decision, ManualCheck},
};

/// Changes of phase that are kept; of more, those in the middle go: how it began and how it ended is what one reads.
pub const MAX_LOG: usize = 48;

/// The longest reason that is kept, in characters: it is read in a terminal and in a change ticket.
pub const MAX_REASON: usize = 600;

/// Decisions that are kept: nobody has asked so many people, and a revision stays small.
pub(super) const MAX_DECISIONS: usize = 100;

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
    /// The revision from which on the preview route is there for gates that go through the proxies, while they run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_in: Option<Revision>,
    /// A person's preview that is given back when that route goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_before: Option<Box<Preview>>,
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
    /// The end of the release whose place it took, if that ended by the same command: no revision has that one as it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Box<Replaced>>,
}

/// How a release ended because another one took its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    /// Its number.
    pub release: u64,
    /// Its last phase.
    pub end: LogEntry,
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

    /// The step of its canary that it is at, as operators count them: from 1.
    pub fn at_step(&self) -> Option<usize> {
        (self.standing() == RolloutPhase::Shifting).then_some(self.step + 1)
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

    /// The checks of any of its analyses that have that name and ask people.
    pub(super) fn asking(&self, check: &Name) -> impl Iterator<Item = &ManualCheck> {
        Purpose::ALL
            .into_iter()
            .flat_map(move |purpose| manual(self.checks(purpose), check))
    }

    /// The check of that name whose run is on, or is to begin with what is said now, if it asks people. After its run nobody
    /// listens any more, and the next run asks for itself.
    pub(super) fn asked(&self, check: &Name) -> Option<&ManualCheck> {
        let purpose = match self.standing() {
            RolloutPhase::Staged | RolloutPhase::Validating => Purpose::Validation,
            RolloutPhase::Shadowing => Purpose::Shadow,
            RolloutPhase::Shifting => Purpose::Step,
            RolloutPhase::Baking => Purpose::Bake,
            _ => return None,
        };
        let begins = purpose == Purpose::Validation || self.phase == RolloutPhase::Paused;
        if !begins && self.analysis.is_none() {
            return None;
        }
        manual(self.checks(purpose), check).next()
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
            preview_before: None,
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
            replaced: None,
        }
    }

    /// Something else brought it into a phase in which nothing happens by itself; `weight` is the share of the traffic that its new
    /// environment has from then on, in percent.
    pub(in crate::release) fn end(
        &mut self,
        phase: RolloutPhase,
        reason: &str,
        weight: u32,
        context: &Context,
    ) {
        self.close(LogEntry {
            at: context.now,
            revision: context.revision,
            phase,
            reason: reason.to_owned(),
            by: context.actor.clone(),
            weight,
        });
    }

    /// How it ends if nobody watches it any more: one whose version has all the traffic for good has done its work.
    pub fn phase_once_replaced(&self) -> RolloutPhase {
        match self.standing() {
            RolloutPhase::Standby | RolloutPhase::Retiring => RolloutPhase::Completed,
            _ => RolloutPhase::Aborted,
        }
    }

    /// The same, as it is noted elsewhere.
    pub fn close(&mut self, end: LogEntry) {
        self.phase = end.phase;
        self.reason.clone_from(&end.reason);
        self.since = end.at;
        self.resume = None;
        self.analysis = None;
        self.pushed = None;
        self.preview_in = None;
        self.preview_before = None;
        self.clock = PhaseClock::default();
        // Without a declaration nothing ends it by itself.
        if !end.phase.is_over() {
            self.spec = None;
        }
        self.note(end);
    }

    pub(in crate::release) fn note(&mut self, entry: LogEntry) {
        self.log.push(entry);
        if self.log.len() > MAX_LOG {
            self.log.remove(MAX_LOG / 2);
        }
    }
}

/// The checks of that name that ask people.
fn manual<'a>(checks: &'a [CheckSpec], name: &Name) -> impl Iterator<Item = &'a ManualCheck> {
    let of_name = checks.iter().filter(move |spec| spec.name == *name);
    of_name.filter_map(|spec| match &spec.kind {
        CheckKind::Manual(manual) => Some(manual),
        _ => None,
    })
}
