//! What the steps of a release look at: the release itself, and what is in its environments.

use super::{
    super::{Deployment, Role, draft::Draft},
    Rollout, Side,
};
use crate::model::{Colour, Endpoint, HookKind};

impl Draft<'_> {
    /// The release whose way is not over.
    pub(in crate::release) fn active(&self) -> Option<&Rollout> {
        let rollout = self.state.rollout.as_deref();
        rollout.filter(|rollout| !rollout.is_over())
    }

    /// The deployment of an environment that has no traffic yet, or a share.
    pub(super) fn staged_in(&self, colour: Colour) -> Option<&Deployment> {
        let environment = self.state.environment(colour);
        let staged = environment.role == Role::Staged;
        environment.deployment.as_ref().filter(|_| staged)
    }

    /// What is in an environment, as an end of a release.
    pub(super) fn side(&self, colour: Colour) -> Option<Side> {
        let deployment = self.state.environment(colour).deployment.as_ref()?;
        Some(Side {
            colour,
            deployment: deployment.number,
            version: deployment.version.clone(),
        })
    }

    /// The declared endpoints of an environment, sorted.
    pub(super) fn declared(&self, colour: Colour) -> Vec<Endpoint> {
        let deployment = self.state.environment(colour).deployment.as_ref();
        let mut endpoints = deployment.map_or_else(Vec::new, |it| it.endpoints.clone());
        endpoints.sort();
        endpoints
    }

    /// Whether the service declares that hook.
    pub(super) fn hook(&self, kind: HookKind) -> bool {
        let spec = self.state.spec.release.as_ref();
        spec.is_some_and(|spec| spec.hooks.get(kind).is_some())
    }
}
