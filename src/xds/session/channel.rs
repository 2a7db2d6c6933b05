//! One type on one stream: what the client has and has refused, what is on its way, and what it asks for.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    cache::Cache,
    deadline::later,
    message::Message,
    mode::Mode,
    presented::Presented,
    subscription::{Changed, Subscription},
};
use crate::{
    model::{Revision, TypeUrl},
    snapshot::{Digest, Item, View},
};

/// Responses of one type that may be unanswered before the stream waits and skips to the newest snapshot: one that
/// is being applied and one that is on its way.
const MAX_UNANSWERED: usize = 2;

/// A client may withhold its answer for as long as a cluster warms, and what it waits for may be in the next
/// response. So past [`MAX_UNANSWERED`] another one goes out only this long after the last.
const PACE: Duration = Duration::from_secs(5);

/// Unanswered responses that are remembered in state of the world, where one answer is to all before it: of more, the oldest
/// is taken together with the one after it.
const MAX_PACED: usize = 8;

/// The same in delta, where each is answered by itself, and a rejection of one that was forgotten would not be heard. A client
/// that has answered nothing for so many, at [`PACE`], has been silent for minutes: it is to come again.
const MAX_PACED_EACH: usize = 64;

/// Contents remembered of responses that were taken together.
const MAX_PASSED: usize = 64;

/// A response without an answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) nonce: u64,
    pub(super) message: Arc<Message>,
    /// Of the snapshot's set that it was made from.
    pub(super) source: Option<Digest>,
    /// What the client has when it reads it, if it accepts everything before.
    pub(super) before: Arc<View>,
    /// And what it has then.
    pub(super) after: Arc<View>,
    /// What the client asked for again, though it was told of it: it may have dropped what it had.
    pub(super) asked: BTreeSet<Arc<str>>,
    /// What its version stands for; none where the client has asked for something else since.
    pub(super) promised: Option<Digest>,
    /// Later revisions that bring again what it holds, by name, the newest of each; and the snapshot's set then.
    pub(super) again: BTreeMap<Arc<str>, (Revision, Digest)>,
    sent_at: Timestamp,
    /// What it may have had in between, of responses that were too many to remember.
    passed: Vec<Arc<View>>,
}

/// Why a resource is not sent again as it is.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) content: Digest,
    pub(super) message: String,
    /// The error named it, or could be about nothing else. Otherwise it may have been another resource of that response.
    pub(super) found: bool,
    /// The error named it.
    pub(super) named: bool,
    pub(super) source: Option<Digest>,
}

/// What was refused of one name, the newest last.
pub(super) type Refusals = Vec<Refusal>;

/// Types whose resources send requests to clusters.
pub(super) fn names_clusters(type_url: TypeUrl) -> bool {
    matches!(
        type_url,
        TypeUrl::Cluster
            | TypeUrl::Listener
            | TypeUrl::RouteConfiguration
            | TypeUrl::VirtualHost
            | TypeUrl::TypedExtensionConfig
    )
}

/// One type on one stream.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) type_url: TypeUrl,
    pub(super) mode: Mode,
    pub(super) subscription: Subscription,
    /// What the client showed in its first request, until it has been compared.
    pub(super) presented: Option<Presented>,
    /// The client has something of an earlier stream that is not known here.
    pub(super) unknown_past: bool,
    /// What the client has is what its version stands for: since then it may have taken the good part of a list that it
    /// rejected on an earlier stream.
    pub(super) presumed: bool,
    /// It may have taken a part of a list that it rejected on this stream, and has accepted none since.
    pub(super) in_doubt: bool,
    /// What the client has, as far as it has answered.
    pub(super) accepted: Arc<View>,
    /// Something was accepted, if only an empty list.
    pub(super) ever_accepted: bool,
    /// The same, or something was rejected: it does not wait for its first list.
    pub(super) ever_answered: bool,
    /// What it has once it has accepted what is on its way.
    pub(super) told: Arc<View>,
    /// To be sent even if it has not changed.
    pub(super) asked: BTreeSet<Arc<str>>,
    /// Names that a request with an old nonce left out.
    dropped: BTreeSet<Arc<str>>,
    /// The next response is due even if nothing has changed.
    pub(super) must_answer: bool,
    /// A response waits until this time for its turn.
    pub(super) paced_until: Option<Timestamp>,
    /// More is due, and there is no room for it: too much is unanswered.
    pub(super) overdue: bool,
    /// When what has a time to live is to be said again.
    pub(super) heartbeat_at: Option<Timestamp>,
    /// With this there is nothing more to do: the snapshot's set, and the clusters that were told.
    pub(super) done_with: Option<(Digest, Revision, Option<Digest>)>,
    pub(super) last_nonce: u64,
    pub(super) accepted_version: Arc<str>,
    pub(super) unanswered: VecDeque<Unanswered>,
    pub(super) refusals: BTreeMap<Arc<str>, Refusals>,
    pub(super) refused: VecDeque<Digest>,
    /// Clusters that the client has stopped naming since this was last looked at, and how long requests may be open there.
    pub(super) released: Vec<(Arc<str>, Duration)>,
}

