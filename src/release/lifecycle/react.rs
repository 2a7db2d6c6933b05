//! What a release makes of what the world answers. A signal that is not of this release and of what it waits for changes
//! nothing.

use super::{
    super::{
        Refusal, StepKind,
        draft::{Done, Draft},
    },
    ClockKey, Effect, EffectKind, MAX_REASON, Purpose, Rollout, RolloutPhase, Signal, SignalKind,
};
use crate::{
    model::{BakeSpec, Endpoint, HookKind, OnFailure, check::Phase},
    text::spaced,
};

impl Draft<'_> {
    /// Takes a signal.
    ///
    /// Named invariant: **a stale event changes nothing**: one of an older release, of an older analysis run, of a push
    /// that is not waited for, of an effect that is no longer in the outbox, or of time that is stored already.
    pub(in crate::release) fn signal(&mut self, signal: &Signal) -> Result<Done, Refusal> {
        let waited_for = match &signal.kind {
            SignalKind::Sent { effects } => {
                self.sent(effects);
                true
            }
            SignalKind::HookAnswered {
                effect,
                yes,
                detail,
                endpoints,
            } => match self.take_call(signal.release, *effect) {
                Some(hook) => {
                    self.hook_answered(signal.release, hook, *yes, detail, endpoints)?;
                    true
                }
                None => false,
            },
            kind => match self.state.rollout.as_deref() {
                Some(rollout) if rollout.number == signal.release => {
                    let rollout = rollout.clone();
                    self.news(&rollout, kind)?
                }
                _ => false,
            },
        };
        Ok(match waited_for {
            true => self.moved_on(),
            false => self.stale(),
        })
    }

    /// Events have gone out, of this release and of those before it.
    fn sent(&mut self, effects: &[u64]) {
        let sent = |id: u64, kind: &EffectKind| {
            effects.contains(&id) && matches!(kind, EffectKind::SendEvent { .. })
        };
        self.state
            .outbox
            .retain(|effect| !sent(effect.id, &effect.kind));
    }

    /// Takes the call of a hook out of the outbox; None: it is not open any more.
    fn take_call(&mut self, release: u64, effect: u64) -> Option<HookKind> {
        let outbox = &mut self.state.outbox;
        let (at, hook) = outbox
            .iter()
            .enumerate()
            .find_map(|(at, open)| match open.kind {
                EffectKind::CallHook { hook } if open.id == effect && open.release == release => {
                    Some((at, hook))
                }
                _ => None,
            })?;
        outbox.remove(at);
        Some(hook)
    }

    /// What the release itself makes of a signal; false: it does not wait for it.
    fn news(&mut self, rollout: &Rollout, kind: &SignalKind) -> Result<bool, Refusal> {
        match kind {
            SignalKind::AnalysisEnded {
                analysis,
                phase,
                reason,
            } => {
                if rollout.analysis != Some(*analysis) || !phase.is_completed() {
                    return Ok(false);
                }
                self.drop_effects(|kind| matches!(kind, EffectKind::Analyse { .. }));
                // What people said was said to this run; the next one asks again.
                self.change(|rollout| {
                    rollout.analysis = None;
                    rollout.decisions.clear();
                });
                self.analysed(rollout, *analysis, *phase, reason)?;
            }
            SignalKind::Delivered { revision, lacking } => {
                if rollout.pushed.is_none_or(|pushed| pushed > *revision) {
                    return Ok(false);
                }
                self.change(|rollout| rollout.pushed = None);
                self.delivered(rollout, lacking)?;
            }
            SignalKind::Silent { reason } => {
                // It counts while the new deployment has traffic and is watched.
                if !rollout.has_traffic() {
                    return Ok(false);
                }
                self.go_back_by_itself(reason);
            }
            SignalKind::Rejected { revision, reason } => {
                let mine = rollout.log.iter().any(|entry| entry.revision == *revision);
                if !mine || rollout.phase == RolloutPhase::Paused || !rollout.has_traffic() {
                    return Ok(false);
                }
                let name = self.state.name.clone();
                self.pause(format!(
                    "{reason}; `bluegreen rollback {name}` or `bluegreen resume {name}`"
                ));
            }
            SignalKind::Elapsed { of, time } => {
                if *of != ClockKey::of(rollout)
                    || rollout.phase == RolloutPhase::Paused
                    || rollout.pushed.is_some()
                    || !rollout.clock.is_running()
                {
                    return Ok(false);
                }
                self.change(|rollout| rollout.clock.add(*time));
                self.time_went_by()?;
            }
            SignalKind::Held { effect, reason } => {
                let open = |open: &Effect| {
                    open.id == *effect
                        && matches!(open.kind, EffectKind::Promote | EffectKind::Retire)
                };
                if !self.state.outbox.iter().any(open) {
                    return Ok(false);
                }
                self.change(|rollout| rollout.reason = spaced(reason, MAX_REASON));
            }
            SignalKind::HookAnswered { .. } | SignalKind::Sent { .. } => return Ok(false),
        }
        Ok(true)
    }

    fn hook_answered(
        &mut self,
        release: u64,
        hook: HookKind,
        yes: bool,
        detail: &str,
        endpoints: &[Endpoint],
    ) -> Result<(), Refusal> {
        let current = self
            .state
            .rollout
            .as_deref()
            .filter(|rollout| rollout.number == release)
            .cloned();
        match (hook, current) {
            (HookKind::Terminate, current) => {
                let what = if yes {
                    "the terminate hook was called".to_owned()
                } else {
                    format!(
                        "the terminate hook failed, take the old environment down yourself: {detail}"
                    )
                };
                if current.is_some_and(|it| it.phase == RolloutPhase::Completed) {
                    self.enter(RolloutPhase::Completed, what);
                }
            }
            (HookKind::Provision, Some(rollout)) if rollout.phase == RolloutPhase::Provisioning => {
                if !yes {
                    self.enter(
                        RolloutPhase::Failed,
                        format!("the provision hook failed: {detail}"),
                    );
                    return Ok(());
                }
                let endpoints = if endpoints.is_empty() {
                    rollout.subject.clone()
                } else {
                    endpoints.to_vec()
                };
                self.provisioned(&rollout, &endpoints);
            }
            (HookKind::ConfirmPromotion, Some(rollout)) if rollout.phase == RolloutPhase::Ready => {
                if yes {
                    self.change(|rollout| rollout.confirmed = true);
                    self.want(EffectKind::Promote);
                    self.enter(
                        RolloutPhase::Ready,
                        "the confirmPromotion hook said yes: the traffic moves",
                    );
                } else {
                    let again = format!("`bluegreen switch {}`", self.state.name);
                    self.enter(
                        RolloutPhase::Ready,
                        format!("the confirmPromotion hook said no ({detail}): ask it again with {again}"),
                    );
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn analysed(
        &mut self,
        rollout: &Rollout,
        analysis: u64,
        phase: Phase,
        reason: &str,
    ) -> Result<(), Refusal> {
        let standing = rollout.standing();
        let name = self.state.name.clone();
        match (standing, phase) {
            (RolloutPhase::Validating, Phase::Successful) => {
                let subject = rollout.subject.clone();
                self.change(|rollout| {
                    rollout.validated = Some(super::Validated {
                        analysis,
                        deployment: rollout.to.deployment,
                        endpoints: subject,
                    });
                });
                self.ready();
            }
            (RolloutPhase::Validating, Phase::Inconclusive) => {
                self.pause(format!(
                    "the gates are inconclusive: {reason}; `bluegreen retry {name}` runs them again"
                ));
            }
            (RolloutPhase::Validating, _) => self.enter(
                RolloutPhase::Failed,
                format!("the gates did not pass: {reason}; `bluegreen retry {name}` runs them again"),
            ),
            (
                RolloutPhase::Shadowing | RolloutPhase::Shifting | RolloutPhase::Baking,
                Phase::Successful,
            ) => self.time_went_by()?,
            (RolloutPhase::Shadowing, Phase::Inconclusive)
            | (RolloutPhase::Shifting | RolloutPhase::Baking, Phase::Inconclusive) => {
                self.pause(format!(
                    "the monitors are inconclusive: {reason}; `bluegreen resume {name}` runs them again, with --skip-monitors it goes on without them"
                ));
            }
            (RolloutPhase::Shadowing, _) => self.enter(
                RolloutPhase::Failed,
                format!("the monitors of the shadow failed: {reason}"),
            ),
            (RolloutPhase::Shifting, _) => self.go_back_by_itself(reason),
            (RolloutPhase::Baking, _) => match rollout.bake().map(|bake| bake.on_failure) {
                Some(OnFailure::Pause) => self.pause(format!(
                    "a monitor failed: {reason}; `bluegreen rollback {name}` or `bluegreen resume {name}`"
                )),
                _ => self.go_back_by_itself(reason),
            },
            _ => {}
        }
        Ok(())
    }

    fn delivered(&mut self, rollout: &Rollout, lacking: &str) -> Result<(), Refusal> {
        // Whoever reads that the traffic has moved must see for whom that is not known.
        let lacking = match lacking {
            "" => String::new(),
            lacking => format!("; {lacking}"),
        };
        match rollout.phase {
            RolloutPhase::Staged => self.validate(),
            RolloutPhase::Validating => self.analyse(Purpose::Validation),
            RolloutPhase::Shifting => {
                self.analyse(Purpose::Step);
                self.time_went_by()?;
            }
            RolloutPhase::Switching => self.bake(&lacking),
            RolloutPhase::RollingBack => {
                let reason = format!("{}{lacking}", rollout.reason);
                self.enter(RolloutPhase::RolledBack, reason);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Rollout {
    /// How its bake is declared.
    pub(super) fn bake(&self) -> Option<&BakeSpec> {
        self.spec.as_ref()?.bake.as_ref()
    }
}

impl Draft<'_> {
    /// Nothing that this release waits for.
    pub(in crate::release) fn stale(&self) -> Done {
        Done::already(
            format!("{} does not wait for that any more", self.state.name),
            None,
        )
    }

    /// What became of the release, as the history says it.
    pub(in crate::release) fn moved_on(&self) -> Done {
        let name = &self.state.name;
        let what = match self.state.rollout.as_deref() {
            Some(rollout) => format!(
                "release {} of {name} is {}: {}",
                rollout.number, rollout.phase, rollout.reason
            ),
            None => format!("{name} has no release"),
        };
        Done::new(StepKind::Release, what)
    }
}
