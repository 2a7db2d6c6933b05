//! What the client has refused: it is not sent again as it is, and whoever brings it again is told at once.

use std::{collections::BTreeMap, sync::Arc};

use super::channel::{Channel, Unanswered};
use crate::{
    fleet::Record,
    model::Revision,
    snapshot::{Digest, Resource, TypeSet},
};

impl Channel {
    /// Whether this content was refused, and a try in another company is no use.
    pub(super) fn is_refused(&self, resource: &Resource, source: Option<Digest>) -> bool {
        self.refusals.get(&resource.name).is_some_and(|refusal| {
            refusal.content == resource.digest && (refusal.found || refusal.source == source)
        })
    }

    /// This content is what the client refuses, in whatever company.
    pub(super) fn is_found(&self, resource: &Resource) -> bool {
        let refusal = self.refusals.get(&resource.name);
        refusal.is_some_and(|refusal| refusal.found && refusal.content == resource.digest)
    }

    /// What a revision brings and the client has refused before. It is not asked again, and its answer is known.
    pub(super) fn known_refusal(
        &self,
        before: Option<&Arc<TypeSet>>,
        set: &Arc<TypeSet>,
    ) -> Option<Record> {
        let (name, refusal) = self.refusals.iter().find(|(name, _)| {
            let newest = brought(before, set, name);
            newest.is_some_and(|newest| self.is_refused(newest, Some(set.digest)))
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
            if let Some(refusal) = self.refusals.get(name)
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
