//! The `drift` check: recent inputs or predictions of both versions, compared field by field.

mod judge;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::time::Instant;

use self::judge::judge;
use super::{
    Check, Context, Door, Which, data, jsonl::read_json_lines, request::prepare, side::good,
};
use crate::model::check::{
    CheckSpec, DataSource, DriftCheck, HttpRequest, Measurement, Phase, SampleSource,
};

/// So many endpoints are asked for their samples at once: each answer may be of [`MAX_SAMPLES`].
const CONCURRENCY: usize = 4;

/// The longest samples of one endpoint, in bytes.
const MAX_SAMPLES: usize = 16 << 20;

/// The most samples of one version: beyond, tests find differences that do not matter, and take memory.
const MAX_ROWS: usize = 200_000;

/// Compares samples.
pub(super) struct Drift {
    spec: Arc<CheckSpec>,
    check: DriftCheck,
}

impl Drift {
    pub(super) fn new(spec: Arc<CheckSpec>, check: DriftCheck) -> Self {
        Self { spec, check }
    }

    async fn drift(&self, context: &Context) -> Result<Measurement, String> {
        let deadline = Instant::now() + self.spec.measurement_timeout();
        if context.target.baseline.is_none() {
            let text = "there is no live version to compare with";
            return Ok(Measurement::new(context.now(), Phase::Successful, text));
        }
        let (candidate, baseline) = match &self.check.samples {
            SampleSource::Path(path) => tokio::join!(
                self.ask(context, Which::Candidate, path, deadline),
                self.ask(context, Which::Baseline, path, deadline),
            ),
            SampleSource::Each {
                candidate,
                baseline,
            } => tokio::join!(
                load(context, candidate, deadline),
                load(context, baseline, deadline),
            ),
        };
        let (candidate, baseline) = (candidate?, baseline?);
        let check = self.check.clone();
        let judged = tokio::task::spawn_blocking(move || judge(&check, &candidate, &baseline));
        let findings = judged.await;
        let findings =
            findings.map_err(|error| format!("the samples can't be compared: {error}"))?;
        Ok(findings.at(context.now()))
    }

    /// The samples of all endpoints of one version.
    async fn ask(
        &self,
        context: &Context,
        which: Which,
        path: &str,
        deadline: Instant,
    ) -> Result<Vec<Value>, String> {
        let doors = context.doors(&self.spec, which).await;
        let doors = doors.map_err(|error| error.to_string())?;
        let answers: Vec<Result<Vec<Value>, String>> = stream::iter(doors)
            .map(|door| samples(context, door, path, deadline))
            .buffered(CONCURRENCY)
            .collect()
            .await;
        let mut all = Vec::new();
        for answer in answers {
            all.extend(answer?);
        }
        all.truncate(MAX_ROWS);
        Ok(all)
    }
}

async fn samples(
    context: &Context,
    door: Door,
    path: &str,
    deadline: Instant,
) -> Result<Vec<Value>, String> {
    let request = HttpRequest {
        path: Some(path.to_owned()),
        ..HttpRequest::default()
    };
    let left: Duration = deadline.saturating_duration_since(Instant::now());
    let ask = prepare(&request, &door, &context.variables(), left);
    let mut ask = ask.map_err(|error| error.to_string())?;
    ask.max_answer = MAX_SAMPLES;
    let place = format!("GET {}", ask.url);
    let answer = context.client.ask(ask).await;
    let answer = answer.map_err(|error| format!("{place}: {error}"))?;
    good(&answer).map_err(|error| format!("{place}: {error}"))?;
    // An endpoint that has answered nothing yet has no samples.
    if answer.body.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let rows = read_json_lines::<Value>(&place, &answer.body).map_err(|error| error.to_string())?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

async fn load(
    context: &Context,
    source: &DataSource,
    deadline: Instant,
) -> Result<Vec<Value>, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    let rows = data::load::<Value>(source, context, left).await;
    let rows = rows.map_err(|error| error.to_string())?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

#[async_trait]
impl Check for Drift {
    async fn measure(&self, context: &Context) -> Measurement {
        self.drift(context)
            .await
            .unwrap_or_else(|why| Measurement::new(context.now(), Phase::Error, why))
    }
}
