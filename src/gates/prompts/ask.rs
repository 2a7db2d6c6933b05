//! Puts a prompt to a model, by OpenAI's chat completions or by a request of any form, and reads its answer.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use serde_json_path::JsonPath;
use tokio::time::Instant;

use super::{expect::Reply, prompt::Prompt};
use crate::{
    gates::{Context, Door, client::Ask, request::prepare, side::AskedSide},
    model::check::{HttpBody, HttpRequest, PromptsEndpoint},
};

/// How long there is until then.
pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// The longest answer, in bytes: a long text with all that servers put around it.
const MAX_ANSWER: usize = 1 << 20;

/// The part of a chat completion that is read.
#[derive(Deserialize)]
pub(super) struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

/// Puts the prompt to one side.
///
/// # Errors
/// Why there is no answer that can be read.
pub(super) async fn ask(
    endpoint: &PromptsEndpoint,
    context: &Context,
    prompt: &Prompt,
    side: &AskedSide,
) -> Result<Reply, String> {
    let answer = side
        .ask(&context.client, |door, limit| match endpoint {
            PromptsEndpoint::OpenAi { .. } => chat(endpoint, context, prompt, door, limit),
            PromptsEndpoint::Plain { request, .. } => plain(request, context, prompt, door, limit),
        })
        .await?;
    let took = answer.took;
    let Completed { text, refused, end } = match endpoint {
        PromptsEndpoint::OpenAi { .. } => completed(&answer.body)?,
        PromptsEndpoint::Plain { answer: path, .. } => Completed {
            text: found(&answer.body, path.as_deref())?,
            refused: false,
            end: None,
        },
    };
    // Nothing contains no bad word, is no refusal, and is like the nothing of another version.
    if text.trim().is_empty() && !refused {
        return Err(format!("the model answered with nothing{}", ended(end)));
    }
    Ok(Reply {
        text,
        refused,
        took,
    })
}

/// Why an answer ended, as the server says: a model that thinks for longer than its tokens last says nothing.
pub(super) fn ended(end: Option<String>) -> String {
    end.map_or_else(String::new, |end| format!(" (finish_reason {end:?})"))
}

fn chat(
    endpoint: &PromptsEndpoint,
    context: &Context,
    prompt: &Prompt,
    door: &Door,
    limit: Duration,
) -> Result<Ask, String> {
    let PromptsEndpoint::OpenAi {
        model,
        path,
        headers,
        temperature,
        max_tokens,
    } = endpoint
    else {
        return Err("no chat".to_owned());
    };
    let model = context.render(model).map_err(|error| error.to_string())?;
    let mut body = json!({
        "model": model,
        "messages": prompt.messages,
        "temperature": temperature.unwrap_or(0.0),
    });
    if let Some(most) = max_tokens {
        body["max_tokens"] = json!(most);
    }
    let request = HttpRequest {
        method: Some("POST".to_owned()),
        path: Some(path.clone().unwrap_or("/v1/chat/completions".to_owned())),
        headers: headers.clone(),
        body: None,
    };
    let ask = prepare(&request, door, &context.variables(), limit);
    let mut ask = ask.map_err(|error| error.to_string())?.with_json(&body);
    ask.max_answer = MAX_ANSWER;
    Ok(ask)
}

fn plain(
    request: &HttpRequest,
    context: &Context,
    prompt: &Prompt,
    door: &Door,
    limit: Duration,
) -> Result<Ask, String> {
    let mut variables = context.variables();
    variables.insert("prompt", prompt.text());
    let request = HttpRequest {
        // Without a body the prompt itself is the body; what looks like a template in a prompt is none.
        body: request
            .body
            .clone()
            .or(Some(HttpBody(Value::String("{{prompt}}".to_owned())))),
        ..request.clone()
    };
    let ask = prepare(&request, door, &variables, limit);
    let mut ask = ask.map_err(|error| error.to_string())?;
    ask.max_answer = MAX_ANSWER;
    Ok(ask)
}

/// What a chat completion says.
#[derive(Debug)]
pub(super) struct Completed {
    /// The answer.
    pub(super) text: String,
    /// The server says that it is a refusal.
    pub(super) refused: bool,
    /// Why it ended there, in the server's words.
    pub(super) end: Option<String>,
}

/// Reads a chat completion.
///
/// # Errors
/// If it is none.
pub(super) fn completed(body: &[u8]) -> Result<Completed, String> {
    let completion: Completion = serde_json::from_slice(body)
        .map_err(|error| format!("the answer is no chat completion: {error}"))?;
    let choice = completion
        .choices
        .into_iter()
        .next()
        .ok_or("the chat completion has no choices")?;
    let filtered = choice.finish_reason.as_deref() == Some("content_filter");
    let refusal = choice.message.refusal;
    let refused = filtered || refusal.is_some();
    let text = choice.message.content.or(refusal).unwrap_or_default();
    Ok(Completed {
        text,
        refused,
        end: choice.finish_reason,
    })
}

fn found(body: &[u8], path: Option<&str>) -> Result<String, String> {
    let Some(path) = path else {
        return Ok(String::from_utf8_lossy(body).into_owned());
    };
    let parsed = JsonPath::parse(path).map_err(|error| format!("{path}: {error}"))?;
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    match parsed.query(&body).first() {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) => Err(format!("{path} is null in the answer")),
        Some(other) => Ok(other.to_string()),
        None => Err(format!("the answer has no {path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_are_read_and_refusals_known() {
        for (body, expected) in [
            (
                r#"{"choices":[{"message":{"content":"Hi"}}]}"#,
                ("Hi", false),
            ),
            (
                r#"{"choices":[{"message":{"content":null,"refusal":"No."}}]}"#,
                ("No.", true),
            ),
            (
                r#"{"choices":[{"message":{},"finish_reason":"content_filter"}]}"#,
                ("", true),
            ),
        ] {
            let read = completed(body.as_bytes()).unwrap();
            assert_eq!((read.text.as_str(), read.refused), expected);
        }
        for (body, expected) in [
            ("<html>", "no chat completion"),
            (r#"{"choices":[]}"#, "no choices"),
        ] {
            let error = completed(body.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_answer_in_json_is_found_by_its_path() {
        assert_eq!(found(b"plain", None).unwrap(), "plain");
        assert_eq!(found(br#"{"a":{"b":"x"}}"#, Some("$.a.b")).unwrap(), "x");
        assert_eq!(found(br#"{"a":[1]}"#, Some("$.a")).unwrap(), "[1]");
        for (body, expected) in [("{}", "has no $.a"), (r#"{"a":null}"#, "$.a is null")] {
            let error = found(body.as_bytes(), Some("$.a")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
