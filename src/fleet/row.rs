//! One proxy of the ledger: its streams, and what each of them has of every type.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{NotAckedState, ProxyInfo, Record, Requirement, StreamId, TypeState, TypeView};
use crate::model::{Revision, TypeUrl};

/// Accepted revisions remembered per proxy and type, so that the time of a recent one can still be told. Progress is
/// watched for seconds after a commit; sixteen revisions are more than anybody commits meanwhile.
const ACCEPTED_KEPT: usize = 16;

/// Rejections remembered per proxy and type: the last, and a few that later revisions have healed.
const REJECTIONS_KEPT: usize = 4;

/// An older stream that still speaks this long after a newer one of the same node id is no leftover of a reconnect:
/// two proxies share a name. Answers that were on their way arrive within a round trip.
const RECONNECT_GRACE: Duration = Duration::from_secs(10);

/// What a proxy rejected.
#[derive(Clone, Debug)]
struct Rejection {
    revision: Revision,
    resources: Vec<String>,
    message: String,
}

/// One type on one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeRow {
    subscribed: bool,
    sent: Revision,
    /// Growing revisions, with growing times.
    accepted: VecDeque<(Revision, Timestamp)>,
    /// The same for revisions of which only the weights were accepted.
    weighted: VecDeque<(Revision, Timestamp)>,
    rejections: VecDeque<Rejection>,
    held: Vec<Arc<str>>,
}

/// How one type stands against a requirement.
enum Standing {
    Accepted(Timestamp),
    Rejected(Rejection),
    Open,
}

impl TypeRow {
    fn newest_accepted(&self) -> Revision {
        self.accepted.back().map_or(Revision::ZERO, |(r, _)| *r)
    }

    fn accept(&mut self, revision: Revision, at: Timestamp) -> bool {
        self.rejections.retain(|r| r.revision != revision);
        remember(&mut self.accepted, revision, at)
    }

    /// When the state of `revision` or a later one was accepted first.
    fn accepted_at(&self, revision: Revision, weights_only: bool) -> Option<Timestamp> {
        let first = |booked: &VecDeque<(Revision, Timestamp)>| {
            let found = booked.iter().find(|(accepted, _)| *accepted >= revision);
            found.map(|(_, at)| *at)
        };
        let whole = first(&self.accepted);
        let weights = weights_only.then(|| first(&self.weighted)).flatten();
        whole.into_iter().chain(weights).min()
    }

    /// A rejection that nothing accepted since has healed.
    fn unhealed(&self) -> Option<&Rejection> {
        let accepted = self.newest_accepted();
        self.rejections.back().filter(|r| r.revision >= accepted)
    }

    fn standing(&self, revision: Revision, weights_only: bool) -> Standing {
        // A revision that was itself rejected stays so, even where a later one was accepted and healed it.
        if let Some(exact) = self.rejections.iter().find(|r| r.revision == revision) {
            return Standing::Rejected(exact.clone());
        }
        if let Some(at) = self.accepted_at(revision, weights_only) {
            return Standing::Accepted(at);
        }
        match self.unhealed() {
            Some(later) if later.revision > revision => Standing::Rejected(later.clone()),
            _ => Standing::Open,
        }
    }

    fn view(&self, type_url: TypeUrl, newest: Revision) -> TypeView {
        let accepted = self.newest_accepted();
        let unhealed = self.unhealed();
        let state = if unhealed.is_some() {
            TypeState::Nacked
        } else if accepted >= newest {
            TypeState::Synced
        } else if self.sent == Revision::ZERO && accepted == Revision::ZERO {
            TypeState::NotSent
        } else {
            TypeState::Stale
        };
        TypeView {
            type_url,
            state,
            accepted,
            error: unhealed.map(|r| (r.resources.clone(), r.message.clone())),
            held_for: self.held.clone(),
        }
    }
}

/// Books that a revision was accepted at that time; false if it was already.
fn remember(
    booked: &mut VecDeque<(Revision, Timestamp)>,
    revision: Revision,
    at: Timestamp,
) -> bool {
    // An operator may accept a store that is older than the proxies: what they have now is what counts.
    while booked.back().is_some_and(|(r, _)| *r > revision) {
        booked.pop_back();
    }
    match booked.back() {
        Some((last, _)) if *last == revision => return false,
        Some((_, last_at)) => booked.push_back((revision, at.max(*last_at))),
        None => booked.push_back((revision, at)),
    }
    if booked.len() > ACCEPTED_KEPT {
        booked.pop_front();
    }
    true
}

/// One open stream of a proxy.
#[derive(Debug)]
struct StreamRow {
    info: ProxyInfo,
    connected_at: Timestamp,
    /// When the proxy last said something on it.
    last_word: Timestamp,
    types: TypeRows,
}

impl StreamRow {
    fn shares_a_type_with(&self, other: &StreamRow) -> bool {
        self.types
            .iter()
            .filter(|(_, row)| row.subscribed)
            .any(|(type_url, _)| other.types.get(&type_url).is_some_and(|row| row.subscribed))
    }
}

/// The types of one stream, in push order. A handful: a list is a tenth of the size of a tree, and ten thousand
/// proxies have one each.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeRows(Vec<(TypeUrl, TypeRow)>);

impl TypeRows {
    fn get(&self, type_url: &TypeUrl) -> Option<&TypeRow> {
        let at = self.place(type_url).ok()?;
        self.0.get(at).map(|(_, row)| row)
    }

