//! What is stored where: keys, the record of a revision, and what it changed.
//!
//! | table | key | value |
//! |---|---|---|
//! | `blobs` | digest | a resource's bytes, or an entry of the state as JSON |
//! | `records` | fleet, revision | [`Record`], JSON; written once |
//! | `deltas` | fleet, revision | [`Delta`]: what changed since the revision before, or everything |
//! | `operations` | fleet, digest of the operation id | revision |
//! | `notes` | fleet, revision | JSON list of lines |
//! | `rosters` | fleet | JSON list |
//! | `releases` | fleet, service, number | a release's record, JSON |
//! | `meta` | `format`, `epoch` | a number |

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::{
    model::{Name, Revision, TypeUrl},
    snapshot::Digest,
    store::RevisionMeta,
};

/// The format that this version writes, and the newest that it reads.
pub(super) const FORMAT: u64 = 1;

/// What a revision is, without its content.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    /// Who, when, what, why.
    pub meta: RevisionMeta,
    /// For each type the revision in which it last changed: with the content, that makes its version.
    pub types: Vec<(TypeUrl, Revision)>,
    /// Of all entries, see [`Sum`].
    pub sum: Digest,
    /// How many entries there are.
    pub entries: usize,
}

/// What an entry of a revision is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// An xDS resource.
    Resource(TypeUrl, Arc<str>),
    /// The state of a service.
    Service(Name),
    /// A declared set of Envoy resources.
    Resources(Name),
    /// A declared group of services.
    Group(Name),
}

/// All entries of a revision.
pub(super) type Manifest = BTreeMap<Key, Digest>;

/// What a revision changed: entries put, and (None) taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    /// What it is a change of. None: of nothing, it holds every entry.
    pub base: Option<Revision>,
    /// By entry.
    pub changes: BTreeMap<Key, Option<Digest>>,
}

/// The digest of a set of entries: the digests of all of them, combined by exclusive or, so that it follows a change
/// without looking at what did not change, and does not depend on how the revision is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum([u8; 32]);

impl Sum {
    /// Of no entries.
    pub const EMPTY: Sum = Sum([0; 32]);

    /// Of all these entries.
    pub fn of(manifest: &Manifest) -> Self {
        let mut sum = Self::EMPTY;
        manifest
            .iter()
            .for_each(|(key, digest)| sum.toggle(key, digest));
        sum
    }

    /// Adds an entry, or takes it away.
    pub fn toggle(&mut self, key: &Key, digest: &Digest) {
        let entry = Digest::of(&[key.text().as_bytes(), digest.as_bytes()]);
        for (byte, other) in self.0.iter_mut().zip(entry.as_bytes()) {
            *byte ^= other;
        }
    }

    /// As it is stored.
    pub fn digest(self) -> Digest {
        Digest::from_bytes(self.0)
    }
}

impl Key {
    fn text(&self) -> String {
        match self {
            Key::Resource(type_url, name) => format!("xds/{}/{name}", type_url.short()),
            Key::Service(name) => format!("service/{name}"),
            Key::Resources(name) => format!("resources/{name}"),
            Key::Group(name) => format!("group/{name}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('/')?;
        match kind {
            "xds" => {
                let (short, name) = rest.split_once('/')?;
                let type_url = TypeUrl::ALL
                    .into_iter()
                    .find(|known| known.short() == short)?;
                Some(Key::Resource(type_url, name.into()))
            }
            "service" => Name::parse(rest).ok().map(Key::Service),
            "resources" => Name::parse(rest).ok().map(Key::Resources),
            "group" => Name::parse(rest).ok().map(Key::Group),
            _ => None,
        }
    }
}

impl Delta {
    /// Everything that there is.
    pub fn whole(manifest: &Manifest) -> Self {
        let entries = manifest.iter();
        Self {
            base: None,
            changes: entries
                .map(|(key, digest)| (key.clone(), Some(*digest)))
                .collect(),
        }
    }

    /// This change and then that one, as one change.
    pub fn then(mut self, next: Delta) -> Self {
        self.changes.extend(next.changes);
        if self.base.is_none() {
            self.changes.retain(|_, digest| digest.is_some());
        }
        self
    }

    /// Makes the change.
    pub fn apply(self, manifest: &mut Manifest) {
        for (key, digest) in self.changes {
            match digest {
                Some(digest) => manifest.insert(key, digest),
                None => manifest.remove(&key),
            };
        }
    }

    /// As it is stored: the base, and for each entry length and text of its key and a digest, all zero where the entry
    /// was taken away.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.base.map_or(0, |base| base.0).to_be_bytes().to_vec();
        for (key, digest) in &self.changes {
            let key = key.text();
            bytes.extend((key.len() as u64).to_be_bytes());
            bytes.extend(key.as_bytes());
            bytes.extend(digest.as_ref().map_or(&[0; 32], Digest::as_bytes));
        }
        bytes
    }

    /// The other way round. The bytes were checked against their digest: entries of another kind were meant by who wrote them.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        Self::read(bytes).ok_or_else(|| Fault::Unfamiliar("a list of changes".into()))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (base, mut rest) = bytes.split_first_chunk()?;
        let base = u64::from_be_bytes(*base);
        let mut delta = Self {
            base: (base != 0).then_some(Revision(base)),
            changes: BTreeMap::new(),
        };
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk()?;
            let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
            let (key, after) = after.split_at_checked(length)?;
            let (digest, after) = after.split_first_chunk::<32>()?;
            let key = Key::parse(std::str::from_utf8(key).ok()?)?;
            let digest = (*digest != [0; 32]).then(|| Digest::from_bytes(*digest));
            delta.changes.insert(key, digest);
            rest = after;
        }
        Some(delta)
    }
}

