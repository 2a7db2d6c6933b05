//! Mirrors and previews end at their deadline: by a revision of the server's own, and where the proxies can by
//! themselves.
//!
//! Their time is taken from the clock once, when the server sees them first (after the command, or after its own start);
//! from then on it runs down steadily, so a clock that jumps neither ends nor prolongs them.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::{
    controller::{
        handle::Handle,
        request::{Command, CommandError, Request},
    },
    model::{Name, Revision},
    release::{FleetState, Temporary},
};

/// What could not be ended (a full disk) is tried again after this; the keys that run out meanwhile are not waited for.
const AGAIN: Duration = Duration::from_secs(5);

/// Nothing runs for so long: the task looks again then, and finds nothing to do.
const IDLE: Duration = Duration::from_secs(3600);

/// One mirror or preview, from its beginning on.
type Key = (Name, Temporary, Revision);

/// Runs until the server goes down.
pub(in crate::controller) async fn run(handle: Handle) {
    let mut heads = handle.heads();
    let mut deadlines: BTreeMap<Key, Instant> = BTreeMap::new();
    loop {
        let head = heads.borrow_and_update().clone();
        let running = head.map_or_else(BTreeMap::new, |head| running(&handle, &head.state));
        deadlines.retain(|key, _| running.contains_key(key));
        let now = Instant::now();
        for (key, left) in running {
            match left {
                Some(left) => drop(deadlines.entry(key).or_insert(now + left)),
                None => drop(deadlines.insert(key, now)),
            }
        }
        let due = deadlines.iter_mut().find(|(_, deadline)| **deadline <= now);
        if let Some((key, deadline)) = due {
            let key = key.clone();
            *deadline = now + AGAIN;
            end(&handle, key).await;
            continue;
        }
        let next = deadlines.values().min().copied().unwrap_or(now + IDLE);
        tokio::select! {
            changed = heads.changed() => if changed.is_err() { return },
            () = sleep_until(next) => {}
            () = handle.0.shared.stopped() => return,
        }
    }
}

/// Everything that runs with the time that it has; None: the routes have it no more, and only its key is left.
fn running(handle: &Handle, state: &FleetState) -> BTreeMap<Key, Option<Duration>> {
    let now = handle.0.shared.now();
    let mut running = BTreeMap::new();
    for (name, service) in &state.services {
        for what in Temporary::ALL {
            let Some(window) = service.shifting.window(what) else {
                continue;
            };
            let left = window.until.duration_since(now);
            // A time that has passed is none.
            let left = Duration::try_from(left).unwrap_or_default();
            let key = (name.clone(), what, window.started_in);
            running.insert(key, (!window.over).then_some(left));
        }
    }
    running
}

async fn end(handle: &Handle, (service, what, started_in): Key) {
    let command = Command::End {
        service: service.clone(),
        what,
        started_in: Some(started_in),
    };
    let request = Request {
        message: format!("the {} has come to its end", what.as_str()),
        ..Request::by_server(command, handle.0.shared.now())
    };
    match handle.execute(request, &|_| {}).await {
        Ok(_) | Err(CommandError::Stopping) => {}
        Err(error) => {
            let fleet = handle.name();
            tracing::warn!(%fleet, %service, %error, "the {} was not ended, and is tried again", what.as_str());
        }
    }
}
