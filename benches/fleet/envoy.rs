//! What one Envoy says to its control plane: CDS, EDS, LDS, RDS, and an ACK for each answer. It does no I/O.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use prost::Message as _;

use crate::{
    resources::{Resource, Resources, Unreadable},
    wire::{CDS, EDS, LDS, Mode, RDS, Request, Response, TYPES},
};

/// What it knows of one type.
#[derive(Default)]
struct Kind {
    /// Asked for on this stream.
    asked: bool,
    names: Vec<Arc<str>>,
    /// Accepted last, state of the world.
    version: String,
    nonce: String,
    has: BTreeMap<Arc<str>, Arc<Resource>>,
}

/// What an answer of the server meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing that is measured.
    Other,
    /// The proxy has everything: it is warm, from now on.
    Warm,
    /// The weights in its routes are others than before.
    Switched,
}

/// One Envoy. It keeps what it has when its stream breaks.
pub struct Envoy {
    mode: Mode,
    node: Bytes,
    kinds: [Kind; 4],
    warm: bool,
    /// Clusters that are new or changed and wait for their load assignment; the ACK of CDS waits with them.
    warming: BTreeSet<Arc<str>>,
    held_ack: bool,
}

impl Envoy {
    pub fn new(mode: Mode, node: Bytes) -> Self {
        Self {
            mode,
            node,
            kinds: Default::default(),
            warm: false,
            warming: BTreeSet::new(),
            held_ack: false,
        }
    }

    /// The first words on a new stream. After a reconnect it asks again for all that it had asked for before, and shows
    /// what it has.
    pub fn begin(&mut self, out: &mut BytesMut) {
        let asked: Vec<bool> = self.kinds.iter().map(|kind| kind.asked).collect();
        for kind in &mut self.kinds {
            kind.asked = false;
            kind.nonce.clear();
        }
        // Whatever was warming is asked for anew, with its first request.
        self.warming.clear();
        self.held_ack = false;
        for kind in [CDS, EDS, LDS, RDS] {
            if kind == CDS || asked[kind] {
                self.ask(kind, &[], out);
            }
        }
    }

    /// Reads one response and answers it.
    pub fn response(
        &mut self,
        message: Bytes,
        resources: &Resources,
        out: &mut BytesMut,
    ) -> Result<Event, Unreadable> {
        let response = Response::decode(message)?;
        let Some(at) = TYPES.iter().position(|url| *url == response.type_url) else {
            return Ok(Event::Other);
        };
        let read: Vec<_> = response
            .resources
            .iter()
            .map(|bytes| resources.read(self.mode, at, bytes))
            .collect::<Result<_, _>>()?;
        let before = self.weights();
        let changed = self.take(at, &response.removed, &read);
        self.kinds[at].version = response.version;
        self.kinds[at].nonce = response.nonce;
        match at {
            CDS => self.clusters(changed, out),
            EDS => {
                for assignment in &read {
                    self.warming.remove(&assignment.name);
                }
                self.ack(EDS, out);
                if self.held_ack && self.warming.is_empty() {
                    self.held_ack = false;
                    self.ack(CDS, out);
                }
            }
            LDS => {
                self.ack(LDS, out);
                self.follow(LDS, RDS, out);
            }
            _ => self.ack(RDS, out),
        }
        // Envoy asks for listeners only once its clusters are initialized.
        if !self.kinds[LDS].asked && self.complete(EDS) {
            self.ask(LDS, &[], out);
        }
        if !self.warm {
            self.warm = self.kinds[LDS].asked && at >= LDS && self.complete(RDS);
            return Ok(if self.warm { Event::Warm } else { Event::Other });
        }
        Ok(if at == RDS && self.weights() != before {
            Event::Switched
        } else {
            Event::Other
        })
    }

    /// A fingerprint of the weights in all route configurations that it has.
    pub fn weights(&self) -> u64 {
        let routes = self.kinds[RDS].has.values();
        routes.fold(0, |all, one| all.rotate_left(7) ^ one.fingerprint)
    }

    /// The same in words.
    pub fn weights_text(&self) -> String {
        let routes = self.kinds[RDS].has.values();
        let each: Vec<&str> = routes.map(|one| one.weights.as_str()).collect();
        each.join("|")
    }

