//! Putting revisions together from what is stored. Everything read is checked against its digest.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    blob::from_json,
    fault::Fault,
    fleet::Chain,
    layout::{
        Delta, Key, Manifest, Record, Sum, operation_key, release_key, releases_key, revision_key,
    },
    tables::Tables,
};
use crate::{
    fleet::RosterEntry,
    model::{Name, Revision},
    release::{FleetState, ReleaseRecord},
    snapshot::{Digest, Snapshot, TypeSet},
    store::{Head, RevisionMeta},
};

/// A revision, and what the writer needs to add the next one.
pub(super) struct Loaded {
    /// The revision.
    pub head: Head,
    /// Its entries.
    pub manifest: Manifest,
    /// Of its record.
    pub record: Digest,
    /// What it was put together from.
    pub chain: Chain,
}

impl Tables {
    /// A revision's record and the digest of it; the notes are not in it.
    pub fn record(
        &self,
        fleet: &Name,
        revision: Revision,
    ) -> Result<Option<(Record, Digest)>, Fault> {
        let Some(json) = self.records.get(&revision_key(fleet, revision))? else {
            return Ok(None);
        };
        Ok(Some((from_json(&json)?, Digest::of(&[&json]))))
    }

    /// Who, when, what, why, and what became known later.
    pub fn meta(&self, fleet: &Name, revision: Revision) -> Result<Option<RevisionMeta>, Fault> {
        let Some((record, _)) = self.record(fleet, revision)? else {
            return Ok(None);
        };
        let mut meta = record.meta;
        meta.notes.extend(self.notes(fleet, revision)?);
        Ok(Some(meta))
    }

    /// The lines that were added to a revision's record.
    pub fn notes(&self, fleet: &Name, revision: Revision) -> Result<Vec<String>, Fault> {
        let notes = self.notes.get(&revision_key(fleet, revision))?;
        notes.map_or(Ok(Vec::new()), |json| from_json(&json))
    }

