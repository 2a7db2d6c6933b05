//! The `load` check: the version bears the rate that users will send, within limits for latency and errors.

mod connection;
mod generator;
mod shot;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Check, Context, Door, Which, data, request::prepare};
use crate::model::{
    HumanDuration,
    check::{CheckSpec, HttpRequest, LoadCheck, Measurement, Percentile, Phase, RateLimit, Scheme},
};
pub use connection::Failure;
pub use generator::{Outcome, Plan, drive};
pub use shot::Shot;

/// What proxies reported so long ago still counts as "now": some of their intervals.
const REPORT_WINDOW: Duration = Duration::from_secs(60);

/// The percentiles that every measurement carries.
const SHOWN: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

/// Loads the candidate, and the baseline too where it is compared with.
pub(super) struct Load {
    spec: Arc<CheckSpec>,
    check: LoadCheck,
}

impl Load {
    pub(super) fn new(spec: Arc<CheckSpec>, check: LoadCheck) -> Self {
        Self { spec, check }
    }

    /// How many a second.
    fn rate(&self, context: &Context) -> Result<f64, String> {
        let times = match self.check.rate {
            Some(RateLimit::PerSecond(rate)) => return Ok(rate),
            Some(RateLimit::TimesLive(times)) => times,
            None => 1.0,
        };
        let target = &context.target;
        let Some(live) = &target.baseline else {
            return Err(
                "there is no live version whose rate could be taken: write rate: { perSecond: … }"
                    .to_owned(),
            );
        };
        let now = context.telemetry.now();
        let report = context.reported(live, REPORT_WINDOW);
        let seconds = |since: jiff::Timestamp| now.duration_since(since).as_secs_f64();
        match report {
            Some(load) if load.issued > 0 && seconds(load.since) > 0.0 => {
                Ok(times * load.issued as f64 / seconds(load.since))
            }
            _ => Err(format!(
                "the proxies report no traffic of {} whose rate could be taken: wait for it, or write rate: {{ perSecond: … }}",
                live.cluster
            )),
        }
    }

    /// The requests.
    async fn shots(&self, context: &Context, door: &Door) -> Result<Vec<Shot>, (Phase, String)> {
        let error = |why: String| (Phase::Error, why);
        let requests: Vec<(String, HttpRequest)> = match &self.check.data {
            Some(source) => {
                let rows =
                    data::load::<HttpRequest>(source, context, self.spec.measurement_timeout());
                let rows = rows.await.map_err(|why| error(why.to_string()))?;
                rows.into_iter()
                    .map(|row| (format!("line {}", row.line), row.value))
                    .collect()
            }
            None => self
                .check
                .requests
                .iter()
                .enumerate()
                .map(|(at, request)| (format!("requests[{at}]"), request.clone()))
                .collect(),
        };
        let variables = context.variables();
        let mut shots = Vec::with_capacity(requests.len());
        for (name, request) in &requests {
            // Host and headers are the same at every address; the address itself is the connection's.
            let ask = prepare(request, door, &variables, self.check.request_timeout.0)
                .map_err(|why| error(format!("{name}: {why}")))?;
            shots.push(Shot::from(ask));
        }
        if shots.is_empty() {
            return Err(error("there are no requests".to_owned()));
        }
        Ok(shots)
    }

    async fn drive(
        &self,
        context: &Context,
        which: Which,
        rate: f64,
    ) -> Result<Outcome, (Phase, String)> {
        let doors = context.doors(&self.spec, which).await;
        let doors = doors.map_err(|error| match which {
            Which::Candidate => (error.phase(), error.to_string()),
            Which::Baseline => (Phase::Error, error.to_string()),
        })?;
        // There is always one.
        let Some(door) = doors.first() else {
            return Err((Phase::Error, "there is no address".to_owned()));
        };
        let plan = Plan {
            addresses: doors.iter().map(|door| door.address).collect(),
            protocol: door.protocol,
            tls: (door.scheme == Scheme::Https).then(|| context.client.tls().clone()),
            shots: self.shots(context, door).await?,
            rate,
            warm_up: self.check.warm_up.map_or(Duration::ZERO, |it| it.0),
            duration: self.check.duration.0,
            connections: self.check.connections,
            timeout: self.check.request_timeout.0,
        };
        Ok(drive(plan).await)
    }

