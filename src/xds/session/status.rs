//! What a client has, is being told and has refused, resource by resource: asked for by operators, never stored.

use std::{collections::BTreeSet, sync::Arc};

use super::{channel::Channel, plan::has_hosts, state::Session, version};
use crate::{
    model::TypeUrl,
    snapshot::{Digest, Item, Resource, TypeSet},
};

/// One resource of one client.
#[derive(Clone, Debug)]
pub struct ResourceStatus {
    /// Its type.
    pub type_url: TypeUrl,
    /// Its name.
    pub name: Arc<str>,
    /// Of what the client has, or of what is on its way to it: in state of the world the version of the response, in
    /// delta the start of the content's digest. Empty if it was sent nothing; of a rejected one what it had before, empty
    /// where that is not known.
    pub version: String,
    /// What that version stands for; of a rejected resource what was rejected; of one that was not sent what would be.
    pub content: Option<Arc<Resource>>,
    /// How it stands.
    pub state: ResourceState,
}

/// How a resource stands with a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceState {
    /// The client has accepted the newest.
    Synced,
    /// The newest is on its way or waits for something; the client may have an older one.
    Stale,
    /// The client asks for it and was sent nothing yet.
    NotSent,
    /// The client asks for a name that does not exist.
    Absent,
    /// The client has refused the newest.
    Rejected {
        /// The client's own words.
        message: String,
        /// The version that it refused.
        version: String,
    },
}

impl Session {
    /// Every resource that the client asks for or has, in push order and by name.
    pub fn client_status(&self) -> Vec<ResourceStatus> {
        let mut all = Vec::new();
        for channel in self.channels.iter() {
            let snapshot = self.snapshot.as_ref();
            let set = snapshot.and_then(|snapshot| snapshot.get(channel.type_url));
            channel.status(set, &mut all);
        }
        all
    }
}

impl Channel {
    fn status(&self, set: Option<&Arc<TypeSet>>, all: &mut Vec<ResourceStatus>) {
        let newest = |name: &str| {
            let resource = set?.resources.get(name)?;
            self.subscription.covers(resource).then_some(resource)
        };
        let mut names: BTreeSet<&Arc<str>> = self.told.items().keys().collect();
        names.extend(
            self.subscription
                .named()
                .iter()
                .filter(|name| &***name != "*" && !has_hosts(&self.told, name)),
        );
        if let Some(set) = set {
            let wanted = set.resources.values();
            let wanted = wanted.filter(|resource| self.subscription.covers(resource));
            names.extend(wanted.map(|resource| &resource.name));
        }
        for name in names {
            let status = self.resource_status(name, newest(name), set);
            all.push(status);
        }
    }

    fn resource_status(
        &self,
        name: &Arc<str>,
        newest: Option<&Arc<Resource>>,
        set: Option<&Arc<TypeSet>>,
    ) -> ResourceStatus {
        let told = self.told.get(name);
        let accepted = self.accepted.get(name);
        let status = |version, content: Option<&Arc<Resource>>, state| ResourceStatus {
            type_url: self.type_url,
            name: name.clone(),
            version,
            content: content.cloned(),
            state,
        };
        let had = accepted
            .map(|item| self.version_of(item))
            .unwrap_or_default();
        if let Some(newest) = newest
            && let Some(refusal) = self.refusal(name, newest.digest)
        {
            let state = ResourceState::Rejected {
                message: refusal.message.clone(),
                version: self.version_of_content(refusal.content, set),
            };
            return status(had, Some(newest), state);
        }
        let Some(told) = told else {
            let state = match newest {
                Some(_) => ResourceState::NotSent,
                None => ResourceState::Absent,
            };
            return status(String::new(), newest, state);
        };
        let content = Some(&told.resource).filter(|_| told.is_known());
        let has_it = accepted.is_some_and(|accepted| accepted.version == told.version);
        let is_newest = match newest {
            Some(newest) => newest.digest == told.resource.digest,
            // A layer that does not exist was answered with an empty one, and there is nothing newer.
            None => self.type_url == TypeUrl::Runtime,
        };
        let state = match has_it && is_newest {
            true => ResourceState::Synced,
            false => ResourceState::Stale,
        };
        status(self.version_of(told), content, state)
    }

    /// The version under which the client knows what is on its way or what it has.
    fn version_of(&self, item: &Item) -> String {
        if self.mode == super::Mode::Delta {
            return version::of_content(item.version);
        }
        let carries = |message: &super::message::Message| {
            let mut resources = message.resources.iter();
            resources.any(|sent| {
                sent.resource.name == item.resource.name && sent.version == item.version
            })
        };
        let on_its_way = self.unanswered.iter().rev().map(|sent| &sent.message);
        on_its_way
            .filter(|message| carries(message))
            .map(|message| message.version.to_string())
            .next()
            .unwrap_or_else(|| self.accepted_version.to_string())
    }

    /// The version of what was refused: of the revision that still holds it, in state of the world.
    fn version_of_content(&self, content: Digest, set: Option<&Arc<TypeSet>>) -> String {
        match (self.mode, set) {
            (super::Mode::Sotw, Some(set)) => set.version(),
            _ => version::of_content(content),
        }
    }
}
