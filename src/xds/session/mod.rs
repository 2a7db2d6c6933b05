//! PURE. One xDS stream as a state machine: requests, snapshots and time in; responses and records out.
//!
//! One core for both modes. A [`Channel`](channel) per type knows what the client has and has refused ([`answer`],
//! [`refusal`]); [`state`] holds them, with all else that a stream remembers. [`plan`] decides what the client should have (make
//! before break, per resource: [`hold`]), [`due`] whether that is to be said, [`settle`] what counts as accepted, [`resume`] what
//! it has of an earlier stream. The modes differ in how a request is read ([`subscription`]) and in how the step from what
//! the client has to what it should have is said ([`message`]): state of the world as a list, delta as changes.
//!
//! Here is what happens to a stream, and in which order that leads to the others; none of them knows of it.
//!
//! What a stream knows of its client are views that all streams in the same state share ([`cache`]).

mod answer;
mod blame;
mod cache;
mod channel;
mod channels;
mod deadline;
mod due;
mod emptied;
mod hold;
mod message;
mod mode;
mod options;
mod plan;
mod presented;
mod refusal;
mod resume;
mod settle;
mod state;
mod status;
mod subscription;
mod version;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use self::{
    answer::Answer, channel::Channel, message::Message, presented::Presented,
    subscription::Subscription,
};
use crate::{
    fleet::Record,
    model::{Revision, TypeUrl},
    snapshot::{Item, Snapshot},
};

pub use cache::Cache;
pub use message::Response;
pub use mode::Mode;
pub use options::{OnWarmTimeout, Options, REMOVAL_GRACE, WARM_TIMEOUT};
pub use state::{Output, Session};
pub use status::{ResourceState, ResourceStatus};

/// A state-of-the-world request of the client, without the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `version_info`: what the client accepted last.
    pub version: String,
    /// `response_nonce`; empty in the first request of its type.
    pub nonce: String,
    /// `resource_names`.
    pub names: Vec<String>,
    /// `error_detail.message`, if the client rejects a response.
    pub error: Option<String>,
}

/// A delta request of the client, without the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeltaRequest {
    /// `response_nonce`; empty in a request that answers nothing.
    pub nonce: String,
    /// `resource_names_subscribe`.
    pub subscribe: Vec<String>,
    /// `resource_names_unsubscribe`.
    pub unsubscribe: Vec<String>,
    /// `initial_resource_versions`: what the client has of an earlier stream.
    pub versions: BTreeMap<String, String>,
    /// `error_detail.message`, if the client rejects a response.
    pub error: Option<String>,
}

impl Session {
    /// The client said something about a type, in state of the world.
    pub fn request(&mut self, type_url: TypeUrl, request: Request, now: Timestamp) -> Output {
        let mut out = Output::default();
        let names = request.names;
        let cache = self.cache.clone();
        let Some(channel) = self.channels.get_mut(type_url) else {
            let presented = Presented::Version(request.version);
            self.open(type_url, names, presented, now, &mut out);
            return out;
        };
        let answer = match nonce(&request.nonce) {
            // Sent before our first response arrived: it answers nothing, and its list is the client's newest.
            None => Answer::ToNewest,
            Some(nonce) => {
                let error = request.error;
                channel.answer(nonce, &request.version, error, &cache, &mut out.records)
            }
        };
        match answer {
            // The list may be older than one that was sent later; the answer to the newest repeats it.
            Answer::Stale => {
                channel.overhear(&names);
                return out;
            }
            Answer::ToOlder => channel.overhear(&names),
            Answer::ToNewest => {
                let was_none = channel.subscription.is_none();
                let changed = channel.subscription.replace(&names, &cache);
                let renamed = !changed.is_nothing();
                let resubscribed = channel.resubscribed(was_none, changed, &cache);
                self.record_subscription(type_url, resubscribed, renamed, &mut out);
            }
        }
        drop(names);
        self.advance(now, &mut out);
        out
    }

    /// The client said something about a type, in delta.
    pub fn delta_request(
        &mut self,
        type_url: TypeUrl,
        request: DeltaRequest,
        now: Timestamp,
    ) -> Output {
        let mut out = Output::default();
        let cache = self.cache.clone();
        let Some(channel) = self.channels.get_mut(type_url) else {
            let presented = Presented::Versions(request.versions);
            self.open(type_url, request.subscribe, presented, now, &mut out);
            return out;
        };
        if let Some(nonce) = nonce(&request.nonce) {
            channel.answer_delta(nonce, request.error, &cache, &mut out.records);
        }
        // What is asked for counts, whatever the answer it comes with.
        let was_none = channel.subscription.is_none();
        let subscription = &mut channel.subscription;
        let changed = subscription.change(&request.subscribe, &request.unsubscribe, &cache);
        drop((request.subscribe, request.unsubscribe));
        let renamed = !changed.is_nothing();
        let resubscribed = channel.resubscribed(was_none, changed, &cache);
        self.record_subscription(type_url, resubscribed, renamed, &mut out);
        self.advance(now, &mut out);
        out
    }

