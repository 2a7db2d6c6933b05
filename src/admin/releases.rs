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
    api::{self, steer_request::Verb as Told},
    controller::{Command, Controllers, Verb},
    model::{Name, Promotion, check::CheckResult},
    release::{Reason, Refusal, ReleaseRecord, Rollout},
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
        let verb = verb(&request)?;
        Self::on_service(controllers, request.meta, &request.service, |service| {
            Ok(Command::Steer { service, verb })
        })
    }
}

fn verb(request: &api::SteerRequest) -> Result<Verb, Status> {
    match Told::try_from(request.verb) {
        Ok(Told::Validate) => Ok(Verb::Validate),
        Ok(Told::Pause) => Ok(Verb::Pause),
        Ok(Told::Resume) => Ok(Verb::Resume),
        Ok(Told::Abort) => Ok(Verb::Abort),
        Ok(Told::Retry) => Ok(Verb::Retry),
        Ok(Told::Extend) => Ok(Verb::Extend {
            by: Duration::from_millis(request.extend_ms),
        }),
        Ok(Told::Unspecified) | Err(_) => Err(bad_input(
            format!("a release can't be told {}", request.verb),
            "say validate, pause, resume, abort, retry or extend",
        )),
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

/// Where a release stands, without its checks.
pub(super) fn status(rollout: &Rollout) -> api::ReleaseStatus {
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
