//! One proxy of the ledger: its streams, and what it has by all of them.

use std::{cell::Cell, time::Duration};

use jiff::Timestamp;

use super::{
    NotAckedState, ProxyInfo, Record, Requirement, StreamId,
    acceptances::Marks,
    member::{Has, Member},
    standing::Stands,
    stream::StreamRow,
    types::Types,
};
use crate::model::{Revision, TypeUrl};

/// An older connection on which a proxy still speaks this long after a newer one of the same node id is no leftover of a
/// reconnect: two proxies share a name. Answers that were on their way arrive within a round trip.
const RECONNECT_GRACE: Duration = Duration::from_secs(10);

/// A connection that is open this long after a newer one came is alive: a dead one is noticed within the twenty seconds that
/// the server waits for a sign of it.
const OUTLIVES: Duration = Duration::from_secs(30);

/// Streams of one proxy that end within this time have ended with it: those of a connection are ended one by one, and so
/// are the connections of a process.
const TOGETHER: Duration = Duration::from_secs(1);

/// The end of the last streams of a proxy.
#[derive(Debug)]
struct Left {
    /// The one that ended last, without what it had, and when.
    stream: StreamRow,
    at: Timestamp,
    /// What it had, and those that ended together with it. Of other types it is known what earlier streams had.
    types: Marks,
}

/// One proxy, connected or away.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) info: ProxyInfo,
    /// Connected since, or away since.
    pub(super) since: Timestamp,
    /// When something happened on a stream, at least its end.
    pub(super) last_seen: Timestamp,
    /// It showed a version of this revision, which the fleet has not reached.
    pub(super) newer: Option<Revision>,
    /// The streams by their ids, of which a higher one is a newer stream. Most proxies have one.
    streams: Vec<(StreamId, StreamRow)>,
    /// What the proxy had when its last streams ended.
    left: Types,
    /// By whom that was left.
    left_by: Option<Box<Left>>,
    /// How it stood against what was asked last, until something happens.
    stands: Cell<Option<Stands>>,
}