    /// What is wrong with the numbers.
    fn wrong(&self, candidate: &Outcome, live: Option<&Outcome>) -> Vec<String> {
        let limits = &self.check.limits;
        let mut wrong = Vec::new();
        let rate = candidate.error_rate();
        let most = limits.error_rate.unwrap_or(0.0);
        // A limit relative to live alone leaves the absolute rate open.
        let absolute = limits.error_rate.is_some() || limits.error_rate_over_live.is_none();
        if absolute && rate > most {
            wrong.push(format!(
                "{:.2}% failed, more than {:.2}% ({})",
                rate * 100.0,
                most * 100.0,
                candidate.errors_text()
            ));
        }
        if let (Some(over), Some(live)) = (limits.error_rate_over_live, live)
            && rate - live.error_rate() > over
        {
            wrong.push(format!(
                "{:.2}% failed ({}), of live's {:.2}%",
                rate * 100.0,
                candidate.errors_text(),
                live.error_rate() * 100.0
            ));
        }
        for (percentile, limit) in &limits.latency {
            let Some(found) = candidate.latency(*percentile) else {
                wrong.push(format!("{percentile} is unknown: nothing was answered"));
                continue;
            };
            if let Some(maximum) = limit.maximum
                && found > maximum.0
            {
                wrong.push(format!(
                    "{percentile} is {}, more than {maximum}",
                    milliseconds(found)
                ));
            }
            if let (Some(times), Some(live)) = (limit.times_live, live) {
                match live.latency(*percentile) {
                    Some(other) if found.as_secs_f64() > times * other.as_secs_f64() => {
                        wrong.push(format!(
                            "{percentile} is {}, more than {times} times live's {}",
                            milliseconds(found),
                            milliseconds(other)
                        ));
                    }
                    Some(_) => {}
                    None => wrong.push(format!(
                        "{percentile} of live is unknown: it answered nothing"
                    )),
                }
            }
        }
        wrong
    }
}

fn milliseconds(latency: Duration) -> String {
    format!("{:.1} ms", latency.as_secs_f64() * 1_000.0)
}

/// `15000 requests at 500.0/s, 0 failed, p50 1.2 ms, …`
fn summary(outcome: &Outcome) -> String {
    let mut parts = vec![
        format!("{} requests at {:.1}/s", outcome.requests, outcome.rate()),
        format!("{} failed", outcome.failed()),
    ];
    for name in SHOWN {
        if let Some(latency) = quantile(outcome, name) {
            parts.push(format!("{name} {}", milliseconds(latency)));
        }
    }
    parts.join(", ")
}

fn quantile(outcome: &Outcome, name: &str) -> Option<Duration> {
    let percentile: Percentile = name.parse().ok()?;
    outcome.latency(percentile)
}

/// The numbers of one side.
fn numbers(mut measurement: Measurement, prefix: &str, outcome: &Outcome) -> Measurement {
    measurement = measurement
        .with(format!("{prefix}requests"), outcome.requests as f64)
        .with(format!("{prefix}ratePerSecond"), outcome.rate())
        .with(format!("{prefix}errorRate"), outcome.error_rate());
    for name in SHOWN {
        if let Some(latency) = quantile(outcome, name) {
            measurement =
                measurement.with(format!("{prefix}latency.{name}"), latency.as_secs_f64());
        }
    }
    measurement
}

#[async_trait]
impl Check for Load {
    async fn measure(&self, context: &Context) -> Measurement {
        let of = |phase, message: String| Measurement::new(context.now(), phase, message);
        let rate = match self.rate(context) {
            Ok(rate) => rate,
            Err(why) => return of(Phase::Error, why),
        };
        let candidate = match self.drive(context, Which::Candidate, rate).await {
            Ok(outcome) => outcome,
            Err((phase, why)) => return of(phase, why),
        };
        // In a first release there is nobody to be compared with, which the message says.
        let alone = self.check.needs_live() && context.target.baseline.is_none();
        let live = match self
            .check
            .live_rate
            .filter(|_| self.check.needs_live() && !alone)
        {
            Some(rate) => match self.drive(context, Which::Baseline, rate).await {
                Ok(outcome) => Some(outcome),
                Err((phase, why)) => {
                    return of(phase, format!("live can't be compared with: {why}"));
                }
            },
            None => None,
        };
        let wrong = self.wrong(&candidate, live.as_ref());
        let said = match &live {
            None if alone => format!("{}; no live version to compare with", summary(&candidate)),
            None => summary(&candidate),
            Some(live) => format!("{}; live: {}", summary(&candidate), summary(live)),
        };
        let whole = HumanDuration(self.check.duration.0);
        let measurement = if wrong.is_empty() {
            of(Phase::Successful, format!("for {whole} {said}"))
        } else {
            of(
                Phase::Failed,
                format!("{}; for {whole} {said}", wrong.join("; ")),
            )
        };
        let measurement = numbers(measurement, "", &candidate);
        match &live {
            Some(live) => numbers(measurement, "live.", live),
            None => measurement,
        }
    }
}
