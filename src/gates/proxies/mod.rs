//! The `proxies` check: what the proxies report of both versions, and what the model servers say of themselves.

mod judge;
mod report;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;

use self::{
    judge::{Sides, judge},
    report::ClusterReport,
};
use super::{Check, Context, Side};
use crate::model::check::{Measurement, ProxiesCheck};

/// How far back the other version is looked at, if it had too little traffic of late: after a switch it has none, and is
/// compared by what it had before.
const EARLIER: [Duration; 3] = [
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
];

/// A declared `proxies` check.
pub(super) struct Proxies(ProxiesCheck);

impl Proxies {
    pub(super) fn new(check: ProxiesCheck) -> Self {
        Self(check)
    }
}

#[async_trait]
impl Check for Proxies {
    async fn measure(&self, context: &Context) -> Measurement {
        let target = &context.target;
        let window = self.0.window.0;
        let candidate = report(context, &target.candidate, window);
        let baseline = target
            .baseline
            .as_ref()
            .map(|side| (side.cluster.as_str(), self.baseline(context, side)));
        let sides = Sides {
            candidate: (&target.candidate.cluster, candidate),
            baseline,
        };
        judge(&self.0, &sides).at(context.now())
    }
}

impl Proxies {
    /// Of the shortest time in which there is enough.
    fn baseline(&self, context: &Context, side: &Side) -> ClusterReport {
        let window = self.0.window.0;
        let mut found = report(context, side, window);
        for earlier in EARLIER.into_iter().filter(|earlier| *earlier > window) {
            if found.ended() >= self.0.minimum_samples {
                break;
            }
            found = report(context, side, earlier);
        }
        found
    }
}

fn report(context: &Context, side: &Side, window: Duration) -> ClusterReport {
    ClusterReport::new(context.reported(side, window), window)
}
