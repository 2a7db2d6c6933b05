//! One proxy of the ledger: its streams, and what it has by all of them.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    NotAckedState, ProxyInfo, Record, Requirement, StreamId, TypeView,
    types::{Reached, TypeOf, Types, reached},
};
use crate::model::{Revision, TypeUrl};

/// An older stream that still speaks this long after a newer one of the same node id is no leftover of a reconnect:
/// two proxies share a name. Answers that were on their way arrive within a round trip.
const RECONNECT_GRACE: Duration = Duration::from_secs(10);

/// One open stream of a proxy.
#[derive(Debug)]
struct StreamRow {
    info: ProxyInfo,
    connected_at: Timestamp,
    /// When the proxy last said something on it.
    last_word: Timestamp,
    types: Types,
}

impl StreamRow {
    fn shares_a_type_with(&self, other: &StreamRow) -> bool {
        let asks = |its: &TypeOf<'_>| its.subscribed();
        let mut mine = self.types.iter().filter(asks);
        mine.any(|its| other.types.get(its.type_url).as_ref().is_some_and(asks))
    }
}

/// One proxy, connected or away.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) info: ProxyInfo,
    /// Connected since, or away since.
    pub(super) since: Timestamp,
    pub(super) last_seen: Timestamp,
    /// It showed a version of this revision, which the fleet has not reached.
    pub(super) newer: Option<Revision>,
    /// The streams by their ids, of which a higher one is a newer stream. Most proxies have one.
    streams: Vec<(StreamId, StreamRow)>,
    /// What the proxy had when its last streams ended.
    left: Types,
}

/// One proxy as it counts: two that share a node id are two members of one row.
pub(super) struct Member<'a> {
    pub(super) info: &'a ProxyInfo,
    pub(super) since: Timestamp,
    pub(super) connected: bool,
    types: MemberTypes<'a>,
}

/// What a member has of each type.
enum MemberTypes<'a> {
    /// On its one stream.
    One(&'a Types),
    /// On several.
    Merged(BTreeMap<TypeUrl, TypeOf<'a>>),
}

impl<'a> MemberTypes<'a> {
    fn get(&self, type_url: TypeUrl) -> Option<TypeOf<'a>> {
        match self {
            Self::One(types) => types.get(type_url),
            Self::Merged(types) => types.get(&type_url).copied(),
        }
    }

    fn each(&self, f: impl FnMut(TypeOf<'_>)) {
        match self {
            Self::One(types) => types.iter().for_each(f),
            Self::Merged(types) => types.values().copied().for_each(f),
        }
    }
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
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.streams.is_empty()
    }

    pub(super) fn connect(&mut self, stream: StreamId, info: ProxyInfo, at: Timestamp) {
        if self.streams.is_empty() {
            self.since = at;
        }
        self.info = info.clone();
        self.last_seen = at;
        let row = StreamRow {
            info,
            connected_at: at,
            last_word: at,
            types: Types::default(),
        };
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
        let Ok(at_place) = self.place(stream) else {
            return;
        };
        let (_, ended) = self.streams.remove(at_place);
        self.left.replace(ended.types);
        self.last_seen = at;
        if self.streams.is_empty() {
            self.since = at;
        }
    }

    /// Books one record; false if it changed nothing that anybody can see.
    pub(super) fn record(&mut self, stream: StreamId, record: Record, at: Timestamp) -> bool {
        let Ok(place) = self.place(stream) else {
            return false;
        };
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
            _ => {}
        }
        self.streams[place].1.types.record(record, at) // proof: it was found there
    }

    /// Whether a stream took over the time of its first acceptance from another stream of the proxy, the newest that has it.
    fn adopted(&mut self, place: usize, type_url: TypeUrl, revision: Revision) -> bool {
        let (before, rest) = self.streams.split_at_mut(place);
        let Some(((_, stream), after)) = rest.split_first_mut() else {
            return false;
        };
        let others = before.iter().chain(&*after).rev();
        let mut others = others.map(|(_, other)| &other.types).chain([&self.left]);
        others.any(|other| stream.types.adopt(other, type_url, revision))
    }

    /// The proxies behind this node id, as a rule one. Streams of different types are one proxy, an older stream that fell
    /// silent when a newer one came is a leftover, and two that both speak are two proxies.
    pub(super) fn each_member(&self, mut f: impl FnMut(&Member<'_>)) {
        match &self.streams[..] {
            [] => f(&Member {
                info: &self.info,
                since: self.since,
                connected: false,
                types: MemberTypes::One(&self.left),
            }),
            [(_, stream)] => f(&Member {
                info: &stream.info,
                since: stream.connected_at,
                connected: true,
                types: MemberTypes::One(&stream.types),
            }),
            _ => self.members().iter().for_each(f),
        }
    }

    /// The same, where there are several streams.
    fn members(&self) -> Vec<Member<'_>> {
        let mut groups: Vec<Vec<&StreamRow>> = Vec::new();
        for (_, stream) in self.streams.iter().rev() {
            let rival = groups
                .iter()
                .flatten()
                .find(|newer| stream.shares_a_type_with(newer))
                .map(|newer| speaks_beside(stream, newer));
            match (rival, groups.first_mut()) {
                (Some(false), _) => {}
                (None, Some(first)) => first.push(stream),
                _ => groups.push(vec![stream]),
            }
        }
        groups
            .iter()
            .map(|streams| {
                let mut types = BTreeMap::new();
                for its in streams.iter().flat_map(|stream| stream.types.iter()) {
                    let known: &mut TypeOf<'_> = types.entry(its.type_url).or_insert(its);
                    if its.subscribed() && !known.subscribed() {
                        *known = its;
                    }
                }
                Member {
                    info: &streams[0].info, // proof: every group was made with one stream in it.
                    since: streams
                        .iter()
                        .map(|s| s.connected_at)
                        .min()
                        .unwrap_or(self.since),
                    connected: true,
                    types: MemberTypes::Merged(types),
                }
            })
            .collect()
    }
}

/// The older stream was heard so long after the newer one came that it is no leftover.
fn speaks_beside(older: &StreamRow, newer: &StreamRow) -> bool {
    older.last_word.duration_since(newer.connected_at)
        > jiff::SignedDuration::try_from(RECONNECT_GRACE).unwrap_or(jiff::SignedDuration::MAX)
}

impl Member<'_> {
    /// Whether a stream is open.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// When the proxy had all of it; or why it does not count. `Ok(None)`: nothing was required.
    pub(super) fn accepted(
        &self,
        requirement: &Requirement,
    ) -> Result<Option<Timestamp>, NotAckedState> {
        match (
            reached(requirement, |type_url| self.types.get(type_url)),
            self.connected,
        ) {
            (Reached::All(at), _) => Ok(at),
            (Reached::Nacked(state), _) => Err(state),
            (Reached::Open, true) => Err(NotAckedState::Pending),
            (Reached::Open, false) => Err(NotAckedState::Disconnected(self.since)),
        }
    }

    /// One view per type that the proxy asked for, in push order.
    pub(super) fn types(&self, newest: &BTreeMap<TypeUrl, Revision>) -> Vec<TypeView> {
        let mut views = Vec::new();
        self.types.each(|its| {
            if its.subscribed() {
                views.push(its.view(newest));
            }
        });
        views
    }
}
