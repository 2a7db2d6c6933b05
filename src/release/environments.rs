//! What is put into environments and taken out of them: deploy, scale, retire, new addresses.

use super::{
    Deployment, InUse, Phase, Reason, Refusal, Role, RolloutPhase, StepKind,
    draft::{Done, Draft},
    words::{self, held},
};
use crate::model::{Colour, Endpoint};

impl Draft<'_> {
    /// A version into the environment that is not live. The version that is staged already gets other endpoints
    /// within its deployment, unless it was rolled back: put again it is a new deployment, with a new chance.
    /// `verb` is the command that a refusal tells to give again.
    pub(super) fn deploy(
        &mut self,
        verb: &str,
        version: &str,
        endpoints: &[Endpoint],
        replace_standby: bool,
    ) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let colour = self.state.live.other();
        if endpoints.is_empty() {
            return Err(Refusal::new(
                Reason::NoEndpoints,
                format!("{name} {version} can't be deployed without endpoints"),
                format!(
                    "name where it runs: `{}`",
                    words::put(verb, &self.state, version, &[])
                ),
            ));
        }
        let environment = self.state.environment(colour);
        let (role, rolled_back) = (environment.role, environment.rolled_back);
        if let Some(present) = &environment.deployment
            && present.version == version
            && role == Role::Staged
            && !rolled_back
        {
            let present = held(present);
            if self.move_unless_there(colour, endpoints)? {
                return Ok(Done::new(
                    StepKind::Change,
                    format!("gave the staged {name} {present} in {colour} other endpoints"),
                ));
            }
            let since = self.introduced(colour);
            return Ok(Done::already(
                format!("{name} {present} is staged in {colour} with these endpoints already"),
                since,
            ));
        }
        let again = words::put(verb, &self.state, version, endpoints);
        self.give_up_standby(colour, replace_standby, Some(version), &again)?;
        if let Some(live) = &self.state.environment(self.state.live).deployment
            && live.version == version
        {
            let text = format!(
                "{version} is the live version of {name} too, in {}",
                colour.other()
            );
            self.notice("same-version", text);
        }
        self.put(colour, version, endpoints)?;
        Ok(Done::new(
            StepKind::Change,
            format!(
                "deployed {name} {version} to {colour} (deployment {})",
                self.state.deployments
            ),
        ))
    }

    /// Other endpoints for the deployment of an environment.
    pub(super) fn scale(
        &mut self,
        colour: Colour,
        endpoints: &[Endpoint],
        replace_standby: bool,
        force: bool,
    ) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let Some(present) = &self.state.environment(colour).deployment else {
            return Err(Refusal::new(
                Reason::NothingDeployed,
                format!("{name} has no deployment in {colour}"),
                format!(
                    "deploy a version: `{}`",
                    words::deploy(&self.state, "VERSION", endpoints)
                ),
            ));
        };
        let present = held(present);
        self.guard_endpoints(colour, endpoints, replace_standby, force)?;
        if !self.move_unless_there(colour, endpoints)? {
            let since = self.introduced(colour);
            return Ok(Done::already(
                format!("{name} {present} in {colour} has these endpoints already"),
                since,
            ));
        }
        let count = self.endpoints(colour);
        Ok(Done::new(
            StepKind::Endpoints,
            format!("scaled {name} {present} in {colour} to {}", counted(count)),
        ))
    }

    /// The standby is emptied for good.
    ///
    /// Named invariant: **no retirement before the standby is over**, nor while proxies route to it or requests are open
    /// on it, without the operator's word.
    pub(super) fn retire(&mut self, force: bool, in_use: &InUse) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let colour = self.state.live.other();
        let environment = self.state.environment(colour).clone();
        match (environment.role, &environment.deployment) {
            (Role::Standby, Some(standby)) => {
                self.guard_retirement(colour, standby, force, in_use)?;
                let done = format!("retired {name} {} in {colour}", held(standby));
                self.clear(colour);
                self.complete_release();
                self.retired(&done);
                Ok(Done::new(StepKind::Change, done))
            }
            (_, Some(other)) => Err(Refusal::new(
                Reason::NothingToRetire,
                format!("{name} has no standby: {colour} has {} staged", held(other)),
                format!(
                    "to take its endpoints away: `bluegreen scale {name} {colour} --endpoint` with none"
                ),
            )),
            (_, None)
                if self
                    .state
                    .release
                    .as_ref()
                    .is_some_and(|r| r.phase == Phase::Completed) =>
            {
                Ok(Done::already(
                    format!("{name} has no standby any more: {colour} is empty"),
                    None,
                ))
            }
            (_, None) => Err(Refusal::new(
                Reason::NothingToRetire,
                format!("{name} has no standby: {colour} is empty"),
                format!("there is nothing to do; see `bluegreen status {name}`"),
            )),
        }
    }

    fn guard_retirement(
        &mut self,
        colour: Colour,
        standby: &Deployment,
        force: bool,
        in_use: &InUse,
    ) -> Result<(), Refusal> {
        let name = self.state.name.clone();
        if let Some(rollout) = self.state.rollout.as_deref()
            && rollout.spec.is_some()
            && !rollout.is_over()
            && rollout.standing() != RolloutPhase::Retiring
        {
            let refusal = Refusal::new(
                Reason::StandbyNotOver,
                format!(
                    "{name} {} in {colour} is what a rollback of release {} goes back to, which is {}",
                    held(standby),
                    rollout.number,
                    rollout.phase
                ),
                format!(
                    "wait (`bluegreen watch {name}`), or give it up now: `bluegreen retire {name} --force`"
                ),
            );
            self.unless(force, refusal)?;
            self.waive(Reason::StandbyNotOver);
        }
        if let Some(routed) = &in_use.routed {
            let refusal = Refusal::new(
                Reason::StillRouted,
                routed.clone(),
                format!(
                    "wait for them (`bluegreen fleet {}`), forget those that are gone, or use --force",
                    self.state.spec.fleet
                ),
            );
            self.unless(force, refusal)?;
        }
        if in_use.open > 0 {
            let requests = match in_use.open {
                1 => "1 request or stream is".to_owned(),
                open => format!("{open} requests or streams are"),
            };
            let refusal = Refusal::new(
                Reason::StillOpen,
                format!(
                    "{requests} still open on {name} {} in {colour}",
                    held(standby)
                ),
                format!("wait for them to end, or cut them off: `bluegreen retire {name} --force`"),
            );
            self.unless(force, refusal)?;
        }
        if let Some(unheard) = &in_use.unheard {
            let refusal = Refusal::new(
                Reason::StillOpen,
                format!(
                    "what is open on {name} {} in {colour} is not known: {unheard}",
                    held(standby)
                ),
                format!("wait for their reports, or do without: `bluegreen retire {name} --force`"),
            );
            self.unless(force, refusal)?;
        }
        Ok(())
    }

    /// Host names are looked up again for every deployment. Names that no longer resolve keep what they had.
    pub(super) fn resolved(&mut self) -> Result<Done, Refusal> {
        let context = self.context;
        let mut moved = Vec::new();
        for colour in Colour::BOTH {
            if let Some(deployment) = &mut self.state.environment_mut(colour).deployment {
                let before = deployment.clone();
                deployment.take_addresses(context);
                if *deployment != before {
                    moved.push(format!("{colour} ({})", deployment.addresses.len()));
                }
            }
        }
        let name = &self.state.name;
        Ok(match moved.is_empty() {
            false => Done::new(
                StepKind::Endpoints,
                format!(
                    "followed the host names of {name} to new addresses in {}",
                    moved.join(" and ")
                ),
            ),
            true => Done::new(
                StepKind::Endpoints,
                format!("the host names of {name} are where they were"),
            ),
        })
    }

    /// Gives an environment other endpoints; false: it has them already.
    pub(super) fn move_unless_there(
        &mut self,
        colour: Colour,
        endpoints: &[Endpoint],
    ) -> Result<bool, Refusal> {
        let there = |deployment: &Deployment| deployment.has_endpoints(endpoints);
        if self
            .state
            .environment(colour)
            .deployment
            .as_ref()
            .is_none_or(there)
        {
            return Ok(false);
        }
        self.move_to(colour, endpoints)?;
        Ok(true)
    }

    pub(super) fn introduced(&self, colour: Colour) -> Option<crate::model::Revision> {
        let deployment = self.state.environment(colour).deployment.as_ref();
        deployment.map(|deployment| deployment.introduced)
    }

    pub(super) fn endpoints(&self, colour: Colour) -> usize {
        let deployment = self.state.environment(colour).deployment.as_ref();
        deployment.map_or(0, |deployment| deployment.endpoints.len())
    }
}

/// `no endpoints`, `1 endpoint`, `3 endpoints`.
pub(super) fn counted(endpoints: usize) -> String {
    match endpoints {
        0 => "no endpoints".to_owned(),
        1 => "1 endpoint".to_owned(),
        many => format!("{many} endpoints"),
    }
}
