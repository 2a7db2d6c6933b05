//! What a client should have of a snapshot now: make before break, per resource.
//!
//! Named invariants: **a client is never routed to a cluster that it does not have**, as far as its own subscription
//! brings clusters; **a switch is never held**: weights between clusters that the client has go out at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;

use super::{
    Record, Session,
    channel::{Channel, Content},
    later,
    subscription::Subscription,
};
use crate::{
    model::TypeUrl,
    snapshot::{References, Resource, Snapshot, with_splits_of, without_clusters},
};

/// Something waits for clusters.
#[derive(Debug)]
pub(super) struct Hold {
    clusters: BTreeSet<Arc<str>>,
    /// When the operator is told; `None` once that was done.
    pub(super) deadline: Option<Timestamp>,
}

/// A cluster that the snapshot no longer has.
#[derive(Debug)]
pub(super) struct Kept {
    /// When it goes; `None` while the client may still route to it.
    pub(super) until: Option<Timestamp>,
}

/// What a client should have of one type.
pub(super) struct Plan {
    /// Everything that it should have, by name.
    pub(super) content: Content,
    /// Nothing may be sent: what is absent from it would be deleted, and the client may have it.
    pub(super) withheld: bool,
    /// An empty list is what the snapshot says; otherwise it is only what is left of it, and is not sent.
    pub(super) may_be_empty: bool,
    /// The same plan would be made again, until the snapshot changes or the client says something.
    pub(super) complete: bool,
}

/// The newest content of a type, for that subscription.
pub(super) fn newest(
    type_url: TypeUrl,
    snapshot: &Snapshot,
    subscription: &Subscription,
) -> Content {
    let set = snapshot.get(type_url).map(|set| &set.resources);
    if subscription.is_wildcard() {
        let mut everything = set.cloned().unwrap_or_default();
        everything.retain(|_, resource| subscription.covers(resource));
        return everything;
    }
    let names = subscription.names().iter();
    names
        .filter_map(|name| {
            let known = set.and_then(|set| set.get_key_value(name));
            match known {
                // The snapshot's own name: shared by all streams.
                Some((name, resource)) => Some((name.clone(), resource.clone())),
                None => absent(type_url, name).map(|resource| (name.clone(), resource)),
            }
        })
        .collect()
}

/// What stands for a resource that does not exist, where silence would delay the client: an Envoy waits with its
/// start for every runtime layer of its bootstrap.
fn absent(type_url: TypeUrl, name: &Arc<str>) -> Option<Arc<Resource>> {
    /// `envoy.service.runtime.v3.Runtime` without its layer.
    #[derive(Clone, PartialEq, Message)]
    struct EmptyRuntime {
        #[prost(string, tag = "1")]
        name: String,
    }
    (type_url == TypeUrl::Runtime).then(|| {
        let runtime = EmptyRuntime {
            name: name.to_string(),
        };
        let bytes = Bytes::from(runtime.encode_to_vec());
        Arc::new(Resource::new(type_url, name, bytes, References::default()))
    })
}

impl Session {
    /// Clusters stay planned for only while none is kept: those are looked at every time.
    pub(super) fn nothing_kept(&self, type_url: TypeUrl) -> bool {
        type_url != TypeUrl::Cluster || self.kept.is_empty()
    }

    /// What the client should have of a type now.
    pub(super) fn plan(
        &mut self,
        type_url: TypeUrl,
        snapshot: &Snapshot,
        now: Timestamp,
        records: &mut Vec<Record>,
    ) -> Plan {
        let mut waits_for = BTreeSet::new();
        let mut content = Content::new();
        let mut refused = false;
        let mut withheld = false;
        let overdue = self.is_overdue(type_url, now);
        let mut may_be_empty = true;
        if let Some(channel) = self.channels.get(&type_url) {
            let source = snapshot.get(type_url).map(|set| set.digest);
            let newest = newest(type_url, snapshot, &channel.subscription);
            may_be_empty = newest.is_empty();
            // The client may have, from an earlier stream, what would be deleted by leaving it out.
            let absence_deletes = type_url.is_full_state() && channel.unknown_past;
            for (name, resource) in newest {
                let missing = self.missing(&resource, snapshot);
                let ready = if missing.is_empty() {
                    Some(resource)
                } else {
                    let instead = self.instead(channel, &resource, &missing, snapshot, overdue);
                    waits_for.extend(missing);
                    withheld |= absence_deletes && instead.is_none();
                    instead
                };
                let ready = match ready {
                    Some(ready) if channel.is_refused(&ready, source) => {
                        refused = true;
                        let before = channel.accepted.get(&name).cloned();
                        before.or_else(|| absence_deletes.then_some(ready))
                    }
                    other => other,
                };
                content.extend(ready.map(|ready| (name, ready)));
            }
            if !type_url.is_full_state() {
                // What the snapshot no longer has is not taken away, and is told again to who asks.
                let asked = channel.asked.iter();
                let told = asked.filter_map(|name| channel.told.get_key_value(name));
                for (name, resource) in told {
                    content
                        .entry(name.clone())
                        .or_insert_with(|| resource.clone());
                }
            }
        }
        if type_url == TypeUrl::Cluster {
            self.keep_used_clusters(&mut content, snapshot, now);
        }
        let complete = waits_for.is_empty() && !refused;
        self.hold(type_url, waits_for, now, records);
        Plan {
            content,
            withheld,
            may_be_empty,
            complete,
        }
    }

