//! One type on one stream: what the client has, what is on its way, and what it refused.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{Record, blame, later, refusal::Refusal, subscription::Subscription, version};
use crate::{
    model::{Revision, TypeUrl},
    snapshot::{Digest, Resource, TypeSet},
};

/// Responses of one type that may be unanswered before the stream waits and skips to the newest snapshot: one that
/// is being applied and one that is on its way.
const MAX_UNANSWERED: usize = 2;

/// A client may withhold its answer for as long as a cluster warms, and what it waits for may be in the next
/// response. So past [`MAX_UNANSWERED`] another one goes out only this long after the last.
const PACE: Duration = Duration::from_secs(5);

/// Unanswered responses that are remembered: of more, the oldest is taken together with the one after it.
const MAX_PACED: usize = 8;

/// Digests of refused responses remembered per type, so that a change that comes and goes is not offered again and
/// again. A stream that refuses more than these has an operator's attention.
const REFUSED_KEPT: usize = 16;

/// Resources by name.
pub(super) type Content = BTreeMap<Arc<str>, Arc<Resource>>;

/// A response without an answer.
#[derive(Debug)]
struct Unanswered {
    nonce: u64,
    version: String,
    revision: Revision,
    /// Of the snapshot's set that it was made from.
    source: Option<Digest>,
    /// In order of their names.
    resources: Vec<Arc<Resource>>,
    sent_at: Timestamp,
}

/// One type on one stream.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) type_url: TypeUrl,
    pub(super) subscription: Subscription,
    /// The version that the client showed in its first request, until it has been compared.
    pub(super) presented: Option<String>,
    /// The client has something of an earlier stream that is not known here.
    pub(super) unknown_past: bool,
    /// What the client has, as far as it has answered.
    pub(super) accepted: Content,
    /// Something was accepted, if only an empty list.
    pub(super) ever_accepted: bool,
    /// What it has once it has accepted what is on its way.
    pub(super) told: Content,
    /// To be sent even if it has not changed.
    pub(super) asked: BTreeSet<Arc<str>>,
    /// Names that a request with an old nonce left out.
    dropped: BTreeSet<Arc<str>>,
    /// The next response is due even if nothing has changed.
    pub(super) must_answer: bool,
    /// A response waits until this time for its turn.
    pub(super) paced_until: Option<Timestamp>,
    /// The snapshot's set with which this channel has nothing more to do.
    pub(super) done_with: Option<Arc<TypeSet>>,
    last_nonce: u64,
    accepted_version: String,
    unanswered: VecDeque<Unanswered>,
    pub(super) refusals: BTreeMap<Arc<str>, Refusal>,
    refused: VecDeque<Digest>,
}

/// What a request says about responses.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To the newest response of the type.
    ToNewest,
    /// To an older response that had no answer yet.
    ToOlder,
    /// To none that could still be answered.
    Stale,
}

/// What an answer with an error says about one of the responses that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// The error is about it.
    Blamed,
    /// It was rejected, but the error is about a later one.
    Rejected,
    /// The error may be about it, or about another that came before the one that was accepted.
    Suspected,
}

impl Channel {
    pub(super) fn new(type_url: TypeUrl, subscription: Subscription, presented: String) -> Self {
        Self {
            type_url,
            subscription,
            presented: Some(presented),
            unknown_past: false,
            accepted: Content::new(),
            ever_accepted: false,
            told: Content::new(),
            asked: BTreeSet::new(),
            dropped: BTreeSet::new(),
            must_answer: true,
            paced_until: None,
            done_with: None,
            last_nonce: 0,
            accepted_version: String::new(),
            unanswered: VecDeque::new(),
            refusals: BTreeMap::new(),
            refused: VecDeque::new(),
        }
    }

    /// The client has exactly this, from an earlier stream.
    pub(super) fn resume(&mut self, content: Content, version: String) {
        self.accepted = content.clone();
        self.told = content;
        self.ever_accepted = true;
        self.accepted_version = version;
        self.must_answer = false;
    }

