//! What one stream of a proxy has of every type.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    NotAckedState, Record, Requirement, TypeState, TypeView,
    acceptances::{Acceptances, Marks},
};
use crate::model::{Revision, TypeUrl};

/// Rejections remembered per proxy and type: the last, and a few that later revisions have healed.
const REJECTIONS_KEPT: usize = 4;

/// What a proxy rejected.
#[derive(Clone, Debug)]
struct Rejection {
    revision: Revision,
    resources: Vec<String>,
    message: String,
    /// A later revision was accepted since. It may have been accepted before, too: by who had not asked for what it rejects yet.
    healed: bool,
}

/// One type.
#[derive(Clone, Debug, Default)]
struct TypeRow {
    subscribed: bool,
    sent: Revision,
    /// As a rule there is none, and ten thousand proxies have a handful of these each.
    trouble: Option<Box<Trouble>>,
}

/// What went wrong.
#[derive(Clone, Debug, Default)]
struct Trouble {
    rejections: VecDeque<Rejection>,
    held: Vec<Arc<str>>,
}

impl TypeRow {
    fn rejections(&self) -> impl DoubleEndedIterator<Item = &Rejection> {
        let trouble = self.trouble.iter();
        trouble.flat_map(|trouble| &trouble.rejections)
    }

    /// Changes what went wrong; keeps nothing if nothing is left of it.
    fn change(&mut self, change: impl FnOnce(&mut Trouble)) {
        let trouble = self.trouble.get_or_insert_default();
        change(trouble);
        if trouble.rejections.is_empty() && trouble.held.is_empty() {
            self.trouble = None;
        }
    }
}

/// The types, in push order. A handful: a list is a tenth of the size of a tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Types {
    rows: Vec<(TypeUrl, TypeRow)>,
    accepted: Acceptances,
}

impl Types {
    /// What it has of one type.
    pub(super) fn get(&self, type_url: TypeUrl) -> Option<TypeOf<'_>> {
        let (type_url, row) = self.rows.get(self.place(type_url).ok()?)?;
        Some(self.of(*type_url, row))
    }

    /// What it has of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = TypeOf<'_>> {
        let rows = self.rows.iter();
        rows.map(|(type_url, row)| self.of(*type_url, row))
    }

    fn of<'a>(&'a self, type_url: TypeUrl, row: &'a TypeRow) -> TypeOf<'a> {
        TypeOf {
            type_url,
            row,
            accepted: &self.accepted,
        }
    }

    /// The row of a type; a new one if there was none.
    fn row(&mut self, type_url: TypeUrl) -> &mut TypeRow {
        let at = self.place(type_url).unwrap_or_else(|at| {
            self.rows.reserve_exact(1);
            self.rows.insert(at, (type_url, TypeRow::default()));
            at
        });
        &mut self.rows[at].1 // proof: it was found there, or put there
    }

    fn place(&self, type_url: TypeUrl) -> Result<usize, usize> {
        self.rows.binary_search_by(|(one, _)| one.cmp(&type_url))
    }

    /// Books one record; false if it changed nothing that anybody can see.
    pub(super) fn record(&mut self, record: Record, at: Timestamp) -> bool {
        match record {
            Record::Subscribed(type_url) => self.row(type_url).subscribed = true,
            Record::Unsubscribed(type_url) => self.row(type_url).subscribed = false,
            Record::Sent(type_url, revision) => self.row(type_url).sent = revision,
            Record::Accepted(type_url, revision) => {
                let row = self.row(type_url);
                let mut heals = false;
                if row.trouble.is_some() {
                    row.change(|it| {
                        it.rejections.retain(|r| r.revision != revision);
                        for rejection in &mut it.rejections {
                            heals |= !rejection.healed && rejection.revision < revision;
                            rejection.healed |= rejection.revision < revision;
                        }
                    });
                }
                return self.accepted.accept(Marks::of(type_url), revision, at) || heals;
            }
            Record::Weighted(revision) => {
                self.row(TypeUrl::RouteConfiguration);
                return self.accepted.accept(Marks::WEIGHTS, revision, at);
            }
            Record::Rejected {
                type_url,
                revision,
                resources,
                message,
            } => self.row(type_url).change(|Trouble { rejections, .. }| {
                rejections.retain(|r| r.revision != revision);
                rejections.push_back(Rejection {
                    revision,
                    resources,
                    message,
                    healed: false,
                });
                if rejections.len() > REJECTIONS_KEPT {
                    rejections.pop_front();
                }
            }),
            Record::Held(type_url, clusters) => {
                self.row(type_url).change(|it| it.held = clusters);
            }
            Record::Named(..) | Record::Apart(_) | Record::Newer(..) => {}
        }
        true
    }

    /// The first acceptance of a type on a stream: if another stream of the proxy has that very revision, it is as old as that
    /// one. A reconnect does not make an old ACK a new one.
    pub(super) fn adopt(&mut self, other: &Self, type_url: TypeUrl, revision: Revision) -> bool {
        let of = Marks::of(type_url);
        let is_its = other.place(type_url).is_ok();
        let adopted = is_its && self.accepted.adopt(&other.accepted, of, revision);
        if adopted {
            self.row(type_url);
        }
        adopted
    }

    /// Nothing of that type was accepted here yet.
    pub(super) fn accepted_nothing_of(&self, type_url: TypeUrl) -> bool {
        self.accepted.newest(Marks::of(type_url)).is_none()
    }

    /// The stream of these has ended: what it had of its types is what the proxy had last. Of the types in `others`, `self` is what
    /// streams had that ended together with it: of what both asked for the worse counts.
    pub(super) fn keep_worse(&mut self, ended: Self, others: Marks) {
        for (type_url, row) in ended.rows {
            let its = TypeOf {
                type_url,
                row: &row,
                accepted: &ended.accepted,
            };
            let known = self.get(type_url).filter(TypeOf::subscribed);
            let known = known.filter(|_| others.has_any_of(Marks::of(type_url)));
            if known.is_none_or(|known| its.subscribed() && its.is_behind(&known)) {
                self.put(type_url, row, &ended.accepted);
            }
        }
    }

    fn put(&mut self, type_url: TypeUrl, row: TypeRow, accepted: &Acceptances) {
        let of = match type_url {
            TypeUrl::RouteConfiguration => Marks::of(type_url).and(Marks::WEIGHTS),
            _ => Marks::of(type_url),
        };
        self.accepted.replace(accepted, of);
        *self.row(type_url) = row;
    }
}

