//! What people say to the `manual` checks of a release.

use super::{
    super::{
        Reason, Refusal, StepKind,
        draft::{Done, Draft},
    },
    rollout::{MAX_DECISIONS, Rollout},
};
use crate::model::{
    Name,
    check::{Decision, Verdict},
};

impl Draft<'_> {
    /// Somebody says yes or no to a `manual` check.
    pub(in crate::release) fn decide(
        &mut self,
        check: &Name,
        verdict: Verdict,
        step: Option<u32>,
    ) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let verb = match verdict {
            Verdict::Approved => "approve",
            Verdict::Rejected => "reject",
        };
        let rollout = self.need_active(verb)?;
        let asking: Vec<_> = rollout.asking(check).collect();
        let Some(first) = asking.first() else {
            return Err(Refusal::new(
                Reason::NotFound,
                format!(
                    "release {} of {name} has no manual check {check}",
                    rollout.number
                ),
                format!(
                    "see `bluegreen releases {name} {}` for its checks",
                    rollout.number
                ),
            ));
        };
        // A word that does not count must not look as if it did.
        let who = &self.context.actor;
        if !asking.iter().any(|manual| manual.asks(who)) {
            let approvers = first.approvers.join(", ");
            return Err(Refusal::new(
                Reason::NotAllowed,
                format!("{who} is none of those whom {check} of {name} asks: {approvers}"),
                format!("one of them has to say it: `bluegreen {verb} {name} --check {check}`"),
            ));
        }
        // Somebody else's yes may have begun the next step meanwhile.
        let at = rollout.at_step();
        if let Some(step) = step.filter(|step| usize::try_from(*step).ok() != at) {
            let is_at = match at {
                Some(at) => format!("it is at step {at} by now"),
                None => "it is at no step of a canary".to_owned(),
            };
            let mut refusal = self.unheard(
                &rollout,
                format!("{check} is not asked for step {step}, {is_at}"),
            );
            if let Some(at) = at {
                refusal.remedy = format!(
                    "look at step {at} and say it of that: `bluegreen {verb} {name} --check {check} --step {at}`; {}",
                    refusal.remedy
                );
            }
            return Err(refusal);
        }
        let decision = Decision {
            check: check.clone(),
            verdict,
            by: self.context.actor.clone(),
            at: self.context.now,
            reason: self.context.why.clone(),
        };
        let said = |it: &&Decision| it.check == *check && it.by == decision.by;
        let last = rollout.decisions.iter().rev().find(said);
        if last.is_some_and(|last| last.verdict == verdict) {
            let what = format!("{} has {verdict} {check} of {name} already", decision.by);
            return Ok(Done::already(what, None));
        }
        let Some(manual) = rollout.asked(check) else {
            return Err(self.unheard(&rollout, format!("{check} is not asked now")));
        };
        // A no after it would come too late: nobody looks before the next measurement, if there is one.
        if let Some((last, said)) = manual.outcome(check, &rollout.decisions) {
            let by: Vec<_> = said.into_iter().map(|it| it.by.as_str()).collect();
            let what = format!("{check} is {last} already, by {}", by.join(", "));
            return Err(self.unheard(&rollout, what));
        }
        if rollout.decisions.len() >= MAX_DECISIONS {
            return Err(Refusal::new(
                Reason::WrongPhase,
                format!(
                    "{MAX_DECISIONS} decisions have been made on release {} of {name}, and no more are kept",
                    rollout.number
                ),
                format!(
                    "see `bluegreen releases {name} {}` for them",
                    rollout.number
                ),
            ));
        }
        let step = at.map_or_else(String::new, |at| format!("step {at} of "));
        let what = format!(
            "{} {verdict} {check} of {step}release {} of {name}",
            decision.by, rollout.number
        );
        self.change(|rollout| rollout.decisions.push(decision));
        Ok(Done::new(StepKind::Release, what))
    }

    /// Nobody waits for that word: the release would go on as if it had not been said.
    fn unheard(&self, rollout: &Rollout, why: String) -> Refusal {
        let name = &self.state.name;
        let back = match rollout.standing().is_before_traffic() {
            true => "abort",
            false => "rollback",
        };
        Refusal::new(
            Reason::WrongPhase,
            format!(
                "{why}: release {} of {name} is {}",
                rollout.number, rollout.phase
            ),
            format!("`bluegreen {back} {name}` gives the release up, whatever was said before"),
        )
    }
}