    /// The first request of a type.
    fn open(
        &mut self,
        type_url: TypeUrl,
        names: Vec<String>,
        presented: Presented,
        now: Timestamp,
        out: &mut Output,
    ) {
        let subscription = Subscription::first(type_url, &names, &self.cache);
        // Of a client that names a hundred thousand, its copy is not needed beside ours while it is answered.
        drop(names);
        if !subscription.is_none() {
            out.records.push(Record::Subscribed(type_url));
        }
        out.records.extend(subscription.told(self.alone));
        let mut channel = Channel::new(type_url, self.mode, subscription, presented);
        if self.mode == Mode::Delta {
            channel.asked = channel.subscription.named().clone();
        }
        self.channels.insert(channel);
        self.advance(now, out);
    }

    fn record_subscription(
        &mut self,
        type_url: TypeUrl,
        now: Option<bool>,
        renamed: bool,
        out: &mut Output,
    ) {
        if let (true, Some(channel)) = (renamed, self.channels.get(type_url)) {
            out.records.extend(channel.subscription.told(self.alone));
        }
        match now {
            Some(true) => out.records.push(Record::Subscribed(type_url)),
            Some(false) => {
                self.reported.remove(&type_url);
                out.records.push(Record::Unsubscribed(type_url));
            }
            None => {}
        }
    }

    /// There is a newer snapshot. Those in between need not be told.
    pub fn snapshot(&mut self, snapshot: Arc<Snapshot>, now: Timestamp) -> Output {
        let mut out = Output::default();
        let before = self.snapshot.replace(snapshot.clone());
        for channel in self.channels.iter_mut() {
            if channel.refusals.is_empty() && channel.unanswered.is_empty() {
                continue;
            }
            let before = before.as_ref().and_then(|b| b.get(channel.type_url));
            if let Some(set) = snapshot.get(channel.type_url) {
                channel.bring_again(before, set);
                out.records.extend(channel.known_refusal(before, set));
            }
        }
        self.advance(now, &mut out);
        out
    }

    /// The time of [`next_deadline`](Self::next_deadline) has come.
    pub fn tick(&mut self, now: Timestamp) -> Output {
        let mut out = Output::default();
        self.advance(now, &mut out);
        out
    }

