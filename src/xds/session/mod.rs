//! PURE. One xDS stream as a state machine: requests, snapshots and time in; responses and records out.
//!
//! Three parts: a [`Channel`](channel) per type knows what the client has and has refused, [`plan`] decides what it
//! should have (make before break, per resource), [`settle`] what counts as accepted. State of the world is what
//! this file adds: nonces, and responses that hold everything.

mod blame;
mod channel;
mod plan;
mod refusal;
mod settle;
mod subscription;
mod version;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use self::{
    channel::{Answer, Channel},
    plan::{Hold, Kept},
    subscription::Subscription,
};
use crate::{
    fleet::Record,
    model::{Revision, TypeUrl},
    snapshot::{Resource, Snapshot},
};

/// How long a resource is held for its clusters before the operator is told. Clusters warm within a health check or
/// two; after twenty seconds something is wrong with them.
pub const WARM_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a cluster outlives the last route that names it: requests that were routed before may still be open.
/// Envoy ends a request after 15 s unless its route says otherwise.
pub const REMOVAL_GRACE: Duration = Duration::from_secs(15);

/// What a stream is told beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// After how long [`Record::Held`] says that a resource is held. See [`WARM_TIMEOUT`].
    pub warm_timeout: Duration,
    /// How long a cluster outlives the last route that names it. See [`REMOVAL_GRACE`].
    pub removal_grace: Duration,
    /// The operator accepts that the store is older than the proxies: a client that shows a newer revision is served.
    pub accept_older: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            warm_timeout: WARM_TIMEOUT,
            removal_grace: REMOVAL_GRACE,
            accept_older: false,
        }
    }
}

/// A request of the client, without the node.
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

/// A response to the client.
#[derive(Clone, Debug)]
pub struct Response {
    /// Of every resource in it.
    pub type_url: TypeUrl,
    /// `version_info`.
    pub version: String,
    /// Unique on the stream.
    pub nonce: String,
    /// In order of their names.
    pub resources: Vec<Arc<Resource>>,
}

/// What came of one input: responses, to be sent in this order, and records for the ledger.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// To be sent in this order: what others need comes before what needs it.
    pub responses: Vec<Response>,
    /// For the ledger, in the order of happening.
    pub records: Vec<Record>,
}

/// One state-of-the-world stream. Times are only compared with each other: any clock that does not go back will do.
#[derive(Debug)]
pub struct Session {
    options: Options,
    snapshot: Option<Arc<Snapshot>>,
    channels: BTreeMap<TypeUrl, Channel>,
    last_nonce: u64,
    /// Load assignments that are due because their cluster was sent anew (Envoy waits for them again).
    rewarm: BTreeSet<Arc<str>>,
    /// Clusters that the snapshot no longer has and this client may still use.
    kept: BTreeMap<Arc<str>, Kept>,
    holds: BTreeMap<TypeUrl, Hold>,
    /// The newest revision that the client showed, while it is newer than the fleet's.
    ahead: Option<Revision>,
    /// Per type, the revision whose content the client has, and the last one that was recorded as accepted.
    reported: BTreeMap<TypeUrl, (Revision, Revision)>,
    /// The last revision of which only the weights were recorded.
    weighted: Revision,
}

