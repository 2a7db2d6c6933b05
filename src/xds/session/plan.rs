//! What a client should have of a snapshot now: make before break, per resource.
//!
//! Named invariants: **a client is never routed to a cluster that it does not have**, as far as its own subscription
//! brings clusters; **a switch is never held**: weights between clusters that the client has go out at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;

use super::{channel::Channel, mode::Mode, options::OnWarmTimeout, state::Session};
use crate::{
    fleet::Record,
    model::TypeUrl,
    snapshot::{Digest, Item, Items, References, Resource, Snapshot, View},
};

/// What a client should have of one type.
pub(super) struct Plan {
    /// Everything that it should have.
    pub(super) target: Arc<View>,
    /// What it asked for and does not exist. Delta says so.
    pub(super) absent: Vec<Arc<str>>,
    /// What of it is no longer in the snapshot.
    pub(super) kept: Vec<Arc<str>>,
    /// Nothing may be sent: what is absent from it would be deleted, and the client may have it.
    pub(super) withheld: bool,
    /// An empty list is what the snapshot says; otherwise it is only what is left of it, and is not sent.
    pub(super) may_be_empty: bool,
    /// The same plan would be made again, until the snapshot changes or the client says something.
    pub(super) complete: bool,
}

/// Where a plan differs from the newest: by name what is there instead, or that nothing is.
type Instead = BTreeMap<Arc<str>, Option<Item>>;

/// So many runtime layers that do not exist are answered with an empty one: more than any bootstrap has, and little memory.
/// A client that asks for more gets no answer to the rest, as to any other name under which there is nothing.
const EMPTY_LAYERS: usize = 1_000;

/// What stands for a resource that does not exist, where silence would delay the client: an Envoy waits with its
/// start for every runtime layer of its bootstrap.
fn empty_layer(name: &Arc<str>) -> Arc<Resource> {
    /// `envoy.service.runtime.v3.Runtime` without its layer.
    #[derive(Clone, PartialEq, Message)]
    struct EmptyRuntime {
        #[prost(string, tag = "1")]
        name: String,
    }
    let runtime = EmptyRuntime {
        name: name.to_string(),
    };
    let bytes = Bytes::from(runtime.encode_to_vec());
    let references = References::none();
    let mut layer = Resource::sharing(TypeUrl::Runtime, name.clone(), bytes, references);
    layer.claimed = true;
    Arc::new(layer)
}

/// Whether that is the name of a route configuration of which there are virtual hosts.
pub(super) fn has_hosts(view: &View, name: &str) -> bool {
    // A client of another type may ask for a hundred thousand names.
    if view.type_url != TypeUrl::VirtualHost {
        return false;
    }
    let below = format!("{name}/");
    let after = (Bound::Excluded(below.as_str()), Bound::Unbounded);
    let mut after = view.items().range::<str, _>(after);
    after
        .next()
        .is_some_and(|(host, _)| host.starts_with(&below))
}

/// Types of which a part can go out, while the rest waits. A listener or a filter is whole or nothing.
fn has_parts(type_url: TypeUrl) -> bool {
    matches!(type_url, TypeUrl::RouteConfiguration | TypeUrl::VirtualHost)
}

impl Session {
    /// What the snapshot has of a type for this client.
    pub(super) fn newest(&self, channel: &Channel, snapshot: &Snapshot) -> Arc<View> {
        let type_url = channel.type_url;
        let view = match snapshot.get(type_url) {
            Some(set) => channel.subscription.of(set.view(), &self.cache),
            None => View::none(type_url),
        };
        let view = match (type_url, self.mode) {
            // What was sent for a cluster is not what Envoy waits for once that is sent again (checklist, line 21).
            (TypeUrl::ClusterLoadAssignment, _) => {
                let clusters = self.channels.get(TypeUrl::Cluster);
                match clusters {
                    Some(clusters) => view.awaited_by(&clusters.told),
                    None => view,
                }
            }
            // Delta has a word for what does not exist.
            (TypeUrl::Runtime, Mode::Sotw) => self.with_layers(channel, view),
            _ => view,
        };
        match self.mode {
            Mode::Sotw => self.lasting(channel, view),
            Mode::Delta => view,
        }
    }

