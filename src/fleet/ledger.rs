//! The ledger of one fleet: streams write what happens, everybody else reads proofs and views.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;

use super::{
    Proof, ProxyInfo, ProxyView, Record, Requirement, RosterEntry, StreamId, row::Row,
    sharded::Sharded,
};
use crate::model::{Revision, TypeUrl};

/// Why a proxy was not taken off the roster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgetError {
    /// Nobody of that name.
    #[error("no proxy {0:?} is on the roster: `bluegreen fleet` lists those that are")]
    Unknown(String),
    /// It would be back at once.
    #[error("proxy {0:?} is connected: stop it first, only a proxy that is away can be forgotten")]
    Connected(String),
}

/// What has happened to the streams of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Streams that began.
    pub streams_opened: u64,
    /// Of those, the ones that have ended.
    pub streams_closed: u64,
    /// Rejections, by type.
    pub nacks: BTreeMap<TypeUrl, u64>,
}

#[derive(Default)]
struct Counted {
    opened: AtomicU64,
    closed: AtomicU64,
    nacks: Mutex<BTreeMap<TypeUrl, u64>>,
}

impl Counted {
    fn nacks(&self) -> MutexGuard<'_, BTreeMap<TypeUrl, u64>> {
        // Numbers are whole whatever happened to a thread that held them.
        self.nacks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who belongs to the fleet and what each has accepted. Shared by all streams of the fleet.
///
/// It never waits and never calls out but to `observer`, which must return at once.
pub struct Ledger {
    proxies: Sharded<Arc<str>, Row>,
    streams: Sharded<StreamId, Arc<str>>,
    counted: Counted,
    moves: AtomicU64,
    observer: Box<dyn Fn() + Send + Sync>,
}

impl Ledger {
    /// An empty ledger; `observer` is called after every change that a proof or a view could show.
    pub fn new(observer: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            proxies: Sharded::new(),
            streams: Sharded::new(),
            counted: Counted::default(),
            moves: AtomicU64::new(0),
            observer: Box::new(observer),
        }
    }

    /// A stream of that proxy began.
    pub fn connect(&self, stream: StreamId, proxy: ProxyInfo, at: Timestamp) {
        let id = proxy.id.clone();
        self.counted.opened.fetch_add(1, Ordering::Relaxed);
        self.streams.of(&stream).insert(stream, id.clone());
        self.proxies
            .of(&id)
            .entry(id)
            .or_insert_with(|| Row::away(proxy.clone(), at))
            .connect(stream, proxy, at);
        self.moved();
    }

    /// Something happened on a stream, at the time at which the server read or wrote it. A record of a stream that
    /// is not connected is dropped.
    pub fn record(&self, stream: StreamId, record: Record, at: Timestamp) {
        let Some(id) = self.streams.of(&stream).get(&stream).cloned() else {
            return;
        };
        self.book(&id, stream, [record], at);
    }

    /// Everything that came of one message, of a stream whose proxy is known: found once, and observed once.
    pub fn book(
        &self,
        id: &Arc<str>,
        stream: StreamId,
        records: impl IntoIterator<Item = Record>,
        at: Timestamp,
    ) {
        let mut changed = false;
        if let Some(row) = self.proxies.of(id).get_mut(id) {
            for record in records {
                if let Record::Rejected { type_url, .. } = &record {
                    *self.counted.nacks().entry(*type_url).or_default() += 1;
                }
                changed |= row.record(stream, record, at);
            }
        }
        if changed {
            (self.observer)();
        }
    }

    /// The stream ended. The proxy stays on the roster.
    pub fn disconnect(&self, stream: StreamId, at: Timestamp) {
        let Some(id) = self.streams.of(&stream).remove(&stream) else {
            return;
        };
        self.counted.closed.fetch_add(1, Ordering::Relaxed);
        if let Some(row) = self.proxies.of(&id).get_mut(&id) {
            row.disconnect(stream, at);
        }
        self.moved();
    }

    /// Somebody came, went, or is forgotten. Counted when that is done: who asks for the count first, and then for those who are
    /// there, misses nobody without noticing at the next count.
    fn moved(&self) {
        self.moves.fetch_add(1, Ordering::AcqRel);
        (self.observer)();
    }

    /// How often a proxy came, went, or was forgotten: as long as it stays the same, so does [`presence`](Self::presence).
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    /// The proxies of the roster, and which of them are connected.
    pub fn presence(&self) -> Vec<(Arc<str>, bool)> {
        let mut all = Vec::new();
        self.proxies.each(|id, row| {
            row.each_member(|member| all.push((id.clone(), member.is_connected())));
        });
        all
    }

    /// When each proxy that has accepted all of these had the last of them; None: before this server ran.
    pub fn acks(&self, all: &[Requirement]) -> Vec<(Arc<str>, Option<Timestamp>)> {
        let mut acks = Vec::new();
        self.proxies.each(|id, row| {
            row.each_having(all, |at| acks.push((id.clone(), at)));
        });
        acks
    }

