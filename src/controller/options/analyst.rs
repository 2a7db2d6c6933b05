//! Who runs the checks of a release.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

use super::clock::Clock;
use crate::{
    gates::{
        self, Check, Context, Planned, RunOptions, Target, Undecided, Wish, client::Client,
        measuring,
    },
    model::check::{Analysis, CheckResult, CheckSpec, Decision, Measurement, Phase},
    release::Purpose,
    telemetry::Telemetry,
};

/// What is released, as it is at the moment in which that is asked: endpoints move and proxies come while checks run.
pub type Aim = Arc<dyn Fn() -> Arc<Target> + Send + Sync>;

/// Checks to be run, and all that they may see.
pub struct Job {
    /// What they are for.
    pub purpose: Purpose,
    /// The checks, as declared.
    pub checks: Vec<CheckSpec>,
    /// What is released.
    pub aim: Aim,
    /// What the proxies of the fleet report.
    pub telemetry: Arc<Telemetry>,
    /// What people said to `manual` checks.
    pub decisions: watch::Receiver<Vec<Decision>>,
    /// The interval of checks that have none; None: they measure once.
    pub interval: Option<Duration>,
    /// They have no time of their own: those with a count come to it, whatever [`Job::finish`] says.
    pub to_count: bool,
    /// True: their time is over, and checks that would go on give their last word.
    pub finish: watch::Receiver<bool>,
    /// The folder of check data, if the server has one.
    pub files: Option<Arc<PathBuf>>,
    /// The time of day.
    pub clock: Clock,
    /// Where the newest state is published.
    pub progress: watch::Sender<Analysis>,
}

/// Who runs checks.
#[async_trait]
pub trait Analyst: Send + Sync {
    /// Runs them to their end. Dropped, the run stops at once.
    async fn analyse(&self, job: &mut Job) -> Analysis;
}

/// Runs checks from this server.
pub struct GateAnalyst {
    /// Makes their requests; None: the TLS library can't be used.
    pub client: Option<Client>,
}

impl Default for GateAnalyst {
    fn default() -> Self {
        Self {
            client: Client::new().ok(),
        }
    }
}

#[async_trait]
impl Analyst for GateAnalyst {
    async fn analyse(&self, job: &mut Job) -> Analysis {
        let Some(client) = self.client.clone() else {
            return all(
                job,
                Phase::Error,
                "this server can't make requests: its TLS library can't be used",
            );
        };
        let planned: Vec<Planned> = job
            .checks
            .iter()
            .map(|spec| {
                let spec = Arc::new(spec.clone());
                let (check, aim) = (measuring(&spec), job.aim.clone());
                let check = Arc::new(Aimed { check, aim });
                Planned { spec, check }
            })
            .collect();
        let context = Context {
            target: (job.aim)(),
            client,
            telemetry: job.telemetry.clone(),
            decisions: job.decisions.clone(),
            files: job.files.clone(),
            clock: job.clock.clone(),
        };
        let options = match job.interval {
            Some(interval) => RunOptions {
                to_count: job.to_count,
                undecided: undecided(job.purpose),
                ..RunOptions::monitors(interval)
            },
            None => RunOptions::gates(),
        };
        job.progress
            .send_replace(gates::pending(&planned, &context));
        let (wishing, wishes) = watch::channel(wish(*job.finish.borrow_and_update()));
        let mut run = std::pin::pin!(gates::run(
            &planned,
            &context,
            options,
            wishes,
            &job.progress
        ));
        loop {
            tokio::select! {
                analysis = &mut run => return analysis,
                changed = job.finish.changed() => {
                    if changed.is_err() {
                        return run.await;
                    }
                    wishing.send_replace(wish(*job.finish.borrow_and_update()));
                }
            }
        }
    }
}

/// A check that looks at each measurement where the versions are now.
struct Aimed {
    check: Arc<dyn Check>,
    aim: Aim,
}

#[async_trait]
impl Check for Aimed {
    async fn measure(&self, context: &Context) -> Measurement {
        let context = Context {
            target: (self.aim)(),
            ..context.clone()
        };
        self.check.measure(&context).await
    }

    fn waits_for(&self, context: &Context) -> String {
        self.check.waits_for(context)
    }
}

/// Traffic does not move to a version of which nothing was seen. Once all of it has moved, a quiet time is no reason to stop: the way
/// back stays for as long as the standby does.
fn undecided(purpose: Purpose) -> Undecided {
    match purpose {
        Purpose::Bake => Undecided::Passes,
        Purpose::Step => Undecided::GoesOn,
        // A mirror ends with its time.
        Purpose::Shadow | Purpose::Validation => Undecided::Ends,
    }
}

fn wish(finish: bool) -> Wish {
    if finish { Wish::Finish } else { Wish::Run }
}

/// All checks ended so, none of them measured.
fn all(job: &Job, phase: Phase, why: &str) -> Analysis {
    let now = (job.clock)();
    let pending = |check: &CheckSpec| CheckResult::pending(check.name.clone(), check.kind.as_str());
    let mut analysis = Analysis::pending(now, job.checks.iter().map(pending).collect());
    for at in 0..analysis.checks.len() {
        let mut result = analysis.checks[at].as_ref().clone();
        result.end(now, phase, why);
        analysis.update(at, result, now);
    }
    analysis
}