impl Channel {
    pub(super) fn new(
        type_url: TypeUrl,
        mode: Mode,
        subscription: Subscription,
        presented: Presented,
    ) -> Self {
        Self {
            type_url,
            mode,
            subscription,
            presented: Some(presented),
            unknown_past: false,
            presumed: false,
            in_doubt: false,
            accepted: View::none(type_url),
            ever_accepted: false,
            ever_answered: false,
            told: View::none(type_url),
            asked: BTreeSet::new(),
            dropped: BTreeSet::new(),
            must_answer: true,
            paced_until: None,
            overdue: false,
            heartbeat_at: None,
            done_with: None,
            last_nonce: 0,
            accepted_version: Arc::default(),
            unanswered: VecDeque::new(),
            refusals: BTreeMap::new(),
            refused: VecDeque::new(),
            released: Vec::new(),
        }
    }

    /// From now on the client has this.
    pub(super) fn take(&mut self, view: Arc<View>) {
        if names_clusters(self.type_url) && view.digest != self.accepted.digest {
            let released = view.released_since(&self.accepted);
            self.released.extend(released.iter().cloned());
        }
        self.accepted = view;
    }

    /// Responses hold everything, and what is absent is deleted.
    pub(super) fn is_whole(&self) -> bool {
        self.mode.is_whole(self.type_url)
    }

    /// A list that may be older than the one that counts. It changes nothing; but a name that is missing in it and
    /// there again in the next may have been dropped in between, with what the client had of it.
    pub(super) fn overhear(&mut self, names: &[String]) {
        let listed: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let known = self.subscription.named().iter();
        // Without the star that stood for everything, whatever is not named may have been dropped.
        let had = self.told.items().keys();
        let had = had.filter(|_| self.subscription.is_left_by(names));
        let missing = known.chain(had).filter(|name| !listed.contains(&***name));
        self.dropped.extend(missing.cloned());
    }

    /// The client has read and accepted that response. What it names with its answer it asked for again before, and has: so is it at
    /// least where it answers each response when it has read it, as one does that names its clusters and listeners.
    pub(super) fn took(&mut self, response: &Unanswered) {
        if self.is_whole() {
            let taken = |name: &Arc<str>| response.after.has(name);
            self.dropped.retain(|name| !taken(name));
        }
    }

    /// Whether the client gave that up for a while, with what it had of it.
    pub(super) fn is_dropped(&self, name: &str) -> bool {
        self.dropped.contains(name)
    }

    /// The client asks for something else now. Returns whether anything is subscribed, if that changed.
    pub(super) fn resubscribed(
        &mut self,
        was_none: bool,
        changed: Changed,
        cache: &Cache,
    ) -> Option<bool> {
        let dropped = std::mem::take(&mut self.dropped);
        let dropped = dropped
            .into_iter()
            .filter(|name| self.subscription.wants(name));
        let dropped: BTreeSet<Arc<str>> = dropped.collect();
        if !dropped.is_empty() {
            self.let_go(&dropped, cache);
            self.asked.extend(dropped);
        }
        if changed.is_nothing() {
            return None;
        }
        self.done_with = None;
        if changed.everything || !changed.added.is_empty() {
            // The client may have dropped what it had, and an explicit question is answered once more.
            self.must_answer |= self.is_whole() || changed.everything;
            for name in &changed.added {
                self.answer_anew(name);
            }
        }
        if changed.everything {
            self.asked.extend(self.told.items().keys().cloned());
        }
        self.asked.extend(changed.added);
        let subscription = &self.subscription;
        self.asked.retain(|name| subscription.wants(name));
        if !self.is_whole() && changed.removed {
            self.let_go(&BTreeSet::new(), cache);
        }
        let is_none = self.subscription.is_none();
        if is_none {
            self.take(View::none(self.type_url));
            self.told = View::none(self.type_url);
            self.must_answer = false;
        }
        (was_none != is_none).then_some(!is_none)
    }

