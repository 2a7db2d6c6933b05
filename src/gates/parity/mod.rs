//! The `parity` check: the two environments are alike in all that should not change with a version.

mod told;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use http::Method;
use serde_json::Value;

use self::told::{lines, pretty, short, without};
use super::{
    Check, Context, Side, Which,
    client::{Answer, Ask, AskError},
    request::prepare,
};
use crate::model::{
    Protocol,
    check::{CheckSpec, HttpRequest, Measurement, ParityCheck, Phase},
};

/// So many endpoints are asked at once.
const CONCURRENCY: usize = 32;

/// What of a cluster says only whose it is, in both spellings of proto3 JSON.
const OWN_NAMES: [&str; 5] = [
    "$.name",
    "$.alt_stat_name",
    "$.altStatName",
    "$.eds_cluster_config.service_name",
    "$.edsClusterConfig.serviceName",
];

/// Compares the candidate with the baseline.
pub(super) struct Parity {
    spec: Arc<CheckSpec>,
    check: ParityCheck,
}

/// An endpoint, and what it answered.
type Asked = (SocketAddr, Result<Answer, AskError>);

/// What differs, as a heading and a diff.
struct Difference {
    what: String,
    diff: String,
}

impl Parity {
    pub(super) fn new(spec: Arc<CheckSpec>, check: ParityCheck) -> Self {
        Self { spec, check }
    }

    async fn compare(
        &self,
        context: &Context,
        baseline: &Side,
    ) -> Result<Vec<Difference>, (Phase, String)> {
        let candidate = &context.target.candidate;
        let mut found = Vec::new();
        let (old, new) = (baseline.endpoints.len(), candidate.endpoints.len());
        if self.check.endpoints && old != new {
            found.push(Difference {
                what: "the number of endpoints".to_owned(),
                diff: diff(baseline, candidate, &old.to_string(), &new.to_string()),
            });
        }
        if self.check.cluster
            && let (Some(old), Some(new)) = (&baseline.settings, &candidate.settings)
        {
            let own: Vec<String> = OWN_NAMES.map(str::to_owned).to_vec();
            let (old, new) = (without(old, &own)?, without(new, &own)?);
            if old != new {
                found.push(Difference {
                    what: "the settings of the cluster".to_owned(),
                    diff: diff(baseline, candidate, &pretty(&old), &pretty(&new)),
                });
            }
        }
        if self.check.protocol {
            for which in [Which::Baseline, Which::Candidate] {
                self.spoken(context, which).await?;
            }
        }
        if let Some(path) = &self.check.path {
            let old = self.told(context, Which::Baseline, path).await?;
            let new = self.told(context, Which::Candidate, path).await?;
            if old != new {
                found.push(Difference {
                    what: format!("what they tell of themselves at {path}"),
                    diff: diff(baseline, candidate, &pretty(&old), &pretty(&new)),
                });
            }
        }
        Ok(found)
    }

    /// Every endpoint answers in the declared protocol, whatever it answers.
    async fn spoken(&self, context: &Context, which: Which) -> Result<(), (Phase, String)> {
        let protocol = context.target.protocol;
        let request = HttpRequest {
            path: self.check.path.clone(),
            ..HttpRequest::default()
        };
        let wrong = self
            .ask_all(context, which, &request)
            .await?
            .into_iter()
            .find_map(|(address, answer)| match answer {
                // A long answer is one too, and a refusal in the protocol's own words: gRPC servers answer nothing to a GET.
                Ok(_) | Err(AskError::TooLong { .. } | AskError::Reset(_)) => None,
                Err(error) => Some((address, error)),
            });
        match wrong {
            None => Ok(()),
            Some((address, error)) => {
                let word = match protocol {
                    Protocol::Http1 => "HTTP/1.1",
                    Protocol::Http2 => "HTTP/2",
                    Protocol::Grpc => "HTTP/2 (gRPC)",
                };
                let version = version(context, which);
                let why = format!("{address} of {version} does not speak {word}: {error}");
                Err((blame(which), why))
            }
        }
    }

