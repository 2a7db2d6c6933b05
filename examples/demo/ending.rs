//! What is left of the demo when the load has ended: what the report is made from.

use std::{collections::BTreeMap, time::Instant};

use crate::{
    control_plane::{Proof, Ran},
    envoy::{Envoy, EnvoyError},
    load::{Failure, Report, Sample},
};

/// Envoy's counters that must stay 0: no host could be reached, no route, no cluster for one.
pub const FAULTS: [&str; 3] = ["upstream_cx_connect_fail", "no_route", "no_cluster"];

/// Envoy's counter of server errors, its own and those of the models; `name/blue` and `name/green` have one each.
const SERVER_ERRORS: &str = ".upstream_rq_5xx";

/// One switch or rollback.
#[derive(Debug)]
pub struct Flip {
    /// The verb.
    pub verb: &'static str,
    /// The version that had the traffic.
    pub from: &'static str,
    /// The version that has it now.
    pub to: &'static str,
    /// The proof, and when the command ran.
    pub ran: Ran<Proof>,
}

/// Something that is marked in the chart.
#[derive(Debug)]
pub struct Mark {
    /// When.
    pub at: Instant,
    /// What, in a word or two.
    pub what: &'static str,
}

/// A time in which a version was made to answer some requests with errors.
#[derive(Clone, Copy, Debug)]
pub struct Illness {
    /// The version.
    pub version: &'static str,
    /// Before it was told to.
    pub since: Instant,
    /// When it had no traffic any more.
    pub until: Instant,
}

/// What the report is made from.
#[derive(Debug)]
pub struct Ending {
    /// What became of every request.
    pub load: Report,
    /// Every switch and rollback, in order.
    pub flips: Vec<Flip>,
    /// What the chart marks.
    pub marks: Vec<Mark>,
    /// Which version was made ill, and when.
    pub illness: Option<Illness>,
    /// Requests that each proxy sent on to the models.
    pub shares: Vec<(String, u64)>,
    /// Envoy's own counters of what must not happen, added up over the fleet.
    pub faults: BTreeMap<&'static str, u64>,
    /// Server errors that the Envoys counted, added up over the fleet.
    pub server_errors: u64,
}

impl Ending {
    /// Asks every proxy for its counters.
    ///
    /// # Errors
    /// If one does not answer.
    pub async fn gather(
        load: Report,
        flips: Vec<Flip>,
        marks: Vec<Mark>,
        illness: Option<Illness>,
        envoys: &[Envoy],
    ) -> Result<Self, EnvoyError> {
        let mut shares = Vec::new();
        let mut server_errors = 0;
        let mut faults = BTreeMap::from(FAULTS.map(|name| (name, 0)));
        for envoy in envoys {
            let stats = envoy.stats(r"^(cluster\.fraud-model|vhost|http)").await?;
            let sum = |prefix: &str, suffix: &str| -> u64 {
                let of = |name: &str| name.starts_with(prefix) && name.ends_with(suffix);
                stats
                    .iter()
                    .filter(|(name, _)| of(name))
                    .map(|(_, value)| value)
                    .sum()
            };
            shares.push((
                envoy.node().to_owned(),
                sum("cluster.", ".upstream_rq_total"),
            ));
            for colour in ["blue", "green"] {
                let counter = format!("cluster.fraud-model/{colour}{SERVER_ERRORS}");
                server_errors += stats.get(&counter).copied().unwrap_or_default();
            }
            for (fault, total) in &mut faults {
                *total += sum("", &format!(".{fault}"));
            }
        }
        Ok(Self {
            load,
            flips,
            marks,
            illness,
            shares,
            faults,
            server_errors,
        })
    }

    /// Requests that the version that was made ill itself answered with an error, while it was: they are what it was taken
    /// back for. The answer carries the version's name, which no answer of a proxy does.
    pub fn model_errors(&self) -> usize {
        let samples = self.load.samples.iter();
        samples.filter(|sample| self.is_model_error(sample)).count()
    }

    /// All other requests that failed, by kind: those that a switch, a rollback or a crash would have to answer for.
    pub fn failures(&self) -> BTreeMap<Failure, usize> {
        let mut failures = BTreeMap::new();
        for sample in &self.load.samples {
            if let Err(failure) = sample.outcome
                && !self.is_model_error(sample)
            {
                *failures.entry(failure).or_default() += 1;
            }
        }
        failures
    }

    fn is_model_error(&self, sample: &Sample) -> bool {
        self.illness.is_some_and(|ill| {
            // One that was sent before may have reached the version after it was made ill.
            let at = |since_origin| self.load.origin + since_origin;
            sample.own_error().is_some_and(|by| **by == *ill.version)
                && at(sample.sent) < ill.until
                && at(sample.done) >= ill.since
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    /// A version that is ill from the second second to the fourth, and an error with that name on it.
    fn told(name: &str, sent: u64, done: u64) -> (usize, usize) {
        let origin = Instant::now();
        let at = Duration::from_secs;
        let sample = Sample {
            due: at(sent),
            sent: at(sent),
            done: at(done),
            outcome: Err(Failure::Status(500)),
            by: (!name.is_empty()).then(|| Arc::from(name)),
        };
        let ending = Ending {
            load: Report {
                origin,
                samples: vec![sample],
            },
            flips: Vec::new(),
            marks: Vec::new(),
            illness: Some(Illness {
                version: "v2",
                since: origin + at(2),
                until: origin + at(4),
            }),
            shares: Vec::new(),
            faults: BTreeMap::new(),
            server_errors: 0,
        };
        (ending.model_errors(), ending.failures().len())
    }

    #[test]
    fn an_error_of_a_version_is_its_own_while_it_is_ill_and_nobody_elses() {
        assert_eq!(told("v2", 3, 3), (1, 0));
        assert_eq!(told("v2", 1, 3), (1, 0), "on its way when it fell ill");
        for (name, sent, done) in [("v1", 3, 3), ("", 3, 3), ("v2", 0, 1), ("v2", 5, 5)] {
            assert_eq!(told(name, sent, done), (0, 1), "{name} {sent} {done}");
        }
    }
}
