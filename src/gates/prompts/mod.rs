//! The `prompts` check: a set of prompts is put to a language model, and each answer is held against what is expected.

mod ask;
mod compare;
mod expect;
mod judge;
mod prompt;
#[cfg(test)]
mod tests;
mod verdict;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::time::Instant;

use self::{
    ask::{ask, left},
    compare::{Comparison, embed, rouge},
    prompt::{Prompt, read},
    verdict::{Outcome, verdict},
};
use super::{Check, Context, Which, data, side::AskedSide};
use crate::model::check::{CheckSpec, Measurement, Phase, PromptRow, PromptsCheck};

/// One answer may take so long: a long text of a large model, at some tens of tokens a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// Puts prompts to the version, and to live, so that the record has the answers side by side.
pub(super) struct Prompts {
    spec: Arc<CheckSpec>,
    check: PromptsCheck,
}

impl Prompts {
    pub(super) fn new(spec: Arc<CheckSpec>, check: PromptsCheck) -> Self {
        Self { spec, check }
    }

    async fn prompts(&self, context: &Context) -> Result<Measurement, (Phase, String)> {
        let deadline = Instant::now() + self.spec.measurement_timeout();
        let error = |text: String| (Phase::Error, text);
        let rows = data::load::<PromptRow>(&self.check.data, context, left(deadline)).await;
        let rows = rows.map_err(|it| error(it.to_string()))?;
        let prompts = read(&self.check, rows).map_err(error)?;
        let doors = context.doors(&self.spec, Which::Candidate).await;
        let doors = doors.map_err(|it| (it.phase(), it.to_string()))?;
        let candidate = AskedSide::new(doors, deadline, PATIENCE);
        let live = match &context.target.baseline {
            None => None,
            Some(_) => Some(
                // A live that can't be asked leaves its side of the record empty; only what compares with it minds.
                context
                    .doors(&self.spec, Which::Baseline)
                    .await
                    .map(|doors| AskedSide::new(doors, deadline, PATIENCE))
                    .map_err(|it| it.to_string()),
            ),
        };
        let sides = (&candidate, live.as_ref());
        let all = &prompts;
        let outcomes: Vec<Outcome> = stream::iter(0..all.len())
            .map(|at| self.one(context, &all[at], sides, deadline))
            .buffered(self.check.concurrency.max(1))
            .collect()
            .await;
        let outcomes = self.embeddings(context, &prompts, outcomes, deadline).await;
        Ok(verdict(&self.check, &outcomes).at(context.now()))
    }

    /// Puts one prompt, and judges its answer by all that concerns it alone.
    async fn one(
        &self,
        context: &Context,
        prompt: &Prompt,
        (candidate, live): (&AskedSide, Option<&Result<AskedSide, String>>),
        deadline: Instant,
    ) -> Outcome {
        let endpoint = &self.check.endpoint;
        let of_live = async {
            match live? {
                Ok(side) => Some(ask(endpoint, context, prompt, side).await),
                Err(why) => Some(Err(why.clone())),
            }
        };
        let (answer, live) = tokio::join!(ask(endpoint, context, prompt, candidate), of_live);
        let mut outcome = Outcome {
            id: prompt.id.clone(),
            prompt: prompt.text(),
            weight: prompt.weight,
            must_pass: prompt.must_pass,
            answer,
            live,
            problems: Vec::new(),
            unknown: Vec::new(),
            scores: Vec::new(),
        };
        let reply = match &outcome.answer {
            Ok(reply) => reply.clone(),
            Err(why) => {
                outcome.problems.push(format!("has no answer: {why}"));
                return outcome;
            }
        };
        outcome.problems = prompt.expect.problems(&reply);
        rouge(prompt, &mut outcome).await;
        if let (Some(least), Some(judge)) = (prompt.expect.written.judge, &self.check.judge) {
            match judge::score(judge, context, prompt, &reply.text, left(deadline)).await {
                Ok(score) => {
                    outcome.scores.push(("judge", score));
                    if score < least {
                        let scale = judge.scale;
                        let problem = format!("is scored {score} of {scale}, less than {least}");
                        outcome.problems.push(problem);
                    }
                }
                Err(why) => outcome.unknown.push(format!("the judge: {why}")),
            }
        }
        outcome
    }

    /// Compares meanings, of all prompts together: the embedding endpoint takes many texts at once.
    async fn embeddings(
        &self,
        context: &Context,
        prompts: &[Prompt],
        mut outcomes: Vec<Outcome>,
        deadline: Instant,
    ) -> Vec<Outcome> {
        let Some(endpoint) = &self.check.embedding else {
            return outcomes;
        };
        let mut comparisons = Vec::new();
        for (at, (prompt, outcome)) in prompts.iter().zip(&mut outcomes).enumerate() {
            comparisons.extend(Comparison::of(at, prompt, outcome));
        }
        embed(endpoint, context, &comparisons, &mut outcomes, deadline).await;
        outcomes
    }
}

#[async_trait]
impl Check for Prompts {
    async fn measure(&self, context: &Context) -> Measurement {
        self.prompts(context)
            .await
            .unwrap_or_else(|(phase, text)| Measurement::new(context.now(), phase, text))
    }
}
