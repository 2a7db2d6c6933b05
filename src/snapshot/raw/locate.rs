//! Where in a resource the mistake is.
//!
//! The JSON reader says what is wrong but not where. So the place is found by trying ever smaller parts, which costs
//! time only when something is wrong.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::{
    error::{RawProblem, quoted, similar},
    json::deserialize,
};
use crate::{
    model::{Path, Step},
    snapshot::dynamic,
};

/// The smallest part of `value` that is no message of that type, and what is wrong with it. `whole` is what the reader
/// said of all of it.
pub(super) fn locate(
    descriptor: &MessageDescriptor,
    value: &Value,
    whole: &serde_json::Error,
) -> (Path, RawProblem) {
    inside(descriptor, value, &Path::default())
        .unwrap_or_else(|| (Path::default(), RawProblem::Value(quoted(whole))))
}

/// None: it is such a message.
fn inside(
    descriptor: &MessageDescriptor,
    value: &Value,
    path: &Path,
) -> Option<(Path, RawProblem)> {
    let error = deserialize(descriptor, value).err()?;
    let here = || (path.clone(), RawProblem::Value(quoted(&error)));
    // The reader does not say what it would have taken, and `250ms` is what people write.
    if descriptor.full_name() == "google.protobuf.Duration" {
        let problem = format!(
            "{} is no duration: write seconds, e.g. 0.25s",
            quoted(value)
        );
        return Some((path.clone(), RawProblem::Value(problem)));
    }
    // A number in a message of its own, which may be left out.
    let number = descriptor.get_field_by_name("value");
    if let Some(number) = number.filter(|_| descriptor.full_name().starts_with("google.protobuf."))
        && range(&number.kind()).is_some()
    {
        return Some((path.clone(), scalar(&number.kind(), value, &error)));
    }
    let Value::Object(fields) = value else {
        return Some(here());
    };
    if descriptor.full_name() == "google.protobuf.Any" {
        return Some(inside_any(fields, path).unwrap_or_else(here));
    }
    // The other well-known types have a JSON form of their own, which is no mapping of fields.
    if descriptor.full_name().starts_with("google.protobuf.") {
        return Some(here());
    }
    let found = fields.iter().find_map(|(key, value)| {
        let path = path.join(key.as_str());
        match field(descriptor, key) {
            Some(field) => inside_field(descriptor, &field, key, value, &path),
            None => {
                let names: Vec<_> = descriptor
                    .fields()
                    .map(|field| field.name().to_owned())
                    .collect();
                let suggestion = similar(key, names.iter().map(String::as_str));
                Some((path, RawProblem::UnknownField { suggestion }))
            }
        }
    });
    // Each field alone is right: it is how they stand together, e.g. two of which only one may be set.
    Some(found.unwrap_or_else(here))
}

fn field(descriptor: &MessageDescriptor, key: &str) -> Option<FieldDescriptor> {
    descriptor
        .get_field_by_json_name(key)
        .or_else(|| descriptor.get_field_by_name(key))
}

/// A field with this value alone.
fn inside_field(
    descriptor: &MessageDescriptor,
    field: &FieldDescriptor,
    key: &str,
    value: &Value,
    path: &Path,
) -> Option<(Path, RawProblem)> {
    let error = deserialize(descriptor, json!({ key: value })).err()?;
    let here = (path.clone(), scalar(&field.kind(), value, &error));
    let part = |part: Value, inner: &Value, kind: Kind, path: Path| match kind {
        Kind::Message(message) => inside(&message, inner, &path),
        _ => {
            let error = deserialize(descriptor, json!({ key: part })).err()?;
            Some((path, scalar(&kind, inner, &error)))
        }
    };
    let found = match (value, field.kind()) {
        (Value::Object(entries), Kind::Message(entry)) if field.is_map() => {
            entries.iter().find_map(|(key, inner)| {
                let kind = entry.map_entry_value_field().kind();
                part(
                    json!({ key: inner }),
                    inner,
                    kind,
                    path.join(Step::from(key.as_str())),
                )
            })
        }
        (Value::Array(items), kind) if field.is_list() => items
            .iter()
            .enumerate()
            .find_map(|(index, inner)| part(json!([inner]), inner, kind.clone(), path.join(index))),
        (inner, Kind::Message(message)) if !field.is_list() && !field.is_map() => {
            inside(&message, inner, path)
        }
        _ => None,
    };
    Some(found.unwrap_or(here))
}

/// What is wrong with a value that is no message. Of numbers the reader tells how it failed to convert them.
fn scalar(kind: &Kind, value: &Value, error: &serde_json::Error) -> RawProblem {
    RawProblem::Value(match range(kind) {
        Some((from, to)) if !value.is_array() && !value.is_object() => {
            format!("{} is no whole number from {from} to {to}", quoted(value))
        }
        _ => quoted(error),
    })
}

/// The whole numbers of a kind.
fn range(kind: &Kind) -> Option<(i64, u64)> {
    match kind {
        Kind::Uint32 | Kind::Fixed32 => Some((0, u32::MAX.into())),
        Kind::Uint64 | Kind::Fixed64 => Some((0, u64::MAX)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Some((i32::MIN.into(), i32::MAX.unsigned_abs().into()))
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Some((i64::MIN, i64::MAX.unsigned_abs())),
        _ => None,
    }
}

fn inside_any(fields: &Map<String, Value>, path: &Path) -> Option<(Path, RawProblem)> {
    let Some(url) = fields.get("@type").and_then(Value::as_str) else {
        return Some((path.clone(), RawProblem::NoMessageType));
    };
    let Some(descriptor) = dynamic::message_type(url) else {
        let problem = RawProblem::UnknownMessage(quoted(url));
        return Some((path.join("@type"), problem));
    };
    let mut body = fields.clone();
    body.remove("@type");
    inside(&descriptor, &Value::Object(body), path)
}
