//! What waits, and what outlives: a route for the clusters that it names, a cluster for the requests that it still has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    channel::{Channel, names_clusters},
    deadline::later,
    mode::Mode,
    options::LONGEST_GRACE,
    state::{Hold, Kept, Session},
};
use crate::{
    fleet::Record,
    model::TypeUrl,
    snapshot::{Resource, Snapshot, View},
};

impl Session {
    /// Whether anything in a view names a cluster that this client would have to wait for: it is in the snapshot, the
    /// client's own subscription will bring it, and the client has not accepted it yet. A client that names its
    /// clusters learns of them from the route, and one that asks for none has them elsewhere: nothing waits then
    /// (checklist, line 19).
    pub(super) fn waits(&self, view: &View, snapshot: &Snapshot) -> bool {
        self.brings(view.type_url, snapshot)
            .is_some_and(|(clusters, declared)| {
                let filters = match view.type_url {
                    TypeUrl::Listener => snapshot.get(TypeUrl::TypedExtensionConfig),
                    _ => None,
                };
                let mut possible = clusters.possible();
                possible.any(|has| {
                    let mut views = filters.iter().map(|filters| &**filters.view());
                    view.lacks_of(has, &declared) || views.any(|it| it.lacks_of(has, &declared))
                })
            })
    }

    /// The clusters for which one resource waits. A listener waits for those that its filters (ECDS) call too: they wait
    /// themselves, and an Envoy gives a listener 15 seconds, by default, until it uses it without them and fails every request
    /// (seen with 1.40).
    pub(super) fn missing(&self, resource: &Resource, snapshot: &Snapshot) -> BTreeSet<Arc<str>> {
        let Some((clusters, declared)) = self.brings(resource.type_url, snapshot) else {
            return BTreeSet::new();
        };
        let filters = match resource.type_url {
            TypeUrl::Listener => Some(&resource.references.filters),
            _ => None,
        };
        let of = TypeUrl::TypedExtensionConfig;
        let filters = filters.into_iter().flatten();
        let filters = filters.filter_map(|name| snapshot.resource(of, name));
        let all = std::iter::once(resource).chain(filters.map(|filter| &**filter));
        let named = all.flat_map(|one| {
            one.references
                .clusters
                .iter()
                .chain(&one.references.helpers)
        });
        named
            .filter(|name| declared.has(name) && !clusters.surely_has(name))
            .cloned()
            .collect()
    }

    /// The clusters of the snapshot, where a resource of that type waits for them.
    fn brings(&self, type_url: TypeUrl, snapshot: &Snapshot) -> Option<(&Channel, Arc<View>)> {
        let clusters = self.channels.get(TypeUrl::Cluster)?;
        let holds = names_clusters(type_url) && type_url != TypeUrl::Cluster;
        let declared = snapshot.get(TypeUrl::Cluster)?;
        (holds && clusters.subscription.is_wildcard()).then(|| (clusters, declared.view().clone()))
    }

    pub(super) fn is_overdue(&self, type_url: TypeUrl, now: Timestamp) -> bool {
        let hold = self.holds.get(&type_url);
        hold.is_some_and(|hold| hold.deadline.is_none_or(|deadline| deadline <= now))
    }

    /// Remembers what waits; says so when it has waited too long, and when the wait is over.
    pub(super) fn hold(
        &mut self,
        type_url: TypeUrl,
        clusters: BTreeSet<Arc<str>>,
        now: Timestamp,
        records: &mut Vec<Record>,
    ) {
        if clusters.is_empty() {
            let over = self.holds.remove(&type_url);
            if over.is_some_and(|hold| hold.deadline.is_none()) {
                records.push(Record::Held(type_url, Vec::new()));
            }
            return;
        }
        let deadline = later(now, self.options.warm_timeout);
        let hold = self.holds.entry(type_url).or_insert_with(|| Hold {
            clusters: clusters.clone(),
            deadline: Some(deadline),
        });
        let told = hold.deadline.is_none();
        let due = hold.deadline.is_some_and(|deadline| deadline <= now);
        if due || (told && hold.clusters != clusters) {
            hold.deadline = None;
            records.push(Record::Held(type_url, clusters.iter().cloned().collect()));
        }
        hold.clusters = clusters;
    }

    /// Remembers which clusters the client has just stopped naming: requests that were sent there may be open.
    pub(super) fn linger(&mut self, type_url: TypeUrl, now: Timestamp) {
        let channel = self.channels.get_mut(type_url);
        let released = channel.map(|channel| std::mem::take(&mut channel.released));
        for (name, patience) in released.into_iter().flatten() {
            let until = later(now, self.grace(patience));
            let known = self.lingering.entry(name).or_insert(until);
            *known = until.max(*known);
        }
        if type_url == TypeUrl::Cluster && !self.lingering.is_empty() {
            self.lingering.retain(|_, until| *until > now);
        }
    }

    fn grace(&self, patience: Duration) -> Duration {
        let longest = LONGEST_GRACE.max(self.options.removal_grace);
        patience.clamp(self.options.removal_grace, longest)
    }

