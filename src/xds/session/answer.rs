//! What the client answers: which responses it has accepted, and which it rejected, per resource.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    blame,
    cache::Cache,
    channel::{Channel, Refusal, Unanswered},
    mode::Mode,
};
use crate::{
    fleet::Record,
    model::TypeUrl,
    snapshot::{Item, Items, View},
};

/// Digests of refused responses remembered per type, so that a change that comes and goes is not offered again and
/// again. A stream that refuses more than these has an operator's attention.
const REFUSED_KEPT: usize = 16;

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

/// Types of which Envoy goes on using what it had, but keeps what it rejects: it has listeners and clusters that come later use
/// it, and rejects them too; and if that is said once more, it accepts it and uses it nowhere (seen with 1.40).
fn keeps_what_it_rejects(type_url: TypeUrl) -> bool {
    matches!(type_url, TypeUrl::Secret | TypeUrl::TypedExtensionConfig)
}

impl Channel {
    /// Books the answer that a state-of-the-world request with this nonce carries: to that response and all before it.
    ///
    /// Envoy answers once for all responses that it took while it was paused, with the nonce and version of the last
    /// and the error of an earlier one (seen with 1.40). `version_info` tells which was the last that it accepted.
    pub(super) fn answer(
        &mut self,
        nonce: u64,
        version_info: &str,
        error: Option<String>,
        cache: &Cache,
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
        let mut answered: Vec<Unanswered> = self.unanswered.drain(..=at).collect();
        self.done_with = None;
        self.paced_until = None;
        let Some(message) = error.map(blame::kept) else {
            if let Some(last) = answered.last() {
                self.took(last);
            }
            for response in answered {
                self.accept(&response, cache);
            }
            self.retell(0, &BTreeSet::new(), cache);
            return answer;
        };
        // What says nothing new can't be what the error is about.
        answered.retain(|sent| !sent.message.heartbeat);
        // A version that the client had before says nothing about the responses that repeat it.
        let good = match version_info == &*self.accepted_version {
            true => None,
            false => answered
                .iter()
                .rposition(|sent| &*sent.message.version == version_info),
        };
        let newest = answered.len().saturating_sub(1);
        for (index, response) in answered.iter().enumerate() {
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
                Verdict::Accepted => self.accept(response, cache),
                rejected => self.reject(response, rejected, &message, cache, records),
            }
        }
        self.retell(0, &BTreeSet::new(), cache);
        answer
    }

    /// Books the answer that a delta request with this nonce carries: to that response alone. Others may be open
    /// before and after it.
    pub(super) fn answer_delta(
        &mut self,
        nonce: u64,
        error: Option<String>,
        cache: &Cache,
        records: &mut Vec<Record>,
    ) {
        let Some(at) = self.unanswered.iter().position(|sent| sent.nonce == nonce) else {
            return;
        };
        let Some(answered) = self.unanswered.remove(at) else {
            return;
        };
        self.done_with = None;
        self.paced_until = None;
        let mut newer = BTreeSet::new();
        match error.map(blame::kept) {
            None => {
                // What is older and still open says nothing more about these.
                if at > 0 {
                    let since = answered.after.since(&answered.before);
                    let changed = since.changed.iter().map(|item| &item.resource.name);
                    newer.extend(changed.chain(&since.removed).cloned());
                }
                self.accept(&answered, cache);
            }
            Some(_) if answered.message.heartbeat => {}
            Some(message) => {
                self.reject(&answered, Verdict::Blamed, &message, cache, records);
            }
        }
        self.retell(at, &newer, cache);
    }

    fn accept(&mut self, response: &Unanswered, cache: &Cache) {
        if !self.refusals.is_empty() {
            for item in &response.message.resources {
                let digest = item.resource.digest;
                self.forget_refusals(&item.resource.name, |refusal| refusal.content == digest);
            }
        }
        self.ever_accepted = true;
        self.ever_answered = true;
        if self.is_whole() {
            // What the client had and this response does not hold is gone.
            self.unknown_past = false;
            self.presumed = false;
            self.in_doubt = false;
        }
        self.accepted_version = response.message.version.clone();
        let accepted = self.with(&self.accepted, response, &BTreeSet::new(), cache);
        let promised = response.promised.filter(|_| self.mode == Mode::Sotw);
        if promised.is_some_and(|promised| promised != accepted.digest) {
            // It was made for a client that had taken what came before. Its version stands for more than the client has,
            // which would show it on its next stream: something is said again, under another version.
            let since = response.after.since(&accepted);
            let other = since.changed.iter().map(|item| &item.resource.name);
            let first = accepted.items().keys().next();
            self.asked.extend(other.chain(first).cloned());
        }
        self.take(accepted);
    }

    /// What a client that has `base` has after it took a response, but for the names in `newer`.
    fn with(
        &self,
        base: &Arc<View>,
        response: &Unanswered,
        newer: &BTreeSet<Arc<str>>,
        cache: &Cache,
    ) -> Arc<View> {
        if self.is_whole() {
            return response.after.clone();
        }
        let message = &response.message;
        let none = (Vec::new(), Vec::new());
        // What it holds is taken, whatever was thought of the client when it was sent: it may have been given up and asked for again
        // since. What is gone state of the world can't say.
        let (said, gone) = match self.mode {
            _ if message.heartbeat => (&none.0, &none.1),
            Mode::Sotw => (&message.resources, &none.1),
            Mode::Delta => (&message.resources, &message.removed),
        };
        let since = response.after.since(&response.before);
        let as_sent = base.digest == response.before.digest && response.promised.is_some();
        if as_sent && newer.is_empty() && (self.mode == Mode::Delta || since.removed.is_empty()) {
            return response.after.clone();
        }
        let mut items = base.items().clone();
        for item in said {
            let name = &item.resource.name;
            if !newer.contains(name) && self.subscription.wants(name) {
                items.insert(name.clone(), item.clone());
            }
        }
        for name in gone.iter().filter(|name| !newer.contains(*name)) {
            items.remove(name);
        }
        cache.view(self.type_url, items)
    }

    /// Books a rejection per resource: Envoy may apply the good ones of a response that it rejects (seen with 1.40). It is no
    /// news if it is that of a content which another response brought, and which has been booked for it; a response that
    /// was on its way carried it along.
    fn reject(
        &mut self,
        response: &Unanswered,
        verdict: Verdict,
        message: &str,
        cache: &Cache,
        records: &mut Vec<Record>,
    ) {
        let had = |name: &str| {
            let had = self.accepted.get(name);
            let had = had.filter(|_| !self.is_dropped(name));
            had.map(|item| item.resource.digest)
        };
        let changed: Vec<&Item> = response
            .message
            .resources
            .iter()
            .filter(|item| had(&item.resource.name) != Some(item.resource.digest))
            .collect();
        let mut named = blame::named(message, changed.iter().map(|item| &item.resource.name));
        let shown = blame::shown(&named, |name| {
            let item = changed.iter().find(|item| *item.resource.name == *name);
            item.map(|item| &item.resource.references.clusters)
        });
        named.retain(|name| !shown.contains(name));
        let spares_the_rest =
            !named.is_empty() && shown.is_empty() && blame::spares_the_rest(message);
        let record = Record::Rejected {
            type_url: self.type_url,
            revision: response.message.revision,
            resources: named.iter().map(|name| name.to_string()).collect(),
            message: message.to_owned(),
        };
        let is_found = |item: &&Item| self.is_found(&item.resource);
        let known = changed.iter().copied().filter(is_found);
        let known: BTreeSet<Arc<str>> = known.map(|item| item.resource.name.clone()).collect();
        let carried = !known.is_empty() && named.iter().all(|name| known.contains(name));
        let verdict = match verdict {
            // What came with it may have been taken or not: it is sent again, without it.
            Verdict::Blamed if carried && named.is_empty() => Verdict::Rejected,
            other => other,
        };
        records.extend((!carried).then_some(record));
        let refused = response.message.content();
        if verdict != Verdict::Suspected && !self.refused.contains(&refused) {
            self.refused.push_back(refused);
            if self.refused.len() > REFUSED_KEPT {
                self.refused.pop_front();
            }
        }
        self.ever_answered = true;
        // What it had before this stream, or took of an earlier list, it still has: the next list, be it empty, is news.
        self.must_answer |=
            self.is_whole() && (self.unknown_past || self.presumed || self.in_doubt);
        let others = changed.len() > named.len().max(1);
        let unsure = verdict != Verdict::Blamed || (others && !spares_the_rest);
        if unsure || keeps_what_it_rejects(self.type_url) {
            // Which of them the client took all the same cannot be known: what it had is told again.
            if self.is_whole() && !changed.is_empty() {
                self.must_answer = true;
                self.in_doubt = true;
            }
            let names = changed.iter().map(|item| item.resource.name.clone());
            let wanted = names.filter(|name| self.subscription.wants(name));
            self.asked.extend(wanted.collect::<Vec<_>>());
        }
        // If it says nothing new, it is what the client does not take.
        if !changed.is_empty() {
            let spared = verdict == Verdict::Blamed && spares_the_rest;
            self.answer_once_more(response, |name| spared && !named.contains(name));
        }
        if verdict != Verdict::Blamed || !spares_the_rest {
            self.lose(response, cache);
        }
        if verdict != Verdict::Blamed {
            return;
        }
        let blamed = |name: &Arc<str>| named.is_empty() || named.contains(name);
        for item in changed.iter().filter(|item| blamed(&item.resource.name)) {
            let refusal = Refusal {
                content: item.resource.digest,
                message: message.to_owned(),
                found: !named.is_empty() || changed.len() == 1,
                named: !named.is_empty(),
                source: response.source,
            };
            self.remember(&item.resource.name, refusal);
        }
        if !carried {
            records.extend(self.rejected_again(response));
        }
        if spares_the_rest {
            let taken = self.with(&self.accepted, response, &BTreeSet::new(), cache);
            let mut good: Items = taken.items().clone();
            for name in named {
                match self.accepted.get(&name) {
                    Some(before) => good.insert(name, before.clone()),
                    None => good.remove(&name),
                };
            }
            self.ever_accepted = true;
            self.take(cache.view(self.type_url, good));
        }
    }

    /// What was said because it was asked for: the client waits for the answer, unless it has taken it.
    fn answer_once_more(&mut self, response: &Unanswered, is_taken: impl Fn(&Arc<str>) -> bool) {
        if self.is_whole() {
            return;
        }
        let message = &response.message;
        let gone = message.removed.iter().chain(&message.unresolved);
        let said = response.asked.iter().chain(gone);
        let missed = said.filter(|name| self.subscription.wants(name) && !is_taken(name));
        self.asked.extend(missed.cloned().collect::<Vec<_>>());
    }

    /// What a whole list leaves out may be gone, though it was rejected: the client is told again, one way or the other.
    fn lose(&mut self, response: &Unanswered, cache: &Cache) {
        let lost = response.after.since(&self.accepted).removed.len();
        if self.is_whole() && lost > 0 {
            let mut left = self.accepted.items().clone();
            left.retain(|name, _| response.after.has(name));
            self.must_answer = true;
            self.take(cache.view(self.type_url, left));
        }
    }

    /// What the client will have, once more from what it has and what is still on its way. Of those before `at`, the
    /// names in `newer` no longer count.
    fn retell(&mut self, at: usize, newer: &BTreeSet<Arc<str>>, cache: &Cache) {
        let none = BTreeSet::new();
        let mut told = self.accepted.clone();
        for index in 0..self.unanswered.len() {
            let Some(sent) = self.unanswered.get(index) else {
                break;
            };
            let newer = if index < at { newer } else { &none };
            let after = self.with(&told, sent, newer, cache);
            let Some(sent) = self.unanswered.get_mut(index) else {
                break;
            };
            sent.before = std::mem::replace(&mut told, after.clone());
            sent.after = after;
        }
        self.told = told;
    }
}
