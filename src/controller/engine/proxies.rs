//! What releases wait for from the proxies: that they accept what was pushed, and that they stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    job::Jobs,
    look::{Look, retain_services},
    reports,
};
use crate::{
    controller::named::named,
    fleet::{Proof, Requirement},
    model::{HumanDuration, Name, Revision, TypeUrl},
    release::{Rollout, RolloutPhase, SignalKind},
};

/// The proxies that were there while a release had traffic.
#[derive(Default)]
pub(super) struct Watched {
    releases: BTreeMap<Name, Seen>,
}

#[derive(Default)]
struct Seen {
    release: u64,
    /// The comings and goings that `connected` shows.
    presence: Option<u64>,
    /// Those that were connected.
    connected: Crowd,
    /// Those whose load reports came.
    reporting: Crowd,
}

/// Proxies that were there, and too many of which must not be gone for long.
#[derive(Default)]
struct Crowd {
    proxies: BTreeSet<Arc<str>>,
    /// Those of them that are not there now.
    away: Vec<Arc<str>>,
    /// Since when too many of them are away.
    missed_since: Option<Instant>,
}

impl Watched {
    /// Looks at the ledger, and tells releases what they wait for.
    pub fn look(&mut self, look: Look<'_>, jobs: &mut Jobs) {
        let Look {
            handle,
            head,
            settled,
            presence,
            reports,
        } = look;
        retain_services(&mut self.releases, head);
        for (name, service) in &head.state.services {
            let Some(rollout) = service.rollout.as_deref().filter(|it| !it.is_over()) else {
                self.releases.remove(name);
                continue;
            };
            if let Some(pushed) = rollout.pushed
                && let Some(lacking) = accepted(look, rollout, pushed)
            {
                let kind = SignalKind::Delivered {
                    revision: pushed,
                    lacking,
                };
                jobs.tell(name, rollout.number, kind, "delivered");
            }
            if !rollout.has_traffic() {
                self.releases.remove(name);
                continue;
            }
            let seen = self.releases.entry(name.clone()).or_default();
            if seen.release != rollout.number {
                *seen = Seen {
                    release: rollout.number,
                    ..Seen::default()
                };
            }
            let silence = handle.0.shared.release.silence;
            if seen.presence != presence.seen() {
                seen.presence = presence.seen();
                seen.connected.look(presence.all());
            }
            let gone = seen.connected.missed(settled, silence);
            let mut why = gone.map(|gone| (gone, "stopped reporting"));
            if reports::are_needed(rollout) {
                let report =
                    |(proxy, _): &(Arc<str>, bool)| (proxy.clone(), reports.come_from(proxy));
                let reporting: Vec<_> = presence.all().iter().map(report).collect();
                seen.reporting.look(&reporting);
                let gone = seen.reporting.missed(settled, silence);
                why = why.or(gone.map(|gone| (gone, "stopped reporting their load")));
            }
            if let Some((gone, what)) = why {
                let reason = gone.reason(what, silence);
                let kind = SignalKind::Silent { reason };
                jobs.tell(name, rollout.number, kind, "silent");
            }
        }
    }
}

/// Proxies that are gone.
struct Gone {
    away: Vec<Arc<str>>,
    of: usize,
}

impl Crowd {
    /// Looks who is there now.
    fn look(&mut self, presence: &[(Arc<str>, bool)]) {
        let there = presence.iter().filter(|(_, there)| *there);
        self.proxies.extend(there.map(|(proxy, _)| proxy.clone()));
        // One that was forgotten, by an operator or because it stayed away, is nobody's loss any more.
        let known: BTreeSet<&Arc<str>> = presence.iter().map(|(proxy, _)| proxy).collect();
        self.proxies.retain(|proxy| known.contains(proxy));
        self.away = presence
            .iter()
            .filter(|(proxy, there)| !there && self.proxies.contains(proxy))
            .map(|(proxy, _)| proxy.clone())
            .collect();
    }

    /// Those that are taken for lost, if too many are: more than half, for longer than `silence`.
    fn missed(&mut self, settled: bool, silence: Duration) -> Option<Gone> {
        let of = self.proxies.len();
        if !settled || 2 * self.away.len() <= of {
            self.missed_since = None;
            return None;
        }
        let since = *self.missed_since.get_or_insert_with(Instant::now);
        (since.elapsed() >= silence).then(|| Gone {
            away: self.away.clone(),
            of,
        })
    }
}

impl Gone {
    fn reason(&self, what: &str, silence: Duration) -> String {
        format!(
            "{} of {} proxies {what} for {}: {}",
            self.away.len(),
            self.of,
            HumanDuration(silence),
            named(&self.away)
        )
    }
}

/// Who has not accepted the push, once every proxy that is connected has, or has rejected it; those that are away are waited for only
/// while the fleet comes back after a start of the server. None: it is still on its way.
fn accepted(look: Look<'_>, rollout: &Rollout, pushed: Revision) -> Option<String> {
    let requirement = if rollout.phase == RolloutPhase::Staged {
        Requirement::new(pushed, vec![TypeUrl::ClusterLoadAssignment])
    } else {
        Requirement::weights(pushed)
    };
    let proof = look.handle.standing(look.head, &requirement);
    // A rejection that is within the limits is no reason to wait; one beyond them is taken back elsewhere.
    let delivered = proof.pending == 0 && (look.settled || proof.disconnected == 0);
    delivered.then(|| lacking(&proof))
}

/// The proxies that may still do what they did before, in a sentence.
fn lacking(proof: &Proof) -> String {
    let lacks = proof.not_acked.len();
    if lacks == 0 {
        return String::new();
    }
    let mut names: Vec<&str> = proof.not_acked.iter().map(|it| &*it.proxy).collect();
    names.sort_unstable();
    format!(
        "{lacks} of {} proxies {} away or rejected it, and may still do as before: {}",
        proof.total,
        if lacks == 1 { "is" } else { "are" },
        named(&names)
    )
}
