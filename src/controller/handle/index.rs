//! Which fleet a document belongs to: names are unique over all fleets, so that `switch fraud-model` means one thing.

use std::{collections::BTreeMap, sync::Mutex};

use crate::{
    controller::sync::lock,
    model::{DocumentKind, Name},
    release::FleetState,
};

/// Documents by kind and name, with the fleet that has them.
#[derive(Default)]
pub(in crate::controller) struct Index {
    owners: Mutex<BTreeMap<DocumentKind, BTreeMap<Name, Name>>>,
}

impl Index {
    /// The fleet that has the document, or is about to.
    pub fn fleet_of(&self, kind: DocumentKind, name: &str) -> Option<Name> {
        lock(&self.owners).get(&kind)?.get(name).cloned()
    }

    /// Takes the names for a fleet before its commit (`keep`), or only asks whether it could; fails with the first that another fleet has, and its owner.
    pub fn claim<'a>(
        &self,
        fleet: &Name,
        names: impl Iterator<Item = (DocumentKind, &'a Name)> + Clone,
        keep: bool,
    ) -> Result<(), (DocumentKind, Name, Name)> {
        let mut owners = lock(&self.owners);
        for (kind, name) in names.clone() {
            if let Some(owner) = owners.get(&kind).and_then(|of_kind| of_kind.get(name))
                && owner != fleet
            {
                return Err((kind, name.clone(), owner.clone()));
            }
        }
        for (kind, name) in names.filter(|_| keep) {
            owners
                .entry(kind)
                .or_default()
                .insert(name.clone(), fleet.clone());
        }
        Ok(())
    }

    /// Makes the index say of one fleet what its state says: after a commit, and after one that failed.
    pub fn settle(&self, fleet: &Name, state: &FleetState) {
        let mut owners = lock(&self.owners);
        for (kind, names) in [
            (
                DocumentKind::Service,
                state.services.keys().collect::<Vec<_>>(),
            ),
            (
                DocumentKind::EnvoyResources,
                state.resources.keys().collect::<Vec<_>>(),
            ),
            (DocumentKind::Group, state.groups.keys().collect::<Vec<_>>()),
        ] {
            let of_kind = owners.entry(kind).or_default();
            of_kind.retain(|_, owner| owner != fleet);
            of_kind.extend(names.into_iter().map(|name| (name.clone(), fleet.clone())));
        }
    }
}
