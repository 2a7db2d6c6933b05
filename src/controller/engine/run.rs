//! The loop: looks at a fleet's newest revision, at its proxies and at the clock, and lets everybody do what is due.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    book::Book,
    clock::Clocks,
    job::Jobs,
    look::{Look, settled},
    presence::Presence,
    proxies::Watched,
    reports::{self, Reports},
};
use crate::{controller::handle::Handle, store::Head};

/// How often the engine looks at clocks and proxies while a release is on its way: a release of a few seconds, as in a demo,
/// is not made longer by it, and a look costs microseconds.
const LOOK: Duration = Duration::from_millis(200);

/// While nothing is on its way it looks only at new revisions.
const IDLE: Duration = Duration::from_secs(3600);

/// Runs until the server goes down.
pub(in crate::controller) async fn run(handle: Handle) {
    let mut heads = handle.heads();
    let mut jobs = Jobs::new(handle.clone());
    let mut clocks = Clocks::default();
    let mut watched = Watched::default();
    let mut presence = Presence::default();
    let mut reports = Reports::default();
    let mut book = Book::default();
    loop {
        let head = heads.borrow_and_update().clone();
        let mut next = IDLE;
        if let Some(head) = &head {
            presence.look(handle.ledger());
            let settled = settled(&handle, &presence);
            jobs.follow(head, settled);
            if watches_reports(head) {
                reports.look(&handle);
            }
            let look = Look {
                handle: &handle,
                head,
                settled,
                presence: &presence,
                reports: &reports,
            };
            watched.look(look, &mut jobs);
            clocks.look(look, &mut jobs);
            let open = book.look(&handle, head, &jobs).await;
            if open || on_their_way(head) {
                next = LOOK;
            }
        }
        tokio::select! {
            changed = heads.changed() => if changed.is_err() { return },
            () = sleep(next) => {}
            () = handle.0.proven.notified() => {}
            () = handle.0.shared.stopped() => return,
        }
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