    /// Which of the clusters that are `gone` from the snapshot the client is to keep: those that it may still route to,
    /// and those whose grace is not over.
    pub(super) fn keep_used_clusters(
        &mut self,
        gone: &[Arc<str>],
        now: Timestamp,
    ) -> Vec<Arc<str>> {
        let wildcard = |channel: &Channel| channel.subscription.is_wildcard();
        let Some(clusters) = self.channels.get(TypeUrl::Cluster).filter(|c| wildcard(c)) else {
            self.kept.clear();
            return Vec::new();
        };
        let grace = self.grace(Duration::ZERO);
        let mut kept = BTreeMap::new();
        for name in gone {
            let until = if self.is_used(name) {
                None
            } else if !clusters.possible().next().is_some_and(|has| has.has(name)) {
                // Nothing is routed to it, and it may be the very one that keeps the others from being answered.
                continue;
            } else {
                let since = self.kept.get(name).and_then(|kept| kept.until);
                let until = since.unwrap_or_else(|| later(now, grace));
                Some(self.lingering.get(name).map_or(until, |at| until.max(*at)))
            };
            if until.is_none_or(|until| until > now) {
                kept.insert(name.clone(), Kept { until });
            }
        }
        self.kept = kept;
        self.kept.keys().cloned().collect()
    }

    /// Whether something names that cluster which the client uses, or will when it reads what is on its way.
    fn is_used(&self, cluster: &str) -> bool {
        let mut channels = self.channels.iter();
        channels.any(|channel| {
            let aggregate = channel.type_url == TypeUrl::Cluster;
            let names = |view: &Arc<View>| match aggregate {
                // What is itself on its way out needs nothing.
                true => view.items().values().any(|item| {
                    item.resource.references.clusters.contains(cluster)
                        && !self.kept.contains_key(&item.resource.name)
                }),
                false => view.named().contains_key(cluster),
            };
            names_clusters(channel.type_url)
                && ((!aggregate && channel.uses_unknown()) || channel.possible().any(names))
        })
    }

    /// Whether the client keeps what the snapshot no longer has, of any type but clusters.
    pub(super) fn keeps(&self, type_url: TypeUrl, name: &str, snapshot: &Snapshot) -> bool {
        match (self.mode, type_url) {
            (_, TypeUrl::ScopedRouteConfiguration) => self.scopes_stay,
            // State of the world has no word for what is gone, but for types that come whole.
            (Mode::Sotw, _) => !type_url.is_full_state(),
            (Mode::Delta, TypeUrl::TypedExtensionConfig) => !self.has_default(name),
            // They are for the connections that still use a route configuration which is gone itself.
            (Mode::Delta, TypeUrl::VirtualHost) => {
                name.rsplit_once('/').is_some_and(|(routes, _)| {
                    snapshot
                        .resource(TypeUrl::RouteConfiguration, routes)
                        .is_none()
                })
            }
            (Mode::Delta, _) => self.is_referred(type_url, name),
        }
    }

    /// Remembers that the last listener with scopes is going: what is gone of these is for its connections of before, which drain,
    /// or for all while the listener without them is on its way.
    pub(super) fn note_scopes(&mut self, snapshot: &Snapshot) {
        let scoped = |view: &View| {
            let mut items = view.items().values();
            items.any(|item| item.resource.references.scoped)
        };
        let listeners = self.channels.get(TypeUrl::Listener);
        let leaves = listeners.is_some_and(|listeners| {
            let had = self.scopes_stay || listeners.possible().any(|view| scoped(view));
            had && !scoped(&self.newest(listeners, snapshot))
        });
        self.scopes_stay = leaves;
    }

    /// Whether what the client has does without a filter. Where it does not, Envoy fails every request by a filter chain of which a
    /// filter is gone: until the listener without it has come, and on connections of before for as long as they drain (seen with
    /// 1.40). It gives the filter up by itself once nothing needs it any more.
    fn has_default(&self, filter: &str) -> bool {
        let mut possible = self.channels.iter().flat_map(Channel::possible);
        let mut does = false;
        let needs = possible.any(|view| {
            let mut items = view.items().values().map(|item| &item.resource.references);
            items.any(|references| {
                does |= references.spare_filters.contains(filter);
                references.filters.contains(filter)
            })
        });
        does && !needs
    }

    /// Whether something that the client has refers to a resource that the snapshot no longer has: the load assignment
    /// of a cluster, the route configuration of a listener.
    fn is_referred(&self, type_url: TypeUrl, name: &str) -> bool {
        let referrer = match type_url {
            TypeUrl::ClusterLoadAssignment => TypeUrl::Cluster,
            TypeUrl::RouteConfiguration => TypeUrl::Listener,
            _ => return false,
        };
        let Some(referrers) = self.channels.get(referrer) else {
            return false;
        };
        let refers = |view: &Arc<View>| {
            view.items().values().any(|item| {
                let references = &item.resource.references;
                references.endpoints.contains(name) || references.routes.contains(name)
            })
        };
        referrers.possible().any(refers)
    }
}
