//! `google.protobuf.Any`: a message in a message, with its type beside it.

use prost_reflect::{DynamicMessage, ReflectMessage as _};

use super::message_type;

const ANY: &str = "google.protobuf.Any";

/// Whether the message is an `Any`.
pub(super) fn is_any(message: &DynamicMessage) -> bool {
    message.descriptor().full_name() == ANY
}

/// The message inside; None if this is no `Any`, or one of a type that is not known.
pub(in crate::snapshot) fn unpack(message: &DynamicMessage) -> Option<DynamicMessage> {
    if !is_any(message) {
        return None;
    }
    let url = message.get_field_by_name("type_url")?;
    let bytes = message.get_field_by_name("value")?;
    let inner = message_type(url.as_str()?)?;
    DynamicMessage::decode(inner, bytes.as_bytes()?.clone()).ok()
}
