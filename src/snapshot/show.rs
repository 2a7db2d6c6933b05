//! Resources for people: as JSON, as YAML, and as the text of a change.

use serde_json::{Map, Value};
use similar::TextDiff;

use crate::model::RESOURCE_WRAPPER;

use super::{Change, Resource, Snapshot, dynamic};

/// Lines around a change that are shown with it, as `diff -u` does.
const CONTEXT: usize = 3;

/// The resource in proto3 JSON with its `@type`, the fields named as in Envoy's documentation. Private keys are not
/// shown. What is no message of its type is shown as `@type`, `name` and its length.
pub fn to_json(resource: &Resource) -> Value {
    let mut all = Map::new();
    all.insert("@type".to_owned(), resource.type_url.url().into());
    match dynamic::decode(resource.type_url, &resource.bytes) {
        Some(message) => {
            if let Value::Object(fields) = dynamic::to_json(&message) {
                all.extend(fields);
            }
        }
        None => {
            all.insert("name".to_owned(), resource.name.as_ref().into());
            let length = format!("{} bytes that are no such message", resource.bytes.len());
            all.insert("value".to_owned(), length.into());
        }
    }
    if let Some(ttl) = resource.ttl {
        let mut wrapper = Map::new();
        wrapper.insert("@type".to_owned(), RESOURCE_WRAPPER.into());
        let seconds = format!("{}s", ttl.as_secs_f64());
        wrapper.insert("ttl".to_owned(), seconds.into());
        wrapper.insert("resource".to_owned(), Value::Object(all));
        return Value::Object(wrapper);
    }
    Value::Object(all)
}

/// As [`to_json`], in YAML.
pub fn to_yaml(resource: &Resource) -> String {
    yaml(&to_json(resource))
}

fn yaml(value: &Value) -> String {
    let options = serde_saphyr::ser_options! {
        // A type URL stays on its line: it is read as one word, and searched for.
        folded_wrap_chars: usize::MAX,
    };
    // JSON is YAML: better than nothing, should the writer ever refuse a value.
    serde_saphyr::to_string_with_options(value, options).unwrap_or_else(|_| value.to_string())
}

/// A change as a unified diff of YAML.
pub fn change_text(change: &Change, old: &Snapshot, new: &Snapshot) -> String {
    let yaml = |snapshot: &Snapshot| {
        let resource = snapshot.resource(change.type_url, &change.name);
        resource
            .map(|resource| to_yaml(resource))
            .unwrap_or_default()
    };
    let label = |snapshot: &Snapshot| {
        let Change { type_url, name, .. } = change;
        match snapshot.resource(*type_url, name) {
            Some(_) => format!("{type_url} {name} (revision {})", snapshot.revision),
            None => "/dev/null".to_owned(),
        }
    };
    let (before, after) = (yaml(old), yaml(new));
    if before == after {
        return format!("{change}: only in keys and passwords, which are not shown\n");
    }
    TextDiff::from_lines(before.as_str(), after.as_str())
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&label(old), &label(new))
        .to_string()
}

#[cfg(test)]
mod tests;
