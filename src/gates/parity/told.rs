//! What two endpoints tell of themselves, made comparable: without what may differ, in one order, and as a diff.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json_path::{JsonPath, PathElement};
use similar::TextDiff;

use crate::model::check::Phase;

/// So many lines of a diff are shown in the message; all are in the details.
const SHOWN: usize = 6;

/// Lines around a difference in a diff: enough to see in which object it is.
const CONTEXT: usize = 3;

/// The value without these fields: names, anywhere; or JSON paths.
pub(super) fn without(value: &Value, ignore: &[String]) -> Result<Value, (Phase, String)> {
    let mut value = sorted(value);
    for ignored in ignore {
        if !ignored.starts_with('$') {
            remove_named(&mut value, ignored);
            continue;
        }
        let path = JsonPath::parse(ignored).map_err(|error| {
            (
                Phase::Error,
                format!("{ignored:?} is no JSON path: {error}"),
            )
        })?;
        let places: Vec<Vec<Place>> = path
            .query_located(&value)
            .locations()
            .map(|place| place.iter().map(Place::from).collect())
            .collect();
        // From the end: what goes moves the items behind it.
        for place in places.iter().rev() {
            remove_at(&mut value, place);
        }
    }
    Ok(value)
}

/// One step to a value.
enum Place {
    Name(String),
    Index(usize),
}

impl From<&PathElement<'_>> for Place {
    fn from(element: &PathElement<'_>) -> Self {
        match element {
            PathElement::Name(name) => Place::Name((*name).to_owned()),
            PathElement::Index(index) => Place::Index(*index),
        }
    }
}

fn remove_at(value: &mut Value, place: &[Place]) {
    match (value, place) {
        (Value::Object(fields), [Place::Name(name)]) => {
            fields.remove(name);
        }
        (Value::Array(items), [Place::Index(index)]) if *index < items.len() => {
            items.remove(*index);
        }
        (Value::Object(fields), [Place::Name(name), rest @ ..]) => {
            if let Some(inner) = fields.get_mut(name) {
                remove_at(inner, rest);
            }
        }
        (Value::Array(items), [Place::Index(index), rest @ ..]) => {
            if let Some(inner) = items.get_mut(*index) {
                remove_at(inner, rest);
            }
        }
        _ => {}
    }
}

fn remove_named(value: &mut Value, name: &str) {
    match value {
        Value::Object(fields) => {
            fields.remove(name);
            fields
                .values_mut()
                .for_each(|inner| remove_named(inner, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| remove_named(inner, name)),
        _ => {}
    }
}

/// Fields in the order of their names: two servers that write them in another order tell the same.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields
                .iter()
                .map(|(key, it)| (key.clone(), sorted(it)))
                .collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// As it is compared, line by line.
pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// A unified diff.
pub(super) fn lines(before: &str, after: &str, old: &str, new: &str) -> String {
    TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(old, new)
        .to_string()
}

/// The lines that differ, on one line.
pub(super) fn short(diff: &str) -> String {
    let changed = |line: &&str| {
        (line.starts_with('-') || line.starts_with('+'))
            && !line.starts_with("---")
            && !line.starts_with("+++")
    };
    let all: Vec<_> = diff.lines().filter(changed).collect();
    let mut shown: Vec<String> = all
        .iter()
        .take(SHOWN)
        .map(|line| format!("{} {}", &line[..1], line[1..].trim()))
        .collect();
    if all.len() > SHOWN {
        shown.push(format!("… ({} lines)", all.len()));
    }
    shown.join(" ")
}
