//! The `prometheus` check: the result of a query, judged by conditions; no data, NaN and no answer are told apart.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderValue, Method, Uri, header};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{Check, Context, client::Ask};
use crate::model::{
    HumanDuration,
    check::{
        CheckSpec, Measurement, Phase, PrometheusCheck,
        expression::{Expression, Operand},
    },
};

/// So many series of a result are shown and stored; conditions see all.
const SHOWN: usize = 10;

/// So many warnings of a Prometheus are passed on.
const WARNINGS_SHOWN: usize = 3;

/// Asks a Prometheus.
pub(super) struct Prometheus {
    spec: Arc<CheckSpec>,
    check: PrometheusCheck,
}

/// <https://prometheus.io/docs/prometheus/latest/querying/api/>, "Format overview".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    status: String,
    data: Option<Data>,
    error_type: Option<String>,
    error: Option<String>,
    /// What the answer may lack, e.g. the series of a store that is down.
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

/// A result that conditions can be held against.
#[derive(Debug, PartialEq)]
enum Found {
    Scalar(f64),
    Vector(Vec<f64>),
}

impl Prometheus {
    pub(super) fn new(spec: Arc<CheckSpec>, check: PrometheusCheck) -> Self {
        Self { spec, check }
    }

    fn ask(&self, context: &Context, query: &str, limit: Duration) -> Result<Ask, String> {
        let address = self.check.address.trim_end_matches('/');
        let url = format!("{address}/api/v1/query");
        let url: Uri = url.parse().map_err(|_| format!("{url:?} is no URL"))?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", query);
        // Prometheus gives up itself, and says so, before this side does.
        let timeout = format!("{}ms", limit.as_millis() * 9 / 10);
        form.append_pair("timeout", &timeout);
        let mut ask = Ask::new(Method::POST, url, limit);
        ask.body = form.finish().into();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        ask.headers.insert(header::CONTENT_TYPE, form);
        ask.headers.extend(context.headers(&self.check.headers)?);
        Ok(ask)
    }

    /// What came, and what Prometheus warns of.
    async fn query(&self, context: &Context) -> Result<(Found, Vec<String>), String> {
        let limit = self.spec.measurement_timeout();
        let deadline = Instant::now() + limit;
        let query = context
            .render(&self.check.query)
            .map_err(|error| error.to_string())?;
        let left = deadline.saturating_duration_since(Instant::now());
        let ask = self.ask(context, &query, left)?;
        let asked = self.check.address.clone();
        let answer = context.client.ask(ask).await;
        let answer = answer.map_err(|error| format!("{asked}: {error}"))?;
        let reply: Reply = serde_json::from_slice(&answer.body).map_err(|error| {
            let status = answer.status;
            format!("{asked} answered {status}, which is not Prometheus' API: {error}")
        })?;
        match reply.data {
            Some(data) if reply.status == "success" => {
                read(&data).map(|found| (found, reply.warnings.unwrap_or_default()))
            }
            _ => {
                let why = reply.error.unwrap_or_default();
                Err(match reply.error_type.as_deref() {
                    Some("timeout") => format!(
                        "the query timed out in {asked} (limit {}): {why}",
                        HumanDuration(limit)
                    ),
                    Some(kind) => format!("{asked} refused the query ({kind}): {why}"),
                    None => format!("{asked} answered {}", answer.status),
                })
            }
        }
    }

    /// What the result means.
    fn judge(&self, found: &Found) -> (Phase, String) {
        let (operand, numbers) = match found {
            Found::Scalar(number) => (Operand::Number(*number), std::slice::from_ref(number)),
            Found::Vector(numbers) => {
                let list = numbers.iter().copied().map(Operand::Number).collect();
                (Operand::List(list), numbers.as_slice())
            }
        };
        let shown = shown(found);
        if numbers.is_empty() {
            let why = "the result is an empty vector: no series fits the query".to_owned();
            return (self.check.when_empty, why);
        }
        let nan = numbers.iter().filter(|it| it.is_nan()).count();
        let conditions = [&self.check.success_condition, &self.check.failure_condition];
        let parsed = |text: &Option<String>| Expression::parse(text.as_deref()?).ok();
        let known = conditions
            .into_iter()
            .filter_map(parsed)
            .any(|condition| condition.knows_nan());
        // A condition that asks for it decides itself.
        if nan > 0 && !known {
            let why = format!(
                "{nan} of {} numbers are NaN, usually 0 divided by 0: {shown}",
                numbers.len()
            );
            return (self.check.when_nan, why);
        }
        let condition = |text: &Option<String>| {
            text.as_deref()
                .map(|text| Expression::parse(text)?.holds(&[("result", operand.clone())]))
                .transpose()
        };
        let (failure, success) = match (
            condition(&self.check.failure_condition),
            condition(&self.check.success_condition),
        ) {
            (Ok(failure), Ok(success)) => (failure, success),
            (Err(error), _) | (_, Err(error)) => return (Phase::Error, error.to_string()),
        };
        let written = |text: &Option<String>| text.clone().unwrap_or_default();
        let (succeeds, fails) = (
            written(&self.check.success_condition),
            written(&self.check.failure_condition),
        );
        match (failure, success) {
            (Some(true), _) => (Phase::Failed, format!("{shown}: {fails} holds")),
            (_, Some(true)) => (Phase::Successful, format!("{shown}: {succeeds} holds")),
            (None, Some(false)) => (Phase::Failed, format!("{shown}: {succeeds} does not hold")),
            (Some(false), None) => (Phase::Successful, format!("{shown}: {fails} does not hold")),
            (Some(false), Some(false)) => (
                Phase::Inconclusive,
                format!("{shown}: neither {succeeds} nor {fails} holds"),
            ),
            (None, None) => (Phase::Successful, shown),
        }
    }
}

