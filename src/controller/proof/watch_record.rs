//! What the controller keeps with a revision: what happens on rejections, and whose traffic moved.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    model::{Colour, NackPolicy, Name},
    release::Moved,
    store::RevisionMeta,
};

/// What is kept in `RevisionMeta::watch`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::controller) struct WatchRecord {
    /// What happens on rejections; None: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<NackPolicy>,
    /// The traffic that moved, for a repeat of the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved: Option<MovedRecord>,
    /// And that of the other services of a group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_moved: Vec<MovedRecord>,
}

/// [`Moved`], as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::controller) struct MovedRecord {
    service: Name,
    from: Colour,
    to: Colour,
    from_version: String,
    to_version: String,
}

impl From<(Name, Moved)> for MovedRecord {
    fn from((service, moved): (Name, Moved)) -> Self {
        Self {
            service,
            from: moved.from,
            to: moved.to,
            from_version: moved.from_version,
            to_version: moved.to_version,
        }
    }
}

impl From<MovedRecord> for (Name, Moved) {
    fn from(record: MovedRecord) -> Self {
        let moved = Moved {
            from: record.from,
            to: record.to,
            from_version: record.from_version,
            to_version: record.to_version,
        };
        (record.service, moved)
    }
}

impl WatchRecord {
    /// What is kept of a command.
    pub fn new(policy: Option<NackPolicy>, moved: &[(Name, Moved)]) -> Self {
        let mut moved = moved.iter().cloned().map(MovedRecord::from);
        Self {
            policy,
            moved: moved.next(),
            also_moved: moved.collect(),
        }
    }

    /// The services whose traffic moved.
    pub fn all_moved(self) -> Vec<(Name, Moved)> {
        let all = self.moved.into_iter().chain(self.also_moved);
        all.map(Into::into).collect()
    }

    /// As it is stored.
    pub fn to_value(&self) -> Value {
        // Text, numbers and nothing else: it always has a JSON form.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// As it was stored; of a revision without one, or of a later format, nothing is watched.
    pub fn of(meta: &RevisionMeta) -> Self {
        serde_json::from_value(meta.watch.clone()).unwrap_or_default()
    }
}