    /// With an empty layer for each that was asked for and does not exist.
    fn with_layers(&self, channel: &Channel, view: Arc<View>) -> Arc<View> {
        let names = channel.subscription.named().iter();
        let mut absent = names.filter(|name| !view.has(name)).peekable();
        if absent.peek().is_none() {
            return view;
        }
        let mut items = view.items().clone();
        let layers = absent.map(|name| (name.clone(), empty_layer(name).into()));
        items.extend(layers.take(EMPTY_LAYERS));
        self.cache.view(view.type_url, items)
    }

    /// Without the times to live by which Envoy ends more than the one resource, in state of the world: it crashes by those of
    /// some types, also of a scope; and it tells all who asked for a type of one that has expired, so that a runtime
    /// layer of another name ends the process, and filters of other names go with it (seen with 1.40).
    fn lasting(&self, channel: &Channel, view: Arc<View>) -> Arc<View> {
        let ends_more = match view.type_url {
            TypeUrl::ScopedRouteConfiguration => true,
            TypeUrl::Runtime | TypeUrl::TypedExtensionConfig => {
                channel.subscription.named().len() > 1
            }
            other => !other.ends_by_ttl(),
        };
        if view.ttl.is_none() || !ends_more {
            return view;
        }
        let lasting = view.items().iter().map(|(name, item)| {
            let item = match item.resource.ttl {
                Some(_) => Arc::new(item.resource.without_ttl()).into(),
                None => item.clone(),
            };
            (name.clone(), item)
        });
        self.cache.view(view.type_url, lasting.collect())
    }

    /// Stands for the clusters that were told, where a type depends on them.
    pub(super) fn clusters_told(&self, type_url: TypeUrl) -> Option<Digest> {
        let depends = type_url == TypeUrl::ClusterLoadAssignment;
        let clusters = depends.then(|| self.channels.get(TypeUrl::Cluster));
        clusters.flatten().map(|clusters| clusters.told.digest)
    }

    /// What the client should have of a type now.
    pub(super) fn plan(
        &mut self,
        type_url: TypeUrl,
        snapshot: &Snapshot,
        now: Timestamp,
        records: &mut Vec<Record>,
    ) -> Plan {
        let Some(channel) = self.channels.get(type_url) else {
            // Nothing was asked for.
            return Plan {
                target: View::none(type_url),
                absent: Vec::new(),
                kept: Vec::new(),
                withheld: true,
                may_be_empty: false,
                complete: true,
            };
        };
        let newest = self.newest(channel, snapshot);
        // The client may have, from an earlier stream, what would be deleted by leaving it out.
        let absence_deletes = channel.is_whole() && channel.unknown_past;
        let mut instead = Instead::new();
        let mut waits_for = BTreeSet::new();
        let mut withheld = false;
        if self.waits(&newest, snapshot) {
            let overdue = self.is_overdue(type_url, now);
            for (name, item) in newest.items() {
                let missing = self.missing(&item.resource, snapshot);
                if missing.is_empty() {
                    continue;
                }
                let other = self.instead(channel, item, &missing, overdue);
                withheld |= absence_deletes && other.is_none();
                waits_for.extend(missing);
                instead.insert(name.clone(), other);
            }
        }
        let mut refused = false;
        let source = snapshot.get(type_url).map(|set| set.digest);
        for name in channel.refusals.keys() {
            let ready = match instead.get(name) {
                Some(other) => other.as_ref(),
                None => newest.get(name),
            };
            if let Some(ready) = ready.filter(|item| channel.is_refused(&item.resource, source)) {
                refused = true;
                let before = channel.before_refused(name, source).cloned();
                let before = before.or_else(|| absence_deletes.then(|| ready.clone()));
                instead.insert(name.clone(), before);
            }
        }
        let emptied = self.emptied_too_soon(channel, &newest, snapshot);
        let leaves = !emptied.is_empty();
        instead.extend(emptied.into_iter().map(|(name, kept)| (name, Some(kept))));
        let asked = channel.asked.iter();
        let absent = match self.mode {
            Mode::Sotw => Vec::new(),
            Mode::Delta => asked.filter(|name| !newest.has(name)).cloned().collect(),
        };
        let gone = newest.since(&channel.told);
        let kept = self.keep(type_url, &gone.removed, snapshot, now);
        let target = self.target(type_url, &newest, instead, &kept);
        self.hold(type_url, waits_for.clone(), now, records);
        // What is kept was asked for, and is there; so is a name that stands for the virtual hosts below it. What the client was
        // told of is taken away, which says it already.
        let told = self.channels.get(type_url).map(|channel| &channel.told);
        let there = |name: &Arc<str>| {
            target.has(name) || has_hosts(&target, name) || told.is_some_and(|told| told.has(name))
        };
        Plan {
            absent: absent.into_iter().filter(|name| !there(name)).collect(),
            target,
            withheld,
            may_be_empty: newest.is_empty(),
            complete: waits_for.is_empty()
                && !refused
                && !leaves
                && (kept.is_empty() || self.mode == Mode::Sotw && type_url != TypeUrl::Cluster),
            kept,
        }
    }

