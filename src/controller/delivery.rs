//! Following a revision to the proxies. Whoever wants to know follows; nothing waits for it and nothing is held.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{Accepted, Handle, Verdict, standing::standing};
use crate::{
    fleet::{Proof, Requirement},
    model::{Revision, TypeUrl},
    snapshot::{Change, Digest, Snapshot},
    store::{CommitKind, RevisionMeta},
};

/// A follower spends at most one part in so many of a core: reading a proof, and telling of it, costs as much as the
/// fleet is large, and a large fleet ACKs ten thousand times in a second. What is seen later is stamped when it happened.
const SHARE: u32 = 50;

/// A look that took longer was interrupted.
const LONGEST_COST: Duration = Duration::from_millis(20);

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
    pub(super) fn of(changes: &[Change], new: &Snapshot) -> Arc<[Self]> {
        let of = |change: &Change| Self {
            type_url: change.type_url,
            name: change.name.clone(),
            digest: digest_of(new, change.type_url, &change.name),
        };
        changes.iter().map(of).collect()
    }

    fn is_so_in(&self, snapshot: &Snapshot) -> bool {
        digest_of(snapshot, self.type_url, &self.name) == self.digest
    }
}

fn digest_of(snapshot: &Snapshot, type_url: TypeUrl, name: &str) -> Option<Digest> {
    snapshot
        .resource(type_url, name)
        .map(|resource| resource.digest)
}

/// What a proxy must have accepted for a revision to have reached it.
pub(super) fn requirement(meta: &RevisionMeta, snapshot: &Snapshot) -> Requirement {
    let types: Vec<TypeUrl> = snapshot.changed_types().collect();
    match meta.kind {
        CommitKind::Switch if types == [TypeUrl::RouteConfiguration] => {
            Requirement::weights(meta.revision)
        }
        _ => Requirement::new(meta.revision, types),
    }
}

/// How far a revision has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Who has accepted it.
    pub proof: Proof,
    /// A later revision changed the same resources again.
    pub superseded_by: Option<Revision>,
    /// What the server decided about it.
    pub verdict: Option<Verdict>,
}

/// Follows one revision.
pub struct Follower {
    handle: Handle,
    requirement: Requirement,
    touched: Arc<[Touched]>,
    changes: watch::Receiver<u64>,
    superseded_by: Option<Revision>,
    /// When the last look began; what was done with it since is part of its cost.
    looked: Instant,
}

impl Follower {
    /// Follows what a command made.
    pub fn new(handle: &Handle, accepted: &Accepted) -> Self {
        Self::of(
            handle,
            accepted.requirement.clone(),
            accepted.touched.clone(),
        )
    }

    pub(super) fn of(handle: &Handle, requirement: Requirement, touched: Arc<[Touched]>) -> Self {
        Self {
            handle: handle.clone(),
            requirement,
            touched,
            changes: handle.ledger_changes(),
            superseded_by: None,
            looked: Instant::now(),
        }
    }

    /// How far it is now.
    pub fn look(&mut self) -> Progress {
        self.looked = Instant::now();
        self.changes.borrow_and_update();
        let head = self.handle.head();
        if self.superseded_by.is_none()
            && let Some(head) = &head
            && head.meta.revision > self.requirement.revision
            && !self.touched.iter().all(|one| one.is_so_in(&head.snapshot))
        {
            self.superseded_by = Some(head.meta.revision);
        }
        Progress {
            proof: match &head {
                Some(head) => standing(self.handle.ledger(), &head.snapshot, &self.requirement),
                None => self.handle.ledger().proof(&self.requirement),
            },
            superseded_by: self.superseded_by,
            verdict: self.handle.verdict(self.requirement.revision),
        }
    }

    /// Returns after the next change of the ledger, later for a large fleet. False: the server goes down.
    pub async fn changed(&mut self) -> bool {
        let pause = self.looked.elapsed().min(LONGEST_COST) * (SHARE - 1);
        tokio::select! {
            changed = self.changes.changed() => {
                if pause > Duration::from_millis(1) {
                    sleep(pause).await;
                }
                changed.is_ok()
            }
            () = self.handle.0.shared.closed() => false,
        }
    }
}
