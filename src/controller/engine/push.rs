//! How far a push of a release has come, as its record has it: what proxies said to this push, and nothing that they said to
//! one that came after it.

use crate::{
    controller::{handle::Handle, proof::acks},
    fleet::{Proof, Requirement},
    model::{Name, Revision},
    release::{DeliveryRecord, ProxyAck},
    store::{Head, RevisionMeta},
};

use super::record::update;

/// A push with all proxies that are known to have it, not summed up yet. Those may have accepted a later one alone.
pub(super) struct Seen(DeliveryRecord);

impl Seen {
    pub fn of(handle: &Handle, head: &Head, proof: &Proof) -> Self {
        // As a rule this is asked first when a push has just begun.
        let acks = match proof.acked {
            0 => Vec::new(),
            _ => acks(
                handle.ledger(),
                &head.snapshot,
                &Requirement::weights(proof.revision),
            ),
        };
        let timed = acks.into_iter().filter_map(|(proxy, at)| {
            let at = at?;
            Some(ProxyAck { proxy, at })
        });
        let proxies: Vec<ProxyAck> = timed.collect();
        Self(DeliveryRecord {
            revision: proof.revision,
            what: String::new(),
            at: handle.0.shared.now(),
            total: proof.total,
            acked: u32::try_from(proxies.len()).unwrap_or(u32::MAX),
            nacked: proof.nacked,
            first: None,
            median: None,
            last: None,
            proxies,
        })
    }

    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    pub fn record(self) -> DeliveryRecord {
        self.0
    }

    /// What of it was so before that revision was made: an ACK that is later is one of that revision, and so may be a
    /// rejection. Nothing, where that is not known.
    pub async fn before(self, handle: &Handle, next: Revision) -> DeliveryRecord {
        let made = handle.meta(next).await.map(|meta| meta.at);
        let mut record = self.0;
        record
            .proxies
            .retain(|ack| made.is_some_and(|made| ack.at <= made));
        record.acked = u32::try_from(record.proxies.len()).unwrap_or(u32::MAX);
        record.nacked = 0;
        record
    }
}

/// The push of a service's release that took this one's place.
pub(super) fn overtaken_in(
    handle: &Handle,
    service: &Name,
    revision: Revision,
) -> Option<Revision> {
    let head = handle.head()?;
    let rollout = head.state.services.get(service)?.rollout.as_deref()?;
    rollout.moved_in.filter(|moved_in| *moved_in > revision)
}

/// A push with what its revision did, and when that was durable; as it is, where the revision is not kept.
pub(super) async fn said(handle: &Handle, push: DeliveryRecord) -> DeliveryRecord {
    match handle.meta(push.revision).await {
        Some(meta) => with_words(push, &meta),
        None => push,
    }
}

fn with_words(push: DeliveryRecord, meta: &RevisionMeta) -> DeliveryRecord {
    DeliveryRecord {
        what: meta.what.clone(),
        at: meta.at,
        ..push
    }
}

/// The push of some releases that is rejected, as it is before anything is done about it.
pub(in crate::controller) struct Rejected {
    seen: DeliveryRecord,
    of: Vec<(Name, u64)>,
}

impl Rejected {
    /// Looks at it. The rejections are those for which the revision is to blame.
    pub(in crate::controller) fn look(
        handle: &Handle,
        head: &Head,
        meta: &RevisionMeta,
        proof: &Proof,
    ) -> Self {
        let number = |service: &Name| {
            let state = head.state.services.get(service)?;
            let rollout = state.rollout.as_deref()?;
            let its = rollout.moved_in == Some(meta.revision);
            its.then(|| (service.clone(), rollout.number))
        };
        let of = meta.services.iter().filter_map(number).collect();
        let seen = Seen::of(handle, head, proof).record();
        Self {
            seen: with_words(seen, meta),
            of,
        }
    }

    /// Enters it in the records of these releases.
    pub(in crate::controller) async fn enter(self, handle: &Handle) {
        for (service, number) in self.of {
            let seen = self.seen.clone();
            let entered = update(handle, &service, number, |record| {
                record.delivered_at_last(seen)
            });
            if let Err(error) = entered.await {
                tracing::warn!(%service, %error, "who rejected a push was not kept");
            }
        }
    }
}
