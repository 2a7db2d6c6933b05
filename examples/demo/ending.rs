//! What is left of the demo when the load has ended: what the report is made from.

use std::{collections::BTreeMap, time::Instant};

use crate::{
    control_plane::{Proof, Ran},
    envoy::{Envoy, EnvoyError},
    load::Report,
};

/// Envoy's counters that must stay 0: no host could be reached, a server error, no route, no cluster for one.
pub const FAULTS: [&str; 4] = [
    "upstream_cx_connect_fail",
    "upstream_rq_5xx",
    "no_route",
    "no_cluster",
];

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

/// What the report is made from.
#[derive(Debug)]
pub struct Ending {
    /// What became of every request.
    pub load: Report,
    /// Every switch and rollback, in order.
    pub flips: Vec<Flip>,
    /// What the chart marks.
    pub marks: Vec<Mark>,
    /// Requests that each proxy sent on to the models.
    pub shares: Vec<(String, u64)>,
    /// Envoy's own counters of what must not happen, added up over the fleet.
    pub faults: BTreeMap<&'static str, u64>,
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
        envoys: &[Envoy],
    ) -> Result<Self, EnvoyError> {
        let mut shares = Vec::new();
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
            for (fault, total) in &mut faults {
                *total += sum("", &format!(".{fault}"));
            }
        }
        Ok(Self {
            load,
            flips,
            marks,
            shares,
            faults,
        })
    }
}
