//! The `http` check: every endpoint of the version is asked, and each answer must be as expected.

mod expect;
mod presets;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::{Check, Context, Door, Which, client::Answer, request::prepare};
use crate::model::check::{CheckSpec, HttpCheck, Measurement, Phase};
use expect::Expectation;
use presets::Step;

/// So many endpoints are asked at once.
const CONCURRENCY: usize = 32;

/// So many that did not answer as expected are named: after that a person knows.
const NAMED: usize = 5;

/// Asks every endpoint of the candidate.
pub(super) struct Http {
    spec: Arc<CheckSpec>,
    check: HttpCheck,
}

impl Http {
    pub(super) fn new(spec: Arc<CheckSpec>, check: HttpCheck) -> Self {
        Self { spec, check }
    }

    /// All requests to one endpoint; the slowest answer's time.
    async fn ask(
        &self,
        context: &Context,
        door: Door,
        steps: &[Step],
        deadline: Instant,
    ) -> Result<Duration, String> {
        let variables = context.variables();
        let mut slowest = Duration::ZERO;
        for step in steps {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut door = door.clone();
            door.host = self.check.host.clone().or(door.host);
            let mut ask = prepare(&step.request, &door, &variables, left)
                .map_err(|error| error.to_string())?;
            ask.follow_redirects = self.check.follow_redirects;
            let asked = format!("{} {}", ask.method, ask.url.path());
            let answer = context.client.ask(ask).await;
            let answer = answer.map_err(|error| format!("{asked}: {error}"))?;
            slowest = slowest.max(answer.took);
            step.judge(&answer, context)
                .map_err(|problem| format!("{asked}: {problem}"))?;
        }
        Ok(slowest)
    }
}

impl Step {
    fn judge(&self, answer: &Answer, context: &Context) -> Result<(), String> {
        let variables = context.variables();
        let expectation = Expectation::new(&self.expect, &variables);
        expectation.judge(answer)?;
        match self.also {
            Some(also) => also(answer, &self.model),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Check for Http {
    async fn measure(&self, context: &Context) -> Measurement {
        let deadline = Instant::now() + self.spec.measurement_timeout();
        let of = |phase, message: String| Measurement::new(context.now(), phase, message);
        let doors = match context.doors(&self.spec, Which::Candidate).await {
            Ok(doors) => doors,
            Err(error) => return of(error.phase(), error.to_string()),
        };
        let steps = match presets::steps(&self.check, context) {
            Ok(steps) => steps,
            Err(error) => return of(Phase::Error, error.to_string()),
        };
        let asked = doors.len();
        let answers: Vec<_> = stream::iter(doors)
            .map(|door| {
                let address = door.address;
                let answer = self.ask(context, door, &steps, deadline);
                async move { (address, answer.await) }
            })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        let mut slowest = Duration::ZERO;
        let mut wrong = Vec::new();
        for (address, answer) in answers {
            match answer {
                Ok(took) => slowest = slowest.max(took),
                Err(problem) => wrong.push(format!("{address}: {problem}")),
            }
        }
        let measurement = if wrong.is_empty() {
            let ms = slowest.as_secs_f64() * 1_000.0;
            let what = match asked {
                1 => "1 endpoint answered".to_owned(),
                many => format!("all {many} endpoints answered"),
            };
            of(
                Phase::Successful,
                format!("{what} as expected, the slowest in {ms:.1} ms"),
            )
        } else {
            let more = match wrong.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            let named = wrong
                .iter()
                .take(NAMED)
                .cloned()
                .collect::<Vec<_>>()
                .join("; ");
            of(
                Phase::Failed,
                format!("{} of {asked} failed: {named}{more}", wrong.len()),
            )
        };
        measurement
            .with("endpoints", asked as f64)
            .with("failed", wrong.len() as f64)
            .with("slowestSeconds", slowest.as_secs_f64())
    }
}
