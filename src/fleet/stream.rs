//! One open stream of a proxy, and whether two of them are parts of one client.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    ProxyInfo,
    types::{TypeOf, Types},
};
use crate::model::TypeUrl;

/// One open stream of a proxy.
#[derive(Debug)]
pub(super) struct StreamRow {
    pub(super) info: ProxyInfo,
    pub(super) connected_at: Timestamp,
    /// When the proxy last said something on it.
    pub(super) last_word: Timestamp,
    pub(super) types: Types,
    /// What it names of a type, if it says so.
    pub(super) named: Option<(TypeUrl, Box<[Arc<str>]>)>,
    /// What it has other streams of the proxy ask for.
    pub(super) apart: Box<[(TypeUrl, Arc<str>)]>,
}

impl StreamRow {
    /// On which nothing has been said.
    pub(super) fn new(info: ProxyInfo, at: Timestamp) -> Self {
        Self {
            info,
            connected_at: at,
            last_word: at,
            types: Types::default(),
            named: None,
            apart: Box::default(),
        }
    }

    /// Both can be parts of one proxy: they come over one connection, or are for other things. A gRPC process has a connection for
    /// each of its targets (seen with gRPC Go 1.85), and what is asked for on a stream of its own may come by way of another
    /// cluster of the bootstrap, or through a gateway that spreads streams.
    pub(super) fn is_beside(&self, other: &StreamRow) -> bool {
        self.info.address == other.info.address || self.names_others_than(other)
    }

    fn names_others_than(&self, other: &StreamRow) -> bool {
        let alone = |one: &StreamRow| matches!(one.named, Some((of, _)) if of != TypeUrl::Listener);
        match (&self.named, &other.named) {
            (Some((mine, names)), Some((its, others))) if mine == its => {
                !names.iter().any(|name| others.contains(name))
            }
            _ => alone(self) || alone(other),
        }
    }

    /// What it names of a type; empty: that is not known.
    fn names(&self, type_url: TypeUrl) -> &[Arc<str>] {
        match &self.named {
            Some((of, names)) if *of == type_url => names,
            _ => &[],
        }
    }

    pub(super) fn asks_for(&self, type_url: TypeUrl, name: &Arc<str>) -> bool {
        let names = self.names(type_url);
        let its = self.types.get(type_url);
        its.as_ref().is_some_and(TypeOf::subscribed) && (names.is_empty() || names.contains(name))
    }

    /// They want the same, so that one may have taken the place of the other.
    pub(super) fn rivals(&self, other: &StreamRow) -> bool {
        !self.names_others_than(other) && self.shares_a_type_with(other)
    }

    fn shares_a_type_with(&self, other: &StreamRow) -> bool {
        let asks = |its: &TypeOf<'_>| its.subscribed();
        let mut mine = self.types.iter().filter(asks);
        mine.any(|its| other.types.get(its.type_url).as_ref().is_some_and(asks))
    }
}