    /// Books what came; names those that are new or have other content.
    fn take(
        &mut self,
        at: usize,
        removed: &[String],
        read: &[Arc<Resource>],
    ) -> Vec<Arc<Resource>> {
        let has = &mut self.kinds[at].has;
        for name in removed {
            has.remove(name.as_str());
        }
        let changed = read
            .iter()
            .filter(|one| has.get(&one.name).is_none_or(|had| !Arc::ptr_eq(had, one)))
            .cloned()
            .collect();
        if self.mode == Mode::Sotw && (at == CDS || at == LDS) {
            // What is not in the answer is gone.
            has.clear();
        }
        has.extend(read.iter().map(|one| (one.name.clone(), one.clone())));
        changed
    }

    /// At the start Envoy ACKs its clusters at once; later only when those that are new have their endpoints.
    fn clusters(&mut self, changed: Vec<Arc<Resource>>, out: &mut BytesMut) {
        if self.warm {
            let waited_for = changed.iter().flat_map(|cluster| &cluster.references);
            self.warming.extend(waited_for.cloned());
        }
        if self.warming.is_empty() {
            self.ack(CDS, out);
        } else {
            self.held_ack = true;
        }
        if !self.follow(CDS, EDS, out) && self.held_ack && self.mode == Mode::Sotw {
            // Its watch on the endpoints of a changed cluster is a new one, and that sends a request.
            self.ack(EDS, out);
        }
    }

    /// Asks for what the resources of one type refer to, if that has changed.
    fn follow(&mut self, from: usize, to: usize, out: &mut BytesMut) -> bool {
        let has = self.kinds[from].has.values();
        let mut names: Vec<Arc<str>> = has.flat_map(|one| one.references.iter().cloned()).collect();
        names.sort();
        names.dedup();
        let kind = &mut self.kinds[to];
        if kind.names == names && (kind.asked || names.is_empty()) {
            return false;
        }
        let before = std::mem::replace(&mut kind.names, names);
        kind.has
            .retain(|name, _| kind.names.binary_search(name).is_ok());
        self.ask(to, &before, out);
        true
    }

    /// The first request of a type on this stream, or another list of names than `before`.
    fn ask(&mut self, at: usize, before: &[Arc<str>], out: &mut BytesMut) {
        let first_of_stream = !self.kinds.iter().any(|kind| kind.asked);
        let kind = &mut self.kinds[at];
        let first = !std::mem::replace(&mut kind.asked, true);
        let mut request = Request {
            node: first_of_stream.then_some(&self.node[..]),
            type_url: TYPES[at],
            nonce: &kind.nonce,
            ..Request::default()
        };
        match self.mode {
            Mode::Sotw => {
                request.version = &kind.version;
                request.names = &kind.names;
                request.write(self.mode, out);
            }
            Mode::Delta => {
                let not_in = |some: &[Arc<str>], others: &[Arc<str>]| -> Vec<Arc<str>> {
                    let new = some
                        .iter()
                        .filter(|name| others.binary_search(name).is_err());
                    new.cloned().collect()
                };
                let before = if first { &[] } else { before };
                let (more, less) = (not_in(&kind.names, before), not_in(before, &kind.names));
                let has = kind.has.values().filter(|_| first);
                let initial: Vec<_> = has
                    .map(|one| (one.name.clone(), one.version.clone()))
                    .collect();
                request.nonce = "";
                request.names = &more;
                request.unsubscribe = &less;
                request.initial = &initial;
                request.write(self.mode, out);
            }
        }
    }

    fn ack(&self, at: usize, out: &mut BytesMut) {
        let kind = &self.kinds[at];
        let names = match self.mode {
            Mode::Sotw => &kind.names[..],
            Mode::Delta => &[],
        };
        let request = Request {
            type_url: TYPES[at],
            version: &kind.version,
            names,
            nonce: &kind.nonce,
            ..Request::default()
        };
        request.write(self.mode, out);
    }

    /// It has all that it asked for of a type.
    fn complete(&self, at: usize) -> bool {
        let Kind { names, has, .. } = &self.kinds[at];
        names.iter().all(|name| has.contains_key(name))
    }
}
