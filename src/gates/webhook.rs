//! The `webhook` check: another system is told what is released, and says whether it is good.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    Check, Context, Side,
    client::{Answer, Ask},
    request::fill,
};
use crate::model::check::{CheckSpec, Measurement, Phase, WebhookCheck};

/// Asks a webhook.
pub(super) struct Webhook {
    spec: Arc<CheckSpec>,
    check: WebhookCheck,
}

/// What a webhook answers.
#[derive(Deserialize)]
struct Verdict {
    phase: Phase,
    #[serde(default)]
    message: String,
    #[serde(default)]
    values: BTreeMap<String, f64>,
}

/// What came of one try.
enum Tried {
    /// It is over.
    Done(Measurement),
    /// It may be different the next time: why.
    Again(String),
    /// It works on it: ask again, without end but the time limit.
    Working(String),
}

impl Webhook {
    pub(super) fn new(spec: Arc<CheckSpec>, check: WebhookCheck) -> Self {
        Self { spec, check }
    }

    fn ask(&self, context: &Context, left: Duration) -> Result<Ask, String> {
        let variables = context.variables();
        let url = context
            .render(&self.check.url)
            .map_err(|error| error.to_string())?;
        let target: Uri = url.parse().map_err(|_| format!("{url:?} is no URL"))?;
        let data = self.check.data.as_ref().map(|data| fill(data, &variables));
        let data = data.transpose().map_err(|error| error.to_string())?;
        let target_of = &context.target;
        let body = json!({
            "check": self.spec.name,
            "fleet": target_of.fleet,
            "service": target_of.service,
            "candidate": side(&target_of.candidate),
            "baseline": target_of.baseline.as_ref().map(side),
            "data": data,
        });
        let mut ask = Ask::new(Method::POST, target, left).with_json(&body);
        ask.headers.extend(context.headers(&self.check.headers)?);
        Ok(ask)
    }

    async fn once(&self, context: &Context, left: Duration) -> Tried {
        let error = |why: String| Tried::Done(Measurement::new(context.now(), Phase::Error, why));
        let ask = match self.ask(context, left) {
            Ok(ask) => ask,
            Err(why) => return error(why),
        };
        let asked = format!("POST {}", ask.url);
        let answer = match context.client.ask(ask).await {
            Ok(answer) => answer,
            Err(why) => return Tried::Again(format!("{asked}: {why}")),
        };
        let status = answer.status;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Tried::Again(format!("{asked} answered {status}"));
        }
        if !status.is_success() {
            return error(format!("{asked} answered {status}, not a 2xx"));
        }
        match read(&answer) {
            Err(why) => error(format!("{asked} answered {status}, and {why}")),
            Ok(verdict) if !verdict.phase.is_completed() => {
                Tried::Working(format!("{asked}: still {}", verdict.phase))
            }
            Ok(verdict) => {
                let message = match verdict.message.trim() {
                    "" => format!("{asked} says {}", verdict.phase),
                    said => said.to_owned(),
                };
                let measurement = Measurement::new(context.now(), verdict.phase, message);
                let with = |it: Measurement, (name, value)| it.with(name, value);
                Tried::Done(verdict.values.into_iter().fold(measurement, with))
            }
        }
    }
}

fn side(side: &Side) -> Value {
    json!({
        "version": side.version,
        "colour": side.colour,
        "cluster": side.cluster,
        "endpoints": side.endpoints,
    })
}

fn read(answer: &Answer) -> Result<Verdict, String> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        format!(
            "not with {{\"phase\": \"Successful\", \"message\": \"…\"}} but something else: {error}"
        )
    })
}

#[async_trait]
impl Check for Webhook {
    async fn measure(&self, context: &Context) -> Measurement {
        let limit = self.spec.measurement_timeout();
        let deadline = Instant::now() + limit;
        let mut pause = self.check.retry_delay.0;
        let mut tries = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let why = match self.once(context, left).await {
                Tried::Done(measurement) => return measurement,
                Tried::Again(why) => {
                    tries += 1;
                    if tries > self.check.retries {
                        let why = format!("{why}; tried {tries} times");
                        return Measurement::new(context.now(), Phase::Error, why);
                    }
                    pause *= if tries > 1 { 2 } else { 1 };
                    why
                }
                Tried::Working(why) => why,
            };
            if Instant::now() + pause >= deadline {
                let limit = crate::model::HumanDuration(limit);
                let why = format!("no verdict within {limit}: {why}");
                return Measurement::new(context.now(), Phase::Error, why);
            }
            sleep(pause).await;
        }
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
