//! The `http` check: requests to every staged endpoint, and what the answers must be. Its request is used by others too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{super::HumanDuration, Range};

/// One request. Templates are filled in in path, header values and text of the body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRequest {
    /// None: POST with a body, else GET.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Header names and values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<HttpBody>,
}

/// A body: text is sent as it stands, everything else as JSON (with `content-type: application/json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HttpBody(pub Value);

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Without TLS.
    #[default]
    Http,
    /// TLS, with the certificate checked as [`CheckTls`](super::CheckTls) says.
    Https,
}

/// `http:` asks every endpoint of the staged environment (or, `through: proxies`, every proxy).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpCheck {
    /// See [`HttpRequest::method`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path and query. None, without a preset: `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Header names and values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<HttpBody>,
    /// What every answer must be.
    pub expect: HttpExpect,
    /// The host (`:authority`). None: the service's first exact host through proxies, else the endpoint's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// With or without TLS.
    #[serde(skip_serializing_if = "is_http")]
    pub scheme: Scheme,
    /// Whether a redirect is followed (on the same endpoint, a few times) or is the answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follow_redirects: bool,
    /// Asks what a server of the Open Inference Protocol (KServe V2) must answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_inference: Option<OpenInference>,
    /// Asks what a server of OpenAI's API must answer.
    #[serde(rename = "openai", skip_serializing_if = "Option::is_none")]
    pub openai: Option<OpenAi>,
}

impl HttpCheck {
    /// The request that it makes without a preset.
    pub fn request(&self) -> HttpRequest {
        HttpRequest {
            method: self.method.clone(),
            path: self.path.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
        }
    }
}

fn is_http(scheme: &Scheme) -> bool {
    *scheme == Scheme::Http
}

/// What an answer must be; what is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpExpect {
    /// The status. None: any 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusExpect>,
    /// Headers that must be there, with what they must be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Comparison>,
    /// What must hold in a JSON body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<JsonExpect>,
    /// A regular expression that must be found in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// The longest from sending the request to the end of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<HumanDuration>,
}

/// One status, or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a status, e.g. 200, or a list of them")]
pub enum StatusExpect {
    /// Exactly this.
    One(u16),
    /// One of these.
    Any(Vec<u16>),
}

impl StatusExpect {
    /// The accepted ones.
    pub fn codes(&self) -> &[u16] {
        match self {
            StatusExpect::One(code) => std::slice::from_ref(code),
            StatusExpect::Any(codes) => codes,
        }
    }
}

/// What a text must be: the text alone, or a mapping with `matches`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected text, or a mapping with matches")]
pub enum Comparison {
    /// Exactly this, templates filled in.
    Equals(String),
    /// A regular expression that must be found in it.
    Matches {
        /// The expression.
        matches: String,
    },
}

/// What must hold for the values at a JSON path. Without a condition there must be at least one value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JsonExpect {
    /// A JSON path (RFC 9535), e.g. `$.outputs[0].data[0]`. Templates are filled in.
    pub path: String,
    /// Every value is this. Text is compared with templates filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// Every value is text in which this regular expression is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// Every value is a number in this range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Whether there is a value at all; false: there must be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

/// `/v2/health/ready`, `/v2/models/MODEL/versions/VERSION/ready`, and an inference when one is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenInference {
    /// The model's name on the server. Templates are filled in.
    pub model: String,
    /// The model's version on the server, e.g. `"{{version}}"`. None: the server's default version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_version: Option<String>,
    /// The body of an inference request (`inputs: …`). None: none is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infer: Option<HttpBody>,
}

/// `/v1/models` must list the model, and `/v1/chat/completions` must answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenAi {
    /// The model's name on the server. Templates are filled in.
    pub model: String,
    /// What the chat is asked. None: it is asked to say OK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The longest answer, in tokens. None: 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}
