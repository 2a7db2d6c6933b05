//! What counts as accepted: a type of a revision, once the client has all of it that it is to have.

use std::sync::Arc;

use super::{Output, Session};
use crate::{
    fleet::Record,
    model::{Revision, TypeUrl},
    snapshot::{Resource, Snapshot, TypeSet, with_splits_of},
};

impl Session {
    /// Records, once per type and revision, that the client has what the snapshot says. A type that the revision does not
    /// change is accepted with it: whoever asks about a revision need not know which types it changed.
    pub(super) fn settle(&mut self, snapshot: &Snapshot, out: &mut Output) {
        for set in snapshot.types() {
            let (settled, told) = match self.reported.get(&set.type_url) {
                Some((content, told)) => (*content == set.changed_in, *told),
                None => (false, Revision::ZERO),
            };
            if settled && told == snapshot.revision {
                continue;
            }
            if settled || self.is_settled(set.type_url, Some(set), snapshot) {
                self.reported
                    .insert(set.type_url, (set.changed_in, snapshot.revision));
                out.records
                    .push(Record::Accepted(set.type_url, snapshot.revision));
            }
        }
        if self.weighted < snapshot.revision && self.has_weights(snapshot) {
            self.weighted = snapshot.revision;
            out.records.push(Record::Weighted(snapshot.revision));
        }
    }

    /// While something waits for clusters: the newest weights would change nothing in the routes that the client has, or
    /// that are on their way to it. So a switch is proven, whatever other service holds up the rest.
    fn has_weights(&self, snapshot: &Snapshot) -> bool {
        let routes = TypeUrl::RouteConfiguration;
        let (true, Some(channel), Some(set)) = (
            self.holds.contains_key(&routes),
            self.channels.get(&routes),
            snapshot.get(routes),
        ) else {
            return false;
        };
        let wanted = set.resources.values();
        let mut wanted = wanted.filter(|newest| channel.subscription.wants(&newest.name));
        channel.presented.is_none()
            && wanted.all(|newest| {
                let turned = |has: &Arc<Resource>| {
                    has.digest == newest.digest || with_splits_of(has, newest).digest == has.digest
                };
                channel.accepted.get(&newest.name).is_some_and(turned)
                    && channel
                        .on_its_way()
                        .filter(|resource| resource.name == newest.name)
                        .all(turned)
            })
    }

    /// The client has everything of that type; or it needs nothing of it, which is certain once it has the resources
    /// that could refer to it.
    fn is_settled(
        &self,
        type_url: TypeUrl,
        set: Option<&Arc<TypeSet>>,
        snapshot: &Snapshot,
    ) -> bool {
        let settled = |type_url| self.is_settled(type_url, snapshot.get(type_url), snapshot);
        let asks = self
            .channels
            .get(&type_url)
            .is_some_and(|channel| !channel.subscription.is_none());
        if asks {
            return self.has_all(type_url, set) && self.has_referred(type_url, snapshot);
        }
        match type_url {
            // Envoy asks for listeners last, and from the start if at all.
            TypeUrl::Listener => false,
            TypeUrl::ClusterLoadAssignment => {
                settled(TypeUrl::Cluster) && self.has_referred(type_url, snapshot)
            }
            TypeUrl::RouteConfiguration => {
                settled(TypeUrl::Listener) && self.has_referred(type_url, snapshot)
            }
            _ => settled(TypeUrl::Listener),
        }
    }

    /// What it asked for is what it has.
    fn has_all(&self, type_url: TypeUrl, set: Option<&Arc<TypeSet>>) -> bool {
        let Some(channel) = self.channels.get(&type_url) else {
            return false;
        };
        let unsure = !channel.asked.is_empty() || (type_url.is_full_state() && channel.must_answer);
        if unsure
            || channel.presented.is_some()
            || (type_url.is_full_state() && !channel.ever_accepted)
        {
            return false;
        }
        // What is on its way may still make it something else, if only for a moment: an older revision that it has
        // not answered, for one.
        let changes_on_its_way = match type_url.is_full_state() {
            true => channel.on_its_way().next().is_some(),
            false => channel.on_its_way().any(|resource| {
                let newest = set.and_then(|set| set.resources.get(&resource.name));
                newest.is_some_and(|newest| newest.digest != resource.digest)
            }),
        };
        if changes_on_its_way {
            return false;
        }
        let has_newest = set.is_none_or(|set| {
            let wanted = set
                .resources
                .iter()
                .filter(|(_, resource)| channel.subscription.covers(resource));
            wanted.into_iter().all(|(name, newest)| {
                let accepted = channel.accepted.get(name);
                accepted.is_some_and(|accepted| accepted.digest == newest.digest)
            })
        });
        // A cluster that is kept for the routes of this client is not part of any revision.
        let has_only_newest = !type_url.is_full_state()
            || channel.accepted.keys().all(|name| {
                self.kept.contains_key(name)
                    || set.is_some_and(|set| set.resources.contains_key(name))
            });
        has_newest && has_only_newest
    }

    /// What the newest resources refer to, and the snapshot has, is what it has. So a load assignment does not count
    /// before the client has asked for it, where its cluster is on its way.
    fn has_referred(&self, type_url: TypeUrl, snapshot: &Snapshot) -> bool {
        let referrer = match type_url {
            TypeUrl::ClusterLoadAssignment => TypeUrl::Cluster,
            TypeUrl::RouteConfiguration => TypeUrl::Listener,
            _ => return true,
        };
        let (Some(referrers), Some(set)) = (snapshot.get(referrer), snapshot.get(type_url)) else {
            return true;
        };
        let Some(asks) = self.channels.get(&referrer).map(|c| &c.subscription) else {
            return true;
        };
        let accepted = self.channels.get(&type_url).map(|c| &c.accepted);
        let mut referred = referrers
            .resources
            .values()
            .filter(|resource| asks.covers(resource))
            .flat_map(|resource| match type_url {
                TypeUrl::ClusterLoadAssignment => &resource.references.endpoints,
                _ => &resource.references.routes,
            });
        referred.all(|name| {
            set.resources.get(name).is_none_or(|newest| {
                let accepted = accepted.and_then(|accepted| accepted.get(name));
                accepted.is_some_and(|accepted| accepted.digest == newest.digest)
            })
        })
    }
}