    /// The clusters that a resource names, that the client's own subscription will bring, and that it has not
    /// accepted yet. A client that names its clusters learns of them from the route, and one that asks for none has
    /// them elsewhere: nothing waits then (XDS.md line 19).
    fn missing(&self, resource: &Resource, snapshot: &Snapshot) -> BTreeSet<Arc<str>> {
        let holds = matches!(
            resource.type_url,
            TypeUrl::Listener | TypeUrl::RouteConfiguration | TypeUrl::VirtualHost
        );
        let clusters = self.channels.get(&TypeUrl::Cluster);
        let (true, Some(clusters)) = (holds, clusters) else {
            return BTreeSet::new();
        };
        let brought = snapshot.get(TypeUrl::Cluster).map(|set| &set.resources);
        let (true, Some(brought)) = (clusters.subscription.is_wildcard(), brought) else {
            return BTreeSet::new();
        };
        resource
            .references
            .clusters
            .iter()
            .filter(|name| brought.contains_key(*name) && !clusters.surely_has(name))
            .cloned()
            .collect()
    }

    /// What goes out instead of a resource that waits for clusters: the most of it that works without them.
    fn instead(
        &self,
        channel: &Channel,
        newest: &Arc<Resource>,
        missing: &BTreeSet<Arc<str>>,
        snapshot: &Snapshot,
        overdue: bool,
    ) -> Option<Arc<Resource>> {
        let previous = channel.told.get(&newest.name);
        if previous.is_none() && channel.unknown_past {
            // The client goes on with what it has, which may route to any of them. But not for ever: that would hold
            // a switch.
            return overdue.then(|| newest.clone());
        }
        if newest.type_url == TypeUrl::Listener {
            return previous.cloned();
        }
        if let Some(previous) = previous {
            let variant = with_splits_of(previous, newest);
            let useful =
                variant.digest != previous.digest && self.missing(&variant, snapshot).is_empty();
            return Some(if useful {
                Arc::new(variant)
            } else {
                previous.clone()
            });
        }
        let clusters = self.channels.get(&TypeUrl::Cluster)?;
        if !clusters.ever_accepted {
            return None;
        }
        let variant = without_clusters(newest, missing);
        self.missing(&variant, snapshot)
            .is_empty()
            .then(|| Arc::new(variant))
    }

    fn is_overdue(&self, type_url: TypeUrl, now: Timestamp) -> bool {
        let hold = self.holds.get(&type_url);
        hold.is_some_and(|hold| hold.deadline.is_none_or(|deadline| deadline <= now))
    }

    /// Remembers what waits; says so when it has waited too long, and when the wait is over.
    fn hold(
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

    /// Adds the clusters that the snapshot no longer has and that the client may still route to, and those whose
    /// grace is not over.
    fn keep_used_clusters(&mut self, content: &mut Content, snapshot: &Snapshot, now: Timestamp) {
        let Some(clusters) = self.channels.get(&TypeUrl::Cluster) else {
            return;
        };
        let declared = snapshot.get(TypeUrl::Cluster).map(|set| &set.resources);
        let gone: Vec<&Arc<Resource>> = clusters
            .told
            .values()
            .filter(|told| !declared.is_some_and(|set| set.contains_key(&told.name)))
            .collect();
        if gone.is_empty() || !clusters.subscription.is_wildcard() {
            self.kept.clear();
            return;
        }
        let used = self.used_clusters();
        let mut kept = BTreeMap::new();
        for cluster in gone {
            let used = used.contains(&*cluster.name);
            let accepted = clusters.accepted.contains_key(&cluster.name);
            let until = match (used, accepted) {
                (true, true) => None,
                // Nothing is routed to it, and it may be the very one that keeps the others from being answered.
                (false, false) => continue,
                // So may be one that is only in use because routes could wait for it no longer.
                (true, false) | (false, true) => {
                    let since = self.kept.get(&cluster.name).and_then(|kept| kept.until);
                    Some(since.unwrap_or_else(|| later(now, self.options.removal_grace)))
                }
            };
            if until.is_none_or(|until| until > now) {
                content.insert(cluster.name.clone(), cluster.clone());
                kept.insert(cluster.name.clone(), Kept { until });
            }
        }
        self.kept = kept;
    }

    /// Every cluster that something names which the client uses, or will when it takes what is on its way.
    fn used_clusters(&self) -> BTreeSet<&str> {
        [
            TypeUrl::Listener,
            TypeUrl::RouteConfiguration,
            TypeUrl::VirtualHost,
        ]
        .iter()
        .filter_map(|type_url| self.channels.get(type_url))
        .flat_map(Channel::in_use)
        .flat_map(|resource| &resource.references.clusters)
        .map(|name| &**name)
        .collect()
    }
}
