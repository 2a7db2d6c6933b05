//! How a release begins: by one command for the whole of it, with a hook that makes the environment, or by a switch.

use super::{
    super::{
        Reason, Refusal, StepKind,
        draft::{Done, Draft},
        words,
    },
    EffectKind, Replaced, Rollout, RolloutPhase, Side,
};
use crate::model::{Endpoint, HookKind, Promotion};

impl Draft<'_> {
    /// Begins a release of what is, or will be, in an environment.
    pub(in crate::release) fn begin(&mut self, to: Side, by_hand: bool) {
        let replaced = self.replace();
        let live = self.state.live;
        let from = self.state.environment(live).deployment.as_ref();
        let from = from.map(|deployment| Side {
            colour: live,
            deployment: deployment.number,
            version: deployment.version.clone(),
        });
        let mut rollout = Rollout::new(self.state.next_release(), to, from);
        rollout.replaced = replaced.map(Box::new);
        rollout.begun = self.context.now;
        rollout.deployments = self.state.deployments;
        rollout.since = self.context.now;
        rollout.by.clone_from(&self.context.actor);
        rollout.why.clone_from(&self.context.why);
        rollout.policy = self.context.policy.over(rollout.policy);
        rollout.spec.clone_from(&self.state.spec.release);
        if rollout.spec.is_none() && !by_hand {
            rollout.spec = Some(Box::default());
        }
        self.state.rollout = Some(Box::new(rollout));
    }

    /// Ends the release whose place another one takes: nobody would watch it from now on, and nothing that it wants done is done.
    fn replace(&mut self) -> Option<Replaced> {
        if let Some(active) = self.active() {
            let phase = active.phase_once_replaced();
            let next = self.state.next_release();
            self.enter(phase, format!("release {next} took its place"));
        }
        let ended = self.state.rollout.as_deref()?;
        let end = ended.log.last()?;
        (end.revision == self.context.revision).then(|| Replaced {
            release: ended.number,
            end: end.clone(),
        })
    }

    /// One command for the whole of it: provision, stage, validate, and what follows.
    pub(in crate::release) fn release(
        &mut self,
        version: &str,
        endpoints: &[Endpoint],
        promotion: Option<Promotion>,
        replace_standby: bool,
    ) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let colour = self.state.live.other();
        if let Some(active) = self.active()
            && !matches!(
                active.standing(),
                RolloutPhase::Standby | RolloutPhase::Retiring
            )
        {
            let same = active.to.version == version
                && active.phase != RolloutPhase::RollingBack
                && (endpoints.is_empty() || self.has_declared(active, endpoints));
            if same {
                return Ok(Done::already(
                    format!(
                        "release {} of {name} {version} is on its way: {}",
                        active.number, active.phase
                    ),
                    None,
                ));
            }
            return Err(self.running(&format!("{version} can't be released beside it")));
        }
        let staged = self.staged_in(colour).filter(|it| it.version == version);
        let hook = self.hook(HookKind::Provision);
        if hook && staged.is_none() {
            let again = format!(
                "bluegreen release {name} --version {}",
                words::argument(version)
            );
            let refusal = self.would_replace_standby(colour, Some(version), &again);
            if let Some(refusal) = refusal.filter(|_| !replace_standby) {
                return Err(refusal);
            }
            let to = Side {
                colour,
                deployment: 0,
                version: version.to_owned(),
            };
            self.begin(to, false);
            self.promote_as(promotion);
            self.change(|rollout| {
                rollout.subject = endpoints.to_vec();
                rollout.replace_standby = replace_standby;
            });
            self.enter(
                RolloutPhase::Provisioning,
                format!("the provision hook makes {version} in {colour}"),
            );
            self.want(EffectKind::CallHook {
                hook: HookKind::Provision,
            });
            return Ok(self.moved_on());
        }
        if endpoints.is_empty() && staged.is_none() {
            return Err(Refusal::new(
                Reason::NoEndpoints,
                format!("{name} {version} can't be released without endpoints"),
                format!(
                    "name where it runs: `bluegreen release {name} --version {} --endpoint HOST:PORT`",
                    words::argument(version)
                ),
            ));
        }
        if !endpoints.is_empty() {
            self.deploy("release", version, endpoints, replace_standby)?;
        }
        let Some(to) = self.side(colour) else {
            return Ok(self.moved_on());
        };
        self.begin(to, false);
        self.promote_as(promotion);
        self.stage("");
        Ok(Done {
            kind: StepKind::Change,
            ..self.moved_on()
        })
    }

    fn promote_as(&mut self, promotion: Option<Promotion>) {
        self.change(|rollout| {
            if let (Some(promotion), Some(spec)) = (promotion, rollout.spec.as_deref_mut()) {
                spec.promotion = promotion;
            }
        });
    }

    /// The provision hook made the environment.
    pub(super) fn provisioned(&mut self, rollout: &Rollout, endpoints: &[Endpoint]) {
        let version = &rollout.to.version;
        if let Err(refusal) = self.deploy("release", version, endpoints, rollout.replace_standby) {
            let reason = format!("the provision hook said yes, but {refusal}");
            return self.enter(RolloutPhase::Failed, reason);
        }
        if let Some(to) = self.side(rollout.to.colour) {
            self.change(|rollout| rollout.to = to);
            self.stage(", made by the provision hook");
        }
    }

    fn has_declared(&self, rollout: &Rollout, endpoints: &[Endpoint]) -> bool {
        let mut wanted = endpoints.to_vec();
        wanted.sort();
        wanted.dedup();
        let mut given = rollout.subject.clone();
        given.sort();
        self.declared(rollout.to.colour) == wanted
            || (rollout.phase == RolloutPhase::Provisioning && given == wanted)
    }
}
