//! Messages whose type is known only at run time: the user's own resources, and any resource that is to be shown.

mod any;
mod canonical;
mod descriptors;
mod json;
mod walk;

pub(super) use any::unpack;
pub(super) use canonical::encode;
pub(super) use descriptors::envoy;
pub(super) use json::to_json;
pub(super) use walk::walk;

use std::time::Duration;

use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::model::TypeUrl;

/// The message type of a resource type.
pub(super) fn descriptor(type_url: TypeUrl) -> Option<MessageDescriptor> {
    message_type(type_url.url())
}

/// The message type that a type URL names: what stands behind the last `/`.
pub(super) fn message_type(url: &str) -> Option<MessageDescriptor> {
    let (_, name) = url.rsplit_once('/')?;
    envoy().get_message_by_name(name)
}

/// Decodes a resource; None where the bytes are no message of its type.
pub(super) fn decode(type_url: TypeUrl, bytes: &[u8]) -> Option<DynamicMessage> {
    DynamicMessage::decode(descriptor(type_url)?, bytes).ok()
}

/// A string field; empty where the message has no such field.
pub(super) fn text(message: &DynamicMessage, field: &str) -> String {
    message
        .get_field_by_name(field)
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A message in a field, if it is set.
pub(super) fn child(message: &DynamicMessage, field: &str) -> Option<DynamicMessage> {
    if !message.has_field_by_name(field) {
        return None;
    }
    message
        .get_field_by_name(field)
        .and_then(|value| value.as_message().cloned())
}

/// A `google.protobuf.Duration`; what is negative is none.
pub(super) fn duration(message: &DynamicMessage) -> Duration {
    let seconds = message.get_field_by_name("seconds");
    let seconds = seconds.and_then(|seconds| seconds.as_i64()).unwrap_or(0);
    let nanos = message.get_field_by_name("nanos");
    let nanos = nanos.and_then(|nanos| nanos.as_i32()).unwrap_or(0);
    Duration::new(
        seconds.try_into().unwrap_or(0),
        nanos.try_into().unwrap_or(0),
    )
}