/// How one type stands against a requirement.
enum Standing<'a> {
    Accepted(Timestamp),
    Rejected(&'a Rejection),
    Open,
}

/// One type of one stream.
#[derive(Clone, Copy)]
pub(super) struct TypeOf<'a> {
    pub(super) type_url: TypeUrl,
    row: &'a TypeRow,
    accepted: &'a Acceptances,
}

impl<'a> TypeOf<'a> {
    /// Whether the stream asks for it now.
    pub(super) fn subscribed(&self) -> bool {
        self.row.subscribed
    }

    fn newest_accepted(&self) -> Revision {
        let newest = self.accepted.newest(Marks::of(self.type_url));
        newest.map_or(Revision::ZERO, |(revision, _)| revision)
    }

    /// A rejection that nothing accepted since has healed.
    fn unhealed(&self) -> Option<&'a Rejection> {
        let last = self.row.rejections().next_back()?;
        (!last.healed).then_some(last)
    }

    /// Whether it has less of the type than another stream has, or has rejected what that one has not.
    fn is_behind(&self, other: &TypeOf<'_>) -> bool {
        let standing = |of: &TypeOf<'_>| (of.unhealed().is_none(), of.newest_accepted());
        standing(self) < standing(other)
    }

    fn standing(&self, revision: Revision, weights_only: bool) -> Standing<'a> {
        // A revision that was itself rejected stays so, even where a later one was accepted and healed it.
        if let Some(exact) = self.row.rejections().find(|r| r.revision == revision) {
            return Standing::Rejected(exact);
        }
        let whole = Marks::of(self.type_url);
        let of = match weights_only && self.type_url == TypeUrl::RouteConfiguration {
            true => whole.and(Marks::WEIGHTS),
            false => whole,
        };
        if let Some(at) = self.accepted.since(of, revision) {
            return Standing::Accepted(at);
        }
        match self.unhealed() {
            Some(later) if later.revision > revision => Standing::Rejected(later),
            _ => Standing::Open,
        }
    }

    /// For people, against the revision in which the type last changed.
    pub(super) fn view(&self, newest: &BTreeMap<TypeUrl, Revision>) -> TypeView {
        let is_declared = !newest.is_empty();
        let newest = newest.get(&self.type_url).copied().unwrap_or_default();
        let accepted = self.newest_accepted();
        let unhealed = self.unhealed();
        let nothing = self.row.sent == Revision::ZERO && accepted == Revision::ZERO;
        let state = if unhealed.is_some() {
            TypeState::Nacked
        } else if accepted >= newest && (is_declared || !nothing) {
            TypeState::Synced
        } else if nothing {
            TypeState::NotSent
        } else {
            TypeState::Stale
        };
        let trouble = self.row.trouble.as_ref();
        TypeView {
            type_url: self.type_url,
            state,
            accepted,
            error: unhealed.map(|r| (r.resources.clone(), r.message.clone())),
            held_for: trouble.map(|it| it.held.clone()).unwrap_or_default(),
        }
    }
}

/// One view of one type on several streams: it stands as it does where it stands worst.
pub(super) fn worse(mut one: TypeView, other: TypeView) -> TypeView {
    let rank = |state| match state {
        TypeState::Synced => 0,
        TypeState::Stale => 1,
        TypeState::NotSent => 2,
        TypeState::Nacked => 3,
    };
    if rank(other.state) > rank(one.state) {
        one.state = other.state;
    }
    one.accepted = one.accepted.min(other.accepted);
    one.error = one.error.or(other.error);
    let known = one.held_for.len();
    for cluster in other.held_for {
        if !one.held_for.iter().take(known).any(|it| *it == cluster) {
            one.held_for.push(cluster);
        }
    }
    one
}

/// How far a proxy is that has these of its types.
pub(super) enum Reached {
    /// All of it, since then; None: nothing was required.
    All(Option<Timestamp>),
    /// Not all of it.
    Open,
    /// It said no.
    Nacked(NotAckedState),
}

/// Compares what a proxy has, type by type, with what is required. What it has of a type on several streams it must have on all.
pub(super) fn reached<'a, I: Iterator<Item = TypeOf<'a>>>(
    requirement: &Requirement,
    has: impl Fn(TypeUrl) -> I,
) -> Reached {
    let (mut last, mut open) = (None, false);
    for type_url in &requirement.types {
        let mut known = false;
        for its in has(*type_url) {
            known = true;
            match its.standing(requirement.revision, requirement.weights_only) {
                Standing::Accepted(at) => last = last.max(Some(at)),
                Standing::Rejected(rejection) => {
                    return Reached::Nacked(NotAckedState::Nacked {
                        revision: rejection.revision,
                        type_url: *type_url,
                        resources: rejection.resources.clone(),
                        message: rejection.message.clone(),
                    });
                }
                Standing::Open => open = true,
            }
        }
        open |= !known;
    }
    match open {
        false => Reached::All(last),
        true => Reached::Open,
    }
}
