//! What is answered to commands that do not go with where the release stands.

use super::{
    super::{Reason, Refusal, draft::Draft},
    Rollout, RolloutPhase,
};

impl Draft<'_> {
    /// The release whose way is not over, for a verb that is about one.
    pub(super) fn need_active(&self, verb: &str) -> Result<Rollout, Refusal> {
        self.active().cloned().ok_or_else(|| self.no_release(verb))
    }

    pub(super) fn no_release(&self, verb: &str) -> Refusal {
        let name = &self.state.name;
        let message = match self.state.rollout.as_deref() {
            Some(last) => format!(
                "{name} has no release on its way that one could {verb}: release {} is {}",
                last.number, last.phase
            ),
            None => format!("{name} has no release on its way that one could {verb}"),
        };
        let failed = self
            .state
            .rollout
            .as_deref()
            .is_some_and(|last| last.phase == RolloutPhase::Failed);
        let again = match failed {
            true => format!("try it again: `bluegreen retry {name}`, or begin another"),
            false => "begin one".to_owned(),
        };
        Refusal::new(
            Reason::NoRelease,
            message,
            format!("{again}: `bluegreen release {name} --version VERSION --endpoint HOST:PORT`"),
        )
    }

    /// A release of the service is on its way, and what was asked for does not go with it.
    pub(in crate::release) fn running(&self, what: &str) -> Refusal {
        let name = &self.state.name;
        let (number, phase, version) = self.state.rollout.as_deref().map_or_else(
            || (0, RolloutPhase::Staged, String::new()),
            |it| (it.number, it.phase, it.to.version.clone()),
        );
        Refusal::new(
            Reason::ReleaseRunning,
            format!("release {number} of {name} ({version}) is {phase}: {what}"),
            format!(
                "wait for it (`bluegreen watch {name}`), or give it up: `bluegreen abort {name}`"
            ),
        )
    }

    /// The verb means nothing in the phase of the release.
    pub(super) fn wrong_phase(&self, rollout: &Rollout, verb: &str, remedy: &str) -> Refusal {
        Refusal::new(
            Reason::WrongPhase,
            format!(
                "release {} of {} is {}: one can't {verb} it now",
                rollout.number, self.state.name, rollout.phase
            ),
            remedy,
        )
    }
}
