//! The release's share in moving traffic: what has to have passed before, and what it means for its phase.

use super::{
    super::{
        Moved, Reason, Refusal, StepKind,
        draft::{Done, Draft},
        words::held,
    },
    EffectKind, Purpose, Rollout, RolloutPhase, Side,
};
use crate::model::{Colour, HookKind};

impl Draft<'_> {
    /// `switch` to what is in `target`: by the way that the release is declared to take.
    ///
    /// Named invariant: **no switch without a passed validation** of exactly this deployment and its endpoints, or a
    /// recorded waiver.
    pub(in crate::release) fn go_forward(
        &mut self,
        target: Colour,
        force: bool,
        skip_gates: bool,
    ) -> Result<Done, Refusal> {
        let insists = force || skip_gates;
        let Some(to) = self.side(target) else {
            return Ok(self.moved_on());
        };
        match self.on_its_way_to(&to) {
            None => self.take_over(to, force)?,
            Some((_, RolloutPhase::Paused)) if !insists => return Err(self.paused(&to)),
            Some((RolloutPhase::Shadowing | RolloutPhase::Shifting, _)) => {
                return self.cut_short(insists);
            }
            Some(_) => {}
        }
        self.gates_passed(target, insists)?;
        let (waived, policy) = (self.context.waived.clone(), self.context.policy);
        self.change(|rollout| {
            rollout.policy = policy.over(rollout.policy);
            rollout.waived.extend(waived);
            rollout.waived.sort();
            rollout.waived.dedup();
        });
        if !force && self.is_to_be_confirmed() {
            return Ok(self.ask_whether_to_promote());
        }
        self.proceed()
    }

    /// Where the release stands whose deployment that is, and in which phase it is; None: there is none that could go on.
    fn on_its_way_to(&self, to: &Side) -> Option<(RolloutPhase, RolloutPhase)> {
        let rollout = self.state.rollout.as_deref().filter(|it| it.to == *to)?;
        let standing = rollout.standing();
        let goes_on = standing.is_before_traffic()
            || matches!(standing, RolloutPhase::Shifting | RolloutPhase::Failed);
        goes_on.then_some((standing, rollout.phase))
    }

    /// Begins a release of what is there. Another deployment's that is on its way has to come to its end first.
    fn take_over(&mut self, to: Side, force: bool) -> Result<(), Refusal> {
        if let Some(active) = self.active()
            && !matches!(
                active.standing(),
                RolloutPhase::Standby | RolloutPhase::Retiring
            )
            && !force
        {
            return Err(self.running(&format!("{} can't take over now", to.version)));
        }
        self.begin(to, true);
        Ok(())
    }

    fn paused(&self, to: &Side) -> Refusal {
        let name = &self.state.name;
        Refusal::new(
            Reason::ReleasePaused,
            format!("the release of {name} {} is paused", to.version),
            format!("`bluegreen resume {name}`, or insist: `bluegreen switch {name} --skip-gates`"),
        )
    }

    /// All traffic moves although a shadow or a canary is on its way. Its monitors have the word; who knows better skips all
    /// that is left of it.
    fn cut_short(&mut self, insists: bool) -> Result<Done, Refusal> {
        if !insists {
            return Err(self.running("it goes on by itself; --skip-gates moves all traffic now"));
        }
        self.waive(Reason::GatesNotPassed);
        let policy = self.context.policy;
        self.change(|rollout| rollout.policy = policy.over(rollout.policy));
        self.switch_now()
    }

    /// A hook has a say in whether the traffic moves, and has not said yes.
    fn is_to_be_confirmed(&self) -> bool {
        self.state.rollout.as_deref().is_some_and(|rollout| {
            let spec = rollout.spec.as_deref();
            !rollout.confirmed && spec.is_some_and(|it| it.hooks.confirm_promotion.is_some())
        })
    }

    /// Asks that hook, once at a time.
    fn ask_whether_to_promote(&mut self) -> Done {
        let asking = EffectKind::CallHook {
            hook: HookKind::ConfirmPromotion,
        };
        let number = self.state.rollout.as_deref().map_or(0, |it| it.number);
        let mut outbox = self.state.outbox.iter();
        if outbox.any(|it| it.release == number && it.kind == asking) {
            let name = &self.state.name;
            let what = format!("the confirmPromotion hook of {name} is being asked");
            return Done::already(what, None);
        }
        self.drop_effects(|kind| matches!(kind, EffectKind::Promote));
        self.enter(
            RolloutPhase::Ready,
            format!(
                "the confirmPromotion hook is asked whether the traffic may move{}",
                self.because()
            ),
        );
        self.want(asking);
        self.moved_on()
    }

    /// Refuses unless the gates have passed for exactly what is in the environment, or that is waived.
    fn gates_passed(&mut self, target: Colour, waived: bool) -> Result<(), Refusal> {
        let Some(rollout) = self.state.rollout.as_deref() else {
            return Ok(());
        };
        let count = rollout.checks(Purpose::Validation).len();
        let declared = self.declared(target);
        let passed = rollout.validated.as_ref().is_some_and(|validated| {
            validated.deployment == rollout.to.deployment && validated.endpoints == declared
        });
        if count == 0 || passed {
            return Ok(());
        }
        let name = &self.state.name;
        let run = format!("run them: `bluegreen validate {name}`");
        let (how, remedy) = match rollout.standing() {
            RolloutPhase::Validating => (
                "are still running".to_owned(),
                format!("wait for them, `bluegreen watch {name}` shows them"),
            ),
            RolloutPhase::Failed => (format!("are not passed: {}", rollout.reason), run),
            _ => (
                "have not run for this deployment and its endpoints".to_owned(),
                run,
            ),
        };
        let what = self
            .state
            .environment(target)
            .deployment
            .as_ref()
            .map_or_else(String::new, held);
        let refusal = Refusal::new(
            Reason::GatesNotPassed,
            format!("the gates of {name} {what} in {target} {how}"),
            format!("{remedy}, or go without: `bluegreen switch {name} --skip-gates`"),
        );
        self.unless(waived, refusal)?;
        self.waive(Reason::GatesNotPassed);
        Ok(())
    }

    /// Keeps with the release that a precondition was waived.
    pub(in crate::release) fn waive(&mut self, reason: Reason) {
        self.change(|rollout| {
            let name = reason.name().to_owned();
            if !rollout.waived.contains(&name) {
                rollout.waived.push(name);
            }
        });
    }

    /// All traffic was moved.
    pub(in crate::release) fn switched(&mut self, what: &str) {
        let revision = self.context.revision;
        self.change(|rollout| {
            rollout.pushed = Some(revision);
            rollout.moved_in = Some(revision);
        });
        let by_hand = self
            .state
            .rollout
            .as_deref()
            .is_some_and(|it| it.spec.is_none());
        if by_hand {
            // Nothing is watched and nothing ends by itself: it is as far as it comes without a command.
            self.change(|rollout| rollout.pushed = None);
            self.standby();
        } else {
            self.enter(
                RolloutPhase::Switching,
                format!("{what}{}; proxies accept it", self.because()),
            );
        }
    }

    /// The standby was emptied.
    pub(in crate::release) fn retired(&mut self, what: &str) {
        let hook = self.state.rollout.as_deref().is_some_and(|rollout| {
            let spec = rollout.spec.as_deref();
            !rollout.is_over() && spec.is_some_and(|spec| spec.hooks.terminate.is_some())
        });
        if self.active().is_none() {
            return;
        }
        if hook {
            self.enter(
                RolloutPhase::Completed,
                format!("{what}; the terminate hook is called"),
            );
            self.want(EffectKind::CallHook {
                hook: HookKind::Terminate,
            });
        } else {
            self.enter(RolloutPhase::Completed, what);
        }
    }

    /// All traffic was moved back.
    pub(in crate::release) fn went_back(&mut self, why: &str) {
        let revision = self.context.revision;
        let Some(rollout) = self.state.rollout.as_deref() else {
            return;
        };
        let by_hand = rollout.spec.is_none();
        let version = rollout.from.as_ref().map_or_else(
            || "what was there before".to_owned(),
            |from| from.version.clone(),
        );
        let reason = format!("the traffic went back to {version}: {why}");
        self.change(|rollout| {
            rollout.pushed = Some(revision).filter(|_| !by_hand);
            rollout.moved_in = Some(revision);
        });
        let phase = if by_hand {
            RolloutPhase::RolledBack
        } else {
            RolloutPhase::RollingBack
        };
        self.enter(phase, reason);
    }

    /// The traffic that the release before moved went back, while the environment of this one was being made, or could not be made: it
    /// was to replace what is no longer live. False: the release is the one whose traffic went back.
    pub(in crate::release) fn gave_up_the_next(&mut self, moved: &Moved, why: &str) -> bool {
        let Some(rollout) = self.state.rollout.as_deref() else {
            return false;
        };
        let switched = self.state.release.as_ref().map(|it| it.number);
        let without_traffic = rollout.standing().is_before_traffic()
            || matches!(rollout.phase, RolloutPhase::Failed | RolloutPhase::Aborted);
        if switched.is_none_or(|switched| rollout.number <= switched) || !without_traffic {
            return false;
        }
        let (from, to) = (&moved.from_version, &moved.to_version);
        let reason = format!("given up: the traffic went back from {from} to {to}, {why}");
        self.enter(RolloutPhase::Aborted, reason);
        true
    }

    /// A rollback of a release whose new environment has a share of the traffic, or had and was rolled back. None: there is
    /// no such.
    pub(in crate::release) fn unshift(&mut self, why: &str) -> Option<Done> {
        let rollout = self.state.rollout.as_deref()?.clone();
        let switched = self
            .state
            .release
            .as_ref()
            .map_or(0, |release| release.number);
        if rollout.number <= switched {
            return None;
        }
        let moved = self.backward(&rollout);
        if rollout.standing() == RolloutPhase::Shifting {
            let (name, weight) = (self.state.name.clone(), self.state.shifting.weight);
            self.state.environment_mut(rollout.to.colour).rolled_back = true;
            self.went_back(why);
            let what = format!(
                "took the {weight}% of {name} back from {} ({})",
                rollout.to.colour, rollout.to.version
            );
            return Some(Done::new(StepKind::Switch, what).moved(moved));
        }
        if matches!(
            rollout.phase,
            RolloutPhase::RollingBack | RolloutPhase::RolledBack
        ) {
            let what = format!(
                "{} is rolled back already, {} has no traffic",
                self.state.name, rollout.to.version
            );
            return Some(Done::already(what, rollout.moved_in).moved(moved));
        }
        None
    }

    fn backward(&self, rollout: &Rollout) -> Moved {
        let forward = self.forward(rollout);
        Moved {
            from: forward.to,
            to: forward.from,
            from_version: forward.to_version,
            to_version: forward.from_version,
        }
    }
}
