//! One request of a load, as it is sent again and again.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

use super::super::client::Ask;

/// One request of a load.
#[derive(Clone)]
pub struct Shot {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: Uri,
    /// The host, where it is not the address.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl From<Ask> for Shot {
    fn from(ask: Ask) -> Self {
        let path = ask.url.path_and_query().cloned();
        Self {
            method: ask.method,
            path: path.map(Uri::from).unwrap_or_default(),
            headers: ask.headers,
            body: ask.body,
        }
    }
}