/// What all keys of a fleet begin with. A name has no zero byte.
pub(super) fn fleet_key(fleet: &Name) -> Vec<u8> {
    [fleet.as_str().as_bytes(), &[0]].concat()
}

/// The key of a revision; they sort as the revisions do.
pub(super) fn revision_key(fleet: &Name, revision: Revision) -> Vec<u8> {
    [fleet.as_str().as_bytes(), &[0], &revision.0.to_be_bytes()].concat()
}

/// The other way round.
pub(super) fn parse_revision_key(key: &[u8]) -> Result<(Name, Revision), Fault> {
    let parse = || {
        let (fleet, revision) = key.split_last_chunk::<8>()?;
        let fleet = std::str::from_utf8(fleet.strip_suffix(&[0])?).ok()?;
        let revision = Revision(u64::from_be_bytes(*revision));
        Some((Name::parse(fleet).ok()?, revision))
    };
    parse().ok_or_else(|| Fault::Damaged(format!("{} is no revision's key", key.escape_ascii())))
}

/// The key of an operation.
pub(super) fn operation_key(fleet: &Name, operation_id: &str) -> Vec<u8> {
    let digest = Digest::of(&[operation_id.as_bytes()]);
    [fleet.as_str().as_bytes(), &[0], digest.as_bytes()].concat()
}

/// What all keys of the releases of a service begin with.
pub(super) fn releases_key(fleet: &Name, service: &Name) -> Vec<u8> {
    [
        fleet.as_str().as_bytes(),
        &[0],
        service.as_str().as_bytes(),
        &[0],
    ]
    .concat()
}

/// The key of a release's record; they sort as the numbers do.
pub(super) fn release_key(fleet: &Name, service: &Name, number: u64) -> Vec<u8> {
    let mut key = releases_key(fleet, service);
    key.extend(number.to_be_bytes());
    key
}

/// The digest, and key, of a stored entry of the state.
pub(super) fn state_digest(json: &[u8]) -> Digest {
    Digest::of(&[b"state", json])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            (0..TypeUrl::ALL.len(), "[a-d/ ]{0,3}")
                .prop_map(|(at, name)| Key::Resource(TypeUrl::ALL[at], name.as_str().into())),
            "[a-d]{1,2}".prop_map(|name| Key::Service(Name::parse(&name).unwrap())),
            "[a-d]{1,2}".prop_map(|name| Key::Resources(Name::parse(&name).unwrap())),
        ]
    }

    fn changes() -> impl Strategy<Value = BTreeMap<Key, Option<Digest>>> {
        let digest = any::<[u8; 4]>().prop_map(|seed| Digest::of(&[&seed]));
        proptest::collection::btree_map(key(), proptest::option::of(digest), 0..12)
    }

    proptest! {
        #[test]
        fn a_delta_is_read_as_it_was_written(base in 0u64..3, changes in changes()) {
            let base = (base != 0).then_some(Revision(base));
            let delta = Delta { base, changes };
            prop_assert_eq!(&Delta::decode(&delta.encode()).unwrap(), &delta);
        }

        #[test]
        fn a_cut_delta_is_damage_or_shorter(changes in changes(), keep in 0usize..400) {
            let bytes = Delta { base: None, changes }.encode();
            // Nothing else is promised: the table's digest finds a cut. But it must not panic.
            let _ = Delta::decode(&bytes[..keep.min(bytes.len())]);
        }

        #[test]
        fn two_changes_as_one_come_out_the_same(one in changes(), two in changes(), three in changes()) {
            let delta = |base, changes: &BTreeMap<_, _>| Delta { base, changes: changes.clone() };
            let mut step_by_step = Manifest::new();
            for changes in [&one, &two, &three] {
                delta(None, changes).apply(&mut step_by_step);
            }
            let mut at_once = Manifest::new();
            delta(None, &one)
                .then(delta(Some(Revision(1)), &two))
                .then(delta(Some(Revision(2)), &three))
                .apply(&mut at_once);
            prop_assert_eq!(Sum::of(&at_once), Sum::of(&step_by_step));
            prop_assert_eq!(at_once, step_by_step);
        }
    }
}