impl Session {
    /// A stream on which nothing was said yet.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            snapshot: None,
            channels: BTreeMap::new(),
            last_nonce: 0,
            rewarm: BTreeSet::new(),
            kept: BTreeMap::new(),
            holds: BTreeMap::new(),
            ahead: None,
            reported: BTreeMap::new(),
            weighted: Revision::ZERO,
        }
    }

    /// The client said something about a type.
    pub fn request(&mut self, type_url: TypeUrl, request: Request, now: Timestamp) -> Output {
        let mut out = Output::default();
        let Some(channel) = self.channels.get_mut(&type_url) else {
            let subscription = Subscription::first(&request.names, type_url.is_full_state());
            if !subscription.is_none() {
                out.records.push(Record::Subscribed(type_url));
            }
            let channel = Channel::new(type_url, subscription, request.version);
            self.channels.insert(type_url, channel);
            self.advance(now, &mut out);
            return out;
        };
        let names = request.names;
        let answer = if request.nonce.is_empty() {
            // Sent before our first response arrived: it answers nothing, and its list is the client's newest.
            Answer::ToNewest
        } else {
            // A nonce that is no number is none of ours; 0 is never given out.
            let nonce = request.nonce.parse().unwrap_or(0);
            channel.answer(nonce, &request.version, request.error, &mut out.records)
        };
        match answer {
            // The list may be older than one that was sent later; the answer to the newest repeats it.
            Answer::Stale => {
                channel.overhear(&names);
                return out;
            }
            Answer::ToOlder => channel.overhear(&names),
            Answer::ToNewest => match channel.resubscribe(&names) {
                Some(true) => out.records.push(Record::Subscribed(type_url)),
                Some(false) => {
                    self.reported.remove(&type_url);
                    out.records.push(Record::Unsubscribed(type_url));
                }
                None => {}
            },
        }
        self.advance(now, &mut out);
        out
    }

    /// There is a newer snapshot. Those in between need not be told.
    pub fn snapshot(&mut self, snapshot: Arc<Snapshot>, now: Timestamp) -> Output {
        let mut out = Output::default();
        let before = self.snapshot.replace(snapshot.clone());
        for set in snapshot.types() {
            let before = before.as_ref().and_then(|before| before.get(set.type_url));
            let channel = self.channels.get(&set.type_url);
            out.records
                .extend(channel.and_then(|channel| channel.known_refusal(before, set)));
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
        let paced = self.channels.values().filter_map(|c| c.paced_until);
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
        for type_url in TypeUrl::ALL {
            if self.channels.contains_key(&type_url) {
                self.advance_type(type_url, &snapshot, now, out);
            }
        }
        self.settle(&snapshot, out);
    }

    /// Whether the client has a newer revision than the fleet: a store that went back in time must not take it back.
    fn is_ahead_of(&mut self, snapshot: &Snapshot, out: &mut Output) -> bool {
        if self.options.accept_older {
            return false;
        }
        for (type_url, channel) in &self.channels {
            let shown = channel.presented.as_deref().and_then(version::revision);
            let newer = shown.filter(|shown| *shown > snapshot.revision);
            if let Some(revision) = newer.filter(|newer| self.ahead < Some(*newer)) {
                self.ahead = Some(revision);
                out.records.push(Record::Newer(*type_url, revision));
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
        let set = snapshot.get(type_url);
        self.resume(type_url, snapshot);
        if type_url == TypeUrl::ClusterLoadAssignment {
            self.ask_for_rewarmed();
        }
        let Some(channel) = self.channels.get(&type_url) else {
            return;
        };
        let done = match (&channel.done_with, set) {
            (Some(done), Some(set)) => Arc::ptr_eq(done, set),
            _ => false,
        };
        if done && channel.asked.is_empty() && self.nothing_kept(type_url) {
            return;
        }
        let plan = self.plan(type_url, snapshot, now, &mut out.records);
        let Some(channel) = self.channels.get_mut(&type_url) else {
            return;
        };
        if !plan.withheld
            && let Some(resources) = channel.due(&plan.content, plan.may_be_empty)
            && channel.has_room(now)
        {
            if type_url == TypeUrl::Cluster {
                let anew = resources.iter().filter(|cluster| {
                    let told = channel.told.get(&cluster.name);
                    channel.asked.contains(&cluster.name)
                        || told.is_none_or(|told| told.digest != cluster.digest)
                });
                let endpoints = anew.flat_map(|cluster| &cluster.references.endpoints);
                self.rewarm.extend(endpoints.cloned());
            }
            self.last_nonce += 1;
            let version = channel.send(self.last_nonce, set, resources.clone(), now);
            let revision = set.map_or(Revision::ZERO, |set| set.changed_in);
            out.records.push(Record::Sent(type_url, revision));
            out.responses.push(Response {
                type_url,
                version,
                nonce: self.last_nonce.to_string(),
                resources,
            });
        }
        channel.done_with = set
            .filter(|_| plan.complete && channel.paced_until.is_none())
            .cloned();
    }

    /// Compares what the client showed in its first request with what it is to have: after a reconnect nothing is
    /// sent of a type that has not changed, but for load assignments.
    fn resume(&mut self, type_url: TypeUrl, snapshot: &Snapshot) {
        let Some(channel) = self.channels.get_mut(&type_url) else {
            return;
        };
        let Some(presented) = channel.presented.take() else {
            return;
        };
        if presented.is_empty() {
            return;
        }
        let newest = plan::newest(type_url, snapshot, &channel.subscription);
        let changed_in = snapshot
            .get(type_url)
            .map_or(Revision::ZERO, |s| s.changed_in);
        if version::of(changed_in, newest.values()) == presented {
            if type_url == TypeUrl::ClusterLoadAssignment {
                // The stream may have broken while a cluster waited for its load assignment, and only the client
                // knows: it shows the newest versions, and would wait for ever. So they are told once more.
                channel.asked.extend(newest.keys().cloned());
            }
            channel.resume(newest, presented);
        } else {
            channel.unknown_past = true;
        }
    }

    /// Envoy waits for the load assignment of a cluster that was sent anew, even if it has it already.
    fn ask_for_rewarmed(&mut self) {
        let Some(endpoints) = self.channels.get_mut(&TypeUrl::ClusterLoadAssignment) else {
            return;
        };
        let subscription = &endpoints.subscription;
        let due = self.rewarm.iter().filter(|name| subscription.wants(name));
        endpoints.asked.extend(due.cloned());
        self.rewarm.retain(|name| !subscription.wants(name));
    }
}

/// The time that much later.
fn later(at: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
