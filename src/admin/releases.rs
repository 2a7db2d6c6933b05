//! Releases: begin one, tell it what to do, and read what became of it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tonic::Status;

use super::{
    commands::Call,
    convert,
    errors::{bad_input, internal, refused, unreadable},
    named, release_markdown, views,
};
use crate::{
    api::{self, steer_request},
    controller::{Command, Controllers, Handle},
    model::{
        Name, Promotion,
        check::{Analysis, CheckKind, CheckResult, Phase, Verdict},
    },
    release::{Purpose, Reason, Refusal, ReleaseRecord, Rollout, ServiceState, Verb},
};

/// Releases of an answer where the client names no limit.
const DEFAULT_LIMIT: usize = 50;

impl Call {
    pub fn release(
        controllers: &Controllers,
        request: api::ReleaseRequest,
    ) -> Result<Self, Status> {
        Self::on_service(controllers, request.meta, &request.service, |service| {
            let promotion = match api::Promotion::try_from(request.promotion) {
                Ok(api::Promotion::Unspecified) => None,
                Ok(api::Promotion::Manual) => Some(Promotion::Manual),
                Ok(api::Promotion::Automatic) => Some(Promotion::Automatic),
                Err(_) => {
                    return Err(bad_input(
                        format!("promotion {} is unknown", request.promotion),
                        "use manual or automatic",
                    ));
                }
            };
            Ok(Command::Release {
                service,
                version: convert::version(request.version)?,
                endpoints: convert::endpoints(&request.endpoints)?,
                promotion,
                replace_standby: request.replace_standby,
            })
        })
    }

    pub fn steer(controllers: &Controllers, request: api::SteerRequest) -> Result<Self, Status> {
        let told = told(&request)?;
        Self::on_service(controllers, request.meta, &request.service, |service| {
            Ok(match told {
                Told::Steer(verb) => Command::Steer { service, verb },
                Told::Decide(verdict) => Command::Decide {
                    check: match request.check.as_str() {
                        "" => only_manual_check(controllers, &service)?,
                        named => convert::name("check", named)?,
                    },
                    service,
                    verdict,
                    step: Some(request.step).filter(|step| *step > 0),
                },
            })
        })
    }
}

/// What is told: to the release, or to one of its checks.
enum Told {
    Steer(Verb),
    Decide(Verdict),
}

fn told(request: &api::SteerRequest) -> Result<Told, Status> {
    Ok(Told::Steer(
        match steer_request::Verb::try_from(request.verb) {
            Ok(steer_request::Verb::Validate) => Verb::Validate,
            Ok(steer_request::Verb::Pause) => Verb::Pause,
            Ok(steer_request::Verb::Resume) => Verb::Resume,
            Ok(steer_request::Verb::SkipMonitors) => Verb::SkipMonitors,
            Ok(steer_request::Verb::Abort) => Verb::Abort,
            Ok(steer_request::Verb::Retry) => Verb::Retry,
            Ok(steer_request::Verb::Extend) => Verb::Extend {
                by: Duration::from_millis(request.extend_ms),
            },
            Ok(steer_request::Verb::Approve) => return Ok(Told::Decide(Verdict::Approved)),
            Ok(steer_request::Verb::Reject) => return Ok(Told::Decide(Verdict::Rejected)),
            Ok(steer_request::Verb::Unspecified) | Err(_) => {
                return Err(bad_input(
                    format!("a release can't be told {}", request.verb),
                    "say validate, pause, resume, skip monitors, abort, retry, extend, approve or reject",
                ));
            }
        },
    ))
}

/// The `manual` checks of a service's release that ask people now; where none does, all that it has: a decision may be told
/// again.
fn manual_checks(controllers: &Controllers, service: &str) -> Vec<Name> {
    let Some(handle) = controllers.fleet_of_service(service) else {
        return Vec::new();
    };
    let head = handle.head();
    let mut services = head.iter().flat_map(|head| head.state.services.values());
    let Some(state) = services.find(|state| state.name.as_str() == service) else {
        return Vec::new();
    };
    let Some(rollout) = state.rollout.as_deref() else {
        return Vec::new();
    };
    // Those of different phases may have one name.
    let manual: BTreeSet<Name> = Purpose::ALL
        .into_iter()
        .flat_map(|purpose| rollout.checks(purpose))
        .filter(|check| matches!(check.kind, CheckKind::Manual(_)))
        .map(|check| check.name.clone())
        .collect();
    let progress = handle.release_progress(&state.name);
    let progress = progress.filter(|progress| progress.release == rollout.number);
    let asks = |check: &&Name| {
        let analysis = progress.as_ref().and_then(|it| it.analysis.as_ref());
        let result = analysis.and_then(|(_, analysis)| analysis.check(check.as_str()));
        result.is_some_and(|result| result.phase == Phase::Running)
    };
    let asking: Vec<Name> = manual.iter().filter(asks).cloned().collect();
    match asking.is_empty() {
        true => manual.into_iter().collect(),
        false => asking,
    }
}

