//! What releases wait for from the proxies: that they accept what was pushed, and that they stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::time::Instant;

use super::{
    super::{Handle, standing::standing},
    HeadRef,
    job::Jobs,
    retain_services,
};
use crate::{
    fleet::Requirement,
    model::{HumanDuration, Name, Revision, TypeUrl},
    release::{Rollout, RolloutPhase, SignalKind},
};

/// So many proxies are named in a reason; the rest is counted.
const NAMED: usize = 5;

/// The proxies that were there while a release had traffic.
#[derive(Default)]
pub(super) struct Watched {
    releases: BTreeMap<Name, Seen>,
}

struct Seen {
    release: u64,
    proxies: BTreeSet<Arc<str>>,
    /// Since when too many of them are away.
    missed_since: Option<Instant>,
}

impl Watched {
    /// Looks at the ledger, and tells releases what they wait for.
    pub fn look(&mut self, handle: &Handle, head: HeadRef<'_>, settled: bool, jobs: &mut Jobs) {
        retain_services(&mut self.releases, head);
        let mut presence = None;
        for (name, service) in &head.state.services {
            let Some(rollout) = service.rollout.as_deref().filter(|it| !it.is_over()) else {
                self.releases.remove(name);
                continue;
            };
            if let Some(pushed) = rollout.pushed
                && accepted(handle, head, rollout, pushed, settled)
            {
                let kind = SignalKind::Delivered { revision: pushed };
                jobs.tell(name, rollout.number, kind, "delivered");
            }
            if !has_traffic(rollout) {
                self.releases.remove(name);
                continue;
            }
            let presence = presence.get_or_insert_with(|| handle.ledger().presence());
            let seen = self.releases.entry(name.clone()).or_insert_with(|| Seen {
                release: rollout.number,
                proxies: BTreeSet::new(),
                missed_since: None,
            });
            if let Some(reason) = seen.missed(rollout.number, presence, settled, handle) {
                let kind = SignalKind::Silent { reason };
                jobs.tell(name, rollout.number, kind, "silent");
            }
        }
    }
}

impl Seen {
    /// Why the proxies are taken for lost, if they are.
    fn missed(
        &mut self,
        release: u64,
        presence: &[(Arc<str>, bool)],
        settled: bool,
        handle: &Handle,
    ) -> Option<String> {
        if self.release != release {
            self.release = release;
            self.proxies.clear();
            self.missed_since = None;
        }
        let there = presence.iter().filter(|(_, there)| *there);
        self.proxies.extend(there.map(|(proxy, _)| proxy.clone()));
        // One that was forgotten, by an operator or because it stayed away, is nobody's loss any more.
        let known: BTreeSet<&Arc<str>> = presence.iter().map(|(proxy, _)| proxy).collect();
        self.proxies.retain(|proxy| known.contains(proxy));
        let away: Vec<&str> = presence
            .iter()
            .filter(|(proxy, there)| !there && self.proxies.contains(proxy))
            .map(|(proxy, _)| &**proxy)
            .collect();
        if !settled || 2 * away.len() <= self.proxies.len() {
            self.missed_since = None;
            return None;
        }
        let silence = handle.0.shared.release.silence;
        let since = *self.missed_since.get_or_insert_with(Instant::now);
        if since.elapsed() < silence {
            return None;
        }
        let more = match away.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "{} of {} proxies stopped reporting for {}: {}{more}",
            away.len(),
            self.proxies.len(),
            HumanDuration(silence),
            away[..away.len().min(NAMED)].join(", ")
        ))
    }
}

/// The new environment has traffic, and is watched.
fn has_traffic(rollout: &Rollout) -> bool {
    matches!(
        rollout.standing(),
        RolloutPhase::Shifting | RolloutPhase::Switching | RolloutPhase::Baking
    )
}

/// Every proxy that is connected has accepted the push; those that are away are waited for only while the fleet comes back after
/// a start of the server.
fn accepted(
    handle: &Handle,
    head: HeadRef<'_>,
    rollout: &Rollout,
    pushed: Revision,
    settled: bool,
) -> bool {
    let requirement = if rollout.phase == RolloutPhase::Staged {
        Requirement::new(pushed, vec![TypeUrl::ClusterLoadAssignment])
    } else {
        Requirement::weights(pushed)
    };
    let proof = standing(handle.ledger(), &head.snapshot, &requirement);
    // A rejection that is within the limits is no reason to wait; one beyond them is taken back elsewhere.
    proof.pending == 0 && (settled || proof.disconnected == 0)
}
