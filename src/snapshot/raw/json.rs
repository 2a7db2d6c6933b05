//! Envoy's messages from their JSON form.

use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde::Deserializer;

/// The message, or what the reader says; unknown fields are refused.
pub(super) fn deserialize<'a>(
    descriptor: &MessageDescriptor,
    value: impl Deserializer<'a, Error = serde_json::Error>,
) -> Result<DynamicMessage, serde_json::Error> {
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(descriptor.clone(), value, &options)
}
