//! The requests of an `http` check: its own, or those by which a known kind of model server is asked.

use http::Method;
use serde_json::{Value, json};

use super::super::{Context, client::Answer};
use crate::model::check::{
    HttpBody, HttpCheck, HttpExpect, HttpRequest, StatusExpect, TemplateError,
};

/// What is asked when no prompt is given.
const PROMPT: &str = "Say OK.";

/// Enough for "OK", and for a model that begins with a sentence.
const TOKENS: u32 = 16;

/// What of an answer JSON paths can't say.
type Also = fn(&Answer, &str) -> Result<(), String>;

/// One request and what its answer must be.
pub(super) struct Step {
    pub(super) request: HttpRequest,
    pub(super) expect: HttpExpect,
    pub(super) also: Option<Also>,
    /// The model's name, for `also`.
    pub(super) model: String,
}

/// The requests of a check, in their order.
pub(super) fn steps(check: &HttpCheck, context: &Context) -> Result<Vec<Step>, TemplateError> {
    if let Some(preset) = &check.open_inference {
        return open_inference(
            check,
            &preset.model,
            preset.model_version.as_deref(),
            preset.infer.as_ref(),
            context,
        );
    }
    if let Some(preset) = &check.openai {
        let model = context.render(&preset.model)?;
        // Templates in it are filled in when the request is made.
        let chat = json!({
            "model": preset.model,
            "messages": [{ "role": "user", "content": preset.prompt.as_deref().unwrap_or(PROMPT) }],
            "max_tokens": preset.max_tokens.unwrap_or(TOKENS),
            "temperature": 0,
        });
        return Ok(vec![
            Step {
                also: Some(lists_model),
                ..preset_step(check, "/v1/models", None, &model)
            },
            Step {
                also: Some(has_answer),
                expect: expected(check),
                ..preset_step(check, "/v1/chat/completions", Some(chat), &model)
            },
        ]);
    }
    Ok(vec![Step {
        request: check.request(),
        expect: check.expect.clone(),
        also: None,
        model: String::new(),
    }])
}

/// The Open Inference Protocol: <https://github.com/kserve/open-inference-protocol>, HTTP/REST.
fn open_inference(
    check: &HttpCheck,
    model: &str,
    version: Option<&str>,
    infer: Option<&HttpBody>,
    context: &Context,
) -> Result<Vec<Step>, TemplateError> {
    // Kept as templates: they are filled in, and percent-encoded, when the request is made.
    let base = match version {
        Some(version) => format!("/v2/models/{model}/versions/{version}"),
        None => format!("/v2/models/{model}"),
    };
    let name = context.render(model)?;
    let ready = |path: &str| preset_step(check, path, None, &name);
    let mut steps = vec![ready("/v2/health/ready"), ready(&format!("{base}/ready"))];
    if let Some(body) = infer {
        steps.push(Step {
            also: Some(has_outputs),
            expect: expected(check),
            ..preset_step(check, &format!("{base}/infer"), Some(body.0.clone()), &name)
        });
    }
    if steps.len() == 2 {
        // Without an inference what is expected is expected of the model's readiness.
        steps[1].expect = expected(check);
    }
    Ok(steps)
}

/// The check's expectations; of a preset the status must be 200, unless it says otherwise.
fn expected(check: &HttpCheck) -> HttpExpect {
    HttpExpect {
        status: check.expect.status.clone().or(Some(StatusExpect::One(200))),
        ..check.expect.clone()
    }
}

fn preset_step(check: &HttpCheck, path: &str, body: Option<Value>, model: &str) -> Step {
    let method = match &body {
        Some(_) => Method::POST,
        None => Method::GET,
    };
    Step {
        request: HttpRequest {
            method: Some(method.to_string()),
            path: Some(path.to_owned()),
            headers: check.headers.clone(),
            body: body.map(HttpBody),
        },
        expect: HttpExpect {
            status: Some(StatusExpect::One(200)),
            latency: check.expect.latency,
            ..HttpExpect::default()
        },
        also: None,
        model: model.to_owned(),
    }
}

fn read(answer: &Answer) -> Result<Value, String> {
    serde_json::from_slice(&answer.body).map_err(|error| format!("the body is no JSON: {error}"))
}

/// `{"data": [{"id": MODEL}, …]}`
fn lists_model(answer: &Answer, model: &str) -> Result<(), String> {
    let body = read(answer)?;
    let listed = body["data"]
        .as_array()
        .ok_or("there is no list of models in data")?;
    let names: Vec<_> = listed.iter().filter_map(|it| it["id"].as_str()).collect();
    if names.contains(&model) {
        return Ok(());
    }
    let shown: Vec<_> = names.iter().take(5).collect();
    Err(format!(
        "the server has no model {model:?}, it lists {shown:?}"
    ))
}

/// `{"choices": [{"message": {"content": "…"}}]}`
fn has_answer(answer: &Answer, _: &str) -> Result<(), String> {
    let body = read(answer)?;
    match body["choices"][0]["message"]["content"].as_str() {
        Some(text) if !text.trim().is_empty() => Ok(()),
        Some(_) => Err("the model answered with nothing".to_owned()),
        None => Err("there is no choices[0].message.content".to_owned()),
    }
}

/// `{"outputs": [ … ]}`
fn has_outputs(answer: &Answer, _: &str) -> Result<(), String> {
    let body = read(answer)?;
    match body["outputs"].as_array() {
        Some(outputs) if !outputs.is_empty() => Ok(()),
        _ => Err("there are no outputs".to_owned()),
    }
}
