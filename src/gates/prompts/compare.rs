//! How like another answer an answer is: by its words (ROUGE-L), and by its meaning (embeddings).

use http::{Method, Uri};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::{ask::left, prompt::Prompt, verdict::Outcome};
use crate::{
    gates::{
        Context,
        client::Ask,
        side::good,
        stats::{cosine, rouge_l},
    },
    model::check::{EmbeddingEndpoint, Reference},
};

/// So many texts go to the embedding endpoint at once: common servers take 32 and more.
const BATCH: usize = 32;

/// So much of a text is embedded, in characters: models read some hundred words, and refuse or cut the rest.
const MAX_TEXT: usize = 8_000;

/// What a prompt's answer is compared with: None if there is nothing to compare with, as in a first release.
fn reference(prompt: &Prompt, outcome: &Outcome) -> Option<Result<String, String>> {
    match prompt.expect.written.similarity?.to {
        Reference::Expected => prompt.expected.clone().map(Ok),
        Reference::Live => match outcome.live.as_ref()? {
            Ok(reply) => Some(Ok(reply.text.clone())),
            Err(why) => Some(Err(format!("live has no answer: {why}"))),
        },
    }
}

/// Compares by words, if that is wanted.
pub(super) async fn rouge(prompt: &Prompt, outcome: &mut Outcome) {
    let Some(least) = prompt.expect.written.similarity.and_then(|it| it.rouge_l) else {
        return;
    };
    let (Ok(reply), Some(reference)) = (&outcome.answer, reference(prompt, outcome)) else {
        return;
    };
    let reference = match reference {
        Ok(reference) => reference,
        Err(why) => return outcome.unknown.push(why),
    };
    let text = reply.text.clone();
    // Two long answers take some hundredths of a second, which is not taken from the threads that serve proxies.
    let compared = tokio::task::spawn_blocking(move || rouge_l(&text, &reference)).await;
    match compared {
        Ok(score) => judged("rougeL", "ROUGE-L", score, least, outcome),
        Err(error) => outcome.unknown.push(format!("ROUGE-L: {error}")),
    }
}

fn judged(name: &'static str, said: &str, score: f64, least: f64, outcome: &mut Outcome) {
    outcome.scores.push((name, score));
    if score < least {
        outcome.problems.push(format!(
            "is not alike: {said} {score:.3}, less than {least}"
        ));
    }
}

/// Two texts whose meanings are compared.
pub(super) struct Comparison {
    at: usize,
    least: f64,
    texts: [String; 2],
}

impl Comparison {
    /// The comparison that prompt number `at` asks for, if any.
    pub(super) fn of(at: usize, prompt: &Prompt, outcome: &mut Outcome) -> Option<Self> {
        let least = prompt.expect.written.similarity?.embedding?;
        let answer = outcome.answer.as_ref().ok()?.text.clone();
        match reference(prompt, outcome)? {
            Ok(reference) => Some(Self {
                at,
                least,
                texts: [answer, reference].map(|text| text.chars().take(MAX_TEXT).collect()),
            }),
            Err(why) => {
                outcome.unknown.push(why);
                None
            }
        }
    }
}

/// OpenAI's answer to a request for embeddings, as far as it is read.
#[derive(Deserialize)]
struct Embeddings {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vec<f64>,
}

/// Compares all by meaning.
pub(super) async fn embed(
    endpoint: &EmbeddingEndpoint,
    context: &Context,
    comparisons: &[Comparison],
    outcomes: &mut [Outcome],
    deadline: Instant,
) {
    // Both texts of a comparison go into the same request.
    for batch in comparisons.chunks(BATCH / 2) {
        let texts: Vec<&str> = batch
            .iter()
            .flat_map(|it| it.texts.iter().map(String::as_str))
            .collect();
        let vectors = vectors(endpoint, context, &texts, deadline).await;
        for (place, comparison) in batch.iter().enumerate() {
            let Some(outcome) = outcomes.get_mut(comparison.at) else {
                continue;
            };
            let compared = vectors.as_ref().map_err(Clone::clone).and_then(|vectors| {
                let pair = vectors.get(2 * place).zip(vectors.get(2 * place + 1));
                pair.and_then(|(one, other)| cosine(one, other))
                    .ok_or_else(|| "its vectors can't be compared".to_owned())
            });
            match compared {
                Ok(score) => judged("embedding", "cosine", score, comparison.least, outcome),
                Err(why) => outcome
                    .unknown
                    .push(format!("the embedding endpoint: {why}")),
            }
        }
    }
}

/// The vectors of these texts, in their order.
async fn vectors(
    endpoint: &EmbeddingEndpoint,
    context: &Context,
    texts: &[&str],
    deadline: Instant,
) -> Result<Vec<Vec<f64>>, String> {
    let url = context
        .render(&endpoint.url)
        .map_err(|error| error.to_string())?;
    let url: Uri = url.parse().map_err(|_| format!("{url:?} is no URL"))?;
    let mut ask = Ask::new(Method::POST, url, left(deadline));
    ask.headers = context.headers(&endpoint.headers)?;
    let ask = ask.with_json(&json!({
        "model": endpoint.model,
        "input": texts,
        "encoding_format": "float",
    }));
    let reply = context.client.ask(ask).await;
    let reply = reply.map_err(|error| error.to_string())?;
    good(&reply)?;
    let read: Embeddings = serde_json::from_slice(&reply.body)
        .map_err(|error| format!("it answers no embeddings: {error}"))?;
    let mut data = read.data;
    if data.len() != texts.len() {
        let (found, wanted) = (data.len(), texts.len());
        return Err(format!("it answers {found} embeddings for {wanted} texts"));
    }
    // Without an index they are in order; with one it says so.
    data.sort_by_key(|it| it.index);
    Ok(data.into_iter().map(|it| it.embedding).collect())
}
