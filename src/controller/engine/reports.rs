//! Whose load reports come: monitors that read them know no more than was reported.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    controller::handle::Handle,
    release::{Purpose, Rollout, RolloutPhase},
};

/// One report may be late, and a second lost with its stream; who misses so many in a row does not report.
const MISSED: u32 = 3;

/// Who reported when, by the time of these looks: the clock that reports are stamped with may jump.
#[derive(Default)]
pub(super) struct Reports {
    heard: BTreeMap<Arc<str>, Heard>,
    /// Those whose reports come.
    coming: Vec<Arc<str>>,
}

struct Heard {
    /// As the report was stamped.
    stamp: Option<Timestamp>,
    at: Instant,
}

impl Reports {
    /// Looks at what has come since the last look.
    pub fn look(&mut self, handle: &Handle) {
        let now = Instant::now();
        let limit = handle.0.shared.release.report_interval * MISSED;
        let reporters = handle.telemetry().reporters();
        self.heard
            .retain(|proxy, _| reporters.binary_search_by(|it| it.proxy.cmp(proxy)).is_ok());
        self.coming.clear();
        for reporter in reporters {
            let stamp = reporter.last_report;
            let heard = self.heard.entry(reporter.proxy.clone());
            let heard = heard.or_insert(Heard { stamp, at: now });
            if heard.stamp != stamp {
                *heard = Heard { stamp, at: now };
            }
            if reporter.streams > 0 && heard.at + limit > now {
                self.coming.push(reporter.proxy);
            }
        }
    }

    /// Whether the proxy's reports come.
    pub fn come_from(&self, proxy: &Arc<str>) -> bool {
        self.coming.binary_search(proxy).is_ok()
    }

    /// Why monitors that read reports know too little; None: at least half of the proxies that ever reported do so now. Those
    /// that never did, because their bootstrap asks for no load reports, are not counted on.
    pub fn missing(&self) -> Option<String> {
        let (coming, heard) = (self.coming.len(), self.heard.len());
        match heard {
            0 => Some(
                "no proxy reports its load, which the monitors read: bootstraps need `load_stats_config`"
                    .to_owned(),
            ),
            _ if coming == 0 || 2 * coming < heard => Some(format!(
                "{coming} of {heard} proxies report their load, which the monitors read"
            )),
            _ => None,
        }
    }
}

/// The monitors of the release's phase read what proxies report of their load.
pub(super) fn are_needed(rollout: &Rollout) -> bool {
    let purpose = match rollout.phase {
        RolloutPhase::Shadowing => Purpose::Shadow,
        RolloutPhase::Shifting => Purpose::Step,
        RolloutPhase::Baking => Purpose::Bake,
        _ => return false,
    };
    let mut checks = rollout.checks(purpose).iter();
    checks.any(|check| check.kind.reads_load_reports())
}
