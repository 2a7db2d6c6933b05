//! Makes of a declared request what is sent to one door: templates filled in, host, preview header, body.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use serde_json::Value;

use super::{Door, client::Ask};
use crate::model::check::{HttpBody, HttpRequest, Scheme, TemplateError, render};

/// The variables of templates.
pub type Variables = BTreeMap<&'static str, String>;

/// A declared request that can't be made, once its templates are filled in.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A variable that there is not.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// What a variable holds is no path.
    #[error("{0:?} is no path and query")]
    Path(String),
    /// What a variable holds is no header value, or the name is none.
    #[error("{0} can't be a header")]
    Header(String),
    /// No method.
    #[error("{0:?} is no method")]
    Method(String),
}

/// The request for one door. It may be changed before it is sent.
///
/// # Errors
/// If what the templates give is no path or header value.
pub fn prepare(
    request: &HttpRequest,
    door: &Door,
    variables: &Variables,
    timeout: Duration,
) -> Result<Ask, RequestError> {
    let body = request
        .body
        .as_ref()
        .map(|body| fill_body(body, variables))
        .transpose()?;
    let method = match (&request.method, &body) {
        (Some(name), _) => name
            .parse()
            .map_err(|_| RequestError::Method(name.clone()))?,
        (None, Some(_)) => Method::POST,
        (None, None) => Method::GET,
    };
    // A variable may hold anything, a version such as "1.0 beta" too: in a path it is percent-encoded.
    let encoded = variables
        .iter()
        .map(|(name, value)| (*name, percent_encoded(value)))
        .collect();
    let path = render(request.path.as_deref().unwrap_or("/"), &encoded)?;
    let scheme = match door.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let url: Uri = format!("{scheme}://{}{path}", door.address)
        .parse()
        .map_err(|_| RequestError::Path(path.clone()))?;
    let mut ask = Ask::new(method, url, timeout);
    ask.protocol = door.protocol;
    if let Some(host) = &door.host {
        ask.headers.insert(header::HOST, value(host)?);
    }
    if let Some((body, json)) = body {
        ask.body = body;
        if json {
            let json = HeaderValue::from_static("application/json");
            ask.headers.insert(header::CONTENT_TYPE, json);
        }
    }
    for (name, text) in &request.headers {
        let name: HeaderName = name
            .parse()
            .map_err(|_| RequestError::Header(name.clone()))?;
        ask.headers.insert(name, value(&render(text, variables)?)?);
    }
    if let Some((name, value)) = &door.header {
        ask.headers.insert(name.clone(), value.clone());
    }
    Ok(ask)
}

fn value(text: &str) -> Result<HeaderValue, RequestError> {
    HeaderValue::from_str(text).map_err(|_| RequestError::Header(text.to_owned()))
}

/// The bytes of a body, and whether they are JSON.
fn fill_body(body: &HttpBody, variables: &Variables) -> Result<(Bytes, bool), TemplateError> {
    Ok(match &body.0 {
        Value::String(text) => (render(text, variables)?.into(), false),
        other => (fill(other, variables)?.to_string().into(), true),
    })
}

/// A value with the templates in all its texts filled in.
///
/// # Errors
/// If one of them names an unknown variable.
pub fn fill(value: &Value, variables: &Variables) -> Result<Value, TemplateError> {
    Ok(match value {
        Value::String(text) => Value::String(render(text, variables)?),
        Value::Array(items) => items
            .iter()
            .map(|item| fill(item, variables))
            .collect::<Result<_, _>>()?,
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| Ok((key.clone(), fill(value, variables)?)))
                .collect::<Result<_, TemplateError>>()?,
        ),
        other => other.clone(),
    })
}

/// For a segment of a path or a value in a query: all but RFC 3986's unreserved characters.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Protocol;

    fn door(scheme: Scheme) -> Door {
        Door {
            address: "127.0.0.1:9".parse().unwrap(),
            host: Some("fraud.example".to_owned()),
            header: Some((
                HeaderName::from_static("x-preview"),
                HeaderValue::from_static("green"),
            )),
            protocol: Protocol::Http1,
            scheme,
        }
    }

    fn variables(version: &str) -> Variables {
        BTreeMap::from([("version", version.to_owned())])
    }

    #[test]
    fn templates_are_filled_in_everywhere() {
        let request = HttpRequest {
            method: None,
            path: Some("/m/{{version}}/score?v={{version}}".to_owned()),
            headers: BTreeMap::from([("x-v".to_owned(), "{{version}}".to_owned())]),
            body: Some(HttpBody(json!({ "v": ["{{version}}", 1] }))),
        };
        let variables = variables("1.0 beta");
        let ask = prepare(&request, &door(Scheme::Http), &variables, Duration::MAX).unwrap();
        assert_eq!(ask.method, Method::POST);
        let url = "http://127.0.0.1:9/m/1.0%20beta/score?v=1.0%20beta";
        assert_eq!(ask.url.to_string(), url);
        assert_eq!(ask.headers["x-v"], "1.0 beta");
        assert_eq!(ask.headers["x-preview"], "green");
        assert_eq!(ask.headers["host"], "fraud.example");
        assert_eq!(ask.headers["content-type"], "application/json");
        assert_eq!(&ask.body[..], br#"{"v":["1.0 beta",1]}"#);
    }

    #[test]
    fn text_is_sent_as_it_stands() {
        let request = HttpRequest {
            method: Some("PUT".to_owned()),
            body: Some(HttpBody(json!("v={{version}}"))),
            ..HttpRequest::default()
        };
        let ask = prepare(
            &request,
            &door(Scheme::Https),
            &variables("1"),
            Duration::MAX,
        )
        .unwrap();
        assert_eq!((ask.method, &ask.body[..]), (Method::PUT, &b"v=1"[..]));
        assert_eq!(ask.url.to_string(), "https://127.0.0.1:9/");
        assert!(!ask.headers.contains_key("content-type"));
    }
}
