//! What a revision changed, and what of it a proxy must have accepted.

use std::sync::Arc;

use crate::{
    fleet::Requirement,
    model::TypeUrl,
    snapshot::{Change, Digest, Snapshot},
    store::{CommitKind, RevisionMeta},
};

/// A resource that a revision changed, with the content it gave it; None: it removed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Its type.
    pub type_url: TypeUrl,
    /// Its name.
    pub name: Arc<str>,
    /// Its new content.
    pub digest: Option<Digest>,
}

impl Touched {
    /// What these changes made of the resources, in `new`.
    pub(in crate::controller) fn of(changes: &[Change], new: &Snapshot) -> Arc<[Self]> {
        let of = |change: &Change| Self {
            type_url: change.type_url,
            name: change.name.clone(),
            digest: digest_of(new, change.type_url, &change.name),
        };
        changes.iter().map(of).collect()
    }

    /// The snapshot has it with that content.
    pub(in crate::controller) fn is_so_in(&self, snapshot: &Snapshot) -> bool {
        digest_of(snapshot, self.type_url, &self.name) == self.digest
    }
}

fn digest_of(snapshot: &Snapshot, type_url: TypeUrl, name: &str) -> Option<Digest> {
    snapshot
        .resource(type_url, name)
        .map(|resource| resource.digest)
}

/// What a proxy must have accepted for a revision to have reached it.
pub(in crate::controller) fn requirement(meta: &RevisionMeta, snapshot: &Snapshot) -> Requirement {
    let types: Vec<TypeUrl> = snapshot.changed_types().collect();
    match meta.kind {
        CommitKind::Switch if types == [TypeUrl::RouteConfiguration] => {
            Requirement::weights(meta.revision)
        }
        _ => Requirement::new(meta.revision, types),
    }
}
