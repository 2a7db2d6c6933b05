//! What makes releases go on: it does what their outboxes want, and tells them what time, proxies and checks say.
//!
//! One task per fleet looks at the newest revision, never at what it did before. What a release wants is in the outbox of its
//! service, stored with the revision that it follows from: after a crash the same effects are there, and are done again
//! under the same ids. An effect that is no longer in the outbox is stopped. Whatever comes of one is a command like any
//! other ([`Command::Advance`]), which the state machine takes or, where it is stale, leaves.

mod analyse;
mod book;
mod clock;
mod delivery;
mod events;
mod exec;
mod hook;
mod http;
mod job;
mod options;
mod progress;
mod reports;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

pub use analyse::{Analyst, GateAnalyst, Job};
pub use options::{DRAIN, EventSink, REPORT_INTERVAL, ReleaseOptions, SILENCE};
pub use progress::ReleaseProgress;

use self::{book::Book, clock::Clocks, delivery::Watched, job::Jobs, reports::Reports};
use super::Handle;
use crate::{
    release::{Signal, SignalKind},
    store::{Head, RevisionMeta},
};

/// How often the engine looks at clocks and proxies while a release is on its way: a release of a few seconds, as in a demo,
/// is not made longer by it, and a look costs microseconds.
const LOOK: Duration = Duration::from_millis(200);

/// While nothing is on its way it looks only at new revisions.
const IDLE: Duration = Duration::from_secs(3600);

/// Runs until the server goes down.
pub(super) async fn run(handle: Handle) {
    let mut heads = handle.heads();
    let mut jobs = Jobs::new(handle.clone());
    let mut clocks = Clocks::default();
    let mut watched = Watched::default();
    let mut reports = Reports::default();
    let mut book = Book::default();
    loop {
        let head = heads.borrow_and_update().clone();
        let mut next = IDLE;
        if let Some(head) = &head {
            jobs.follow(head);
            let settled = settled(&handle);
            if watches_reports(head) {
                reports.look(&handle);
            }
            watched.look(&handle, head, settled, &reports, &mut jobs);
            clocks.look(&handle, head, settled, &reports, &mut jobs);
            let open = book.look(&handle, head, &jobs).await;
            if open || on_their_way(head) {
                next = LOOK;
            }
        }
        tokio::select! {
            changed = heads.changed() => if changed.is_err() { return },
            () = sleep(next) => {}
            () = handle.0.shared.stopped() => return,
        }
    }
}

/// Tells the releases whose push a revision was that it is rejected and left: they stay where they are until somebody looks.
pub(super) async fn rejected(handle: &Handle, meta: &RevisionMeta, reason: &str) {
    let Some(head) = handle.head() else { return };
    for service in &meta.services {
        let state = head.state.services.get(service);
        let Some(rollout) = state.and_then(|state| state.rollout.as_deref()) else {
            continue;
        };
        let kind = SignalKind::Rejected {
            revision: meta.revision,
            reason: reason.to_owned(),
        };
        let release = rollout.number;
        job::advance_for_sure(handle, service, Signal { release, kind }).await;
    }
}

/// Some release may go on by itself.
fn on_their_way(head: &Head) -> bool {
    head.state.services.values().any(|service| {
        let rollout = service.rollout.as_deref();
        !service.outbox.is_empty()
            || rollout.is_some_and(|it| it.pushed.is_some() || it.clock.is_running())
    })
}

/// Some release goes on by what proxies report of their load.
fn watches_reports(head: &Head) -> bool {
    let mut releases = head.state.services.values().flat_map(|it| &it.rollout);
    releases.any(|rollout| reports::are_needed(rollout))
}

/// After a start the known proxies need a while to come back. Until then nobody is missed, nothing counts as accepted by all,
/// and no time counts.
fn settled(handle: &Handle) -> bool {
    let shared = &handle.0.shared;
    if Instant::now() >= shared.started + shared.settle {
        return true;
    }
    handle.ledger().presence().iter().all(|(_, there)| *there)
}

/// What a fleet's newest revision says of a service's release.
type HeadRef<'a> = &'a Arc<Head>;

/// Keeps of a map what is about services that are still there.
fn retain_services<T>(map: &mut BTreeMap<crate::model::Name, T>, head: &Head) {
    map.retain(|name, _| head.state.services.contains_key(name));
}
