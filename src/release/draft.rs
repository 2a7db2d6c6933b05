//! A step in the making: a copy of the service that commands change, and what they note on the way.

use std::net::IpAddr;

use super::{
    Context, Deployment, Environment, Moved, Notice, Phase, Reason, Refusal, Role, ServiceState,
    Step, StepKind, resolve::resolve, words,
};
use crate::model::{Colour, Endpoint, Revision};

/// A service that is being changed. Dropped with a refusal, so that a refusal changes nothing.
pub(super) struct Draft<'a> {
    pub(super) state: ServiceState,
    pub(super) context: &'a Context,
    notices: Vec<Notice>,
    waived: Vec<Reason>,
}

/// How a command ended that was not refused.
pub(super) struct Done {
    pub(super) what: String,
    pub(super) kind: StepKind,
    pub(super) moved: Option<Moved>,
    pub(super) settled_in: Option<Revision>,
}

impl Done {
    pub(super) fn new(kind: StepKind, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            kind,
            moved: None,
            settled_in: None,
        }
    }

    /// It was so already, since that revision.
    pub(super) fn already(what: impl Into<String>, settled_in: Option<Revision>) -> Self {
        Self {
            settled_in,
            ..Self::new(StepKind::Change, what)
        }
    }

    pub(super) fn moved(self, moved: Moved) -> Self {
        Self {
            moved: Some(moved),
            ..self
        }
    }
}

impl<'a> Draft<'a> {
    pub(super) fn of(state: &ServiceState, context: &'a Context) -> Self {
        Self {
            state: state.clone(),
            context,
            notices: Vec::new(),
            waived: Vec::new(),
        }
    }

    pub(super) fn finish(mut self, before: &ServiceState, done: Done) -> Step {
        self.state.end_what_is_not_staged();
        let changed = self.state != *before;
        let kind = if changed {
            self.kind(before, done.kind)
        } else {
            done.kind
        };
        Step {
            changed,
            // What an unchanged step repeats was done earlier; a changed one is its own proof.
            settled_in: done.settled_in.filter(|_| !changed),
            kind,
            ..self.made(done)
        }
    }

    /// What kind of change it came to: commands of a release may move traffic, or tell proxies nothing.
    fn kind(&self, before: &ServiceState, declared: StepKind) -> StepKind {
        let (old, new) = (before, &self.state);
        if old.split() != new.split() || old.live != new.live {
            return StepKind::Switch;
        }
        let same = old.spec == new.spec
            && old.applied == new.applied
            && old.blue == new.blue
            && old.green == new.green
            && old.shifting == new.shifting;
        match declared {
            _ if same => StepKind::Release,
            StepKind::Release | StepKind::Switch => StepKind::Change,
            other => other,
        }
    }

    /// The step of a service that did not exist before.
    pub(super) fn made(self, done: Done) -> Step {
        Step {
            state: self.state,
            changed: true,
            what: done.what,
            moved: done.moved,
            notices: self.notices,
            waived: self.waived,
            settled_in: None,
            kind: done.kind,
        }
    }

    pub(super) fn notice(&mut self, kind: &'static str, text: impl Into<String>) {
        self.notices.push(Notice {
            kind,
            text: text.into(),
        });
    }

    /// A reason to refuse, unless the operator said that it does not count.
    pub(super) fn unless(&mut self, waived: bool, refusal: Refusal) -> Result<(), Refusal> {
        if !waived {
            return Err(refusal);
        }
        if !self.waived.contains(&refusal.reason) {
            self.waived.push(refusal.reason);
        }
        Ok(())
    }

    /// Puts a new deployment into an environment, whatever is there: who calls this has looked at the role.
    pub(super) fn put(
        &mut self,
        colour: Colour,
        version: &str,
        endpoints: &[Endpoint],
    ) -> Result<(), Refusal> {
        let endpoints = distinct(endpoints);
        let resolved = resolve(&endpoints, self.context, &Default::default());
        if !resolved.unresolved.is_empty() {
            return Err(words::unresolved(&self.state, &resolved.unresolved));
        }
        self.state.deployments += 1;
        let deployment = Deployment {
            number: self.state.deployments,
            version: version.to_owned(),
            endpoints,
            names: resolved.names,
            addresses: resolved.addresses,
            introduced: self.context.revision,
        };
        let environment = self.state.environment_mut(colour);
        if environment.role != Role::Live {
            environment.role = Role::Staged;
        }
        environment.rolled_back = false;
        environment.deployment = Some(deployment);
        self.warn_of_endpoints(colour);
        Ok(())
    }

    /// Gives the deployment of an environment other endpoints: who calls this has looked at the role.
    pub(super) fn move_to(
        &mut self,
        colour: Colour,
        endpoints: &[Endpoint],
    ) -> Result<(), Refusal> {
        let context = self.context;
        let Some(deployment) = &mut self.state.environment_mut(colour).deployment else {
            return Ok(());
        };
        deployment.endpoints = distinct(endpoints);
        let unresolved = deployment.take_addresses(context);
        if !unresolved.is_empty() {
            return Err(words::unresolved(&self.state, &unresolved));
        }
        self.warn_of_endpoints(colour);
        Ok(())
    }

    /// Takes the deployment out of an environment that is not live.
    pub(super) fn clear(&mut self, colour: Colour) {
        *self.state.environment_mut(colour) = Environment::EMPTY;
    }

    /// The last release can't be rolled back any more: its standby is given up.
    pub(super) fn complete_release(&mut self) {
        if let Some(release) = &mut self.state.release
            && release.phase == Phase::Switched
        {
            release.phase = Phase::Completed;
        }
    }

    /// Says what is legal about endpoints and yet rarely meant.
    fn warn_of_endpoints(&mut self, colour: Colour) {
        let Some(deployment) = &self.state.environment(colour).deployment else {
            return;
        };
        let version = deployment.version.clone();
        if deployment.endpoints.is_empty() {
            let text = match self.state.environment(colour).role {
                Role::Live => {
                    format!(
                        "{colour} ({version}) is live and has no endpoints: every request fails"
                    )
                }
                _ => format!("{colour} ({version}) has no endpoints"),
            };
            self.notice("no-endpoints", text);
            return;
        }
        let nowhere = deployment.endpoints.iter().find_map(|endpoint| {
            let ip = endpoint.ip().filter(IpAddr::is_unspecified)?;
            Some(format!(
                "{endpoint} of {colour} ({version}): {ip} is where a server listens, not where it is reached: each proxy asks its own machine"
            ))
        });
        let shared = self
            .state
            .environment(colour.other())
            .deployment
            .as_ref()
            .and_then(|other| {
                let endpoint = deployment
                    .endpoints
                    .iter()
                    .find(|endpoint| other.endpoints.contains(endpoint))?;
                Some((endpoint.to_string(), other.version.clone()))
            });
        if let Some(text) = nowhere {
            self.notice("unspecified-endpoint", text);
        }
        if let Some((endpoint, other)) = shared {
            self.notice(
                "shared-endpoint",
                format!(
                    "{endpoint} is an endpoint of {colour} ({version}) and of {} ({other}) alike",
                    colour.other()
                ),
            );
        }
    }
}

/// Without repetitions, in the order given.
fn distinct(endpoints: &[Endpoint]) -> Vec<Endpoint> {
    let mut distinct: Vec<Endpoint> = Vec::with_capacity(endpoints.len());
    let mut seen = std::collections::BTreeSet::new();
    for endpoint in endpoints {
        if seen.insert(endpoint) {
            distinct.push(endpoint.clone());
        }
    }
    distinct
}
