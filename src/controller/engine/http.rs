//! One POST with a bounded answer.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::gates::client::{Ask, Client};

/// An answer longer than this says nothing that is of use here.
const MAX_ANSWER: usize = 1024 * 1024;

/// What came back.
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

/// Sends `body` with these headers; the answer may take so long.
pub(super) async fn post(
    client: Option<&Client>,
    url: &str,
    headers: &[(&'static str, String)],
    body: String,
    limit: Duration,
) -> Result<Answer, String> {
    let client = client.ok_or("this server can't make requests: its TLS library can't be used")?;
    let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
    let mut ask = Ask::new(Method::POST, uri, limit);
    ask.max_answer = MAX_ANSWER;
    ask.body = body.into();
    for (name, value) in headers {
        let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        ask = ask.with_header(HeaderName::from_static(name), value);
    }
    let answer = client
        .ask(ask)
        .await
        .map_err(|error| format!("{url}: {error}"))?;
    Ok(Answer {
        status: answer.status,
        body: answer.body.to_vec(),
    })
}
