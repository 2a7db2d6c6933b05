//! What the client has refused: it is not sent again as it is, and whoever brings it again is told at once.

use std::{collections::BTreeMap, sync::Arc};

use super::channel::{Channel, Refusal, Unanswered};
use crate::{
    fleet::Record,
    model::Revision,
    snapshot::{Digest, Item, Resource, Snapshot, TypeSet},
};

/// So many contents of one name are remembered: routes that a client does not take come back with each switch of what they
/// name, and with the way back.
const REFUSED_OF_A_NAME: usize = 8;

impl Channel {
    /// Remembers it as the newest of its name.
    pub(super) fn remember(&mut self, name: &Arc<str>, refusal: Refusal) {
        let known = self.refusals.entry(name.clone()).or_default();
        known.retain(|known| known.content != refusal.content);
        known.push(refusal);
        if known.len() > REFUSED_OF_A_NAME {
            known.remove(0);
        }
    }

    /// Forgets those of a name that are so.
    pub(super) fn forget_refusals(&mut self, name: &str, is_so: impl Fn(&Refusal) -> bool) {
        if let Some(known) = self.refusals.get_mut(name) {
            known.retain(|refusal| !is_so(refusal));
            if known.is_empty() {
                self.refusals.remove(name);
            }
        }
    }

    /// What was said of this content.
    pub(super) fn refusal(&self, name: &str, content: Digest) -> Option<&Refusal> {
        let known = self.refusals.get(name)?;
        known.iter().find(|refusal| refusal.content == content)
    }

    /// Whether this content was refused, and a try in another company is no use.
    pub(super) fn is_refused(&self, resource: &Resource, source: Option<Digest>) -> bool {
        self.refusal(&resource.name, resource.digest)
            .is_some_and(|refusal| refusal.found || refusal.source == source)
    }

    /// The newest of that name, if it is refused.
    pub(super) fn refused_newest<'a>(
        &self,
        name: &str,
        snapshot: &'a Snapshot,
    ) -> Option<&'a Resource> {
        let set = snapshot.get(self.type_url)?;
        let newest = set.resources.get(name)?;
        self.is_refused(newest, Some(set.digest)).then_some(newest)
    }

    /// What the client is to have of a name instead of the newest, which it refuses: what it has, or will have by what is on its
    /// way, so that nothing is said. To go back to what it has accepted so far would be news with every answer that comes in.
    pub(super) fn before_refused(&self, name: &str, source: Option<Digest>) -> Option<&Item> {
        let told = self.told.get(name);
        match told.filter(|told| !self.is_refused(&told.resource, source)) {
            Some(told) => Some(told),
            None => self.accepted.get(name),
        }
    }

    /// What the client keeps of a name that is gone: what it has, or will have, unless it may be what it refused.
    pub(super) fn kept_of(&self, name: &str) -> Option<&Item> {
        let told = self.told.get(name)?;
        match self.refusal(name, told.resource.digest) {
            None => Some(told),
            Some(_) => self.accepted.get(name),
        }
    }

    /// This content is what the client refuses, in whatever company.
    pub(super) fn is_found(&self, resource: &Resource) -> bool {
        self.refusal(&resource.name, resource.digest)
            .is_some_and(|refusal| refusal.found)
    }

    /// What a revision brings and the client has refused before. It is not asked again, and its answer is known.
    pub(super) fn known_refusal(
        &self,
        before: Option<&Arc<TypeSet>>,
        set: &Arc<TypeSet>,
    ) -> Option<Record> {
        let (name, refusal) = self.refusals.keys().find_map(|name| {
            let newest = brought(before, set, name)?;
            let refusal = self.refusal(name, newest.digest)?;
            self.is_refused(newest, Some(set.digest))
                .then_some((name, refusal))
        })?;
        let resources = if refusal.named {
            vec![name.to_string()]
        } else {
            Vec::new()
        };
        Some(Record::Rejected {
            type_url: self.type_url,
            revision: set.changed_in,
            resources,
            message: refusal.message.clone(),
        })
    }

    /// A revision brings again what is on its way for an earlier one, and was taken back in between: the answer to that is
    /// an answer to this.
    pub(super) fn bring_again(&mut self, before: Option<&Arc<TypeSet>>, set: &Arc<TypeSet>) {
        if before.is_some_and(|before| before.digest == set.digest) {
            return;
        }
        for sent in &mut self.unanswered {
            for item in &sent.message.resources {
                let name = &item.resource.name;
                let newest = brought(before, set, name);
                if newest.is_some_and(|newest| newest.digest == item.resource.digest) {
                    let now = (set.changed_in, set.digest);
                    sent.again.insert(name.clone(), now);
                }
            }
        }
    }

    /// The rejections of the later revisions that bring again what has just been refused of a response.
    pub(super) fn rejected_again(&self, response: &Unanswered) -> Vec<Record> {
        let mut revisions = BTreeMap::<Revision, (Vec<String>, &str)>::new();
        for item in &response.message.resources {
            let name = &item.resource.name;
            let Some((revision, source)) = response.again.get(name) else {
                continue;
            };
            if let Some(refusal) = self.refusal(name, item.resource.digest)
                && self.is_refused(&item.resource, Some(*source))
            {
                let (names, message) = revisions.entry(*revision).or_default();
                names.extend(refusal.named.then(|| name.to_string()));
                *message = &refusal.message;
            }
        }
        let revisions = revisions.into_iter();
        revisions
            .map(|(revision, (resources, message))| Record::Rejected {
                type_url: self.type_url,
                revision,
                resources,
                message: message.to_owned(),
            })
            .collect()
    }
}

/// What a set has under a name, if that is not what the one before had.
fn brought<'a>(
    before: Option<&Arc<TypeSet>>,
    set: &'a Arc<TypeSet>,
    name: &str,
) -> Option<&'a Arc<Resource>> {
    let newest = set.resources.get(name)?;
    let known = before.and_then(|before| before.resources.get(name));
    known
        .is_none_or(|known| known.digest != newest.digest)
        .then_some(newest)
}