fn shown(found: &Found) -> String {
    match found {
        Found::Scalar(number) => format!("result is {number}"),
        Found::Vector(numbers) => {
            let mut list: Vec<_> = numbers.iter().take(SHOWN).map(f64::to_string).collect();
            if numbers.len() > SHOWN {
                list.push(format!("… ({} in all)", numbers.len()));
            }
            format!("result is [{}]", list.join(", "))
        }
    }
}

fn read(data: &Data) -> Result<Found, String> {
    let strange = || format!("a {} that can't be read", data.result_type);
    match data.result_type.as_str() {
        "scalar" => number(&data.result).map(Found::Scalar).ok_or_else(strange),
        "vector" => {
            let series = data.result.as_array().ok_or_else(strange)?;
            let numbers = series.iter().map(|one| number(&one["value"]));
            let numbers: Option<Vec<f64>> = numbers.collect();
            numbers.map(Found::Vector).ok_or_else(strange)
        }
        other => Err(format!(
            "the query gives a {other}: ask for a vector or a scalar, e.g. with rate(…[1m]) or avg_over_time"
        )),
    }
}

/// `[TIME, "NUMBER"]`, where the number may be NaN, +Inf and -Inf.
fn number(sample: &Value) -> Option<f64> {
    sample.get(1)?.as_str()?.parse().ok()
}

