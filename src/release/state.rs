//! What is remembered of services and their releases; stored with every revision.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Effect, Rollout, Shifting, Temporary, Window};
use crate::model::{
    Colour, Endpoint, EnvironmentSpec, GroupSpec, Name, ResourceSet, Revision, ServiceSpec, Split,
};

/// Everything that was declared and decided for a fleet at one revision. Cheap to clone: entries are shared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetState {
    /// By service.
    pub services: BTreeMap<Name, Arc<ServiceState>>,
    /// By document name.
    pub resources: BTreeMap<Name, Arc<ResourceState>>,
    /// By document name.
    pub groups: BTreeMap<Name, Arc<GroupState>>,
}

/// A declared group of services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupState {
    /// In force now.
    pub spec: Arc<GroupSpec>,
}

/// A declared set of Envoy resources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceState {
    /// In force now.
    pub set: Arc<ResourceSet>,
    /// `spec` of the document as it was last applied.
    pub applied: Value,
}

/// One service: its declaration, its two environments, and its last release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceState {
    /// Unique over all fleets.
    pub name: Name,
    /// In force now. Its `environments` are empty and its `live` does not count: those are below.
    pub spec: Arc<ServiceSpec>,
    /// `spec` of the document as it was last applied: the base of the next three-way merge.
    pub applied: Value,
    /// The environment that has the traffic.
    pub live: Colour,
    /// The environment called blue.
    pub blue: Environment,
    /// The environment called green.
    pub green: Environment,
    /// How many deployments there have been; the number of the newest.
    pub deployments: u64,
    /// The last release; None before the first switch.
    pub release: Option<Release>,
    /// What goes to the staged environment already.
    #[serde(default)]
    pub shifting: Shifting,
    /// The newest attempt to replace the live deployment, on its way or over; it may have moved no traffic yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Box<Rollout>>,
    /// What releases want done outside and is not done yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbox: Vec<Effect>,
    /// How many effects there have been; the id of the newest.
    #[serde(default)]
    pub effects: u64,
    /// The number of the newest release of a service of this name that was deleted before this one was declared: the numbers go on
    /// after it, since records, hooks and commands of the server's own are known by them.
    #[serde(default, skip_serializing_if = "is_none")]
    pub releases_before: u64,
}

fn is_none(number: &u64) -> bool {
    *number == 0
}

/// One of the two environments of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// What it is to the service.
    pub role: Role,
    /// What runs in it; None if and only if it is `Empty`, but for a live environment that never had one.
    pub deployment: Option<Deployment>,
    /// It was live and a rollback took the traffic from it.
    pub rolled_back: bool,
}

/// What an environment is to its service (Words of the design).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Has the traffic.
    Live,
    /// Was live, kept for rollback.
    Standby,
    /// A new deployment, not yet live; or one that was rolled back.
    Staged,
    /// No deployment.
    Empty,
}

/// One version put into one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Counts per service, from 1.
    pub number: u64,
    /// The user's label.
    pub version: String,
    /// As declared.
    pub endpoints: Vec<Endpoint>,
    /// What each host name among them resolved to last: kept when it does not resolve any more.
    #[serde(default)]
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// What they resolved to; the last good answer, where a name does not resolve any more.
    pub addresses: Vec<SocketAddr>,
    /// The revision in which its present addresses came.
    pub introduced: Revision,
}

/// One attempt to replace the live deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Counts per service, from 1.
    pub number: u64,
    /// Where it stands.
    pub phase: Phase,
    /// The environment that was live before.
    pub from: Colour,
    /// The deployment that was live before: exactly this one is what a rollback goes back to.
    pub from_deployment: u64,
    /// Its version, for messages once it is gone.
    pub from_version: String,
    /// The deployment that replaced it.
    pub to_deployment: u64,
    /// Its version.
    pub to_version: String,
    /// The revision of the switch.
    pub switched_in: Revision,
    /// When it was switched.
    pub switched_at: Timestamp,
    /// The revision that rolled it back.
    pub rolled_back_in: Option<Revision>,
}

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The traffic has moved; the deployment before is standby.
    Switched,
    /// The traffic has moved back.
    RolledBack,
    /// The standby was retired.
    Completed,
}

impl Environment {
    /// Nothing runs in it.
    pub const EMPTY: Environment = Environment {
        role: Role::Empty,
        deployment: None,
        rolled_back: false,
    };
}

impl ServiceState {
    /// The environment of that colour.
    pub fn environment(&self, colour: Colour) -> &Environment {
        match colour {
            Colour::Blue => &self.blue,
            Colour::Green => &self.green,
        }
    }

    /// The environment of that colour, to change it.
    pub fn environment_mut(&mut self, colour: Colour) -> &mut Environment {
        match colour {
            Colour::Blue => &mut self.blue,
            Colour::Green => &mut self.green,
        }
    }

    /// The declaration that is in force: the spec with the environments of today.
    pub fn in_force(&self) -> ServiceSpec {
        let mut spec = ServiceSpec::clone(&self.spec);
        spec.live = self.live;
        for colour in Colour::BOTH {
            let deployment = self.environment(colour).deployment.as_ref();
            let environment = deployment.map(|deployment| EnvironmentSpec {
                version: deployment.version.clone(),
                endpoints: deployment.endpoints.clone(),
            });
            spec.environments.set(colour, environment);
        }
        spec
    }

    /// The number of the next release.
    pub fn next_release(&self) -> u64 {
        let switched = self.release.as_ref().map_or(0, |release| release.number);
        let begun = self.rollout.as_deref().map_or(0, |rollout| rollout.number);
        switched.max(begun).max(self.releases_before) + 1
    }

    /// Where the traffic goes.
    pub fn split(&self) -> Split {
        let staged = self.shifting.weight;
        let mut split = Split::all_to(self.live);
        match self.live {
            Colour::Blue => (split.blue, split.green) = (100 - staged, staged),
            Colour::Green => (split.blue, split.green) = (staged, 100 - staged),
        }
        split
    }

    /// Ends what goes to an environment that is not staged any more.
    pub(super) fn end_what_is_not_staged(&mut self) {
        let live = self.live;
        if self.environment(live.other()).role != Role::Staged {
            self.shifting.weight = 0;
        }
        for what in Temporary::ALL {
            let staged = |window: &Window| {
                window.to != live && self.environment(window.to).role == Role::Staged
            };
            if self.shifting.window(what).is_some_and(|w| !staged(w)) {
                self.shifting.over(what);
            }
        }
    }
}
