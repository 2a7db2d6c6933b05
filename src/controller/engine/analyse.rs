//! Runs the checks of a release, and stores what came of them before the release hears of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use tokio::sync::watch;

use super::{placed::Placed, record, signal::advance_for_sure};
use crate::{
    controller::{
        handle::Handle,
        options::{Aim, Job},
    },
    fleet::Requirement,
    gates::{Side, Target},
    model::{
        Colour, Name, TypeUrl,
        check::{Analysis, Decision, Through},
    },
    release::{
        AnalysisRecord, Effect, EffectKind, Purpose, Rollout, ServiceState, Signal, SignalKind,
    },
    snapshot::{cluster_name, to_json},
    store::Head,
};

/// Monitors measure at this interval where nothing else says one: as in a bake.
const INTERVAL: Duration = crate::model::BAKE_INTERVAL;

/// What people said to the `manual` checks of a service's release.
pub(super) fn decisions(service: &ServiceState) -> Vec<Decision> {
    let rollout = service.rollout.as_deref();
    rollout.map_or_else(Vec::new, |rollout| rollout.decisions.clone())
}

/// The analysis of a service's release, and where it can be followed.
pub(super) fn job(
    handle: &Handle,
    service: &ServiceState,
    aim: Aim,
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
        aim,
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

/// Some of its checks ask the version through the proxies.
pub(super) fn goes_by_proxies(service: &ServiceState, effect: &Effect) -> bool {
    let (EffectKind::Analyse { purpose, .. }, Some(rollout)) =
        (&effect.kind, service.rollout.as_deref())
    else {
        return false;
    };
    let mut checks = rollout.checks(*purpose).iter();
    checks.any(|check| check.through == Through::Proxies)
}

/// What it is about, now and whenever it is asked again. The proxies are looked for only where checks go `through` them: there may
/// be thousands.
pub(super) fn aim(
    handle: &Handle,
    head: &Head,
    service: &ServiceState,
    placed: &Placed,
    through: bool,
) -> Aim {
    let since = Colour::BOTH.map(|colour| (colour, placed.since(&service.name, colour)));
    let since = BTreeMap::from(since);
    let number = |service: &ServiceState| service.rollout.as_deref().map(|it| it.number);
    let (handle, name, release) = (handle.clone(), service.name.clone(), number(service));
    let begun = Arc::new(target(&handle, head, service, &since, through));
    Arc::new(move || {
        let head = handle.head();
        let service = head.as_ref().and_then(|it| it.state.services.get(&name));
        match (&head, service) {
            (Some(head), Some(service)) if number(service) == release => {
                Arc::new(target(&handle, head, service, &since, through))
            }
            // Nobody waits for the run any more.
            _ => begun.clone(),
        }
    })
}

/// Where the proxies that are connected listen for the service: those that lead to the version that is previewed, and those that have
/// not accepted the preview's route and would answer with the live version. Of two at one address nobody can tell which answers.
fn with_preview(
    handle: &Handle,
    head: &Head,
    service: &ServiceState,
    port: u16,
) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    let views = handle.ledger().proxies(&Default::default());
    let preview = service.shifting.preview.as_ref();
    let proof = preview.map(|it| {
        let requirement = Requirement::weights(it.window.started_in);
        handle.standing(head, &requirement)
    });
    let lacking = proof.iter().flat_map(|proof| &proof.not_acked);
    let lacking: BTreeSet<&str> = lacking.map(|it| &*it.proxy).collect();
    let (mut leading, mut astray) = (BTreeSet::new(), BTreeSet::new());
    for view in views.iter().filter(|view| view.connected) {
        if let Ok(peer) = view.info.address.parse::<SocketAddr>() {
            let side = match lacking.contains(&*view.info.id) {
                true => &mut astray,
                false => &mut leading,
            };
            side.insert(SocketAddr::new(peer.ip(), port));
        }
    }
    let leading = leading.difference(&astray).copied().collect();
    (leading, astray.into_iter().collect())
}

fn target(
    handle: &Handle,
    head: &Head,
    service: &ServiceState,
    since: &BTreeMap<Colour, Option<Timestamp>>,
    through: bool,
) -> Target {
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
            since: since.get(&colour).copied().flatten(),
            settings: head
                .snapshot
                .resource(TypeUrl::Cluster, &cluster)
                .map(|resource| to_json(resource)),
            cluster,
        }
    };
    let spec = &service.spec;
    let exact = |host: &&String| !host.contains('*');
    let listener = spec.listener.as_ref().filter(|_| through);
    let (proxies, astray) = listener.map_or_else(Default::default, |listener| {
        with_preview(handle, head, service, listener.port)
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
        astray,
        step: rollout.and_then(Rollout::at_step),
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
    if let Err(error) = record::update(&handle, &service, release, |it| it.analysed(record)).await {
        tracing::warn!(%service, release, %error, "what checks found is not in the record");
    }
    let kind = SignalKind::AnalysisEnded {
        analysis,
        phase,
        reason,
    };
    advance_for_sure(&handle, &service, Signal { release, kind }).await;
}
