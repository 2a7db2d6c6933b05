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
            let sent = self.load.origin + sample.sent;
            sample.own_error().is_some_and(|by| **by == *ill.version)
                && (ill.since..ill.until).contains(&sent)
        })
    }
}
