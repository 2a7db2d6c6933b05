//! From a deployment in its environment to one that may get traffic: staged, validated, ready.

use super::{super::draft::Draft, EffectKind, Purpose, RolloutPhase, Validated};
use crate::model::check::Through;

impl Draft<'_> {
    /// The deployment is in its environment; the fleet is to accept its endpoints.
    pub(super) fn stage(&mut self, why: &str) {
        let Some(to) = self
            .state
            .rollout
            .as_deref()
            .map(|rollout| rollout.to.clone())
        else {
            return;
        };
        let introduced = self.introduced(to.colour);
        self.change(|rollout| {
            rollout.pushed = introduced;
            rollout.validated = None;
            rollout.confirmed = false;
            rollout.shadowed = false;
            rollout.subject.clear();
            // People said it of what was there before.
            rollout.decisions.clear();
        });
        self.enter(
            RolloutPhase::Staged,
            format!(
                "{} is in {}{why}; proxies accept its endpoints",
                to.version, to.colour
            ),
        );
    }

    /// The gates run, for exactly the endpoints of now. Without gates the release is ready.
    pub(super) fn validate(&mut self) {
        let Some(rollout) = self.state.rollout.as_deref().cloned() else {
            return;
        };
        let endpoints = self.declared(rollout.to.colour);
        let count = rollout.checks(Purpose::Validation).len();
        self.change(|rollout| {
            rollout.subject.clone_from(&endpoints);
            rollout.validated = None;
            rollout.pushed = None;
        });
        if count == 0 {
            self.change(|rollout| {
                rollout.validated = Some(Validated {
                    analysis: 0,
                    deployment: rollout.to.deployment,
                    endpoints,
                });
            });
            return self.ready();
        }
        let through = rollout
            .checks(Purpose::Validation)
            .iter()
            .any(|check| check.through == Through::Proxies);
        let gates = if count == 1 {
            "1 gate runs".to_owned()
        } else {
            format!("{count} gates run")
        };
        self.enter(
            RolloutPhase::Validating,
            format!(
                "{gates} against {} in {}",
                rollout.to.version, rollout.to.colour
            ),
        );
        if through && self.open_preview() {
            let revision = self.context.revision;
            self.change(|rollout| rollout.pushed = Some(revision));
            return;
        }
        self.analyse(Purpose::Validation);
    }

    /// Nothing stands in the way any more.
    pub(super) fn ready(&mut self) {
        let Some(rollout) = self.state.rollout.as_deref() else {
            return;
        };
        let passed = match rollout.checks(Purpose::Validation).len() {
            0 => "there are no gates".to_owned(),
            1 => "the gate has passed".to_owned(),
            count => format!("all {count} gates have passed"),
        };
        if rollout.is_automatic() {
            self.enter(RolloutPhase::Ready, format!("{passed}: the traffic moves"));
            self.want(EffectKind::Promote);
        } else {
            let name = self.state.name.clone();
            self.enter(
                RolloutPhase::Ready,
                format!("{passed}: `bluegreen switch {name}` moves the traffic"),
            );
        }
    }
}