    /// The client no longer has what it does not ask for, nor these, which it gave up for a while. Nobody tells it to delete them: it
    /// does so by itself.
    fn let_go(&mut self, dropped: &BTreeSet<Arc<str>>, cache: &Cache) {
        let subscription = &self.subscription;
        let rest = |view: &Arc<View>| {
            let asked = subscription.of(view, cache);
            if !dropped.iter().any(|name| asked.has(name)) {
                return asked;
            }
            let mut items = asked.items().clone();
            items.retain(|name, _| !dropped.contains(name));
            cache.view(asked.type_url, items)
        };
        let (told, accepted) = (rest(&self.told), rest(&self.accepted));
        for sent in &mut self.unanswered {
            // Asked for again before it arrives, the client takes from it what it had given up.
            if names_clusters(self.type_url) {
                sent.passed.push(sent.after.clone());
            }
            sent.promised = None;
            sent.before = rest(&sent.before);
            sent.after = rest(&sent.after);
        }
        self.told = told;
        self.take(accepted);
    }

    /// The client asks for a name. What only was in bad company when it was refused may be good. What was refused by its name would be
    /// so again: it is said all the same to who names what an Envoy asks for as a whole. Who gave such a name up, and with it
    /// what it knew of it, would wait (gRPC Go 1.85: for 15 seconds, with all calls of a channel).
    fn answer_anew(&mut self, name: &Arc<str>) {
        let by_name = self.type_url.is_full_state();
        if by_name && self.refusals.contains_key(name) {
            self.refused.clear();
        }
        self.forget_refusals(name, |refusal| by_name || !refusal.found);
    }

    /// The client has it, and nothing that is on its way takes it away, if only for a moment.
    pub(super) fn surely_has(&self, name: &str) -> bool {
        self.possible().all(|view| view.has(name))
    }

    /// What the client has, or will have for a while when it reads what is on its way. It may be at any of them.
    pub(super) fn possible(&self) -> impl Iterator<Item = &Arc<View>> {
        let on_its_way = self.unanswered.iter();
        let on_its_way = on_its_way.flat_map(|sent| sent.passed.iter().chain([&sent.after]));
        std::iter::once(&self.accepted).chain(on_its_way)
    }

    /// What is on its way may still make what the client has something else, if only for a moment: an older revision that it has
    /// not answered, for one.
    pub(super) fn is_changing(&self) -> bool {
        let mut possible = self.possible();
        possible.any(|view| view.digest != self.accepted.digest)
    }

    /// Something that the client uses of this type is not known here.
    pub(super) fn uses_unknown(&self) -> bool {
        let unknown = |item: &Item| !item.is_known();
        let missing = |name: &Arc<str>| !self.accepted.has(name);
        self.presented.is_some()
            || (self.unknown_past && self.subscription.named().iter().any(missing))
            || (self.unknown_past && self.is_whole())
            || self.accepted.items().values().any(unknown)
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
            return false;
        }
        self.overdue |= self.mode == Mode::Delta && self.unanswered.len() >= MAX_PACED_EACH;
        !self.overdue
    }

    /// Books a response as sent.
    pub(super) fn send(
        &mut self,
        nonce: u64,
        message: Arc<Message>,
        source: Option<Digest>,
        target: Arc<View>,
        asked: BTreeSet<Arc<str>>,
        now: Timestamp,
    ) {
        // What lives for a while is said three times in that time: one that is lost on the way does no harm.
        self.heartbeat_at = target.ttl.map(|ttl| later(now, ttl / 3));
        self.last_nonce = nonce;
        self.forget_oldest();
        let before = std::mem::replace(&mut self.told, target.clone());
        // Nearly always the only one: a list of four, which a push would begin with, is kept as long as the stream lives.
        self.unanswered.reserve_exact(1);
        self.unanswered.push_back(Unanswered {
            nonce,
            message,
            source,
            before,
            asked,
            promised: Some(target.digest),
            after: target,
            again: BTreeMap::new(),
            sent_at: now,
            passed: Vec::new(),
        });
    }

    /// Of too many responses the oldest is taken together with the next: one answer is to both, and until then the
    /// client may be at either.
    fn forget_oldest(&mut self) {
        if self.mode == Mode::Delta || self.unanswered.len() < MAX_PACED {
            return;
        }
        let oldest = self.unanswered.pop_front();
        let (Some(oldest), Some(next)) = (oldest, self.unanswered.front_mut()) else {
            return;
        };
        next.before = oldest.before;
        next.asked.extend(oldest.asked);
        let before = std::mem::take(&mut next.passed);
        next.passed = oldest.passed;
        for view in std::iter::once(oldest.after).chain(before) {
            if next.passed.iter().all(|known| known.digest != view.digest) {
                next.passed.push(view);
            }
        }
        let surplus = next.passed.len().saturating_sub(MAX_PASSED);
        next.passed.drain(..surplus);
    }
}