    /// When [`tick`](Self::tick) is due, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let held = self.holds.values().filter_map(|hold| hold.deadline);
        let kept = self.kept.values().filter_map(|kept| kept.until);
        let channels = self.channels.iter();
        let paced = channels.filter_map(|channel| {
            let heartbeat = channel.heartbeat_at.into_iter();
            heartbeat.chain(channel.paced_until).min()
        });
        held.chain(kept).chain(paced).min()
    }

    /// Brings every type as far as it can go now, in push order.
    fn advance(&mut self, now: Timestamp, out: &mut Output) {
        let Some(snapshot) = self.snapshot.clone() else {
            return;
        };
        if self.is_ahead_of(&snapshot, out) {
            return;
        }
        for at in 0.. {
            let Some(type_url) = self.channels.type_at(at) else {
                break;
            };
            self.linger(type_url, now);
            self.advance_type(type_url, &snapshot, now, out);
            self.beat(type_url, &snapshot, now, out);
        }
        self.settle(&snapshot, out);
        out.overdue = self.channels.iter().any(|channel| channel.overdue);
    }

    /// Whether the client has a newer revision than the fleet: a store that went back in time must not take it back.
    fn is_ahead_of(&mut self, snapshot: &Snapshot, out: &mut Output) -> bool {
        if self.options.accept_older {
            return false;
        }
        for channel in self.channels.iter() {
            let shown = channel.presented.as_ref().and_then(Presented::revision);
            let newer = shown.filter(|shown| *shown > snapshot.revision);
            if let Some(revision) = newer.filter(|newer| self.ahead < Some(*newer)) {
                self.ahead = Some(revision);
                out.records.push(Record::Newer(channel.type_url, revision));
            }
        }
        self.ahead.is_some_and(|ahead| snapshot.revision <= ahead)
    }

    fn advance_type(
        &mut self,
        type_url: TypeUrl,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
        out: &mut Output,
    ) {
        self.resume(type_url, snapshot);
        if type_url == TypeUrl::ClusterLoadAssignment {
            self.ask_for_rewarmed(snapshot);
        }
        let Some(channel) = self.channels.get(type_url) else {
            return;
        };
        let set = snapshot.get(type_url);
        let state = set.map(|set| (set.digest, set.changed_in, self.clusters_told(type_url)));
        if state.is_some() && channel.done_with == state && channel.asked.is_empty() {
            return;
        }
        let plan = self.plan(type_url, snapshot, now, &mut out.records);
        let revision = set.map_or(Revision::ZERO, |set| set.changed_in);
        let cache = self.cache.clone();
        let mut hosts_of = BTreeSet::new();
        let Some(channel) = self.channels.get_mut(type_url) else {
            return;
        };
        if !plan.withheld
            && channel.is_due(&plan)
            && let Some(message) = channel.response(revision, &plan, &cache)
            && channel.has_room(now)
        {
            self.last_nonce += 1;
            // A list that is rejected with something in it that is on its way out is tried again without that.
            let keeps = channel.is_whole() && !plan.kept.is_empty();
            let source = set.map(|set| set.digest).filter(|_| !keeps);
            cache.remember(&message.version, &plan.target);
            if type_url == TypeUrl::Cluster {
                let asked =
                    |item: &&Item| channel.presumed || channel.asked.contains(&item.resource.name);
                let since = plan.target.since(&channel.told);
                let anew = message.resources.iter().filter(asked).chain(&since.changed);
                let endpoints = anew.flat_map(|item| &item.resource.references.endpoints);
                self.rewarm.extend(endpoints.cloned());
            }
            if type_url == TypeUrl::RouteConfiguration {
                let sent = message.resources.iter().map(|item| &item.resource.name);
                hosts_of = sent.cloned().collect();
            }
            let again = channel.say(&plan);
            let target = plan.target;
            channel.send(self.last_nonce, message.clone(), source, target, again, now);
            out.records.push(Record::Sent(type_url, revision));
            out.responses.push(Response {
                nonce: self.last_nonce.to_string(),
                message,
            });
        }
        let waits = !plan.complete || channel.paced_until.is_some();
        channel.done_with = state.filter(|_| !waits);
        self.ask_for_hosts(&hosts_of, snapshot);
    }

    /// Envoy listens to virtual hosts of a route configuration only once it has that, and does not ask again for what it
    /// was told before (seen with 1.40).
    fn ask_for_hosts(&mut self, routes: &BTreeSet<Arc<str>>, snapshot: &Snapshot) {
        let type_url = TypeUrl::VirtualHost;
        let (Some(channel), Some(set)) = (self.channels.get_mut(type_url), snapshot.get(type_url))
        else {
            return;
        };
        let hosts = set.resources.values().filter(|host| {
            let space = host.name.rsplit_once('/').map(|(space, _)| space);
            space.is_some_and(|space| routes.contains(space)) && channel.subscription.covers(host)
        });
        channel.asked.extend(hosts.map(|host| host.name.clone()));
    }

    /// Envoy waits for the load assignment of a cluster that was sent anew, even if it has it already. One that does not
    /// exist was not asked for: to call it gone would end that wait, with no endpoints.
    fn ask_for_rewarmed(&mut self, snapshot: &Snapshot) {
        let channel = self.channels.get_mut(TypeUrl::ClusterLoadAssignment);
        if let (Some(endpoints), false) = (channel, self.rewarm.is_empty()) {
            let set = snapshot.get(endpoints.type_url);
            let exists = |name: &&Arc<str>| {
                endpoints.told.has(name) || set.is_some_and(|set| set.resources.contains_key(*name))
            };
            let subscription = &endpoints.subscription;
            let due = self.rewarm.iter().filter(|name| subscription.wants(name));
            endpoints.asked.extend(due.filter(exists).cloned());
            self.rewarm.retain(|name| !subscription.wants(name));
        }
    }

    /// Says again what lives only for a while, if it is time. That is neither news nor anything to be accepted.
    fn beat(&mut self, type_url: TypeUrl, snapshot: &Snapshot, now: Timestamp, out: &mut Output) {
        let Some(channel) = self.channels.get_mut(type_url) else {
            return;
        };
        if channel.heartbeat_at.is_none_or(|at| at > now) || !channel.has_room(now) {
            return;
        }
        let told = channel.told.clone();
        let cache = self.cache.clone();
        let Some(set) = snapshot.get(type_url) else {
            return;
        };
        let message = cache.message_as(Message::heartbeat_key(self.mode, set, &told), || {
            Message::heartbeat(self.mode, set, &told)
        });
        if message.resources.is_empty() {
            channel.heartbeat_at = None;
            return;
        }
        self.last_nonce += 1;
        cache.remember(&message.version, &told);
        let nothing = BTreeSet::new();
        channel.send(self.last_nonce, message.clone(), None, told, nothing, now);
        out.responses.push(Response {
            nonce: self.last_nonce.to_string(),
            message,
        });
    }
}

/// The nonce of an answer. One that is no number is none of ours; 0 is never given out.
fn nonce(nonce: &str) -> Option<u64> {
    (!nonce.is_empty()).then(|| nonce.parse().unwrap_or(0))
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
