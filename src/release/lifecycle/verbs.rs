//! What operators can tell a release that is on its way: validate, pause, resume, abort, retry, extend.

use std::time::Duration;

use super::{
    super::{
        Reason, Refusal,
        draft::{Done, Draft},
        words,
    },
    EffectKind, Purpose, Rollout, RolloutPhase,
};
use crate::model::{HookKind, HumanDuration, MAX_DURATION};

impl Draft<'_> {
    /// The gates run, again if they have before.
    pub(in crate::release) fn validate_again(&mut self) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let colour = self.state.live.other();
        match self.active().map(|it| (it.standing(), it.phase, it.number)) {
            Some((RolloutPhase::Validating, phase, number)) if phase != RolloutPhase::Paused => {
                return Ok(Done::already(
                    format!("the gates of release {number} of {name} are running"),
                    None,
                ));
            }
            Some((standing, ..)) if standing.is_before_traffic() => {}
            Some((RolloutPhase::Standby | RolloutPhase::Retiring, ..)) | None => {}
            Some(_) => return Err(self.running("its gates can't be run now")),
        }
        if self.staged_in(colour).is_none() {
            return Err(Refusal::new(
                Reason::NothingStaged,
                format!("{name} has nothing staged that gates could be run against"),
                format!(
                    "deploy a version: `{}`",
                    words::deploy(&self.state, "VERSION", &[])
                ),
            ));
        }
        let Some(to) = self.side(colour) else {
            return Ok(self.moved_on());
        };
        let current = self.state.rollout.as_deref().is_some_and(|rollout| {
            rollout.to == to
                && (rollout.standing().is_before_traffic() || rollout.phase == RolloutPhase::Failed)
        });
        if !current {
            self.begin(to, false);
        }
        // The log tells one run from the next.
        self.stage("");
        self.validate();
        Ok(self.moved_on())
    }

    /// It stays where it is.
    pub(in crate::release) fn hold(&mut self) -> Result<Done, Refusal> {
        let rollout = self.need_active("pause")?;
        let name = self.state.name.clone();
        match rollout.phase {
            RolloutPhase::Paused => Ok(Done::already(
                format!("release {} of {name} is paused", rollout.number),
                None,
            )),
            RolloutPhase::Staged
            | RolloutPhase::Validating
            | RolloutPhase::Ready
            | RolloutPhase::Shadowing
            | RolloutPhase::Shifting
            | RolloutPhase::Baking
            | RolloutPhase::Standby => {
                let by = self.context.actor.clone();
                let why = self.because();
                self.pause(format!(
                    "by {by}{why}: `bluegreen resume {name}` goes on with {}",
                    rollout.phase
                ));
                Ok(self.moved_on())
            }
            _ => Err(self.wrong_phase(&rollout, "pause", "wait until it is done")),
        }
    }

    /// It goes on where it was paused. Checks that were running are run again.
    pub(in crate::release) fn resume(&mut self) -> Result<Done, Refusal> {
        let rollout = self.need_active("resume")?;
        let (RolloutPhase::Paused, Some(phase)) = (rollout.phase, rollout.resume) else {
            return Ok(self.not_paused(&rollout));
        };
        match phase {
            RolloutPhase::Staged => self.stage(""),
            RolloutPhase::Validating => self.validate(),
            RolloutPhase::Ready => self.ready(),
            _ => {
                self.enter(
                    phase,
                    format!("resumed by {}{}", self.context.actor, self.because()),
                );
                self.change(|now| now.clock = rollout.clock);
                match phase {
                    RolloutPhase::Shadowing => {
                        self.mirror_again()?;
                        self.analyse(Purpose::Shadow);
                    }
                    RolloutPhase::Shifting if rollout.pushed.is_none() => {
                        self.analyse(Purpose::Step);
                    }
                    // Accepted by all while it was paused.
                    RolloutPhase::Switching if rollout.pushed.is_none() => self.bake(""),
                    RolloutPhase::Baking => self.analyse(Purpose::Bake),
                    _ => {}
                }
                self.time_went_by()?;
            }
        }
        Ok(self.moved_on())
    }

    /// It goes on with what comes after the shadow, the step or the bake in which it was paused: somebody knows what its monitors
    /// can't say. One that is not paused is left to them, so that to say it twice skips nothing else.
    pub(in crate::release) fn skip_monitors(&mut self) -> Result<Done, Refusal> {
        let rollout = self.need_active("resume")?;
        let name = self.state.name.clone();
        if rollout.phase != RolloutPhase::Paused {
            return Ok(self.not_paused(&rollout));
        }
        let phase = rollout.standing();
        if !matches!(
            phase,
            RolloutPhase::Shadowing | RolloutPhase::Shifting | RolloutPhase::Baking
        ) {
            return Err(self.wrong_phase(
                &rollout,
                "skip the monitors of",
                &format!("nothing is watched in {phase}: `bluegreen resume {name}`"),
            ));
        }
        if rollout.pushed.is_some() {
            return Err(self.wrong_phase(
                &rollout,
                "skip the monitors of",
                &format!("proxies have not accepted its last push yet: `bluegreen fleet {}` shows which; `bluegreen resume {name}` waits for them", self.state.spec.fleet),
            ));
        }
        self.waive(Reason::GatesNotPassed);
        self.enter(
            phase,
            format!(
                "what is left of it is skipped by {}{}",
                self.context.actor,
                self.because()
            ),
        );
        if let Some(rollout) = self.state.rollout.as_deref().cloned() {
            self.leave(&rollout)?;
        }
        Ok(self.moved_on())
    }

    fn not_paused(&self, rollout: &Rollout) -> Done {
        let what = format!(
            "release {} of {} is not paused",
            rollout.number, self.state.name
        );
        Done::already(what, None)
    }

    /// It is given up. Where traffic has moved, it goes back.
    pub(in crate::release) fn abort(&mut self) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        if let Some(rollout) = self.state.rollout.as_deref()
            && matches!(
                rollout.phase,
                RolloutPhase::Aborted | RolloutPhase::RolledBack | RolloutPhase::RollingBack
            )
        {
            return Ok(Done::already(
                format!(
                    "release {} of {name} is {} already",
                    rollout.number, rollout.phase
                ),
                rollout.moved_in,
            ));
        }
        if let Some(rollout) = self.state.rollout.as_deref()
            && rollout.phase == RolloutPhase::Failed
        {
            let reason = format!("aborted by {}{}", self.context.actor, self.because());
            self.enter(RolloutPhase::Aborted, reason);
            return Ok(self.moved_on());
        }
        let rollout = self.need_active("abort")?;
        let reason = format!("aborted by {}{}", self.context.actor, self.because());
        match rollout.standing() {
            standing if standing.is_before_traffic() => {
                self.enter(RolloutPhase::Aborted, reason);
                Ok(self.moved_on())
            }
            RolloutPhase::Shifting | RolloutPhase::Switching | RolloutPhase::Baking => {
                self.rollback_because(&reason)
            }
            _ => Err(self.wrong_phase(
                &rollout,
                "abort",
                &format!("to go back: `bluegreen rollback {name}`"),
            )),
        }
    }

    /// What failed is tried again.
    pub(in crate::release) fn retry(&mut self) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let Some(rollout) = self.state.rollout.as_deref().cloned() else {
            return Err(self.no_release("retry"));
        };
        let unmade = rollout.to.deployment == 0;
        // Its fleet may have gone back since: what is live is not for the hook to replace.
        let taken = rollout.to.colour == self.state.live;
        match rollout.phase {
            RolloutPhase::Failed if unmade && !taken => {
                self.enter(
                    RolloutPhase::Provisioning,
                    format!(
                        "the provision hook is called again, for {}",
                        self.context.actor
                    ),
                );
                self.want(EffectKind::CallHook {
                    hook: HookKind::Provision,
                });
                Ok(self.moved_on())
            }
            RolloutPhase::Failed | RolloutPhase::Aborted if unmade => Err(self.wrong_phase(
                &rollout,
                "retry",
                &format!("its environment was never made; begin another: `bluegreen release {name} --version VERSION`"),
            )),
            RolloutPhase::Failed | RolloutPhase::Aborted => self.validate_again(),
            RolloutPhase::Paused => self.resume(),
            RolloutPhase::Validating => Ok(Done::already(
                format!(
                    "the gates of release {} of {name} are running",
                    rollout.number
                ),
                None,
            )),
            _ => Err(self.wrong_phase(
                &rollout,
                "retry",
                "it is for a release that failed, was aborted or is paused",
            )),
        }
    }

    /// The bake, the standby, or what else time ends, lasts longer.
    pub(in crate::release) fn extend(&mut self, by: Duration) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let rollout = self.need_active("extend")?;
        if !matches!(
            rollout.standing(),
            RolloutPhase::Baking | RolloutPhase::Standby
        ) || !rollout.clock.is_running()
        {
            return Err(self.wrong_phase(
                &rollout,
                "extend",
                "it is for a bake or a standby whose time runs",
            ));
        }
        let limit = rollout.clock.limit().saturating_add(by);
        if by.is_zero() || limit > MAX_DURATION {
            return Err(Refusal::new(
                Reason::BadInput,
                format!(
                    "{} more would make it {}, not from 1ms to {}",
                    HumanDuration(by),
                    HumanDuration(limit),
                    HumanDuration(MAX_DURATION)
                ),
                format!("give another time: `bluegreen extend {name} --by 30m`"),
            ));
        }
        self.change(|rollout| {
            rollout.clock.limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        });
        // Monitors that were asked for their last word go on.
        for effect in &mut self.state.outbox {
            if let EffectKind::Analyse { finish, .. } = &mut effect.kind
                && effect.release == rollout.number
            {
                *finish = false;
            }
        }
        let (phase, by) = (rollout.phase, HumanDuration(by));
        self.enter(
            phase,
            format!(
                "extended by {by} to {} by {}{}",
                HumanDuration(limit),
                self.context.actor,
                self.because()
            ),
        );
        Ok(self.moved_on())
    }

    /// ` (WHY)` where a person said so, or nothing.
    pub(super) fn because(&self) -> String {
        match self.context.why.as_str() {
            "" => String::new(),
            _ if self.context.automatic => String::new(),
            why => format!(" ({why})"),
        }
    }
}
