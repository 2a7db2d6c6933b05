//! The `prompts` check: a set of prompts is put to a language model, and each answer is held against what is expected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{super::HumanDuration, DataSource, HttpRequest, evaluate::concurrency};

/// `prompts:` puts prompts to the staged model, and to live where an answer is compared with its.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromptsCheck {
    /// The prompts: one [`PromptRow`] a line.
    pub data: DataSource,
    /// How the model is asked.
    pub endpoint: PromptsEndpoint,
    /// What holds for every prompt, unless its row says otherwise for the same field.
    #[serde(default, skip_serializing_if = "PromptExpect::is_empty")]
    pub expect: PromptExpect,
    /// The least share of prompts (by weight) that must pass, 0 to 1.
    #[serde(default = "all")]
    pub pass_rate: f64,
    /// Ids of prompts that must pass whatever the rate is; rows may say `mustPass` too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_pass: Vec<String>,
    /// Where texts become vectors, for `similarity.embedding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<EmbeddingEndpoint>,
    /// Who judges answers, for `judge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Judge>,
    /// Prompts that are asked at once.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
}

fn all() -> f64 {
    1.0
}

/// How the model is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum PromptsEndpoint {
    /// OpenAI's chat completions.
    #[serde(rename = "openai", rename_all = "camelCase")]
    OpenAi {
        /// The model's name on the server. Templates are filled in.
        model: String,
        /// None: `/v1/chat/completions`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Header names and values.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// The sampling temperature. None: 0, so that the same question gets the same answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        temperature: Option<f64>,
        /// The longest answer, in tokens. None: the server's default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_tokens: Option<u32>,
    },
    /// Anything that takes a request and answers with text or JSON.
    Plain {
        /// In text of the body `{{prompt}}` is the prompt. Without a body the prompt itself is the body.
        request: HttpRequest,
        /// A JSON path in the answer. None: the body is the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<String>,
    },
}

/// One line of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromptRow {
    /// Its name in results. None: its line number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A plain prompt; or `messages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// A chat; or `prompt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<ChatMessage>,
    /// The answer that one hopes for, for `similarity` and for the judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What the answer must be.
    #[serde(default, skip_serializing_if = "PromptExpect::is_empty")]
    pub expect: PromptExpect,
    /// How much it counts in the pass rate.
    #[serde(default = "all")]
    pub weight: f64,
    /// The check fails when this one does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_pass: bool,
}

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatMessage {
    /// `system`, `user`, `assistant`, or what else the server knows.
    pub role: String,
    /// The text.
    pub content: String,
}

/// What an answer must be; what is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PromptExpect {
    /// All of these stand in it, in any case of letters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contains: Vec<String>,
    /// None of these stands in it, in any case of letters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<String>,
    /// A regular expression that is found in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// It is JSON that this JSON Schema accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<Value>,
    /// It has at least so many characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_length: Option<usize>,
    /// It has at most so many characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_length: Option<usize>,
    /// true: the model must refuse to answer; false: it must not refuse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<bool>,
    /// The longest that the answer may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<HumanDuration>,
    /// How like another answer it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<Similarity>,
    /// The least score that the judge gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<f64>,
}

impl PromptExpect {
    /// It expects nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How like another answer an answer must be. What is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Similarity {
    /// Like what.
    pub to: Reference,
    /// The least ROUGE-L (F-measure of the longest common subsequence of words), 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rouge_l: Option<f64>,
    /// The least cosine similarity of the embeddings, -1 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Embedding>,
}

/// The least cosine similarity.
pub type Embedding = f64;

/// What an answer is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reference {
    /// The row's `expected`.
    #[default]
    Expected,
    /// The live version's answer to the same prompt.
    Live,
}

/// An OpenAI-compatible embeddings endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddingEndpoint {
    /// The whole URL, e.g. `http://embedder:8080/v1/embeddings`.
    pub url: String,
    /// The embedding model's name on that server.
    pub model: String,
    /// Header names and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// An OpenAI-compatible chat endpoint that scores answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Judge {
    /// The whole URL, e.g. `https://judge.example/v1/chat/completions`.
    pub url: String,
    /// The judge's name on that server.
    pub model: String,
    /// What the judge goes by; it is told to end with a score from 0 to `scale`.
    pub rubric: String,
    /// The best score.
    #[serde(default = "ten")]
    pub scale: f64,
    /// Header names and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

fn ten() -> f64 {
    10.0
}