    /// The records of a fleet, newest first.
    pub fn history(
        &self,
        fleet: &Name,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<RevisionMeta>, Fault> {
        let mut metas = Vec::new();
        for revision in self.revisions(fleet)?.into_iter().rev() {
            if metas.len() == limit {
                break;
            }
            if revision <= from {
                // None: dropped just now.
                metas.extend(self.meta(fleet, revision)?);
            }
        }
        Ok(metas)
    }

    /// The revisions of a fleet that are kept, oldest first.
    pub fn revisions(&self, fleet: &Name) -> Result<Vec<Revision>, Fault> {
        let prefix = super::layout::fleet_key(fleet);
        self.records
            .keys(&prefix, &prefix)
            .map(|key| Ok(super::layout::parse_revision_key(&key?)?.1))
            .collect()
    }

    /// The revision that an operation made.
    pub fn operation(&self, fleet: &Name, id: &str) -> Result<Option<RevisionMeta>, Fault> {
        let Some(revision) = self.operations.get(&operation_key(fleet, id))? else {
            return Ok(None);
        };
        let revision = <[u8; 8]>::try_from(revision.as_slice())
            .map_err(|_| Fault::Damaged("an operation can't be read".to_owned()))?;
        self.meta(fleet, Revision(u64::from_be_bytes(revision)))
    }

    /// The record of a release.
    pub fn release(
        &self,
        fleet: &Name,
        service: &Name,
        number: u64,
    ) -> Result<Option<Arc<ReleaseRecord>>, Fault> {
        let json = self.releases.get(&release_key(fleet, service, number))?;
        json.map(|json| from_json(&json)).transpose()
    }

    /// The keys of the releases of a service, oldest first.
    pub fn release_keys(&self, fleet: &Name, service: &Name) -> Result<Vec<Vec<u8>>, Fault> {
        let prefix = releases_key(fleet, service);
        self.releases.keys(&prefix, &prefix).collect()
    }

    /// The records of the releases of a service, newest first.
    pub fn releases(
        &self,
        fleet: &Name,
        service: &Name,
        limit: usize,
    ) -> Result<Vec<Arc<ReleaseRecord>>, Fault> {
        let mut records = Vec::new();
        for key in self.release_keys(fleet, service)?.iter().rev().take(limit) {
            // None: dropped just now.
            if let Some(json) = self.releases.get(key)? {
                records.push(from_json(&json)?);
            }
        }
        Ok(records)
    }

    /// The roster as it was last saved.
    pub fn roster(&self, fleet: &Name) -> Result<Vec<RosterEntry>, Fault> {
        let roster = self.rosters.get(&super::layout::fleet_key(fleet))?;
        roster.map_or(Ok(Vec::new()), |json| from_json(&json))
    }

    /// What a revision changed.
    pub fn delta(&self, fleet: &Name, revision: Revision) -> Result<Delta, Fault> {
        match self.deltas.get(&revision_key(fleet, revision))? {
            Some(bytes) => Delta::decode(&bytes),
            None => Err(Fault::Damaged(format!(
                "the changes of fleet {fleet} in revision {revision} are missing"
            ))),
        }
    }

    /// A whole revision; None if it is not kept.
    pub fn load(&self, fleet: &Name, revision: Revision) -> Result<Option<Loaded>, Fault> {
        let _unchanged = self.reading();
        let Some((record, digest)) = self.record(fleet, revision)? else {
            return Ok(None);
        };
        let (manifest, chain) = self.manifest(fleet, revision)?;
        if record.meta.fleet != *fleet
            || record.meta.revision != revision
            || manifest.len() != record.entries
            || Sum::of(&manifest).digest() != record.sum
        {
            return Err(Fault::Damaged(format!(
                "revision {revision} of fleet {fleet} does not match its digest"
            )));
        }
        let mut meta = record.meta;
        meta.notes.extend(self.notes(fleet, revision)?);
        Ok(Some(Loaded {
            head: Head {
                state: Arc::new(self.fleet_state(&manifest)?),
                snapshot: Arc::new(self.snapshot(fleet, revision, &record.types, &manifest)?),
                meta,
                durable_at: None,
            },
            manifest,
            record: digest,
            chain,
        }))
    }

    fn manifest(&self, fleet: &Name, revision: Revision) -> Result<(Manifest, Chain), Fault> {
        let mut deltas = vec![self.delta(fleet, revision)?];
        let mut at = revision;
        while let Some(base) = deltas.last().and_then(|delta| delta.base) {
            if base >= at {
                // Never written so; a walk that does not go back would not end.
                return Err(Fault::Damaged(format!("revision {at} follows {base}")));
            }
            deltas.push(self.delta(fleet, base)?);
            at = base;
        }
        let mut manifest = Manifest::new();
        let mut chain = Chain::default();
        for delta in deltas.into_iter().rev() {
            if delta.base.is_some() {
                chain.deltas += 1;
                chain.changes += delta.changes.len();
            }
            delta.apply(&mut manifest);
        }
        Ok((manifest, chain))
    }

    fn fleet_state(&self, manifest: &Manifest) -> Result<FleetState, Fault> {
        let mut state = FleetState::default();
        for (key, digest) in manifest {
            match key {
                Key::Service(name) => {
                    let entry = Arc::new(self.state(*digest)?);
                    state.services.insert(name.clone(), entry);
                }
                Key::Resources(name) => {
                    let entry = Arc::new(self.state(*digest)?);
                    state.resources.insert(name.clone(), entry);
                }
                Key::Group(name) => {
                    let entry = Arc::new(self.state(*digest)?);
                    state.groups.insert(name.clone(), entry);
                }
                Key::Resource(..) => {}
            }
        }
        Ok(state)
    }

    fn snapshot(
        &self,
        fleet: &Name,
        revision: Revision,
        types: &[(crate::model::TypeUrl, Revision)],
        manifest: &Manifest,
    ) -> Result<Snapshot, Fault> {
        let mut sets: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (key, digest) in manifest {
            if let Key::Resource(type_url, name) = key {
                let resource = self.resource(*type_url, name, *digest)?;
                sets.entry(*type_url)
                    .or_default()
                    .insert(name.clone(), resource);
            }
        }
        let types = types.iter().map(|(type_url, changed_in)| {
            let resources = sets.remove(type_url).unwrap_or_default();
            TypeSet::new(*type_url, *changed_in, resources)
        });
        let snapshot = Snapshot::restore(fleet.clone(), revision, types);
        match sets.keys().next() {
            None => Ok(snapshot),
            Some(type_url) => Err(Fault::Damaged(format!(
                "revision {revision} of fleet {fleet} has {type_url} without a version"
            ))),
        }
    }
}
