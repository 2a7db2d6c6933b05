//! The HTTP side: OpenAI's API, as far as checks of language models use it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::table::Table;

/// What answers by a table.
pub fn router(table: Arc<Table>) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat))
        .route("/healthz", get(async || Json(json!({ "status": "ok" }))))
        .with_state(table)
}

/// The part of a chat request that counts here.
#[derive(Deserialize)]
struct Chat {
    model: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

async fn models(State(table): State<Arc<Table>>) -> Json<Value> {
    Json(json!({
        "object": "list",
        "data": [{ "id": table.model, "object": "model", "created": 0, "owned_by": "llm-stand-in" }],
    }))
}

async fn chat(
    State(table): State<Arc<Table>>,
    Json(chat): Json<Chat>,
) -> (StatusCode, Json<Value>) {
    if chat.model != table.model {
        let message = format!("there is no model {:?}, only {:?}", chat.model, table.model);
        let error = json!({ "error": { "message": message, "type": "invalid_request_error" } });
        return (StatusCode::NOT_FOUND, Json(error));
    }
    let last = chat.messages.iter().rfind(|it| it.role == "user");
    let question = last.map_or("", |it| it.content.as_str());
    let answer = table.answer(question);
    let words = |text: &str| text.split_whitespace().count();
    let (asked, answered) = (words(question), words(answer));
    let completion = json!({
        "id": "chatcmpl-stand-in",
        "object": "chat.completion",
        "created": 0,
        "model": table.model,
        "system_fingerprint": table.version,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": answer },
            "finish_reason": "stop",
        }],
        // Words, not tokens: there is no tokenizer here.
        "usage": { "prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered },
    });
    (StatusCode::OK, Json(completion))
}