    /// How far the fleet is with a requirement. Every proxy of the roster counts, away or not.
    pub fn proof(&self, requirement: &Requirement) -> Proof {
        let mut proof = Proof {
            revision: requirement.revision,
            ..Proof::default()
        };
        self.proxies.each(|id, row| {
            row.each_standing(requirement, |told| {
                proof.total += 1;
                match told {
                    Ok(at) => {
                        proof.acked += 1;
                        proof.first_ack = match (proof.first_ack, at) {
                            (Some(first), Some(at)) => Some(first.min(at)),
                            (first, at) => first.or(at),
                        };
                        proof.last_ack = proof.last_ack.max(at);
                    }
                    Err(state) => proof.lacks(id.clone(), state),
                }
            });
        });
        proof
    }

    /// Every proxy by name, against the revision in which each type last changed ([`newest`] of the snapshot's
    /// types). Two proxies with one node id are two entries.
    ///
    /// [`newest`]: crate::snapshot::TypeSet::changed_in
    pub fn proxies(&self, newest: &BTreeMap<TypeUrl, Revision>) -> Vec<ProxyView> {
        let mut views = Vec::new();
        self.proxies.each(|_, row| {
            let first = views.len();
            row.each_member(|member| {
                views.push(ProxyView {
                    info: member.info.clone(),
                    connected: member.is_connected(),
                    since: member.since,
                    duplicate: false,
                    types: member.types(newest),
                });
            });
            let duplicate = views.len() > first + 1;
            views[first..] // proof: it was the length of the list
                .iter_mut()
                .for_each(|view: &mut ProxyView| view.duplicate = duplicate);
        });
        views.sort_by(|a, b| (&a.info.id, a.since).cmp(&(&b.info.id, b.since)));
        views
    }

    /// What has happened since the server started.
    pub fn counts(&self) -> Counts {
        Counts {
            streams_opened: self.counted.opened.load(Ordering::Relaxed),
            streams_closed: self.counted.closed.load(Ordering::Relaxed),
            nacks: self.counted.nacks().clone(),
        }
    }

    /// How many belong to the fleet: node ids, connected or not.
    pub fn len(&self) -> usize {
        self.proxies.len()
    }

    /// Nobody does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who belongs to the fleet, by name, as it is kept in the store. `now` is the last sight of those connected.
    pub fn roster(&self, now: Timestamp) -> Vec<RosterEntry> {
        let mut roster = Vec::new();
        self.proxies.each(|id, row| {
            roster.push(RosterEntry {
                id: id.clone(),
                address: row.info.address.clone(),
                software: row.info.software.clone(),
                last_seen: if row.is_connected() {
                    now
                } else {
                    row.last_seen
                },
            });
        });
        roster.sort_by(|a, b| a.id.cmp(&b.id));
        roster
    }

    /// Proxies that the store remembers: away, until they connect. Those already known are left as they are.
    pub fn restore(&self, roster: Vec<RosterEntry>) {
        for entry in roster {
            let info = ProxyInfo {
                id: entry.id.clone(),
                address: entry.address,
                software: entry.software,
            };
            self.proxies
                .of(&entry.id)
                .entry(entry.id)
                .or_insert_with(|| Row::away(info, entry.last_seen));
        }
        self.moved();
    }

    /// Takes a proxy that is away off the roster.
    pub fn forget(&self, id: &str) -> Result<(), ForgetError> {
        {
            let key: Arc<str> = id.into();
            let mut shard = self.proxies.of(&key);
            match shard.get(&key) {
                None => return Err(ForgetError::Unknown(id.to_owned())),
                Some(row) if row.is_connected() => {
                    return Err(ForgetError::Connected(id.to_owned()));
                }
                Some(_) => shard.remove(&key),
            };
        }
        self.moved();
        Ok(())
    }

    /// Who of the roster is away, and since when.
    pub fn away(&self) -> Vec<(Arc<str>, Timestamp)> {
        let mut away = Vec::new();
        self.proxies.each(|id, row| {
            if !row.is_connected() {
                away.push((id.clone(), row.since));
            }
        });
        away
    }

    /// Proxies that showed a version of a revision which the fleet has not reached: the store went back in time.
    pub fn newer(&self) -> Vec<(Arc<str>, Revision)> {
        let mut newer = Vec::new();
        self.proxies
            .each(|id, row| newer.extend(row.newer.map(|revision| (id.clone(), revision))));
        newer.sort();
        newer
    }
}

#[cfg(test)]
#[path = "ledger_apart_tests.rs"]
mod apart_tests;
#[cfg(test)]
#[path = "ledger_properties.rs"]
mod properties;
#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
