//! Content: resources as the bytes that proxies get, entries of the state as JSON.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{fault::Fault, layout::state_digest, tables::Tables};
use crate::{
    model::TypeUrl,
    snapshot::{Digest, References, Resource},
};

/// Content to be stored.
pub(super) struct Blob {
    /// Its key.
    pub digest: Digest,
    /// Its value.
    pub value: Vec<u8>,
}

/// What is stored beside the bytes of a resource.
#[derive(Serialize, Deserialize)]
struct Beside<R> {
    #[serde(flatten)]
    references: R,
    /// Time to live, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
}

impl Blob {
    /// A resource: the length of what stands beside it, that as JSON, its bytes.
    pub fn of_resource(resource: &Resource) -> Result<Self, Fault> {
        let beside = json(&Beside {
            references: &*resource.references,
            ttl: resource.ttl.map(|ttl| ttl.as_millis() as u64),
        })?;
        let length = (beside.len() as u64).to_be_bytes();
        Ok(Self {
            digest: resource.digest,
            value: [&length, beside.as_slice(), &resource.bytes].concat(),
        })
    }

    /// An entry of the state.
    pub fn of_state(entry: &impl Serialize) -> Result<Self, Fault> {
        let value = json(entry)?;
        let digest = state_digest(&value);
        Ok(Self { digest, value })
    }
}

impl Tables {
    /// Reads a resource back, and checks it.
    pub fn resource(
        &self,
        type_url: TypeUrl,
        name: &Arc<str>,
        digest: Digest,
    ) -> Result<Arc<Resource>, Fault> {
        let value = self.blob(digest)?;
        let damaged = || Fault::Damaged(format!("{type_url} {name} can't be read"));
        let (length, rest) = value.split_first_chunk().ok_or_else(damaged)?;
        let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| damaged())?;
        let (beside, bytes) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let Beside::<References> { references, ttl } = from_json(beside)?;
        let mut resource = Resource::new(type_url, name, Bytes::copy_from_slice(bytes), references);
        if let Some(millis) = ttl {
            resource = resource.with_ttl(Duration::from_millis(millis));
        }
        if resource.digest != digest {
            return Err(Fault::Damaged(format!(
                "{type_url} {name} does not match its digest"
            )));
        }
        Ok(Arc::new(resource))
    }

    /// Reads an entry of the state back, and checks it.
    pub fn state<T: DeserializeOwned>(&self, digest: Digest) -> Result<T, Fault> {
        let value = self.blob(digest)?;
        if state_digest(&value) != digest {
            let detail = format!("entry {} does not match its digest", digest.short());
            return Err(Fault::Damaged(detail));
        }
        from_json(&value)
    }

    fn blob(&self, digest: Digest) -> Result<Vec<u8>, Fault> {
        self.blobs
            .get(digest.as_bytes())?
            .ok_or_else(|| Fault::Damaged(format!("blob {} is missing", digest.short())))
    }
}

/// JSON of one of our own types.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, Fault> {
    // Fails only for maps whose keys are no strings, which none of the stored types has.
    serde_json::to_vec(value).map_err(|error| Fault::Io(error.into()))
}

/// The other way round. Whatever is read was checked against its digest: what makes no sense now did so to who wrote it.
pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| Fault::Unfamiliar(format!("a record: {error}")))
}
