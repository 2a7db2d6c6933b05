//! Keeps the records of releases: beside the revisions, so that these stay small.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::{Duration, Instant};

use super::{
    job::Jobs,
    push::{Seen, overtaken_in, said},
    record::update,
};
use crate::{
    controller::handle::Handle,
    fleet::Requirement,
    model::{Colour, Name, Revision, TypeUrl},
    release::{
        DeliveryRecord, LogEntry, ReleaseRecord, Replaced, ResourceDigest, Rollout, ServiceState,
        Side,
    },
    snapshot::{Snapshot, cluster_name},
    store::{Head, StoreError},
};

/// A push is followed so long for its record: who has not accepted it by then is away, and the record says so.
const FOLLOWED: Duration = Duration::from_secs(600);

/// How often a push on its way is entered: the ledger has every ACK with its time, so nothing is lost in between.
const EVERY: Duration = Duration::from_secs(1);

/// What is written of each service's newest release.
#[derive(Default)]
pub(super) struct Book {
    written: BTreeMap<Name, Written>,
    /// The newest snapshot that was seen.
    newest: Option<Arc<Snapshot>>,
    /// The one that it replaced, so that it need not be read from the store.
    replaced: Option<Arc<Snapshot>>,
}

struct Written {
    /// The release as it is in the record.
    rollout: Rollout,
    /// The push that is followed, since when, and how far it was.
    push: Option<(Revision, Instant, u32)>,
    /// When its deliveries were looked at last, and the count of the ledger's changes then.
    looked: Instant,
    seen: u64,
    /// Somebody has not accepted the push yet.
    on_its_way: bool,
}

impl Book {
    /// Enters what is new; true: something is still to come without a new revision.
    pub async fn look(&mut self, handle: &Handle, head: &Arc<Head>, jobs: &Jobs) -> bool {
        let mut open = self.give_up(handle, head).await;
        self.see(&head.snapshot);
        for (name, service) in &head.state.services {
            let Some(rollout) = service.rollout.as_deref() else {
                continue;
            };
            if let Some(analysis) = rollout.analysis
                && let Some((purpose, progress)) = jobs.progress(name, rollout.number, analysis)
            {
                handle.set_analysis(name, rollout.number, purpose, progress);
            }
            let known = self.written.get(name).map(|it| it.rollout.number);
            if known.is_none() {
                remember(handle, name, rollout.number).await;
            }
            if let (Some(replaced), true) = (&rollout.replaced, known != Some(rollout.number))
                && !closed(handle, name, replaced).await
            {
                // Its successor stays unknown until then, so that both are looked at again.
                open = true;
                continue;
            }
            open |= self.enter(handle, head, name, service, rollout).await;
        }
        open
    }

    /// Ends the records of releases that went with their service, or with the revision that their fleet went back from;
    /// true: one could not be written.
    async fn give_up(&mut self, handle: &Handle, head: &Head) -> bool {
        let stays = |name: &Name| {
            let service = head.state.services.get(name);
            service.is_some_and(|service| service.rollout.is_some())
        };
        let gone = self.written.iter().filter(|(name, _)| !stays(name));
        let gone = gone.map(|(name, known)| (name.clone(), gone_with(&known.rollout, name, head)));
        let mut open = false;
        for (name, gone) in gone.collect::<Vec<_>>() {
            match closed(handle, &name, &gone).await {
                true => drop(self.written.remove(&name)),
                false => open = true,
            }
        }
        open
    }

    fn see(&mut self, snapshot: &Arc<Snapshot>) {
        let newest = self.newest.as_ref().map(|newest| newest.revision);
        if newest != Some(snapshot.revision) {
            self.replaced = self.newest.replace(snapshot.clone());
        }
    }

    /// The resources of a service at a revision.
    async fn digests_at(
        &self,
        handle: &Handle,
        service: &ServiceState,
        revision: Revision,
    ) -> Vec<ResourceDigest> {
        let mut seen = [&self.newest, &self.replaced].into_iter().flatten();
        if let Some(seen) = seen.find(|seen| seen.revision == revision) {
            return digests(seen, service);
        }
        let stored = handle
            .0
            .shared
            .store
            .revision(handle.name(), revision)
            .await;
        match stored {
            Ok(Some(stored)) => digests(&stored.snapshot, service),
            // It is not kept any more, or can't be read: the record goes without.
            _ => Vec::new(),
        }
    }

