//! What counts as accepted: a type of a revision, once the client has all of it that it is to have.

use std::sync::Arc;

use super::{
    channel::{Channel, Unanswered},
    mode::Mode,
    plan::has_hosts,
    state::{Output, Session},
};
use crate::{
    fleet::Record,
    model::{Revision, TypeUrl},
    snapshot::{EVERYTHING, Item, Snapshot, View, with_splits_of},
};

/// What makes a client ask for resources of a type, by their names or for all of them.
fn referrers_of(type_url: TypeUrl) -> &'static [TypeUrl] {
    const FILTERED: &[TypeUrl] = &[
        TypeUrl::Cluster,
        TypeUrl::Listener,
        TypeUrl::TypedExtensionConfig,
    ];
    match type_url {
        TypeUrl::ClusterLoadAssignment => &[TypeUrl::Cluster],
        TypeUrl::RouteConfiguration | TypeUrl::ScopedRouteConfiguration => &[TypeUrl::Listener],
        TypeUrl::Secret | TypeUrl::TypedExtensionConfig => FILTERED,
        _ => &[],
    }
}

/// Whether who has that is sure to ask for what it names of a type. A client that names its listeners, as gRPC does, knows no
/// secrets, filters and scopes that come by themselves.
fn asks_for_what_it_names(referrer: &Channel, type_url: TypeUrl) -> bool {
    match (referrer.type_url, type_url) {
        (_, TypeUrl::ClusterLoadAssignment | TypeUrl::RouteConfiguration)
        | (TypeUrl::TypedExtensionConfig, _) => true,
        _ => referrer.subscription.is_wildcard(),
    }
}

