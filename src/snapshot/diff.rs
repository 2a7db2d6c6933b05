//! What differs between two snapshots.

use std::{fmt, sync::Arc};

use super::{Snapshot, TypeSet};
use crate::model::TypeUrl;

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It has other content.
    Changed,
    /// It is gone.
    Removed,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ChangeKind::Added => "added",
            ChangeKind::Changed => "changed",
            ChangeKind::Removed => "removed",
        })
    }
}

/// One resource that differs between two snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How it differs.
    pub kind: ChangeKind,
    /// Its type.
    pub type_url: TypeUrl,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.type_url, self.name, self.kind)
    }
}

/// The resources that differ, by type in push order, then by name. Sets that the two share cost nothing.
pub fn diff(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let mut changes = Vec::new();
    for type_url in TypeUrl::ALL {
        let (old, new) = (old.get(type_url), new.get(type_url));
        let same = match (old, new) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new) || old.digest == new.digest,
            (old, new) => old.is_none() && new.is_none(),
        };
        if !same {
            diff_sets(type_url, old, new, &mut changes);
        }
    }
    changes
}

fn diff_sets(
    type_url: TypeUrl,
    old: Option<&Arc<TypeSet>>,
    new: Option<&Arc<TypeSet>>,
    changes: &mut Vec<Change>,
) {
    let first = changes.len();
    let mut add = |kind, name: &Arc<str>| {
        changes.push(Change {
            kind,
            type_url,
            name: name.clone(),
        });
    };
    for (name, resource) in new.iter().flat_map(|set| &set.resources) {
        match old.and_then(|set| set.resources.get(name)) {
            None => add(ChangeKind::Added, name),
            Some(before) if before.digest != resource.digest => add(ChangeKind::Changed, name),
            Some(_) => {}
        }
    }
    for name in old.iter().flat_map(|set| set.resources.keys()) {
        if new.is_none_or(|set| !set.resources.contains_key(name)) {
            add(ChangeKind::Removed, name);
        }
    }
    changes[first..].sort_by(|a, b| a.name.cmp(&b.name));
}

/// Invariant `switch-changes-routes-only`: a switch or a rollback of a service differs from the revision before it in
/// route configurations only (or virtual hosts, where those are served by themselves). A changed cluster would rebuild
/// its connection pools, a changed listener drain its connections.
///
/// # Errors
/// What else differs.
pub fn only_routes_differ(old: &Snapshot, new: &Snapshot) -> Result<(), Vec<Change>> {
    let others: Vec<Change> = diff(old, new)
        .into_iter()
        .filter(|change| {
            !matches!(
                change.type_url,
                TypeUrl::RouteConfiguration | TypeUrl::VirtualHost
            )
        })
        .collect();
    if others.is_empty() {
        Ok(())
    } else {
        Err(others)
    }
}
