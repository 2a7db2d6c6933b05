//! One proxy as it counts: two that share a node id are two members of one row.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    NotAckedState, ProxyInfo, Requirement, TypeState, TypeView,
    stream::StreamRow,
    types::{Reached, TypeOf, Types, reached, worse},
};
use crate::model::{Revision, TypeUrl};

/// A proxy, for as long as somebody looks at it.
pub(super) struct Member<'a> {
    pub(super) info: &'a ProxyInfo,
    /// Connected since, or away since.
    pub(super) since: Timestamp,
    pub(super) has: Has<'a>,
}

/// Where it stands what a member has.
pub(super) enum Has<'a> {
    /// It is away: what it had.
    Left(&'a Types),
    /// On its open streams, the newest first.
    Open(&'a [&'a StreamRow]),
}

impl<'a> Has<'a> {
    fn streams(&self) -> &'a [&'a StreamRow] {
        match self {
            Self::Left(_) => &[],
            Self::Open(streams) => streams,
        }
    }

    /// One type, by stream: on each that asks for it, or on the newest if none does.
    fn of(&self, type_url: TypeUrl) -> impl Iterator<Item = TypeOf<'a>> {
        let left = match self {
            Self::Left(types) => types.get(type_url),
            Self::Open(_) => None,
        };
        let streams = self.streams();
        let known = move || {
            let streams = streams.iter();
            streams.filter_map(move |stream| stream.types.get(type_url))
        };
        let asked = known().any(|its| its.subscribed());
        let of_asking = known().filter(move |its| !asked || its.subscribed());
        let most = if asked { usize::MAX } else { 1 };
        left.into_iter().chain(of_asking.take(most))
    }
}

impl Member<'_> {
    /// Whether a stream is open.
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.has, Has::Open(_))
    }

    /// When the proxy had all of it; or why it does not count. `Ok(None)`: nothing was required.
    pub(super) fn accepted(
        &self,
        requirement: &Requirement,
    ) -> Result<Option<Timestamp>, NotAckedState> {
        match (
            reached(requirement, |type_url| self.has.of(type_url)),
            self.is_connected(),
        ) {
            (Reached::All(_), true) if self.lacks_a_stream(&requirement.types) => {
                Err(NotAckedState::Pending)
            }
            (Reached::All(at), _) => Ok(at),
            (Reached::Nacked(state), _) => Err(state),
            (Reached::Open, true) => Err(NotAckedState::Pending),
            (Reached::Open, false) => Err(NotAckedState::Disconnected(self.since)),
        }
    }

    /// Something of these types is asked for on a stream of its own, and that is not there: an Envoy opens each again when it
    /// likes. Until then nobody knows what it has of it.
    fn lacks_a_stream(&self, types: &[TypeUrl]) -> bool {
        let streams = self.has.streams();
        streams.iter().any(|stream| {
            let mut apart = stream.apart.iter().filter(|(of, _)| types.contains(of));
            apart.any(|(of, name)| {
                let mut others = streams.iter().filter(|other| !std::ptr::eq(*other, stream));
                !others.any(|other| other.asks_for(*of, name))
            })
        })
    }

    /// One view per type that the proxy asked for, in push order: of several streams the worst.
    pub(super) fn types(&self, newest: &BTreeMap<TypeUrl, Revision>) -> Vec<TypeView> {
        let types = TypeUrl::ALL.into_iter();
        let views = types.filter_map(|type_url| {
            let asked = self.has.of(type_url).filter(TypeOf::subscribed);
            let mut view = asked.map(|its| its.view(newest)).reduce(worse)?;
            if view.state == TypeState::Synced && self.lacks_a_stream(&[type_url]) {
                view.state = TypeState::Stale;
            }
            Some(view)
        });
        views.collect()
    }
}
