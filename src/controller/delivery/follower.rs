//! Following a revision to the proxies. Whoever wants to know follows; nothing waits for it and nothing is held.

use std::sync::Arc;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    controller::{
        handle::Handle,
        proof::{Look, Touched, Verdict, pause, standing},
        request::Accepted,
    },
    fleet::{Proof, Requirement},
    model::Revision,
    store::Head,
};

/// How far a revision has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Who has accepted it.
    pub proof: Arc<Proof>,
    /// A later revision changed the same resources again.
    pub superseded_by: Option<Revision>,
    /// What the server decided about it.
    pub verdict: Option<Verdict>,
}

impl Handle {
    /// How far the fleet is with its newest revision, all types of it.
    pub fn progress(&self, head: &Head) -> Progress {
        let types = head.snapshot.types().map(|set| set.type_url).collect();
        let requirement = Requirement::new(head.meta.revision, types);
        Progress {
            proof: Arc::new(look(self, self.head().as_deref(), &requirement)),
            superseded_by: None,
            verdict: self.verdict(requirement.revision),
        }
    }
}

fn look(handle: &Handle, head: Option<&Head>, requirement: &Requirement) -> Proof {
    match head {
        Some(head) => standing(handle.ledger(), &head.snapshot, requirement),
        None => handle.ledger().proof(requirement),
    }
}

/// Follows one revision.
pub struct Follower {
    handle: Handle,
    requirement: Requirement,
    touched: Arc<[Touched]>,
    changes: watch::Receiver<u64>,
    superseded_by: Option<Revision>,
    last: Option<Last>,
}

/// What a follower saw last.
struct Last {
    look: Look,
    /// When it got it; what was done with it since is part of the cost.
    at: Instant,
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
            last: None,
        }
    }

    /// How far it is. In a large fleet some of the last moment may be missing: [`changed`](Self::changed) returns for it.
    pub fn look(&mut self) -> Progress {
        let at = Instant::now();
        let changes = *self.changes.borrow_and_update();
        let head = self.handle.head();
        if self.superseded_by.is_none()
            && let Some(head) = &head
            && head.meta.revision > self.requirement.revision
            && !self.touched.iter().all(|one| one.is_so_in(&head.snapshot))
        {
            self.superseded_by = Some(head.meta.revision);
        }
        let newest = head
            .as_ref()
            .map_or(Revision::ZERO, |head| head.meta.revision);
        let looks = &self.handle.0.looks;
        let look = looks.at(&self.requirement, newest, changes, || {
            look(&self.handle, head.as_deref(), &self.requirement)
        });
        let proof = look.proof.clone();
        self.last = Some(Last { look, at });
        Progress {
            proof,
            superseded_by: self.superseded_by,
            verdict: self.handle.verdict(self.requirement.revision),
        }
    }

    /// Returns once there is something that the last look does not show; later for a large fleet. False: the server goes down.
    pub async fn changed(&mut self) -> bool {
        let Some(Last { look, at }) = &self.last else {
            return true;
        };
        let next = look.next.max(*at + pause(at.elapsed()));
        tokio::select! {
            goes_on = async {
                let changed = self.changes.wait_for(|changes| *changes != look.seen);
                let goes_on = changed.await.is_ok();
                if next > Instant::now() {
                    sleep_until(next).await;
                }
                goes_on
            } => goes_on,
            () = self.handle.0.shared.closed() => false,
        }
    }
}