    /// The row of a type; a new one if there was none.
    fn entry(&mut self, type_url: TypeUrl) -> &mut TypeRow {
        let at = self.place(&type_url).unwrap_or_else(|at| {
            self.0.reserve_exact(1);
            self.0.insert(at, (type_url, TypeRow::default()));
            at
        });
        &mut self.0[at].1 // proof: it was found there, or put there
    }

    fn place(&self, type_url: &TypeUrl) -> Result<usize, usize> {
        self.0.binary_search_by(|(one, _)| one.cmp(type_url))
    }

    fn iter(&self) -> impl Iterator<Item = (TypeUrl, &TypeRow)> {
        self.0.iter().map(|(type_url, row)| (*type_url, row))
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
    left: TypeRows,
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
    One(&'a TypeRows),
    /// On several.
    Merged(BTreeMap<TypeUrl, &'a TypeRow>),
}

impl MemberTypes<'_> {
    fn get(&self, type_url: &TypeUrl) -> Option<&TypeRow> {
        match self {
            Self::One(rows) => rows.get(type_url),
            Self::Merged(rows) => rows.get(type_url).copied(),
        }
    }

    fn each(&self, mut f: impl FnMut(TypeUrl, &TypeRow)) {
        match self {
            Self::One(rows) => rows.iter().for_each(|(type_url, row)| f(type_url, row)),
            Self::Merged(rows) => rows.iter().for_each(|(type_url, row)| f(*type_url, row)),
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
            left: TypeRows::default(),
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
            types: TypeRows::default(),
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
        for (type_url, row) in ended.types.0 {
            *self.left.entry(type_url) = row;
        }
        self.last_seen = at;
        if self.streams.is_empty() {
            self.since = at;
        }
    }

    /// Books one record; false if it changed nothing that anybody can see.
    pub(super) fn record(&mut self, stream: StreamId, record: Record, at: Timestamp) -> bool {
        let remembered = match &record {
            Record::Accepted(type_url, revision) => self.remembered(stream, *type_url, *revision),
            _ => None,
        };
        let Ok(place) = self.place(stream) else {
            return false;
        };
        let row = &mut self.streams[place].1; // proof: it was found there
        if !matches!(record, Record::Sent(..) | Record::Held(..)) {
            row.last_word = at;
        }
        let types = &mut row.types;
        match record {
            Record::Subscribed(type_url) => types.entry(type_url).subscribed = true,
            Record::Unsubscribed(type_url) => types.entry(type_url).subscribed = false,
            Record::Sent(type_url, revision) => types.entry(type_url).sent = revision,
            Record::Accepted(type_url, revision) => {
                self.newer = None;
                let row = types.entry(type_url);
                if let (true, Some(remembered)) = (row.accepted.is_empty(), remembered) {
                    row.accepted = remembered;
                    return true;
                }
                return row.accept(revision, at);
            }
            Record::Weighted(revision) => {
                let routes = types.entry(TypeUrl::RouteConfiguration);
                return remember(&mut routes.weighted, revision, at);
            }
            Record::Rejected {
                type_url,
                revision,
                resources,
                message,
            } => {
                let rejections = &mut types.entry(type_url).rejections;
                rejections.retain(|r| r.revision != revision);
                rejections.push_back(Rejection {
                    revision,
                    resources,
                    message,
                });
                if rejections.len() > REJECTIONS_KEPT {
                    rejections.pop_front();
                }
            }
            Record::Held(type_url, clusters) => types.entry(type_url).held = clusters,
            Record::Newer(_, revision) => self.newer = self.newer.max(Some(revision)),
        }
        true
    }

    /// The accepted revisions up to this one as another stream of the proxy booked them: a reconnect does not make an
    /// old ACK a new one.
    fn remembered(
        &self,
        stream: StreamId,
        type_url: TypeUrl,
        revision: Revision,
    ) -> Option<VecDeque<(Revision, Timestamp)>> {
        self.streams
            .iter()
            .rev()
            .filter(|(id, _)| *id != stream)
            .filter_map(|(_, other)| other.types.get(&type_url))
            .chain(self.left.get(&type_url))
            .find(|row| row.accepted.iter().any(|(r, _)| *r == revision))
            .map(|row| {
                let upto = row.accepted.iter().filter(|(r, _)| *r <= revision);
                upto.copied().collect()
            })
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
                for (type_url, row) in streams.iter().flat_map(|stream| stream.types.iter()) {
                    let known: &mut &TypeRow = types.entry(type_url).or_insert(row);
                    if row.subscribed && !known.subscribed {
                        *known = row;
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
        let mut last = None;
        let mut open = false;
        for type_url in &requirement.types {
            let standing = match self.types.get(type_url) {
                Some(row) => row.standing(requirement.revision, requirement.weights_only),
                None => Standing::Open,
            };
            match standing {
                Standing::Accepted(at) => last = last.max(Some(at)),
                Standing::Rejected(rejection) => {
                    return Err(NotAckedState::Nacked {
                        revision: rejection.revision,
                        type_url: *type_url,
                        resources: rejection.resources,
                        message: rejection.message,
                    });
                }
                Standing::Open => open = true,
            }
        }
        match (open, self.connected) {
            (false, _) => Ok(last),
            (true, true) => Err(NotAckedState::Pending),
            (true, false) => Err(NotAckedState::Disconnected(self.since)),
        }
    }

    /// One view per type that the proxy asked for, in push order.
    pub(super) fn types(&self, newest: &BTreeMap<TypeUrl, Revision>) -> Vec<TypeView> {
        let mut views = Vec::new();
        self.types.each(|type_url, row| {
            if row.subscribed {
                let newest = newest.get(&type_url).copied().unwrap_or_default();
                views.push(row.view(type_url, newest));
            }
        });
        views
    }
}
