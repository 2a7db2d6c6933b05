//! What a client shows of an earlier stream: nothing is sent of what it has, and it is never taken to have more.

use std::{collections::BTreeMap, sync::Arc};

use super::{cache::Cache, channel::Channel, presented::Presented, state::Session, version};
use crate::{
    model::{Revision, TypeUrl},
    snapshot::{Item, Items, Snapshot},
};

impl Session {
    /// Compares what the client showed in its first request with what it is to have: after a reconnect nothing is
    /// sent of a type that has not changed.
    pub(super) fn resume(&mut self, type_url: TypeUrl, snapshot: &Snapshot) {
        let Some(presented) = self
            .channels
            .get_mut(type_url)
            .and_then(|channel| channel.presented.take())
        else {
            return;
        };
        let newest = match self.channels.get(type_url) {
            Some(channel) => self.newest(channel, snapshot),
            None => return,
        };
        let changed_in = snapshot.get(type_url).map(|set| set.changed_in);
        let by_name = self.names_all_of(type_url);
        let cache = self.cache.clone();
        let Some(channel) = self.channels.get_mut(type_url) else {
            return;
        };
        match presented {
            Presented::Version(shown) if shown.is_empty() => {}
            Presented::Version(shown) => {
                let current = version::of(changed_in.unwrap_or_default(), newest.digest);
                let is_current = current == shown;
                let known = match is_current {
                    true => Some(newest),
                    false => {
                        let wanted = |past: &_| channel.subscription.of(past, &cache);
                        let known = cache.recall(type_url, &shown, wanted);
                        let keeps =
                            type_url == TypeUrl::Cluster && channel.subscription.is_wildcard();
                        known.or_else(|| match keeps {
                            true => cache.recall_kept(&shown, changed_in, &newest),
                            false => None,
                        })
                    }
                };
                match known {
                    Some(view) => {
                        channel.accepted_version = shown.as_str().into();
                        let has = channel.subscription.of(&view, &cache);
                        // What lives for a while may have died since: it is said again, and kept alive from then on.
                        if has.ttl.is_none() {
                            channel.resume(has);
                            if !is_current || by_name {
                                channel.tell_again();
                            }
                        }
                    }
                    None => channel.unknown_past = true,
                }
            }
            Presented::Versions(shown) if shown.is_empty() => {}
            Presented::Versions(shown) => {
                let ahead = of_a_newer_revision(&shown, snapshot.revision);
                let items = presented_items(channel, shown, newest.items(), &cache);
                channel.asked.retain(|name| !items.contains_key(name));
                channel.asked.extend(ahead);
                let has = cache.view(type_url, items);
                let has = if has.digest == newest.digest {
                    newest
                } else {
                    has
                };
                channel.resume(has);
            }
        }
    }
}

impl Session {
    /// Whether the client names what it wants of that type and of all that leads there, as gRPC does. Such names come and go while
    /// nothing is pushed: one that it gave up and asks for again is in the list of the version that it shows, and it has nothing
    /// of it (xDS protocol, "ACK and NACK semantics summary": not to send again is safe where names don't change). What an Envoy
    /// names follows from its clusters and listeners: it asks for all of them, and first, or for none, where its bootstrap has them.
    fn names_all_of(&self, type_url: TypeUrl) -> bool {
        let leads = [TypeUrl::Cluster, TypeUrl::Listener];
        let leads_on = [TypeUrl::ClusterLoadAssignment, TypeUrl::RouteConfiguration];
        let channels = leads.iter().filter_map(|lead| self.channels.get(*lead));
        let mut channels = channels.peekable();
        !self.alone
            && (leads.contains(&type_url) || leads_on.contains(&type_url))
            && channels.peek().is_some()
            && channels.all(|channel| !channel.subscription.is_wildcard())
    }
}

/// What the client has of a revision that the store went back from, and is served all the same (`--accept-older`). It is said again,
/// also where its content is the same: the client would come with that revision again, to a server that does not accept it.
fn of_a_newer_revision(shown: &BTreeMap<String, String>, newest: Revision) -> Vec<Arc<str>> {
    let ahead = shown
        .iter()
        .filter(|(_, shown)| version::revision(shown).is_some_and(|shown| shown > newest));
    ahead.map(|(name, _)| name.as_str().into()).collect()
}

/// What a client has by these versions, as far as that is known here. There may be hundreds of thousands: each is let go
/// once it has been looked at.
fn presented_items(
    channel: &Channel,
    shown: BTreeMap<String, String>,
    newest: &Items,
    cache: &Cache,
) -> Items {
    let type_url = channel.type_url;
    let subscription = &channel.subscription;
    let wanted = shown
        .into_iter()
        .filter(|(name, _)| subscription.wants(name));
    wanted
        .map(|(name, shown)| {
            let is_it = |digest| version::is_of(&shown, digest);
            let newest = newest.get_key_value(name.as_str());
            if let Some((name, item)) = newest.filter(|(_, item)| is_it(item.version)) {
                return (name.clone(), item.clone());
            }
            let item = cache.recall_item(type_url, &name, is_it);
            let item = item.unwrap_or_else(|| {
                let asked = subscription.named().get(name.as_str());
                let name = asked.cloned().unwrap_or_else(|| name.into());
                Item::unknown(type_url, name, &shown)
            });
            (item.resource.name.clone(), item)
        })
        // As above: without having heard of it for a while the client may have dropped it.
        .filter(|(_, item)| item.resource.ttl.is_none())
        .collect()
}

impl Channel {
    /// The client has exactly this, from an earlier stream.
    fn resume(&mut self, has: Arc<crate::snapshot::View>) {
        self.accepted = has.clone();
        self.told = has;
        self.ever_accepted = true;
        self.ever_answered = true;
        self.must_answer = false;
    }

    /// The version of state of the world says what the client accepted last, not what it took since: the good part of a
    /// list that it rejected, or nothing of a name that it gave up for a while. So where it is not the newest, or names may
    /// have come and gone, what the client has is known well enough for the order, and said again all the same.
    fn tell_again(&mut self) {
        self.must_answer = self.is_whole();
        self.presumed = self.is_whole();
        if !self.is_whole() {
            self.asked.extend(self.told.items().keys().cloned());
        }
    }
}