    async fn enter(
        &mut self,
        handle: &Handle,
        head: &Head,
        name: &Name,
        service: &ServiceState,
        rollout: &Rollout,
    ) -> bool {
        let now = Instant::now();
        let known = self.written.get(name);
        if let Some(known) = known
            && let Err(error) = overtaken(handle, head, name, known, rollout).await
        {
            tracing::warn!(service = %name, %error, "the end of a push was not kept");
            return true;
        }
        let news = known.is_none_or(|known| known.rollout != *rollout);
        let push = match (rollout.moved_in, known.and_then(|known| known.push)) {
            (Some(revision), Some(push)) if push.0 == revision => Some(push),
            (Some(revision), _) => Some((revision, now, 0)),
            (None, _) => None,
        };
        // What was there before and after it is entered once: later changes are none of its own.
        let begins = known.and_then(|known| known.push).map(|push| push.0) != rollout.moved_in;
        let following = push.filter(|(_, since, _)| since.elapsed() < FOLLOWED);
        let due = known.is_none_or(|known| known.looked.elapsed() >= EVERY);
        let seen = handle.ledger_count();
        let stands = known.filter(|known| !news && known.seen == seen);
        let mut delivery = None;
        let mut on_its_way = following.is_some();
        let mut acked = push.map_or(0, |(.., acked)| acked);
        if let (Some(stands), true) = (stands, on_its_way) {
            // Nothing has happened since the last look.
            on_its_way = stands.on_its_way;
        } else if let Some((revision, ..)) = following
            && (news || due)
        {
            let proof = handle.standing(head, &Requirement::weights(revision));
            on_its_way = !proof.is_complete();
            if news || proof.acked != acked {
                acked = proof.acked;
                delivery = Some(Seen::of(handle, head, &proof));
            }
        }
        if news || delivery.is_some() {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            if let Some(revision) = delivery.as_ref().map(Seen::revision)
                && begins
            {
                let earlier = Revision(revision.0.saturating_sub(1));
                before = self.digests_at(handle, service, earlier).await;
                after = self.digests_at(handle, service, revision).await;
            }
            let pushed = match delivery {
                Some(seen) => Some(Pushed {
                    // Another push may have come between the look and what was seen in it.
                    delivery: match overtaken_in(handle, name, seen.revision()) {
                        Some(by) => said(handle, seen.before(handle, by).await).await,
                        None => said(handle, seen.record()).await,
                    },
                    before,
                    after,
                }),
                None => None,
            };
            let entered = update(handle, name, rollout.number, |record| {
                write(record, service, rollout, pushed);
            })
            .await;
            if let Err(error) = entered {
                tracing::warn!(service = %name, %error, "the record of a release was not kept");
                return true;
            }
        } else if !due {
            return on_its_way;
        }
        self.written.insert(
            name.clone(),
            Written {
                rollout: rollout.clone(),
                push: push.map(|(revision, since, _)| (revision, since, acked)),
                looked: now,
                seen,
                on_its_way,
            },
        );
        on_its_way
    }
}

/// How a release ends that its fleet's newest revision does not know any more.
fn gone_with(rollout: &Rollout, service: &Name, head: &Head) -> Replaced {
    let reason = match head.state.services.contains_key(service) {
        true => "its fleet went back to a revision without it",
        false => "the service was deleted",
    };
    Replaced {
        release: rollout.number,
        end: LogEntry {
            at: head.meta.at,
            revision: head.meta.revision,
            phase: rollout.phase_once_replaced(),
            reason: reason.to_owned(),
            by: head.meta.actor.clone(),
            weight: rollout.log.last().map_or(0, |entry| entry.weight),
        },
    }
}

