//! Mirrors and previews end at their deadline: by a revision of the server's own, and where the proxies can by
//! themselves.
//!
//! Their time is taken from the clock once, when the server sees them first (after the command, or after its own start);
//! from then on it runs down steadily, so a clock that jumps neither ends nor prolongs them.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{
    Command, CommandError, Handle, Request,
    draft::{Draft, Ground},
    nack::by_server,
};
use crate::{
    fleet::ProxyView,
    model::{EndedBy, Name, Revision, TypeUrl},
    release::{FleetState, Notice, Temporary},
};

/// So many proxies are named in a message; the rest is counted.
const NAMED: usize = 5;

/// What could not be ended (a full disk) is tried again after this; the keys that run out meanwhile are not waited for.
const AGAIN: Duration = Duration::from_secs(5);

/// Nothing runs for so long: the task looks again then, and finds nothing to do.
const IDLE: Duration = Duration::from_secs(3600);

/// One mirror or preview, from its beginning on.
type Key = (Name, Temporary, Revision);

/// Who ends what the command starts: the proxies, where each that is connected asks for the runtime layer that the key
/// comes by. Where one does not, the routes have to say it to all of them, and that is told.
pub(super) fn ended_by(draft: &mut Draft, ground: &Ground<'_>, what: Temporary) -> EndedBy {
    let asks = |proxy: &ProxyView, type_url| proxy.types.iter().any(|t| t.type_url == type_url);
    let without: Vec<String> = ground
        .ledger
        .proxies(&BTreeMap::new())
        .iter()
        // One that has just connected asks for its layers before it asks for clusters.
        .filter(|proxy| proxy.connected && asks(proxy, TypeUrl::Cluster))
        .filter(|proxy| !asks(proxy, TypeUrl::Runtime))
        .map(|proxy| proxy.info.id.to_string())
        .collect();
    if without.is_empty() {
        return EndedBy::Proxies;
    }
    let named = without[..without.len().min(NAMED)].join(", ");
    let more = match without.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    draft.notices.push(Notice {
        kind: "ended-by-server",
        text: format!(
            "{named}{more} have no runtime layer `bluegreen` in their bootstrap, so no proxy can end the {} by itself: \
             bluegreen ends it at its time. That is weaker: while the server is down it goes on",
            what.as_str()
        ),
    });
    EndedBy::Server
}

/// Runs until the server goes down.
pub(super) async fn run(handle: Handle) {
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
    let now = (handle.0.shared.clock)();
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
    let request = Request {
        message: format!("the {} has come to its end", what.as_str()),
        command: Command::End {
            service: service.clone(),
            what,
            started_in: Some(started_in),
        },
        ..by_server(handle)
    };
    match handle.execute(request, &|_| {}).await {
        Ok(_) | Err(CommandError::Stopping) => {}
        Err(error) => {
            let fleet = handle.name();
            tracing::warn!(%fleet, %service, %error, "the {} was not ended, and is tried again", what.as_str());
        }
    }
}