/// The only check of a service's release that a decision can mean.
fn only_manual_check(controllers: &Controllers, service: &Name) -> Result<Name, Status> {
    let names = manual_checks(controllers, service.as_str());
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(nothing_to_decide(controllers, service)),
        several => {
            let names: Vec<&str> = several.iter().map(Name::as_str).collect();
            Err(bad_input(
                "the release has several manual checks",
                format!("name one of them with --check: {}", names.join(", ")),
            ))
        }
    }
}

/// Nobody is asked for a decision: by the release that is on its way, or because there is none.
fn nothing_to_decide(controllers: &Controllers, service: &Name) -> Status {
    let head = controllers
        .fleet_of_service(service.as_str())
        .and_then(|handle| handle.head());
    let state = head
        .as_ref()
        .and_then(|head| head.state.services.get(service));
    let rollout = state.and_then(|state| state.rollout.as_deref());
    match rollout.filter(|rollout| !rollout.is_over()) {
        Some(rollout) => bad_input(
            format!(
                "release {} of {service} has no manual check",
                rollout.number
            ),
            format!("`bluegreen status {service}` shows its checks"),
        ),
        None => refused(&Refusal::new(
            Reason::NoRelease,
            format!("{service} has no release on its way that one could decide"),
            format!(
                "begin one: `bluegreen release {service} --version VERSION --endpoint HOST:PORT`"
            ),
        )),
    }
}

/// Releases of a service, newest first, or one with its record.
pub(super) async fn get(
    controllers: &Controllers,
    request: &api::GetReleasesRequest,
) -> Result<api::GetReleasesResponse, Status> {
    let service = convert::name("service", &request.service)?;
    let handle = named::service(controllers, service.as_str())?;
    let (store, fleet) = (controllers.store(), handle.name());
    let head = handle.head();
    let state = head
        .as_ref()
        .and_then(|head| head.state.services.get(&service));
    let current = state.and_then(|state| state.rollout.as_deref());
    let waiting = |number: u64| {
        let current = current.is_some_and(|current| current.number == number);
        current && state.is_some_and(|state| state.waits_for_command())
    };
    if request.number > 0 {
        let record = store
            .release(fleet, &service, request.number)
            .await
            .map_err(unreadable)?;
        let record = brought_up_to_date(record, current, fleet, &service, request.number);
        let record = record.ok_or_else(|| missing(&service, request.number))?;
        return Ok(api::GetReleasesResponse {
            releases: vec![whole(&record, waiting(request.number))?],
        });
    }
    let limit = match request.limit as usize {
        0 => DEFAULT_LIMIT,
        limit => limit,
    };
    let mut records = store
        .releases(fleet, &service, limit)
        .await
        .map_err(unreadable)?;
    if let Some(current) = current {
        let known = records
            .iter()
            .position(|record| record.rollout.number == current.number);
        let known = known.map(|at| records.remove(at));
        records.extend(brought_up_to_date(
            known,
            Some(current),
            fleet,
            &service,
            current.number,
        ));
        records.sort_by_key(|record| std::cmp::Reverse(record.rollout.number));
        records.truncate(limit);
    }
    Ok(api::GetReleasesResponse {
        releases: records
            .iter()
            .map(|record| summary(record, waiting(record.rollout.number)))
            .collect(),
    })
}

/// A record is kept a moment after the commit that it tells of, so where the release stands comes from the state.
fn brought_up_to_date(
    record: Option<Arc<ReleaseRecord>>,
    current: Option<&Rollout>,
    fleet: &Name,
    service: &Name,
    number: u64,
) -> Option<Arc<ReleaseRecord>> {
    let Some(current) = current.filter(|current| current.number == number) else {
        return record;
    };
    let mut record = record.map_or_else(
        || ReleaseRecord::new(fleet.clone(), service.clone(), current.clone()),
        Arc::unwrap_or_clone,
    );
    record.rollout = current.clone();
    Some(Arc::new(record))
}