impl Session {
    /// Records, once per type and revision, that the client has what the snapshot says. A type that the revision does not
    /// change is accepted with it: whoever asks about a revision need not know which types it changed.
    pub(super) fn settle(&mut self, snapshot: &Snapshot, out: &mut Output) {
        let apart = self.asked_apart(snapshot);
        if apart != self.apart {
            self.apart.clone_from(&apart);
            out.records.push(Record::Apart(apart));
        }
        for set in snapshot.types() {
            if self.refuses(set.type_url, snapshot) {
                // Whatever was said before it was asked: the client has not all of it, until it takes it or gives it up.
                self.reported.remove(&set.type_url);
                continue;
            }
            let (settled, told) = match self.reported.get(&set.type_url) {
                Some((content, told)) => (*content == set.changed_in, *told),
                None => (false, Revision::ZERO),
            };
            if settled && told == snapshot.revision {
                continue;
            }
            if settled || self.is_settled(set.type_url, snapshot) {
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

    /// Whether the client has refused the newest of something that it asks for.
    fn refuses(&self, type_url: TypeUrl, snapshot: &Snapshot) -> bool {
        let Some(channel) = self.channels.get(type_url) else {
            return false;
        };
        let names = channel.refusals.keys();
        let mut refused = names.filter_map(|name| channel.refused_newest(name, snapshot));
        refused.any(|newest| channel.subscription.covers(newest))
    }

    /// While something waits for clusters, or was refused: the client has all that could be sent to it, and the newest weights would
    /// change nothing in that. So a switch is proven, whatever other service holds up the rest; and so is a new route for a preview.
    fn has_weights(&self, snapshot: &Snapshot) -> bool {
        let routes = TypeUrl::RouteConfiguration;
        let Some(channel) = self.channels.get(routes) else {
            return false;
        };
        if !self.holds.contains_key(&routes) && channel.refusals.is_empty() {
            return false;
        }
        let is_as_told = channel.presented.is_none() && channel.paced_until.is_none();
        if !is_as_told || channel.is_changing() {
            return false;
        }
        let newest = self.taken(channel, snapshot);
        let turned = |has: &Item, newest: &Item| {
            let (has, newest) = (&has.resource, &newest.resource);
            has.digest == newest.digest
                || (!has.bytes.is_empty() && with_splits_of(has, newest).digest == has.digest)
        };
        let mut newest = newest.items().iter();
        newest.all(|(name, newest)| {
            let has = channel.accepted.get(name);
            has.is_some_and(|has| turned(has, newest))
        })
    }

    /// The client has everything of that type; or it needs nothing of it, which is certain once it has the resources
    /// that could refer to it.
    fn is_settled(&self, type_url: TypeUrl, snapshot: &Snapshot) -> bool {
        let settled = |type_url| self.is_settled(type_url, snapshot);
        let asks = self
            .channels
            .get(type_url)
            .is_some_and(|channel| !channel.subscription.is_none());
        if asks {
            return self.has_all(type_url, snapshot)
                && self.has_referred(type_url, snapshot)
                && self.has_chosen(type_url, snapshot);
        }
        if self.is_asked_apart(type_url, snapshot) {
            return false;
        }
        match type_url {
            // Envoy asks for listeners last, and from the start if at all.
            TypeUrl::Listener => false,
            TypeUrl::ClusterLoadAssignment => {
                settled(TypeUrl::Cluster) && self.has_referred(type_url, snapshot)
            }
            _ => settled(TypeUrl::Listener) && self.has_referred(type_url, snapshot),
        }
    }

    /// Something that the client has makes it ask for resources of that type on another stream, and the snapshot has one:
    /// what comes of it is said there.
    fn is_asked_apart(&self, type_url: TypeUrl, snapshot: &Snapshot) -> bool {
        let Some(set) = snapshot.get(type_url) else {
            return false;
        };
        let mut names = self.apart().filter(|(of, _)| *of == type_url);
        names.any(|(_, name)| {
            (**name == *EVERYTHING && !set.resources.is_empty())
                || set.resources.contains_key(name)
                || has_hosts(set.view(), name)
        })
    }

    /// The resources of which that is so, by name.
    fn asked_apart(&self, snapshot: &Snapshot) -> Vec<(TypeUrl, Arc<str>)> {
        let exists = |(of, name): &&(TypeUrl, Arc<str>)| snapshot.resource(*of, name).is_some();
        self.apart().filter(exists).cloned().collect()
    }

    /// What the client is to ask for on other streams, by what it has.
    fn apart(&self) -> impl Iterator<Item = &(TypeUrl, Arc<str>)> {
        let referrers = self.channels.iter();
        referrers.flat_map(|channel| channel.accepted.apart())
    }

    /// What it asked for is what it has.
    fn has_all(&self, type_url: TypeUrl, snapshot: &Snapshot) -> bool {
        let Some(channel) = self.channels.get(type_url) else {
            return false;
        };
        let full = type_url.is_full_state();
        let waits = |sent: &Unanswered| !sent.asked.is_empty() || channel.presumed;
        let unsure = (self.mode == Mode::Delta && !channel.asked.is_empty())
            || channel.unanswered.iter().any(waits)
            || channel.presented.is_some()
            || (full && (channel.must_answer || channel.in_doubt || !channel.ever_answered))
            || channel.is_changing();
        if unsure {
            return false;
        }
        let accepted = &channel.accepted;
        let newest = self.newest(channel, snapshot);
        // What is gone is owed to nobody: state of the world has no word for it.
        let owed = |name: &Arc<str>| newest.has(name) || channel.told.has(name);
        if channel.asked.iter().any(owed) {
            return false;
        }
        if accepted.digest == newest.digest {
            return true;
        }
        // A cluster that is kept for the routes of this client is not part of any revision.
        let keeps = |name: &Arc<str>| match type_url {
            TypeUrl::Cluster => self.kept.contains_key(name),
            _ => self.keeps(type_url, name, snapshot),
        };
        accepted.covers(&newest) && newest.since(accepted).removed.iter().all(keeps)
    }

    /// What the newest resources refer to, and the snapshot has, is what it has. So a load assignment does not count
    /// before the client has asked for it, where its cluster is on its way. Where it has refused the newest, what it has
    /// instead counts: it never asks for the routes of a listener that it does not take.
    fn has_referred(&self, type_url: TypeUrl, snapshot: &Snapshot) -> bool {
        let Some(set) = snapshot.get(type_url) else {
            return true;
        };
        let none = View::none(type_url);
        let accepted = self.channels.get(type_url).map(|channel| &channel.accepted);
        let accepted = accepted.unwrap_or(&none);
        let mut referrers = referrers_of(type_url)
            .iter()
            .filter_map(|referrer| self.channels.get(*referrer))
            .filter(|referrer| asks_for_what_it_names(referrer, type_url));
        referrers.all(|referrer| {
            let referrer = self.taken(referrer, snapshot);
            referrer.is_served_by(accepted, set.view())
        })
    }

    /// The newest of a type, but for what the client has refused of it.
    fn taken(&self, channel: &Channel, snapshot: &Snapshot) -> Arc<View> {
        let newest = self.newest(channel, snapshot);
        let source = snapshot.get(channel.type_url).map(|set| set.digest);
        let names = channel.refusals.keys().filter(|name| {
            let item = newest.get(name);
            item.is_some_and(|item| channel.is_refused(&item.resource, source))
        });
        let mut names = names.peekable();
        if names.peek().is_none() {
            return newest;
        }
        let mut items = newest.items().clone();
        for name in names {
            match channel.accepted.get(name) {
                Some(before) => items.insert(name.clone(), before.clone()),
                None => items.remove(name),
            };
        }
        self.cache.view(channel.type_url, items)
    }

    /// A client that names its clusters accepts routes before it knows what they name, and goes on with those of before
    /// until it has the clusters that requests go to now, and their endpoints (gRPC, checklist, line 33). Of a route of
    /// which it asks for no cluster it makes no use. Routes may also stand in its listener. An Envoy that asks for clusters on
    /// demand (ODCDS) names them too, but not its listeners: it uses routes at once, and a request waits for its cluster.
    fn has_chosen(&self, type_url: TypeUrl, snapshot: &Snapshot) -> bool {
        let channel = |type_url| self.channels.get(type_url);
        let routes = matches!(type_url, TypeUrl::RouteConfiguration | TypeUrl::Listener);
        let routes = channel(type_url).filter(|_| routes);
        let (Some(routes), Some(clusters)) = (routes, channel(TypeUrl::Cluster)) else {
            return true;
        };
        let names_all = [Some(clusters), channel(TypeUrl::Listener)].into_iter();
        let mut names_all = names_all.flatten();
        if names_all.any(|channel| channel.subscription.is_wildcard()) {
            return true;
        }
        let endpoints = channel(TypeUrl::ClusterLoadAssignment);
        let exists = |type_url, name: &Arc<str>| {
            let set = snapshot.get(type_url);
            set.is_some_and(|set| set.resources.contains_key(name))
        };
        let has_endpoints = |name: &Arc<str>| {
            !exists(TypeUrl::ClusterLoadAssignment, name)
                || endpoints.is_some_and(|endpoints| endpoints.accepted.has(name))
        };
        // One that it has refused will not come: what else it is routed to counts all the same.
        let is_refused = |name: &Arc<str>| clusters.refused_newest(name, snapshot).is_some();
        let has = |name: &Arc<str>| match clusters.accepted.get(name) {
            Some(cluster) => cluster
                .resource
                .references
                .endpoints
                .iter()
                .all(has_endpoints),
            None => !exists(TypeUrl::Cluster, name) || is_refused(name),
        };
        let asked = clusters.subscription.named();
        let newest = self.newest(routes, snapshot);
        let mut used = newest
            .choices()
            .iter()
            .filter(|choice| !choice.named.is_disjoint(asked));
        used.all(|choice| choice.weighted.iter().all(has))
    }
}
