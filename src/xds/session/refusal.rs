//! What the client has refused: it is not sent again as it is, and whoever brings it again is told at once.

use std::sync::Arc;

use super::channel::Channel;
use crate::{
    fleet::Record,
    snapshot::{Digest, Resource, TypeSet},
};

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
        let brought = |name: &Arc<str>| {
            let newest = set.resources.get(name)?;
            let known = before.and_then(|before| before.resources.get(name));
            known
                .is_none_or(|known| known.digest != newest.digest)
                .then_some(newest)
        };
        let (name, refusal) = self.refusals.iter().find(|(name, _)| {
            brought(name).is_some_and(|newest| self.is_refused(newest, Some(set.digest)))
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
}
