//! How the TLS of a check's requests is made: whom they trust, and under which name.

use serde::{Deserialize, Serialize};

/// `tls:` the endpoints of the version (or, `through: proxies`, the proxies) are asked by HTTPS; and all that the check asks
/// by HTTPS, other systems too, must be as it says here. Without it the system's roots are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CheckTls {
    /// A file below the server's folder of check data, with the certificates (PEM) that are trusted, in place of the
    /// system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The name for which the certificate must be, sent as SNI. None: the host of the URL, for endpoints their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Any certificate will do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}
