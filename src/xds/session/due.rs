//! What is due: the response that brings the client from what it was told to what is planned.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use super::{
    cache::Cache,
    channel::Channel,
    message::{Message, Parts},
    mode::Mode,
    plan::Plan,
};
use crate::{model::Revision, snapshot::View};

impl Channel {
    /// Whether a response is due that brings the client to what is planned.
    pub(super) fn is_due(&self, plan: &Plan) -> bool {
        let (target, may_be_empty) = (&plan.target, plan.may_be_empty);
        let news = self.told.digest != target.digest;
        if self.is_whole() {
            return (self.must_answer || news) && (!target.is_empty() || may_be_empty);
        }
        let due = |name: &Arc<str>| target.has(name) && self.may_repeat(name, plan);
        let asked = self.asked.iter().any(due);
        let empty = self.must_answer && self.mode == Mode::Delta && self.subscription.is_wildcard();
        news || asked || !plan.absent.is_empty() || (empty && may_be_empty)
    }

    /// Whether a name may be said again. What is gone from the snapshot only if the client has accepted it: it may refuse
    /// the rest, and all that comes with it.
    fn may_repeat(&self, name: &str, plan: &Plan) -> bool {
        let content = |view: &View| view.get(name).map(|item| item.resource.digest);
        self.mode == Mode::Delta
            || self.is_whole()
            || !plan.kept.iter().any(|kept| **kept == *name)
            || content(&self.accepted) == content(&plan.target)
    }

    /// What is planned is being said. What of it may not be repeated yet is still asked for. Returns what the client was told of before
    /// and has asked for again.
    pub(super) fn say(&mut self, plan: &Plan) -> BTreeSet<Arc<str>> {
        let mut asked = std::mem::take(&mut self.asked);
        let again = asked.iter().filter(|name| self.told.has(name)).cloned();
        let again = again.collect();
        asked.retain(|name| plan.target.has(name) && !self.may_repeat(name, plan));
        self.asked = asked;
        self.must_answer = false;
        again
    }

    /// The response that brings the client to what is planned; none if it has refused that very content.
    pub(super) fn response(
        &self,
        revision: Revision,
        plan: &Plan,
        cache: &Cache,
    ) -> Option<Arc<Message>> {
        let message = cache.message(&Parts {
            mode: self.mode,
            revision,
            told: &self.told,
            target: &plan.target,
            asked: &self.due(plan),
            absent: &plan.absent,
        });
        let refused = !self.refused.is_empty() && self.refused.contains(&message.content());
        (!refused).then_some(message)
    }

    /// What a response says even if it is told already. In state of the world a version stands for everything that the
    /// client has who accepts it, and of those that are unanswered it may reject any: so the next holds what they hold.
    fn due(&self, plan: &Plan) -> Cow<'_, BTreeSet<Arc<str>>> {
        if self.unanswered.is_empty() || self.mode == Mode::Delta || self.is_whole() {
            return Cow::Borrowed(&self.asked);
        }
        let mut due = self.asked.clone();
        for view in self.possible() {
            let since = plan.target.since(view);
            due.extend(since.changed.iter().map(|item| item.resource.name.clone()));
        }
        due.retain(|name| self.may_repeat(name, plan));
        Cow::Owned(due)
    }
}