    /// A list that may be older than the one that counts. It changes nothing; but a name that is missing in it and
    /// there again in the next may have been dropped in between, with what the client had of it.
    pub(super) fn overhear(&mut self, names: &[String]) {
        if !self.type_url.is_full_state() {
            let listed: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            let known = self.subscription.names().iter();
            let missing = known.filter(|name| !listed.contains(&***name));
            self.dropped.extend(missing.cloned());
        }
    }

    /// Another list of names. Returns whether anything is subscribed now, if that changed.
    pub(super) fn resubscribe(&mut self, names: &[String]) -> Option<bool> {
        let was_none = self.subscription.is_none();
        let changed = self.subscription.update(names);
        for name in std::mem::take(&mut self.dropped) {
            if self.subscription.wants(&name) {
                self.asked.insert(name);
            }
        }
        if changed.added.is_empty() && !changed.everything && !changed.removed {
            return None;
        }
        self.done_with = None;
        if changed.everything || !changed.added.is_empty() {
            // The client may have dropped what it had, and an explicit question is answered once more.
            self.must_answer |= self.type_url.is_full_state();
            for name in &changed.added {
                // What was refused by its name would be so again; what only was in bad company may be good.
                if self
                    .refusals
                    .get(name)
                    .is_some_and(|refusal| !refusal.named)
                {
                    self.refusals.remove(name);
                }
            }
        }
        if changed.everything {
            self.asked.extend(self.told.keys().cloned());
        }
        self.asked.extend(changed.added);
        let subscription = &self.subscription;
        self.asked.retain(|name| subscription.wants(name));
        if !self.type_url.is_full_state() {
            // Nobody tells a client to delete what it no longer asks for: it does so by itself.
            self.accepted.retain(|name, _| subscription.wants(name));
            self.told.retain(|name, _| subscription.wants(name));
        }
        let is_none = self.subscription.is_none();
        if is_none && self.type_url.is_full_state() {
            self.accepted.clear();
            self.told.clear();
            self.must_answer = false;
        }
        (was_none != is_none).then_some(!is_none)
    }

    /// The client has it, and nothing that is on its way takes it away, if only for a moment. For types that come
    /// whole.
    pub(super) fn surely_has(&self, name: &str) -> bool {
        let in_list = |sent: &Unanswered| {
            let found = sent.resources.binary_search_by(|r| (*r.name).cmp(name));
            found.is_ok()
        };
        self.accepted.contains_key(name) && self.unanswered.iter().all(in_list)
    }

    /// What the client was sent and has not answered.
    pub(super) fn on_its_way(&self) -> impl Iterator<Item = &Arc<Resource>> {
        let resources = self.unanswered.iter().flat_map(|sent| &sent.resources);
        resources.filter(|resource| self.subscription.wants(&resource.name))
    }

