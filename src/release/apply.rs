//! What a document does to a service: it makes one, or changes what is in force.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Context, Deployment, Environment, Reason, Refusal, Role, ServiceState, Shifting, Step,
    StepKind,
    draft::{Done, Draft},
    environments::counted,
    words::{self, held},
};
use crate::model::{Colour, EnvironmentSpec, Environments, Name, ServiceSpec};

impl<'a> Draft<'a> {
    pub(super) fn create(
        name: Name,
        applied: Value,
        spec: ServiceSpec,
        context: &'a Context,
    ) -> Result<Step, Refusal> {
        let live = spec.live;
        let environments = spec.environments.clone();
        let mut state = ServiceState {
            name: name.clone(),
            spec: Arc::new(without_environments(spec)),
            applied,
            live,
            blue: Environment::EMPTY,
            green: Environment::EMPTY,
            deployments: 0,
            release: None,
            shifting: Shifting::default(),
            rollout: None,
            outbox: Vec::new(),
            effects: 0,
            releases_before: context.released.get(&name).copied().unwrap_or_default(),
        };
        state.environment_mut(live).role = Role::Live;
        let mut draft = Draft::of(&state, context);
        let has_endpoints = |colour| {
            let declared: Option<&EnvironmentSpec> = environments.get(colour);
            declared.is_some_and(|environment| !environment.endpoints.is_empty())
        };
        if environments == Environments::default() {
            draft.notice(
                "no-endpoints",
                format!(
                    "nothing runs for {name} yet and its requests are answered 503: deploy a version and switch to it"
                ),
            );
        } else if !has_endpoints(live) {
            return Err(Refusal::new(
                Reason::LiveWouldBeEmpty,
                format!(
                    "{name} would start with {live} live, which has no endpoints: every request would fail"
                ),
                format!(
                    "declare spec.environments.{live} with endpoints, or the other one with `live: {}`",
                    live.other()
                ),
            ));
        }
        for colour in [live, live.other()] {
            if let Some(environment) = environments.get(colour) {
                draft.put(colour, &environment.version, &environment.endpoints)?;
            }
        }
        let what = match environments.get(live) {
            Some(environment) => {
                format!("created {name} with {live} ({}) live", environment.version)
            }
            None => format!("created {name} without a deployment"),
        };
        Ok(draft.made(Done::new(StepKind::Change, what)))
    }

    /// Brings the service in line with its merged document. Roles come first: what would take the place of the
    /// live version or the standby is refused, whole.
    pub(super) fn apply(
        &mut self,
        applied: &Value,
        spec: &ServiceSpec,
        replace_standby: bool,
        force: bool,
    ) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        if spec.fleet != self.state.spec.fleet {
            return Err(Refusal::new(
                Reason::FleetIsFixed,
                format!(
                    "{name} belongs to the fleet {} and can't move to {}",
                    self.state.spec.fleet, spec.fleet
                ),
                format!(
                    "delete it, `bluegreen delete service {name}`, and apply the document again"
                ),
            ));
        }
        let mut done = Vec::new();
        for colour in [self.state.live, self.state.live.other()] {
            let declared = spec.environments.get(colour);
            done.extend(self.apply_environment(colour, declared, replace_standby, force)?);
        }
        let declaration = without_environments(spec.clone());
        if *self.state.spec != declaration {
            self.state.spec = Arc::new(declaration);
            done.push("settings".to_owned());
        }
        if self.state.applied != *applied {
            self.state.applied = applied.clone();
            if done.is_empty() {
                done.push("nothing but the document itself".to_owned());
            }
        }
        Ok(if done.is_empty() {
            Done::already(format!("{name} is as declared"), None)
        } else {
            Done::new(
                StepKind::Change,
                format!("applied {name}: {}", done.join(", ")),
            )
        })
    }

    /// What was done to the environment, or nothing if it is as declared.
    fn apply_environment(
        &mut self,
        colour: Colour,
        declared: Option<&EnvironmentSpec>,
        replace_standby: bool,
        force: bool,
    ) -> Result<Option<String>, Refusal> {
        let environment = self.state.environment(colour);
        let role = environment.role;
        let Some(present) = environment.deployment.clone() else {
            let Some(declared) = declared else {
                return Ok(None);
            };
            self.put(colour, &declared.version, &declared.endpoints)?;
            return Ok(Some(format!("{} put into {colour}", declared.version)));
        };
        let Some(declared) = declared else {
            return self.take_away(colour, &present, replace_standby, force);
        };
        if declared.version == present.version {
            self.guard_endpoints(colour, &declared.endpoints, replace_standby, force)?;
            let moved = self.move_unless_there(colour, &declared.endpoints)?;
            let count = self.endpoints(colour);
            return Ok(moved.then(|| format!("{} for {colour}", counted(count))));
        }
        if role == Role::Live {
            return Err(Refusal::new(
                Reason::WouldReplaceLive,
                format!(
                    "{} would replace the live {} of {} in place: deploy it and switch",
                    declared.version,
                    held(&present),
                    self.state.name
                ),
                format!(
                    "`{}`, then `bluegreen switch {}`",
                    words::deploy(&self.state, &declared.version, &declared.endpoints),
                    self.state.name
                ),
            ));
        }
        self.give_up_standby(
            colour,
            replace_standby,
            Some(&declared.version),
            "bluegreen apply -f FILE",
        )?;
        self.put(colour, &declared.version, &declared.endpoints)?;
        Ok(Some(format!(
            "{} put into {colour} in place of {}",
            declared.version, present.version
        )))
    }

    /// The document has no longer an environment that holds a deployment.
    fn take_away(
        &mut self,
        colour: Colour,
        present: &Deployment,
        replace_standby: bool,
        force: bool,
    ) -> Result<Option<String>, Refusal> {
        match self.state.environment(colour).role {
            // The traffic must go somewhere: the environment stays, with the version it had and no endpoints.
            Role::Live => {
                self.guard_endpoints(colour, &[], replace_standby, force)?;
                let moved = self.move_unless_there(colour, &[])?;
                Ok(moved.then(|| format!("no endpoints for {colour}")))
            }
            Role::Standby | Role::Staged | Role::Empty => {
                self.give_up_standby(colour, replace_standby, None, "bluegreen apply -f FILE")?;
                self.clear(colour);
                Ok(Some(format!("{} taken out of {colour}", present.version)))
            }
        }
    }
}

/// The declaration without what the release decides: see [`ServiceState::spec`].
fn without_environments(spec: ServiceSpec) -> ServiceSpec {
    ServiceSpec {
        environments: Environments::default(),
        live: Colour::Blue,
        ..spec
    }
}