#[async_trait]
impl Check for Prometheus {
    async fn measure(&self, context: &Context) -> Measurement {
        match self.query(context).await {
            Err(why) => Measurement::new(context.now(), Phase::Error, why),
            Ok((found, warnings)) => {
                let (phase, mut message) = self.judge(&found);
                // As in Argo Rollouts they are told, and decide nothing.
                for warning in warnings.iter().take(WARNINGS_SHOWN) {
                    message += &format!("; Prometheus warns: {warning}");
                }
                let measurement = Measurement::new(context.now(), phase, message);
                match found {
                    Found::Scalar(number) => measurement.with("result", number),
                    Found::Vector(numbers) => numbers
                        .iter()
                        .take(SHOWN)
                        .enumerate()
                        .fold(measurement, |it, (at, number)| {
                            it.with(format!("result[{at}]"), *number)
                        }),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Json, Router, body::Bytes, extract::State, http::StatusCode, routing::post};
    use serde_json::json;

    use super::{
        super::testkit::{self, Then},
        *,
    };

    /// A stand-in for the API, of which only the answer matters here; the real one is asked in tests/gates.
    async fn api(status: StatusCode, answer: Value) -> String {
        let answer = move |_: State<()>, _: Bytes| async move { (status, Json(answer)) };
        let router = Router::new()
            .route("/api/v1/query", post(answer))
            .with_state(());
        format!("http://{}", testkit::serve(router).await)
    }

    async fn measure(address: String, more: Value) -> Measurement {
        within("30s", address, more).await
    }

    async fn within(limit: &str, address: String, more: Value) -> Measurement {
        let mut prometheus = json!({ "address": address, "query": "up{c=\"{{cluster}}\"}" });
        for (key, value) in more.as_object().unwrap() {
            prometheus[key] = value.clone();
        }
        let spec =
            testkit::spec(json!({ "name": "p", "timeout": limit, "prometheus": prometheus }));
        crate::gates::measuring(&spec)
            .measure(&testkit::context(&[], &[]))
            .await
    }

    fn vector(numbers: &[&str]) -> Value {
        let series: Vec<_> = numbers
            .iter()
            .map(|it| json!({ "metric": {}, "value": [1.5, it] }))
            .collect();
        json!({ "status": "success", "data": { "resultType": "vector", "result": series } })
    }

    #[tokio::test]
    async fn conditions_decide_as_in_argo() {
        let both = json!({ "successCondition": "result[0] > 0.95", "failureCondition": "result[0] < 0.5" });
        for (number, more, phase) in [
            ("0.97", both.clone(), Phase::Successful),
            ("0.4", both.clone(), Phase::Failed),
            ("0.7", both, Phase::Inconclusive),
            (
                "0.7",
                json!({ "successCondition": "result[0] > 0.95" }),
                Phase::Failed,
            ),
            (
                "0.7",
                json!({ "failureCondition": "result[0] < 0.5" }),
                Phase::Successful,
            ),
            (
                "+Inf",
                json!({ "successCondition": "result[0] > 0.95" }),
                Phase::Successful,
            ),
            ("0.7", json!({}), Phase::Successful),
            (
                "0.7",
                json!({ "successCondition": "result[1] > 0.95" }),
                Phase::Error,
            ),
        ] {
            let address = api(StatusCode::OK, vector(&[number])).await;
            let measured = measure(address, more.clone()).await;
            assert_eq!(
                measured.phase, phase,
                "{number} {more}: {}",
                measured.message
            );
        }
        let scalar = json!({ "status": "success", "data": { "resultType": "scalar", "result": [1.5, "2"] } });
        let measured = measure(
            api(StatusCode::OK, scalar).await,
            json!({ "successCondition": "result == 2" }),
        )
        .await;
        assert_eq!(measured.phase, Phase::Successful, "{}", measured.message);
        assert_eq!(measured.values["result"], 2.0);
    }

    #[tokio::test]
    async fn an_answer_that_may_be_a_part_says_so() {
        let mut answer = vector(&["0.7"]);
        answer["warnings"] = json!(["store-2: connection refused"]);
        let measured = measure(api(StatusCode::OK, answer).await, json!({})).await;
        assert_eq!(measured.phase, Phase::Successful);
        let told = "result is [0.7]; Prometheus warns: store-2: connection refused";
        assert_eq!(measured.message, told);
    }

    #[tokio::test]
    async fn no_data_nan_and_no_answer_are_told_apart() {
        let refused = format!("http://{}", testkit::refused().await);
        let hangs = format!("http://{}", testkit::raw("", Then::Hang).await);
        let html = format!(
            "http://{}",
            testkit::raw(
                "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhtml",
                Then::Close
            )
            .await
        );
        let failed =
            |kind: &str| json!({ "status": "error", "errorType": kind, "error": "because" });
        let matrix =
            json!({ "status": "success", "data": { "resultType": "matrix", "result": [] } });
        for (address, more, phase, expected) in [
            (
                api(StatusCode::OK, vector(&[])).await,
                json!({}),
                Phase::Inconclusive,
                "the result is an empty vector",
            ),
            (
                api(StatusCode::OK, vector(&[])).await,
                json!({ "whenEmpty": "Successful" }),
                Phase::Successful,
                "empty vector",
            ),
            (
                api(StatusCode::OK, vector(&["1", "NaN"])).await,
                json!({}),
                Phase::Inconclusive,
                "1 of 2 numbers are NaN",
            ),
            (
                api(StatusCode::OK, vector(&["NaN"])).await,
                json!({ "whenNaN": "Failed" }),
                Phase::Failed,
                "NaN",
            ),
            (
                api(StatusCode::OK, vector(&["NaN"])).await,
                json!({ "successCondition": "isNaN(result[0]) || result[0] < 1" }),
                Phase::Successful,
                "result is [NaN]: isNaN(result[0]) || result[0] < 1 holds",
            ),
            (
                api(StatusCode::SERVICE_UNAVAILABLE, failed("timeout")).await,
                json!({}),
                Phase::Error,
                "the query timed out in",
            ),
            (
                api(StatusCode::BAD_REQUEST, failed("bad_data")).await,
                json!({}),
                Phase::Error,
                "refused the query (bad_data): because",
            ),
            (
                api(StatusCode::OK, matrix).await,
                json!({}),
                Phase::Error,
                "the query gives a matrix",
            ),
            (refused, json!({}), Phase::Error, "can't connect"),
            (hangs, json!({}), Phase::Error, "no answer within"),
            (
                html,
                json!({}),
                Phase::Error,
                "which is not Prometheus' API",
            ),
        ] {
            let limit = if expected == "no answer within" {
                "300ms"
            } else {
                "30s"
            };
            let measured = within(limit, address, more).await;
            assert_eq!(measured.phase, phase, "{expected}: {}", measured.message);
            assert!(
                measured.message.contains(expected),
                "{expected}: {}",
                measured.message
            );
        }
    }
}