/// Enters the end of a release that is no longer its service's; false: it could not be written.
async fn closed(handle: &Handle, service: &Name, replaced: &Replaced) -> bool {
    let release = replaced.release;
    let close = |record: &mut ReleaseRecord| {
        if !record.rollout.is_over() {
            record.rollout.close(replaced.end.clone());
        }
    };
    let closed = update(handle, service, release, close).await;
    if let Err(error) = &closed {
        tracing::warn!(%service, release, %error, "the end of a release was not kept");
    }
    closed.is_ok()
}

/// Enters how far a push had come, once another one has taken its place: the looks at it are over, and who accepts the
/// next one says nothing of it.
async fn overtaken(
    handle: &Handle,
    head: &Head,
    service: &Name,
    known: &Written,
    rollout: &Rollout,
) -> Result<(), StoreError> {
    let (Some((revision, ..)), Some(by)) = (known.push, rollout.moved_in) else {
        return Ok(());
    };
    if revision == by {
        return Ok(());
    }
    let proof = handle.standing(head, &Requirement::weights(revision));
    let seen = Seen::of(handle, head, &proof).before(handle, by).await;
    let seen = said(handle, seen).await;
    update(handle, service, known.rollout.number, |record| {
        record.delivered_at_last(seen);
    })
    .await
}

/// A push, as it is entered.
struct Pushed {
    delivery: DeliveryRecord,
    /// The resources of the service before it and after it, where they are to be entered.
    before: Vec<ResourceDigest>,
    after: Vec<ResourceDigest>,
}

/// Enters where a release stands, where its versions run, and a push of it.
fn write(
    record: &mut ReleaseRecord,
    service: &ServiceState,
    rollout: &Rollout,
    pushed: Option<Pushed>,
) {
    record.rollout = rollout.clone();
    // Of another deployment than the release's they are none of its own.
    let endpoints = |side: &Side| {
        let deployment = service.environment(side.colour).deployment.as_ref();
        let its = deployment.filter(|it| it.number == side.deployment);
        its.map(|it| it.endpoints.clone())
    };
    if let Some(endpoints) = endpoints(&rollout.to) {
        record.endpoints = endpoints;
    }
    if let Some(endpoints) = rollout.from.as_ref().and_then(endpoints) {
        record.from_endpoints = endpoints;
    }
    if let Some(pushed) = pushed {
        if record.before.is_empty() {
            record.before = pushed.before;
        }
        if !pushed.after.is_empty() {
            record.after = pushed.after;
        }
        record.delivered(pushed.delivery);
    }
}

/// After a restart: what the last run of checks found is shown from the record, until another one runs.
async fn remember(handle: &Handle, service: &Name, number: u64) {
    let known = handle.release_progress(service);
    if known.is_some_and(|it| it.release == number && it.analysis.is_some()) {
        return;
    }
    let kept = handle
        .0
        .shared
        .store
        .release(handle.name(), service, number);
    match kept.await {
        Ok(record) => {
            if let Some(last) = record.as_ref().and_then(|record| record.analyses.last()) {
                handle.set_analysis(service, number, last.purpose, last.analysis.clone());
            }
        }
        Err(error) => tracing::warn!(%service, %error, "the record of a release can't be read"),
    }
}

/// The resources of a service: its clusters, their endpoints, and what routes to them.
fn digests(snapshot: &Snapshot, service: &ServiceState) -> Vec<ResourceDigest> {
    let clusters = Colour::BOTH.map(|colour| cluster_name(&service.name, colour));
    let mut all = Vec::new();
    for set in snapshot.types() {
        for (name, resource) in &set.resources {
            let its = match set.type_url {
                TypeUrl::Cluster | TypeUrl::ClusterLoadAssignment => {
                    clusters.iter().any(|cluster| **cluster == **name)
                }
                _ => clusters
                    .iter()
                    .any(|cluster| resource.references.clusters.contains(&**cluster)),
            };
            if its {
                all.push(ResourceDigest {
                    kind: set.type_url.short().to_owned(),
                    name: name.to_string(),
                    digest: resource.digest.to_string(),
                });
            }
        }
    }
    all
}