impl Row {
    /// A proxy that is away.
    pub(super) fn away(info: ProxyInfo, last_seen: Timestamp) -> Self {
        Self {
            info,
            since: last_seen,
            last_seen,
            newer: None,
            streams: Vec::new(),
            left: Types::default(),
            left_by: None,
            stands: Cell::default(),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.streams.is_empty()
    }

    pub(super) fn connect(&mut self, stream: StreamId, info: ProxyInfo, at: Timestamp) {
        self.stands.take();
        if self.streams.is_empty() {
            self.since = at;
        }
        self.info = info.clone();
        self.last_seen = at;
        let row = StreamRow::new(info, at);
        self.streams.reserve_exact(1);
        match self.place(stream) {
            Ok(known) => self.streams[known].1 = row, // proof: it was found there
            Err(new) => self.streams.insert(new, (stream, row)),
        }
    }

    fn place(&self, stream: StreamId) -> Result<usize, usize> {
        self.streams.binary_search_by_key(&stream, |(id, _)| *id)
    }

    pub(super) fn disconnect(&mut self, stream: StreamId, at: Timestamp) {
        self.stands.take();
        let Ok(at_place) = self.place(stream) else {
            return;
        };
        let (_, mut ended) = self.streams.remove(at_place);
        let types = std::mem::take(&mut ended.types);
        let others = self
            .left_by
            .take()
            .filter(|left| left.stream.is_beside(&ended) && !is_later_by(at, left.at, TOGETHER));
        let known = others.map_or(Marks::NONE, |left| left.types);
        let its = types.iter().map(|its| Marks::of(its.type_url));
        let left = Left {
            stream: ended,
            at,
            types: its.fold(known, Marks::and),
        };
        self.left.keep_worse(types, known);
        self.left_by = Some(Box::new(left));
        self.last_seen = at;
        if self.streams.is_empty() {
            self.since = at;
        }
    }

    /// Books one record; false if it changed nothing that anybody can see.
    pub(super) fn record(&mut self, stream: StreamId, record: Record, at: Timestamp) -> bool {
        self.stands.take();
        let Ok(place) = self.place(stream) else {
            return false;
        };
        self.last_seen = at;
        let row = &mut self.streams[place].1; // proof: it was found there
        if !matches!(record, Record::Sent(..) | Record::Held(..)) {
            row.last_word = at;
        }
        match record {
            Record::Accepted(type_url, revision) => {
                self.newer = None;
                if row.types.accepted_nothing_of(type_url)
                    && self.adopted(place, type_url, revision)
                {
                    return true;
                }
            }
            Record::Newer(_, revision) => self.newer = self.newer.max(Some(revision)),
            Record::Named(type_url, names) => {
                let named = (!names.is_empty()).then(|| (type_url, names.into()));
                return std::mem::replace(&mut row.named, named) != row.named;
            }
            Record::Apart(resources) => {
                let apart = resources.into();
                return std::mem::replace(&mut row.apart, apart) != row.apart;
            }
            _ => {}
        }
        self.streams[place].1.types.record(record, at) // proof: it was found there
    }

    /// Whether a stream took over the time of its first acceptance from a stream of an earlier connection of the proxy, the
    /// newest that has it. What others of its own connection have is not what it has.
    fn adopted(&mut self, place: usize, type_url: TypeUrl, revision: Revision) -> bool {
        let (before, rest) = self.streams.split_at_mut(place);
        let Some(((_, stream), after)) = rest.split_first_mut() else {
            return false;
        };
        let others = before.iter().chain(&*after).rev();
        let others = others.filter(|(_, other)| !other.is_beside(stream));
        let others: Vec<&Types> = others.map(|(_, other)| &other.types).collect();
        let mut others = others.into_iter().chain([&self.left]);
        others.any(|other| stream.types.adopt(other, type_url, revision))
    }

    /// How each proxy behind this node id stands against a requirement: since when it has all of it, or why it does not count.
    pub(super) fn each_standing(
        &self,
        requirement: &Requirement,
        mut f: impl FnMut(Result<Option<Timestamp>, NotAckedState>),
    ) {
        if let Some(stands) = self.stands.get().filter(|it| it.against(requirement)) {
            return f(stands.told());
        }
        let mut members = 0;
        let mut stands = None;
        self.each_member(|member| {
            let told = match (member.accepted(requirement), self.newer) {
                (Err(NotAckedState::Pending), Some(newer)) => Err(NotAckedState::Newer(newer)),
                (told, _) => told,
            };
            members += 1;
            stands = Stands::of(requirement, &told);
            f(told);
        });
        self.stands.set(stands.filter(|_| members == 1));
    }

    /// Each proxy behind this node id that has all of these, and since when.
    pub(super) fn each_having(&self, all: &[Requirement], mut f: impl FnMut(Option<Timestamp>)) {
        if let [one] = all {
            return self.each_standing(one, |told| {
                if let Ok(at) = told {
                    f(at);
                }
            });
        }
        self.each_member(|member| {
            let told: Result<Vec<_>, _> = all.iter().map(|one| member.accepted(one)).collect();
            if let Ok(times) = told {
                f(times.into_iter().max().flatten());
            }
        });
    }

    /// The proxies behind this node id, as a rule one. Streams over one connection are one proxy, whatever they ask for: an
    /// Envoy has one for each secret or cluster that is not on ADS, and a gRPC process one for each channel. Connections
    /// that ask for different types, or name different listeners, are one too. Of others, an older one that fell silent
    /// when a newer one came is a leftover, and two that are both alive are two proxies.
    pub(super) fn each_member(&self, mut f: impl FnMut(&Member<'_>)) {
        match &self.streams[..] {
            [] => f(&Member {
                info: &self.info,
                since: self.since,
                has: Has::Left(&self.left),
            }),
            [(_, stream)] => f(&self.member(&[stream])),
            _ => self
                .groups()
                .iter()
                .for_each(|streams| f(&self.member(streams))),
        }
    }

    /// An older connection was heard, or is still open, so long after the newer one came that it is no leftover.
    fn is_alive_beside(&self, older: &[&StreamRow], newer_came: Timestamp) -> bool {
        let heard =
            |stream: &&StreamRow| is_later_by(stream.last_word, newer_came, RECONNECT_GRACE);
        is_later_by(self.last_seen, newer_came, OUTLIVES) || older.iter().any(heard)
    }

    /// The open streams by the proxy that they belong to, where there are several.
    fn groups(&self) -> Vec<Vec<&StreamRow>> {
        let mut connections: Vec<Vec<&StreamRow>> = Vec::new();
        for (_, stream) in self.streams.iter().rev() {
            let mut known = connections.iter_mut();
            let same = known.find(|of| {
                of.first()
                    .is_some_and(|one| one.info.address == stream.info.address)
            });
            match same {
                Some(connection) => connection.push(stream),
                None => connections.push(vec![stream]),
            }
        }
        let mut groups: Vec<Vec<&StreamRow>> = Vec::new();
        for connection in connections {
            let newer = groups.iter().flatten();
            let rivals = newer.filter(|newer| connection.iter().any(|one| one.rivals(newer)));
            let came = rivals.map(|newer| newer.connected_at).min();
            match (came, groups.first_mut()) {
                (Some(came), _) if !self.is_alive_beside(&connection, came) => {}
                (None, Some(first)) => first.extend(connection),
                _ => groups.push(connection),
            }
        }
        groups
    }

    /// The proxy with these streams.
    fn member<'a>(&'a self, streams: &'a [&'a StreamRow]) -> Member<'a> {
        let since = streams.iter().map(|stream| stream.connected_at).min();
        Member {
            info: streams.first().map_or(&self.info, |stream| &stream.info),
            since: since.unwrap_or(self.since),
            has: Has::Open(streams),
        }
    }
}

fn is_later_by(at: Timestamp, than: Timestamp, by: Duration) -> bool {
    at.duration_since(than)
        > jiff::SignedDuration::try_from(by).unwrap_or(jiff::SignedDuration::MAX)
}
