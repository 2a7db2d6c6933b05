//! Releases: begin one, tell it what to do, and read what became of it.

use std::{sync::Arc, time::Duration};

use tonic::Status;

use super::{
    commands::Call,
    convert,
    errors::{bad_input, internal, not_found, refused, unreadable},
    release_markdown, views,
};
use crate::{
    api::{self, steer_request},
    controller::{Command, Controllers, Handle, Verb},
    model::{
        Name, Promotion,
        check::{CheckKind, CheckResult, Verdict},
    },
    release::{Purpose, Reason, Refusal, ReleaseRecord, Rollout, RolloutPhase},
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
        let waiting = manual_checks(controllers, &request.service);
        Self::on_service(controllers, request.meta, &request.service, |service| {
            Ok(match told {
                Told::Steer(verb) => Command::Steer { service, verb },
                Told::Decide(verdict) => Command::Decide {
                    service,
                    check: named_or_only(&request.check, waiting)?,
                    verdict,
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
                    "say validate, pause, resume, abort, retry, extend, approve or reject",
                ));
            }
        },
    ))
}

/// The `manual` checks that the release of a service has.
fn manual_checks(controllers: &Controllers, service: &str) -> Vec<Name> {
    let head = controllers
        .fleet_of_service(service)
        .and_then(|handle| handle.head());
    let Some(head) = head else {
        return Vec::new();
    };
    let rollout = head
        .state
        .services
        .iter()
        .find(|(name, _)| name.as_str() == service)
        .and_then(|(_, state)| state.rollout.as_deref());
    let checks = rollout.into_iter().flat_map(|rollout| {
        Purpose::ALL
            .into_iter()
            .flat_map(|purpose| rollout.checks(purpose))
    });
    checks
        .filter(|check| matches!(check.kind, CheckKind::Manual(_)))
        .map(|check| check.name.clone())
        .collect()
}

/// The check that is named, or the only one there is to mean.
fn named_or_only(named: &str, waiting: Vec<Name>) -> Result<Name, Status> {
    match (named, waiting.as_slice()) {
        ("", [only]) => Ok(only.clone()),
        ("", []) => Err(bad_input(
            "the release has no manual check",
            "`bluegreen status SERVICE` shows its checks",
        )),
        ("", several) => {
            let names: Vec<&str> = several.iter().map(Name::as_str).collect();
            Err(bad_input(
                "the release has several manual checks",
                format!("name one of them with --check: {}", names.join(", ")),
            ))
        }
        (named, _) => convert::name("check", named),
    }
}

/// Releases of a service, newest first, or one with its record.
pub(super) async fn get(
    controllers: &Controllers,
    request: &api::GetReleasesRequest,
) -> Result<api::GetReleasesResponse, Status> {
    let service = convert::name("service", &request.service)?;
    let handle = controllers
        .fleet_of_service(service.as_str())
        .ok_or_else(|| not_found("service", &request.service))?;
    let (store, fleet) = (controllers.store(), handle.name());
    let head = handle.head();
    let current = head
        .as_ref()
        .and_then(|head| head.state.services.get(&service))
        .and_then(|state| state.rollout.as_deref());
    if request.number > 0 {
        let record = store
            .release(fleet, &service, request.number)
            .await
            .map_err(unreadable)?;
        let record = brought_up_to_date(record, current, fleet, &service, request.number);
        let record = record.ok_or_else(|| missing(&service, request.number))?;
        return Ok(api::GetReleasesResponse {
            releases: vec![whole(&record)?],
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
        releases: records.iter().map(|record| summary(record)).collect(),
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

fn summary(record: &ReleaseRecord) -> api::ReleaseSummary {
    let rollout = &record.rollout;
    let mut status = status(rollout);
    status.checks = record.analyses.last().map_or_else(Vec::new, |last| {
        let checks = last.analysis.checks.iter();
        checks
            .map(|check| check_status(check, last.purpose.as_str()))
            .collect()
    });
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

fn whole(record: &ReleaseRecord) -> Result<api::ReleaseSummary, Status> {
    let json = serde_json::to_string(record)
        .map_err(|error| internal(format!("the record can't be written: {error}")))?;
    Ok(api::ReleaseSummary {
        json,
        markdown: release_markdown::of(record),
        ..summary(record)
    })
}

/// Where the release of a service stands at this moment, with the checks that run.
pub(super) fn now(handle: &Handle, service: &Name, rollout: &Rollout) -> api::ReleaseStatus {
    let mut status = status(rollout);
    let progress = handle.release_progress(service);
    let Some(progress) = progress.filter(|progress| progress.release == rollout.number) else {
        return status;
    };
    if rollout.clock.is_running() {
        let more = u64::try_from(progress.elapsed.as_millis()).unwrap_or(u64::MAX);
        status.elapsed_ms = status.elapsed_ms.saturating_add(more).min(status.limit_ms);
    }
    if let Some(analysis) = &progress.analysis {
        let purpose = last_purpose(rollout).map_or("", Purpose::as_str);
        let checks = analysis.checks.iter();
        status.checks = checks.map(|check| check_status(check, purpose)).collect();
    }
    status
}

/// What the checks are for that run, or ran last.
fn last_purpose(rollout: &Rollout) -> Option<Purpose> {
    let phases = rollout.log.iter().rev().map(|entry| entry.phase);
    phases.into_iter().find_map(|phase| match phase {
        RolloutPhase::Validating => Some(Purpose::Validation),
        RolloutPhase::Shadowing => Some(Purpose::Shadow),
        RolloutPhase::Shifting => Some(Purpose::Step),
        RolloutPhase::Baking => Some(Purpose::Bake),
        _ => None,
    })
}

/// Where a release stands, without its checks.
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
    }
}

/// How far a check is.
pub(super) fn check_status(check: &CheckResult, purpose: &str) -> api::CheckStatus {
    let last = check.measurements.last();
    api::CheckStatus {
        name: check.name.to_string(),
        kind: check.kind.clone(),
        phase: check.phase.to_string(),
        message: match check.message.as_str() {
            "" => last.map(|last| last.message.clone()).unwrap_or_default(),
            message => message.to_owned(),
        },
        measurements: check.tally.counted().saturating_add(check.tally.errors),
        purpose: purpose.to_owned(),
    }
}
