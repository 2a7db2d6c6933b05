//! The `evaluate` check: labelled rows are put to the version, and to live where they are compared, and scored.

mod ask;
mod behind;
mod examples;
mod row;
mod score;
mod scored;
#[cfg(test)]
mod tests;
mod truth;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::Value;
use serde_json_path::JsonPath;
use tokio::time::Instant;

use self::{
    ask::{Question, Questions},
    row::Row,
    score::score,
};
use super::{Check, Context, Which, data, side::AskedSide};
use crate::model::check::{CheckSpec, EvaluateCheck, Measurement, Phase};

/// One row may take so long: a model that is asked by users answers in less.
const PATIENCE: Duration = Duration::from_secs(30);

/// Puts labelled rows to the version.
pub(super) struct Evaluate {
    spec: Arc<CheckSpec>,
    check: EvaluateCheck,
}

impl Evaluate {
    pub(super) fn new(spec: Arc<CheckSpec>, check: EvaluateCheck) -> Self {
        Self { spec, check }
    }

    async fn evaluate(&self, context: &Context) -> Result<Measurement, (Phase, String)> {
        let deadline = Instant::now() + self.spec.measurement_timeout();
        let questions = self.questions(context, deadline).await?;
        let door = |error: super::NoDoor| (error.phase(), error.to_string());
        let doors = context.doors(&self.spec, Which::Candidate).await;
        let candidate = AskedSide::new(doors.map_err(door)?, deadline, PATIENCE);
        let compares = self.check.metrics.values().any(|it| it.margin.is_some());
        let baseline = if compares && context.target.baseline.is_some() {
            let doors = context.doors(&self.spec, Which::Baseline).await;
            Some(AskedSide::new(doors.map_err(door)?, deadline, PATIENCE))
        } else {
            None
        };
        let sides = (&candidate, baseline.as_ref());
        let answered: Vec<Vec<Row>> = stream::iter(0..questions.batches())
            .map(|number| questions.put(number, context, sides.0, sides.1))
            .buffered(self.check.concurrency.max(1))
            .collect()
            .await;
        let check = self.check.clone();
        // A thousand resamples of ten thousand rows take a moment, which is not taken from the threads that serve proxies.
        // A thread can't be dropped as a future can: it looks whether somebody still waits for it.
        let waiting = Arc::new(());
        let waits = Arc::downgrade(&waiting);
        let scored = tokio::task::spawn_blocking(move || {
            let rows: Vec<Row> = answered.into_iter().flatten().collect();
            score(&check, &rows, &|| waits.strong_count() > 0)
        });
        let findings = scored.await.map_err(|error| {
            (
                Phase::Error,
                format!("the scores can't be computed: {error}"),
            )
        })?;
        drop(waiting);
        Ok(findings.at(context.now()))
    }

    /// The rows, each with its input and its label.
    async fn questions(
        &self,
        context: &Context,
        deadline: Instant,
    ) -> Result<Questions, (Phase, String)> {
        let error = |text: String| (Phase::Error, text);
        let path = |text: &str| JsonPath::parse(text).map_err(|it| error(format!("{text}: {it}")));
        let (input, label) = (path(&self.check.input)?, path(&self.check.label)?);
        let left = deadline.saturating_duration_since(Instant::now());
        let rows = data::load::<Value>(&self.check.data, context, left).await;
        let mut rows = rows.map_err(|it| error(it.to_string()))?;
        rows.truncate(self.check.maximum_samples.unwrap_or(usize::MAX));
        let find = |row: &Value, line: usize, path: &JsonPath, written: &str| {
            let found = path.query(row).first().cloned();
            found.ok_or_else(|| error(format!("line {line} of the data has no {written}")))
        };
        let questions: Result<Vec<Question>, _> = rows
            .iter()
            .map(|row| {
                Ok(Question {
                    line: row.line,
                    input: find(&row.value, row.line, &input, &self.check.input)?,
                    label: find(&row.value, row.line, &label, &self.check.label)?,
                })
            })
            .collect();
        Ok(Questions {
            all: questions?,
            request: self.check.request.clone(),
            batch: self.check.batch,
            prediction: path(&self.check.prediction)?,
        })
    }
}

#[async_trait]
impl Check for Evaluate {
    async fn measure(&self, context: &Context) -> Measurement {
        self.evaluate(context)
            .await
            .unwrap_or_else(|(phase, text)| Measurement::new(context.now(), phase, text))
    }
}
