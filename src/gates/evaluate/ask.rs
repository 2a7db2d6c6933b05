//! Puts labelled rows to a model server, one or many at a time, and finds the predictions in its answers.

use std::time::Duration;

use http::{HeaderValue, Method, header};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::row::Row;
use crate::{
    gates::{
        Context, Door,
        client::Ask,
        request::{Variables, prepare},
        side::AskedSide,
    },
    model::check::{HttpRequest, render},
};

/// The longest answer to one request, in bytes: predictions, not documents. Many are in memory at once.
const MAX_ANSWER: usize = 1 << 20;

/// Stands for what is sent: alone in a text of the body it is replaced by the input itself.
const INPUT: &str = "{{input}}";

/// Stands for how many inputs are sent, as a number.
const COUNT: &str = "{{count}}";

/// One labelled row.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) line: usize,
    pub(super) input: Value,
    pub(super) label: Value,
}

/// All of them, and how they are put.
pub(super) struct Questions {
    pub(super) all: Vec<Question>,
    pub(super) request: HttpRequest,
    /// So many in one request; None: one, which is then no list.
    pub(super) batch: Option<usize>,
    pub(super) prediction: JsonPath,
}

impl Questions {
    /// How many requests it takes.
    pub(super) fn batches(&self) -> usize {
        self.all.len().div_ceil(self.size())
    }

    fn size(&self) -> usize {
        self.batch.unwrap_or(1).max(1)
    }

    /// Puts one batch to both sides at once.
    pub(super) async fn put(
        &self,
        number: usize,
        context: &Context,
        candidate: &AskedSide,
        baseline: Option<&AskedSide>,
    ) -> Vec<Row> {
        let batch = self.all.chunks(self.size()).nth(number).unwrap_or(&[]);
        let live = async {
            match baseline {
                Some(side) => Some(self.ask(batch, context, side).await),
                None => None,
            }
        };
        let (candidate, baseline) = tokio::join!(self.ask(batch, context, candidate), live);
        let at = |answers: &Result<Vec<Value>, String>, place: usize| match answers {
            // As many predictions as there are rows, which `predictions` sees to.
            Ok(answers) => answers.get(place).cloned().ok_or_else(String::new),
            Err(why) => Err(why.clone()),
        };
        let rows = batch.iter().enumerate().map(|(place, question)| Row {
            line: question.line,
            label: question.label.clone(),
            candidate: at(&candidate, place),
            baseline: baseline.as_ref().map(|answers| at(answers, place)),
        });
        rows.collect()
    }

    async fn ask(
        &self,
        batch: &[Question],
        context: &Context,
        side: &AskedSide,
    ) -> Result<Vec<Value>, String> {
        let variables = context.variables();
        let answer = side
            .ask(&context.client, |door, limit| {
                self.make(batch, door, &variables, limit)
            })
            .await?;
        let body: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("the answer is no JSON: {error}"))?;
        self.predictions(&body, batch.len())
    }

    fn make(
        &self,
        batch: &[Question],
        door: &Door,
        variables: &Variables,
        limit: Duration,
    ) -> Result<Ask, String> {
        let input = match (self.batch, batch) {
            (None, [only]) => only.input.clone(),
            _ => batch.iter().map(|it| it.input.clone()).collect(),
        };
        let body = match &self.request.body {
            None => input,
            Some(template) => fill(&template.0, &input, batch.len(), variables)?,
        };
        let plain = HttpRequest {
            body: None,
            method: self.request.method.clone().or(Some("POST".to_owned())),
            ..self.request.clone()
        };
        let made = prepare(&plain, door, variables, limit);
        let mut ask = made.map_err(|error| error.to_string())?;
        ask.max_answer = MAX_ANSWER;
        match body {
            Value::String(text) => ask.body = text.into(),
            json => {
                ask.body = json.to_string().into();
                ask.headers
                    .entry(header::CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/json"));
            }
        }
        if ask.method == Method::GET {
            ask.body.clear();
        }
        Ok(ask)
    }

    /// One for each row that was sent.
    fn predictions(&self, body: &Value, rows: usize) -> Result<Vec<Value>, String> {
        let found = self.prediction.query(body).all();
        if found.len() == rows {
            return Ok(found.into_iter().cloned().collect());
        }
        Err(format!(
            "the answer holds {} predictions for {rows} rows at {}",
            found.len(),
            self.prediction
        ))
    }
}

/// The body with the input in its place. Texts of the data are not looked into: what looks like a template there is data.
fn fill(
    template: &Value,
    input: &Value,
    count: usize,
    variables: &Variables,
) -> Result<Value, String> {
    let inside = |it: &Value| fill(it, input, count, variables);
    Ok(match template {
        Value::String(text) if text.trim() == INPUT => input.clone(),
        Value::String(text) if text.trim() == COUNT => count.into(),
        Value::String(text) => {
            Value::String(render(text, variables).map_err(|error| error.to_string())?)
        }
        Value::Array(items) => items.iter().map(inside).collect::<Result<_, _>>()?,
        Value::Object(fields) => {
            let fields = fields.iter();
            let filled: Result<serde_json::Map<String, Value>, String> = fields
                .map(|(key, value)| Ok((key.clone(), inside(value)?)))
                .collect();
            Value::Object(filled?)
        }
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn an_open_inference_request_is_made_of_many_rows() {
        let template = json!({ "inputs": [{
            "name": "features-{{version}}", "shape": ["{{count}}", 2], "datatype": "FP64", "data": "{{input}}",
        }] });
        let variables = BTreeMap::from([("version", "v1.3".to_owned())]);
        let filled = fill(&template, &json!([[1, 2], ["{{x}}", 4]]), 2, &variables).unwrap();
        assert_eq!(
            filled["inputs"][0],
            json!({
                "name": "features-v1.3", "shape": [2, 2], "datatype": "FP64", "data": [[1, 2], ["{{x}}", 4]],
            })
        );
    }
}