fn missing(service: &Name, number: u64) -> Status {
    refused(&Refusal::new(
        Reason::NotFound,
        format!("{service} has no release {number}, or its record is no longer kept"),
        format!("see `bluegreen releases {service}` for those that are kept"),
    ))
}

fn summary(record: &ReleaseRecord, waits: bool) -> api::ReleaseSummary {
    let rollout = &record.rollout;
    let mut status = status(rollout);
    status.waits_for_command = waits;
    if let Some(last) = record.analyses.last() {
        status.checks = check_statuses(last.purpose, &last.analysis);
    }
    api::ReleaseSummary {
        service: record.service.to_string(),
        fleet: record.fleet.to_string(),
        status: Some(status),
        begun: views::time(rollout.begun),
        by: rollout.by.clone(),
        why: rollout.why.clone(),
        waived: rollout.waived.clone(),
        ..Default::default()
    }
}

fn whole(record: &ReleaseRecord, waits: bool) -> Result<api::ReleaseSummary, Status> {
    let json = serde_json::to_string(record)
        .map_err(|error| internal(format!("the record can't be written: {error}")))?;
    Ok(api::ReleaseSummary {
        json,
        markdown: release_markdown::of(record),
        ..summary(record, waits)
    })
}

/// Where the release of a service stands at this moment, with the checks that run, or ran last.
pub(super) fn now(
    handle: &Handle,
    service: &ServiceState,
    rollout: &Rollout,
) -> api::ReleaseStatus {
    let mut status = status(rollout);
    status.waits_for_command = service.waits_for_command();
    let progress = handle.release_progress(&service.name);
    let Some(progress) = progress.filter(|progress| progress.release == rollout.number) else {
        return status;
    };
    if rollout.clock.is_running() {
        let more = u64::try_from(progress.elapsed(rollout).as_millis()).unwrap_or(u64::MAX);
        status.elapsed_ms = status.elapsed_ms.saturating_add(more).min(status.limit_ms);
        status.time_waits_for = progress.waits_for(rollout).unwrap_or_default().to_owned();
    }
    status.stuck = progress.stuck(rollout).unwrap_or_default().to_owned();
    if let Some((purpose, analysis)) = &progress.analysis {
        status.checks = check_statuses(*purpose, analysis);
    }
    status
}

fn check_statuses(purpose: Purpose, analysis: &Analysis) -> Vec<api::CheckStatus> {
    let checks = analysis.checks.iter();
    checks.map(|check| check_status(check, purpose)).collect()
}

/// Where a release stands, without its checks and what it waits for.
fn status(rollout: &Rollout) -> api::ReleaseStatus {
    let version = |side: Option<&crate::release::Side>| {
        side.map(|side| side.version.clone()).unwrap_or_default()
    };
    api::ReleaseStatus {
        number: rollout.number,
        from_version: version(rollout.from.as_ref()),
        to_version: rollout.to.version.clone(),
        phase: rollout.phase.to_string(),
        revision: rollout.moved_in.map_or(0, |revision| revision.0),
        at: views::time(rollout.since),
        reason: rollout.reason.clone(),
        since: views::time(rollout.since),
        elapsed_ms: rollout.clock.elapsed_ms,
        limit_ms: rollout.clock.limit_ms,
        log: rollout
            .log
            .iter()
            .map(|entry| api::ReleaseStep {
                at: views::time(entry.at),
                revision: entry.revision.0,
                phase: entry.phase.to_string(),
                reason: entry.reason.clone(),
                by: entry.by.clone(),
                weight: entry.weight,
            })
            .collect(),
        checks: Vec::new(),
        over: rollout.is_over(),
        waits_for_command: false,
        time_waits_for: String::new(),
        stuck: String::new(),
    }
}

/// How far a check is.
fn check_status(check: &CheckResult, purpose: Purpose) -> api::CheckStatus {
    api::CheckStatus {
        name: check.name.to_string(),
        kind: check.kind.clone(),
        phase: check.phase.to_string(),
        message: check.told().to_owned(),
        measurements: check.tally.counted().saturating_add(check.tally.errors),
        purpose: purpose.to_string(),
    }
}
