//! One xDS resource, encoded once.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Digest, References, wire::fields};
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
    /// How long a client keeps it without hearing of it again (xDS protocol, "TTL"); `None`: until it is told otherwise.
    pub ttl: Option<Duration>,
    /// Of type, name, bytes and time to live.
    pub digest: Digest,
    /// What must be there for it to work. Most refer to nothing, and share that.
    pub references: Arc<References>,
    /// Only for clients that ask for it by its name, never part of "everything": a listener for gRPC clients. An Envoy
    /// that is sent one among its own takes it, warns, and never asks for its routes (seen with 1.36 and 1.40).
    pub named_only: bool,
    /// It is in no snapshot: there is such a name only because a client said so.
    pub claimed: bool,
}

/// `envoy.config.listener.v3.Listener.api_listener`.
const API_LISTENER: u32 = 19;

/// Whether a resource is of no use to a client that asks for everything.
fn is_named_only(type_url: TypeUrl, bytes: &[u8]) -> bool {
    type_url == TypeUrl::Listener
        && fields(bytes).is_ok_and(|fields| fields.iter().any(|field| field.number == API_LISTENER))
}

impl Resource {
    /// Wraps an encoded message.
    pub fn new(type_url: TypeUrl, name: &str, bytes: Bytes, references: References) -> Self {
        Self::sharing(type_url, name.into(), bytes, references.shared())
    }

    /// The same, of a name and references that others hold too.
    pub fn sharing(
        type_url: TypeUrl,
        name: Arc<str>,
        bytes: Bytes,
        references: Arc<References>,
    ) -> Self {
        let named_only = is_named_only(type_url, &bytes);
        let digest = Digest::of(&[type_url.url().as_bytes(), name.as_bytes(), &bytes]);
        Self {
            type_url,
            name,
            bytes,
            ttl: None,
            digest,
            references,
            named_only,
            claimed: false,
        }
    }

    /// The same resource, for that long; sent in whole milliseconds.
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        let millis = (ttl.as_millis() as u64).to_be_bytes();
        self.digest = Digest::of(&[
            self.type_url.url().as_bytes(),
            self.name.as_bytes(),
            &self.bytes,
            &millis,
        ]);
        self.ttl = Some(ttl);
        self
    }

    /// The same resource, until it is told otherwise.
    pub fn without_ttl(&self) -> Self {
        let (bytes, references) = (self.bytes.clone(), self.references.clone());
        Self::sharing(self.type_url, self.name.clone(), bytes, references)
    }
}
