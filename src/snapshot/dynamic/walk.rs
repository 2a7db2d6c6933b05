//! Every message in a message, wherever it is.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};

use super::{any, canonical};
use crate::model::{Path, Step};

/// How deep messages may be in each other. Decoding allows 100; an `Any` starts anew, and only this bounds it.
const MAX_DEPTH: usize = 200;

/// Visits the message and every message in it, from the outside to the inside, also inside `Any`. The visitor may
/// change what it sees; the path is that of the JSON form.
///
/// # Errors
/// The first error of the visitor.
pub(in crate::snapshot) fn walk<E>(
    message: &mut DynamicMessage,
    path: &Path,
    visit: &mut dyn FnMut(&mut DynamicMessage, &Path) -> Result<(), E>,
) -> Result<(), E> {
    walk_at(message, path, 0, visit)
}

fn walk_at<E>(
    message: &mut DynamicMessage,
    path: &Path,
    depth: usize,
    visit: &mut dyn FnMut(&mut DynamicMessage, &Path) -> Result<(), E>,
) -> Result<(), E> {
    if depth > MAX_DEPTH {
        return Ok(());
    }
    if let Some(mut inner) = any::unpack(message) {
        walk_at(&mut inner, path, depth + 1, visit)?;
        canonical::repack(message, &inner);
        return Ok(());
    }
    visit(message, path)?;
    let fields: Vec<FieldDescriptor> = message
        .fields()
        .map(|(field, _)| field)
        .filter(|field| matches!(field.kind(), Kind::Message(_)))
        .collect();
    for field in fields {
        let path = path.join(field.name());
        let mut inside = |value: &mut Value, path: &Path| match value {
            Value::Message(inner) => walk_at(inner, path, depth + 1, visit),
            _ => Ok(()),
        };
        match message.get_field_mut(&field) {
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    inside(item, &path.join(index))?;
                }
            }
            Value::Map(entries) => {
                let mut entries: Vec<_> = entries.iter_mut().collect();
                entries.sort_by_key(|(key, _)| *key);
                for (key, value) in entries {
                    let key = key.as_str().unwrap_or_default();
                    inside(value, &path.join(Step::from(key)))?;
                }
            }
            single => inside(single, &path)?,
        }
    }
    Ok(())
}