    /// What an environment tells of itself: all its endpoints must tell the same.
    async fn told(
        &self,
        context: &Context,
        which: Which,
        path: &str,
    ) -> Result<Value, (Phase, String)> {
        let blame = blame(which);
        let request = HttpRequest {
            path: Some(path.to_owned()),
            ..HttpRequest::default()
        };
        let mut first: Option<(SocketAddr, Value)> = None;
        for (address, answer) in self.ask_all(context, which, &request).await? {
            let answer =
                answer.map_err(|error| (blame, format!("GET {path} of {address}: {error}")))?;
            if !answer.status.is_success() {
                let why = format!("GET {path} of {address} answered {}", answer.status);
                return Err((blame, why));
            }
            let told: Value = serde_json::from_slice(&answer.body).map_err(|error| {
                (
                    blame,
                    format!("GET {path} of {address} answered no JSON: {error}"),
                )
            })?;
            let told = without(&told, &self.check.ignore)?;
            match &first {
                None => first = Some((address, told)),
                Some((other, same)) if *same != told => {
                    let lines = lines(
                        &pretty(same),
                        &pretty(&told),
                        &other.to_string(),
                        &address.to_string(),
                    );
                    let why = format!(
                        "endpoints of {} differ from each other at {path}: {}",
                        version(context, which),
                        short(&lines)
                    );
                    return Err((blame, why));
                }
                Some(_) => {}
            }
        }
        match first {
            Some((_, told)) => Ok(told),
            None => Err((
                blame,
                format!("{} has no endpoints", version(context, which)),
            )),
        }
    }

    async fn ask_all(
        &self,
        context: &Context,
        which: Which,
        request: &HttpRequest,
    ) -> Result<Vec<Asked>, (Phase, String)> {
        let doors = context.doors(&self.spec, which).await;
        let doors = doors.map_err(|error| (blame(which), error.to_string()))?;
        let limit = self.each();
        let variables = context.variables();
        let asks: Result<Vec<(SocketAddr, Ask)>, _> = doors
            .iter()
            .map(|door| {
                let mut ask = prepare(request, door, &variables, limit)?;
                ask.method = Method::GET;
                Ok((door.address, ask))
            })
            .collect();
        let asks =
            asks.map_err(|error: super::request::RequestError| (Phase::Error, error.to_string()))?;
        Ok(stream::iter(asks)
            .map(|(address, ask)| async move { (address, context.client.ask(ask).await) })
            .buffered(CONCURRENCY)
            .collect()
            .await)
    }

    /// The longest for one round: at most four are made, of two questions to two sides.
    fn each(&self) -> Duration {
        self.spec.measurement_timeout() / 4
    }
}

/// What the candidate does wrong is its fault; what live does wrong only keeps it from being compared.
fn blame(which: Which) -> Phase {
    match which {
        Which::Candidate => Phase::Failed,
        Which::Baseline => Phase::Error,
    }
}

fn version(context: &Context, which: Which) -> &str {
    let side = context.target.side(which);
    side.map_or("no version", |side| &side.version)
}

fn diff(old: &Side, new: &Side, before: &str, after: &str) -> String {
    let name = |side: &Side| format!("{} ({})", side.version, side.colour);
    lines(before, after, &name(old), &name(new))
}

#[async_trait]
impl Check for Parity {
    async fn measure(&self, context: &Context) -> Measurement {
        let of = |phase, message: String| Measurement::new(context.now(), phase, message);
        let Some(baseline) = &context.target.baseline else {
            // A first release: nothing can differ.
            let why = "there is no live version to compare with".to_owned();
            return of(Phase::Successful, why);
        };
        match self.compare(context, baseline).await {
            Err((phase, why)) => of(phase, why),
            Ok(found) if found.is_empty() => {
                let alike = format!(
                    "{} and {} are alike",
                    baseline.version, context.target.candidate.version
                );
                of(Phase::Successful, alike)
            }
            Ok(found) => {
                let each: Vec<_> = found
                    .iter()
                    .map(|it| format!("{}: {}", it.what, short(&it.diff)))
                    .collect();
                let details: Value = found
                    .into_iter()
                    .map(|it| (it.what, Value::String(it.diff)))
                    .collect::<serde_json::Map<_, _>>()
                    .into();
                let message = format!("they differ in {}", each.join("; in "));
                of(Phase::Failed, message).with_details(details)
            }
        }
    }
}

#[cfg(test)]
mod tests;
