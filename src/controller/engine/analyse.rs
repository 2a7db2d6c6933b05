//! Runs the checks of a release, and stores what came of them before the release hears of it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use tokio::sync::watch;

use super::{
    super::{Clock, Handle},
    HeadRef, book,
    job::advance_for_sure,
};
use crate::{
    gates::{self, Context, Planned, RunOptions, Side, Target, Wish, client::Client, measuring},
    model::{
        Colour, Name, TypeUrl,
        check::{Analysis, CheckResult, CheckSpec, Decision, Phase},
    },
    release::{AnalysisRecord, Purpose, ServiceState, Signal, SignalKind},
    snapshot::{cluster_name, to_json},
    telemetry::Telemetry,
};

/// Monitors measure at this interval where nothing else says one: as in a bake.
const INTERVAL: Duration = crate::model::BAKE_INTERVAL;

/// Checks to be run, and all that they may see.
pub struct Job {
    /// What they are for.
    pub purpose: Purpose,
    /// The checks, as declared.
    pub checks: Vec<CheckSpec>,
    /// What is released.
    pub target: Arc<Target>,
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
                let check = measuring(&spec);
                Planned { spec, check }
            })
            .collect();
        let context = Context {
            target: job.target.clone(),
            client,
            telemetry: job.telemetry.clone(),
            decisions: job.decisions.clone(),
            files: job.files.clone(),
            clock: job.clock.clone(),
        };
        let options = match job.interval {
            Some(interval) => RunOptions {
                to_count: job.to_count,
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

/// What the analysis of a service's release is about, and where it can be followed.
pub(super) fn job(
    handle: &Handle,
    head: HeadRef<'_>,
    service: &ServiceState,
    purpose: Purpose,
    finish: watch::Receiver<bool>,
    decisions: watch::Receiver<Vec<Decision>>,
) -> (Job, watch::Receiver<Analysis>) {
    let clock = handle.0.shared.clock.clone();
    let rollout = service.rollout.as_deref();
    let checks = rollout.map_or_else(Vec::new, |it| it.checks(purpose).to_vec());
    let bake = rollout
        .and_then(|it| it.spec.as_deref())
        .and_then(|spec| spec.bake.as_ref())
        .map_or(INTERVAL, |bake| bake.interval.0);
    let interval = (purpose != Purpose::Validation).then_some(bake);
    let to_count = rollout.is_some_and(|rollout| !rollout.clock.is_running());
    let begun = Analysis::pending((clock)(), Vec::new());
    let (progress, following) = watch::channel(begun);
    let job = Job {
        purpose,
        checks,
        target: Arc::new(target(handle, head, service)),
        telemetry: handle.telemetry().clone(),
        decisions,
        interval,
        to_count,
        finish,
        files: handle.0.shared.check_data.clone(),
        clock,
        progress,
    };
    (job, following)
}

fn target(handle: &Handle, head: HeadRef<'_>, service: &ServiceState) -> Target {
    let rollout = service.rollout.as_deref();
    let to = rollout.map_or(service.live.other(), |rollout| rollout.to.colour);
    let from = rollout.and_then(|rollout| rollout.from.as_ref());
    let side = |colour: Colour| {
        let cluster = cluster_name(&service.name, colour).to_string();
        let deployment = service.environment(colour).deployment.as_ref();
        Side {
            colour,
            version: deployment.map_or_else(String::new, |it| it.version.clone()),
            endpoints: deployment.map_or_else(Vec::new, |it| it.addresses.clone()),
            since: deployment.and_then(|it| it.since),
            settings: head
                .snapshot
                .resource(TypeUrl::Cluster, &cluster)
                .map(|resource| to_json(resource)),
            cluster,
        }
    };
    let spec = &service.spec;
    let exact = |host: &&String| !host.contains('*');
    let proxies = spec.listener.as_ref().map_or_else(Vec::new, |listener| {
        let views = handle.ledger().proxies(&Default::default());
        let connected = views.iter().filter(|view| view.connected);
        let mut all: Vec<std::net::SocketAddr> = connected
            .filter_map(|view| view.info.address.parse::<std::net::SocketAddr>().ok())
            .map(|peer| std::net::SocketAddr::new(peer.ip(), listener.port))
            .collect();
        all.sort();
        all.dedup();
        all
    });
    let preview = service.shifting.preview.as_ref().and_then(|preview| {
        let here = preview.window.to == to && !preview.window.over;
        let name = HeaderName::try_from(&preview.header).ok()?;
        let value = HeaderValue::try_from(&preview.value).ok()?;
        here.then_some((name, value))
    });
    Target {
        fleet: handle.name().clone(),
        service: service.name.clone(),
        protocol: spec.cluster.protocol,
        host: spec.hosts.iter().find(exact).cloned(),
        candidate: side(to),
        baseline: from.map(|from| side(from.colour)),
        proxies,
        preview,
    }
}

/// Runs it, stores what came of it with the release's record, and tells the release.
pub(super) async fn run(handle: Handle, service: Name, release: u64, analysis: u64, mut job: Job) {
    let analyst = handle.0.shared.release.analyst.clone();
    let purpose = job.purpose;
    let ended = analyst.analyse(&mut job).await;
    // Whoever watches sees how the last check ended, too.
    job.progress.send_replace(ended.clone());
    handle.set_analysis(&service, release, purpose, ended.clone());
    let phase = ended.phase;
    let reason = match ended.message.as_str() {
        "" => format!("all {} checks are {phase}", ended.checks.len()),
        message => message.to_owned(),
    };
    tracing::info!(%service, release, analysis, %purpose, %phase, "{reason}");
    let record = AnalysisRecord {
        number: analysis,
        purpose,
        analysis: ended,
    };
    // A record that can't be kept must not hold up what protects users.
    if let Err(error) = book::update(&handle, &service, release, |it| it.analysed(record)).await {
        tracing::warn!(%service, release, %error, "what checks found is not in the record");
    }
    let kind = SignalKind::AnalysisEnded {
        analysis,
        phase,
        reason,
    };
    advance_for_sure(&handle, &service, Signal { release, kind }).await;
}
