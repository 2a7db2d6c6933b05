//! The transitions: how a release comes into each phase, and what that phase asks of the world.

use std::time::Duration;

use super::{
    super::{
        Moved, Refusal, Role, Temporary,
        draft::{Done, Draft},
    },
    EffectKind, LogEntry, MAX_REASON, PhaseClock, Purpose, Rollout, RolloutPhase,
};
use crate::{model::HookKind, text::spaced};

/// What is left of a phase is mirrored from here on: less is the difference between two clocks that end it together.
const WORTH_MIRRORING: Duration = Duration::from_secs(1);

/// A mirror begins again for so long at least: while no time counts for its phase, each beginning is a revision. The end of the
/// phase ends it earlier.
const MIRRORED: Duration = Duration::from_secs(60);

impl Draft<'_> {
    /// Changes the release that is on its way, if there is one.
    pub(in crate::release) fn change(&mut self, change: impl FnOnce(&mut Rollout)) {
        if let Some(rollout) = self.state.rollout.as_deref_mut() {
            change(rollout);
        }
    }

    /// Wants something done outside, once.
    pub(super) fn want(&mut self, kind: EffectKind) {
        self.state.want(kind);
    }

    /// Gives up what this release wants done, where `which` says so.
    pub(super) fn drop_effects(&mut self, which: impl Fn(&EffectKind) -> bool) {
        let Some(release) = self.state.rollout.as_deref().map(|rollout| rollout.number) else {
            return;
        };
        self.state
            .outbox
            .retain(|effect| effect.release != release || !which(&effect.kind));
    }

    /// Brings the release into a phase. What the phase before wanted is given up with it: no analysis, hook or command
    /// of an earlier phase can come to anything, except monitors that go on over a pause.
    pub(in crate::release) fn enter(&mut self, phase: RolloutPhase, reason: impl AsRef<str>) {
        let (now, revision) = (self.context.now, self.context.revision);
        let by = self.context.actor.clone();
        let reason = spaced(reason.as_ref(), MAX_REASON);
        let Some(rollout) = self.state.rollout.as_deref() else {
            return;
        };
        let (before, standing) = (rollout.phase, rollout.standing());
        if before != phase {
            let pausing = phase == RolloutPhase::Paused;
            self.drop_effects(|kind| match kind {
                EffectKind::Analyse { purpose, .. } => !pausing || *purpose == Purpose::Validation,
                EffectKind::CallHook { hook } => *hook != HookKind::Terminate,
                EffectKind::Promote | EffectKind::Retire => true,
                EffectKind::SendEvent { .. } => false,
            });
            let open = self.open_analysis();
            self.change(|rollout| {
                rollout.analysis = open;
                if phase != RolloutPhase::Paused {
                    rollout.resume = None;
                    rollout.clock = PhaseClock::default();
                }
            });
        }
        // Named invariant: **weights match the phase**.
        if phase != RolloutPhase::Paused {
            if standing == RolloutPhase::Shifting && phase != RolloutPhase::Shifting {
                self.state.shifting.weight = 0;
            }
            if standing == RolloutPhase::Shadowing && phase != RolloutPhase::Shadowing {
                self.state.shifting.over(Temporary::Shadow);
            }
        }
        if standing == RolloutPhase::Validating && phase != RolloutPhase::Validating {
            self.close_preview(phase);
        }
        let share = self.state.shifting.weight;
        self.change(|rollout| {
            rollout.phase = phase;
            rollout.reason.clone_from(&reason);
            if before != phase {
                rollout.since = now;
            }
            // Paused, it has what it had.
            let of = match phase {
                RolloutPhase::Paused => standing,
                phase => phase,
            };
            let weight = match of {
                RolloutPhase::Switching
                | RolloutPhase::Baking
                | RolloutPhase::Standby
                | RolloutPhase::Retiring
                | RolloutPhase::Completed => 100,
                _ => share,
            };
            rollout.note(LogEntry {
                at: now,
                revision,
                phase,
                reason: reason.clone(),
                by,
                weight,
            });
        });
        if self.context.events {
            self.state.tell(now, phase, reason);
        }
    }

    fn open_analysis(&self) -> Option<u64> {
        let release = self.state.rollout.as_deref()?.number;
        self.state
            .outbox
            .iter()
            .find_map(|effect| match effect.kind {
                EffectKind::Analyse { analysis, .. } if effect.release == release => Some(analysis),
                _ => None,
            })
    }

    /// Begins a run of checks, if there are any.
    pub(super) fn analyse(&mut self, purpose: Purpose) {
        let any = |rollout: &Rollout| !rollout.checks(purpose).is_empty();
        if !self.state.rollout.as_deref().is_some_and(any) {
            return;
        }
        self.drop_effects(|kind| matches!(kind, EffectKind::Analyse { .. }));
        let mut analysis = 0;
        self.change(|rollout| {
            rollout.analyses += 1;
            analysis = rollout.analyses;
            rollout.analysis = Some(analysis);
        });
        self.want(EffectKind::Analyse {
            analysis,
            purpose,
            finish: false,
        });
    }

    /// Stays where it is until somebody says `resume`.
    pub(super) fn pause(&mut self, reason: String) {
        let resume = self.state.rollout.as_deref().map(Rollout::standing);
        let counted = self.context.counted;
        self.enter(RolloutPhase::Paused, reason);
        self.change(|rollout| {
            rollout.resume = resume;
            rollout.clock.add(counted);
        });
    }

    /// The next thing before all traffic moves: mirroring, the first step, or the switch itself.
    pub(in crate::release) fn proceed(&mut self) -> Result<Done, Refusal> {
        let Some(rollout) = self.state.rollout.as_deref().cloned() else {
            return Ok(self.moved_on());
        };
        let spec = rollout.spec.clone().unwrap_or_default();
        if let (Some(shadow), false) = (&spec.shadow, rollout.shadowed) {
            self.shadow(shadow.percent, shadow.duration.0, self.context.ended_by)?;
            self.enter(
                RolloutPhase::Shadowing,
                format!(
                    "{}% of the live requests are mirrored to {} for {}{}; what they do there, they do twice",
                    shadow.percent,
                    rollout.to.version,
                    shadow.duration,
                    self.because()
                ),
            );
            self.change(|rollout| rollout.clock = PhaseClock::of(shadow.duration.0));
            self.analyse(Purpose::Shadow);
            return Ok(self.moved_on());
        }
        match spec.steps().first() {
            Some(_) if rollout.from.is_some() => Ok(self.shift_to_step(0)),
            _ => self.switch_now(),
        }
    }

    /// Mirrors for as long as the phase still has to last. The mirror's time runs down by the clock on the wall, also while the
    /// release is paused or its server down, and the phase's does not.
    pub(in crate::release) fn mirror_again(&mut self) -> Result<(), Refusal> {
        let Some(rollout) = self.state.rollout.as_deref() else {
            return Ok(());
        };
        let shadow = rollout.spec.as_ref().and_then(|spec| spec.shadow.as_ref());
        let left = rollout.clock.left().saturating_sub(self.context.counted);
        if let Some(percent) = shadow.map(|shadow| shadow.percent)
            && rollout.phase == RolloutPhase::Shadowing
            && left >= WORTH_MIRRORING
        {
            self.shadow(percent, left.max(MIRRORED), self.context.ended_by)?;
        }
        Ok(())
    }

    /// The new environment gets the share of a step.
    pub(super) fn shift_to_step(&mut self, step: usize) -> Done {
        let Some(rollout) = self.state.rollout.as_deref().cloned() else {
            return self.moved_on();
        };
        let spec = rollout.spec.clone().unwrap_or_default();
        let Some(at) = spec.steps().get(step).copied() else {
            return self.moved_on();
        };
        let revision = self.context.revision;
        self.change(|rollout| {
            rollout.step = step;
            rollout.pushed = Some(revision);
            rollout.moved_in = Some(revision);
        });
        let steps = spec.steps().len();
        let pause = at
            .pause
            .map_or_else(String::new, |pause| format!(", for {pause}"));
        // A step is a phase of its own: what watched the one before is over.
        self.drop_effects(|kind| matches!(kind, EffectKind::Analyse { .. }));
        self.change(|rollout| rollout.analysis = None);
        self.enter(
            RolloutPhase::Shifting,
            format!(
                "step {} of {steps}: {}% of the traffic goes to {}{pause}{}",
                step + 1,
                at.weight,
                rollout.to.version,
                self.because()
            ),
        );
        // Its requests would go to the same place twice.
        self.state.shifting.over(Temporary::Shadow);
        self.state.shifting.weight = at.weight;
        self.change(|rollout| {
            if let Some(entry) = rollout.log.last_mut() {
                entry.weight = at.weight;
            }
            rollout.clock = PhaseClock::of(at.pause.map_or_else(Default::default, |it| it.0));
        });
        self.moved_on().moved(self.forward(&rollout))
    }

    /// Traffic of a release, forward.
    pub(super) fn forward(&self, rollout: &Rollout) -> Moved {
        Moved {
            from: rollout.to.colour.other(),
            to: rollout.to.colour,
            from_version: rollout
                .from
                .as_ref()
                .map_or_else(String::new, |from| from.version.clone()),
            to_version: rollout.to.version.clone(),
        }
    }

    /// Time or an analysis has come to an end: if both have, the next phase begins.
    ///
    /// An analysis that still runs never counts as passed: once the time is over its monitors are asked for their last word.
    pub(super) fn time_went_by(&mut self) -> Result<(), Refusal> {
        let Some(rollout) = self.state.rollout.as_deref().cloned() else {
            return Ok(());
        };
        if rollout.phase == RolloutPhase::Paused
            || rollout.pushed.is_some()
            || !rollout.clock.is_over()
        {
            return Ok(());
        }
        if rollout.analysis.is_some() {
            for effect in &mut self.state.outbox {
                if let EffectKind::Analyse {
                    finish, analysis, ..
                } = &mut effect.kind
                    && effect.release == rollout.number
                    && rollout.analysis == Some(*analysis)
                {
                    *finish = true;
                }
            }
            return Ok(());
        }
        self.leave(&rollout)
    }

    /// Where it is now, it is done: the next phase.
    pub(super) fn leave(&mut self, rollout: &Rollout) -> Result<(), Refusal> {
        match rollout.phase {
            RolloutPhase::Shadowing => {
                self.change(|rollout| rollout.shadowed = true);
                self.proceed()?;
            }
            RolloutPhase::Shifting => {
                let spec = rollout.spec.clone().unwrap_or_default();
                if rollout.step + 1 < spec.steps().len() {
                    self.shift_to_step(rollout.step + 1);
                } else {
                    self.switch_now()?;
                }
            }
            RolloutPhase::Baking => self.standby(),
            RolloutPhase::Standby if rollout.clock.is_running() => {
                self.enter(
                    RolloutPhase::Retiring,
                    "the standby's time is over: it is retired once nothing is open on it",
                );
                self.want(EffectKind::Retire);
            }
            _ => {}
        }
        Ok(())
    }

    /// The watched time after the switch begins.
    pub(super) fn bake(&mut self, lacking: &str) {
        let Some(bake) = self
            .state
            .rollout
            .as_deref()
            .and_then(|it| it.bake().cloned())
        else {
            return self.standby();
        };
        let monitors = match bake.monitors.len() {
            0 => "without monitors".to_owned(),
            1 => "watched by 1 monitor".to_owned(),
            count => format!("watched by {count} monitors"),
        };
        self.enter(
            RolloutPhase::Baking,
            format!(
                "all traffic has moved; it bakes for {}, {monitors}{lacking}",
                bake.duration
            ),
        );
        self.change(|rollout| rollout.clock = PhaseClock::of(bake.duration.0));
        self.analyse(Purpose::Bake);
    }

    /// The deployment before is kept for a rollback.
    pub(super) fn standby(&mut self) {
        let Some(rollout) = self.state.rollout.as_deref().cloned() else {
            return;
        };
        let old = rollout.to.colour.other();
        if self.state.environment(old).role != Role::Standby {
            let reason = format!(
                "{} is live; there was nothing before it to go back to",
                rollout.to.version
            );
            return self.enter(RolloutPhase::Completed, reason);
        }
        let from = rollout.from.map_or_else(String::new, |from| from.version);
        match rollout.spec {
            Some(spec) => {
                self.enter(
                    RolloutPhase::Standby,
                    format!(
                        "{from} is kept in {old} for {}: `bluegreen rollback {}` goes back to it",
                        spec.standby, self.state.name
                    ),
                );
                self.change(|rollout| rollout.clock = PhaseClock::of(spec.standby.0));
            }
            None => self.enter(
                RolloutPhase::Standby,
                format!(
                    "{from} is kept in {old} until `bluegreen retire {}`",
                    self.state.name
                ),
            ),
        }
    }

    /// The traffic goes back without anybody's word: what watches it said no.
    ///
    /// Named invariant: **at most one automatic rollback per release**. Where it can't go back it is paused, and says why.
    pub(super) fn go_back_by_itself(&mut self, reason: &str) {
        let spent = self
            .state
            .rollout
            .as_deref()
            .is_none_or(|rollout| rollout.rolled_back_by_server);
        if spent {
            return self.pause(format!(
                "{reason}; it was rolled back by itself once already"
            ));
        }
        match self.rollback_because(reason) {
            Ok(_) => self.change(|rollout| rollout.rolled_back_by_server = true),
            Err(refusal) => self.pause(format!("{reason}; it can't be rolled back: {refusal}")),
        }
    }
}