    /// Which of the resources that are gone from the snapshot the client keeps.
    fn keep(
        &mut self,
        type_url: TypeUrl,
        gone: &[Arc<str>],
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Vec<Arc<str>> {
        if type_url == TypeUrl::Cluster {
            return self.keep_used_clusters(gone, now);
        }
        if type_url == TypeUrl::ScopedRouteConfiguration {
            self.note_scopes(snapshot);
        }
        let keeps = |name: &&Arc<str>| self.keeps(type_url, name, snapshot);
        gone.iter().filter(keeps).cloned().collect()
    }

    fn target(
        &self,
        type_url: TypeUrl,
        newest: &Arc<View>,
        instead: Instead,
        kept: &[Arc<str>],
    ) -> Arc<View> {
        if instead.is_empty() && kept.is_empty() {
            return newest.clone();
        }
        let channel = self.channels.get(type_url);
        let mut items: Items = newest.items().clone();
        for (name, other) in instead {
            match other {
                Some(other) => items.insert(name, other),
                None => items.remove(&name),
            };
        }
        for name in kept {
            let known = channel.and_then(|channel| channel.kept_of(name));
            if let Some(item) = known {
                items.insert(item.resource.name.clone(), item.clone());
            }
        }
        self.cache.view(type_url, items)
    }

    /// What goes out instead of a resource that waits for clusters: the most of it that works without them.
    fn instead(
        &self,
        channel: &Channel,
        newest: &Item,
        missing: &BTreeSet<Arc<str>>,
        overdue: bool,
    ) -> Option<Item> {
        if overdue && self.options.on_warm_timeout == OnWarmTimeout::Send {
            return Some(newest.clone());
        }
        let resource = &newest.resource;
        let previous = channel.told.get(&resource.name);
        let unknown = match previous {
            Some(previous) => !previous.is_known(),
            None => channel.unknown_past,
        };
        if unknown {
            // The client goes on with what it has, which may route to any of them. But not for ever: that would hold
            // a switch.
            return match overdue {
                true => Some(newest.clone()),
                false => previous.cloned(),
            };
        }
        if !has_parts(resource.type_url) {
            return previous.cloned();
        }
        let clusters = self.channels.get(TypeUrl::Cluster)?;
        if previous.is_none() && !clusters.ever_accepted {
            return None;
        }
        let previous = previous.map(|previous| &*previous.resource);
        let part = self.cache.ready_part(resource, previous, missing);
        let calls_in_vain = !part.references.helpers.is_disjoint(missing);
        (previous.is_some() || !calls_in_vain).then(|| part.into())
    }
}