    /// Everything that the client may be using: accepted, or on its way.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.accepted.values().chain(self.on_its_way())
    }

    /// The resources of the response that is due, if one is. `whole` is whether an empty list may be sent.
    pub(super) fn due(
        &mut self,
        content: &Content,
        may_be_empty: bool,
    ) -> Option<Vec<Arc<Resource>>> {
        let resources: Vec<Arc<Resource>> = if self.type_url.is_full_state() {
            let news = self.must_answer || !same(content, &self.told);
            if !news || (content.is_empty() && !may_be_empty) {
                return None;
            }
            content.values().cloned().collect()
        } else {
            content
                .iter()
                .filter(|(name, resource)| {
                    let told = self.told.get(*name);
                    self.asked.contains(*name)
                        || told.is_none_or(|told| told.digest != resource.digest)
                })
                .map(|(_, resource)| resource.clone())
                .collect()
        };
        if resources.is_empty() && !self.type_url.is_full_state() {
            return None;
        }
        if self.refused.contains(&version::digest(resources.iter())) {
            return None;
        }
        Some(resources)
    }

    /// Whether another response may go out now; if not, when.
    pub(super) fn has_room(&mut self, now: Timestamp) -> bool {
        self.paced_until = None;
        let Some(last) = self.unanswered.back() else {
            return true;
        };
        if self.unanswered.len() < MAX_UNANSWERED {
            return true;
        }
        let turn = later(last.sent_at, PACE);
        if turn > now {
            self.paced_until = Some(turn);
        }
        turn <= now
    }

    /// Books a response as sent and returns its version.
    pub(super) fn send(
        &mut self,
        nonce: u64,
        set: Option<&Arc<TypeSet>>,
        resources: Vec<Arc<Resource>>,
        now: Timestamp,
    ) -> String {
        let by_name = resources.iter().map(|r| (r.name.clone(), r.clone()));
        if self.type_url.is_full_state() {
            self.told = by_name.collect();
        } else {
            self.told.extend(by_name);
        }
        self.asked.clear();
        self.must_answer = false;
        self.last_nonce = nonce;
        let revision = set.map_or(Revision::ZERO, |set| set.changed_in);
        let version = version::of(revision, self.told.values());
        self.forget_oldest();
        self.unanswered.push_back(Unanswered {
            nonce,
            version: version.clone(),
            revision,
            source: set.map(|set| set.digest),
            resources,
            sent_at: now,
        });
        version
    }

    fn forget_oldest(&mut self) {
        if self.unanswered.len() < MAX_PACED {
            return;
        }
        let oldest = self.unanswered.pop_front();
        let (Some(oldest), Some(next)) = (oldest, self.unanswered.front_mut()) else {
            return;
        };
        if !self.type_url.is_full_state() {
            let newer: BTreeSet<Arc<str>> = next.resources.iter().map(|r| r.name.clone()).collect();
            let left = oldest.resources.into_iter();
            next.resources
                .extend(left.filter(|r| !newer.contains(&r.name)));
        }
    }

    /// Books the answer that a request with this nonce carries.
    ///
    /// Envoy answers once for all responses that it took while it was paused, with the nonce and version of the last
    /// and the error of an earlier one (seen with 1.40). `version_info` tells which was the last that it accepted.
    pub(super) fn answer(
        &mut self,
        nonce: u64,
        version_info: &str,
        error: Option<String>,
        records: &mut Vec<Record>,
    ) -> Answer {
        let answer = match nonce == self.last_nonce {
            true => Answer::ToNewest,
            false => Answer::ToOlder,
        };
        let Some(at) = self.unanswered.iter().position(|sent| sent.nonce == nonce) else {
            // The newest may be answered again: every change of the subscription repeats its nonce.
            return match answer {
                Answer::ToNewest => Answer::ToNewest,
                _ => Answer::Stale,
            };
        };
        let answered: Vec<Unanswered> = self.unanswered.drain(..=at).collect();
        self.done_with = None;
        self.paced_until = None;
        let Some(message) = error.map(blame::cut) else {
            for response in answered {
                self.accept(response);
            }
            return answer;
        };
        // A version that the client had before says nothing about the responses that repeat it.
        let good = match version_info == self.accepted_version {
            true => None,
            false => answered.iter().rposition(|r| r.version == version_info),
        };
        let newest = answered.len() - 1;
        for (index, response) in answered.into_iter().enumerate() {
            let verdict = match good {
                Some(good) if good == newest && index < newest => match newest {
                    1 => Verdict::Blamed,
                    _ => Verdict::Suspected,
                },
                Some(good) if index <= good => Verdict::Accepted,
                _ if index == newest => Verdict::Blamed,
                _ => Verdict::Rejected,
            };
            match verdict {
                Verdict::Accepted => self.accept(response),
                rejected => records.push(self.reject(response, rejected, &message)),
            }
        }
        self.retell();
        answer
    }

    fn accept(&mut self, response: Unanswered) {
        for resource in &response.resources {
            let healed = |refusal: &Refusal| refusal.content == resource.digest;
            if self.refusals.get(&resource.name).is_some_and(healed) {
                self.refusals.remove(&resource.name);
            }
        }
        self.ever_accepted = true;
        if self.type_url.is_full_state() {
            // What the client had and this response does not hold is gone.
            self.unknown_past = false;
        }
        self.accepted_version = response.version;
        self.take(response.resources);
    }

    /// Takes resources into what the client has.
    fn take(&mut self, resources: Vec<Arc<Resource>>) {
        let by_name = resources.into_iter().map(|r| (r.name.clone(), r));
        if self.type_url.is_full_state() {
            self.accepted = by_name.collect();
        } else {
            let subscription = &self.subscription;
            self.accepted
                .extend(by_name.filter(|(name, _)| subscription.wants(name)));
        }
    }

    /// Books a rejection per resource: Envoy applies the good ones of a response that it rejects (seen with 1.40).
    fn reject(&mut self, response: Unanswered, verdict: Verdict, message: &str) -> Record {
        let had = |name: &str| self.accepted.get(name).map(|r| r.digest);
        let changed: Vec<Arc<Resource>> = response
            .resources
            .iter()
            .filter(|r| had(&r.name) != Some(r.digest))
            .cloned()
            .collect();
        let named = blame::named(message, changed.iter().map(|r| &r.name));
        let record = Record::Rejected {
            type_url: self.type_url,
            revision: response.revision,
            resources: named.iter().map(|name| name.to_string()).collect(),
            message: message.to_owned(),
        };
        let refused = version::digest(response.resources.iter());
        if verdict != Verdict::Suspected && !self.refused.contains(&refused) {
            self.refused.push_back(refused);
            if self.refused.len() > REFUSED_KEPT {
                self.refused.pop_front();
            }
        }
        // What it had before this stream it still has: the next list, be it empty, is news.
        self.must_answer |= self.type_url.is_full_state() && self.unknown_past;
        if verdict != Verdict::Blamed || (named.is_empty() && changed.len() > 1) {
            // Which of them the client took all the same cannot be known: what it had is told again.
            self.must_answer |= self.type_url.is_full_state() && !changed.is_empty();
            self.asked.extend(changed.iter().map(|r| r.name.clone()));
        }
        if verdict != Verdict::Blamed {
            return record;
        }
        let blamed = |name: &Arc<str>| named.is_empty() || named.contains(name);
        for resource in changed.iter().filter(|r| blamed(&r.name)) {
            let refusal = Refusal {
                content: resource.digest,
                message: message.to_owned(),
                named: !named.is_empty(),
                source: response.source,
            };
            self.refusals.insert(resource.name.clone(), refusal);
        }
        if !named.is_empty() {
            let mut good: Vec<Arc<Resource>> = Vec::with_capacity(response.resources.len());
            for resource in response.resources {
                if !named.contains(&resource.name) {
                    good.push(resource);
                } else if let Some(before) = self.accepted.get(&resource.name) {
                    good.push(before.clone());
                }
            }
            self.ever_accepted = true;
            self.take(good);
        }
        record
    }

    /// What the client will have, once more from what it has and what is still on its way.
    fn retell(&mut self) {
        self.told = self.accepted.clone();
        for response in &self.unanswered {
            let by_name = response
                .resources
                .iter()
                .filter(|r| self.subscription.wants(&r.name))
                .map(|r| (r.name.clone(), r.clone()));
            if self.type_url.is_full_state() {
                self.told = by_name.collect();
            } else {
                self.told.extend(by_name);
            }
        }
    }
}

/// Same names, same bytes.
fn same(a: &Content, b: &Content) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((_, a), (_, b))| a.digest == b.digest)
}
