//! One xDS resource, encoded once.

use std::sync::Arc;

use bytes::Bytes;

use super::{Digest, References};
use crate::model::TypeUrl;

/// One xDS resource: its encoded bytes, and what it refers to. Immutable.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The type of the message in `bytes`.
    pub type_url: TypeUrl,
    /// Unique within its type and snapshot.
    pub name: Arc<str>,
    /// The message, as it stands in `Any.value`. Encoded deterministically.
    pub bytes: Bytes,
    /// Of type, name and bytes.
    pub digest: Digest,
    /// What must be there for it to work.
    pub references: References,
}

impl Resource {
    /// Wraps an encoded message.
    pub fn new(type_url: TypeUrl, name: &str, bytes: Bytes, references: References) -> Self {
        let digest = Digest::of(&[type_url.url().as_bytes(), name.as_bytes(), &bytes]);
        Self {
            type_url,
            name: name.into(),
            bytes,
            digest,
            references,
        }
    }
}
