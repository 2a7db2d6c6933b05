//! What the scripted server says of releases. The service's name says how its release goes.

use bluegreen::api;
use tonic::Status;

use super::answers::not_found;

/// The status of a service while its release goes on, one after another.
pub fn course(service: &str) -> Option<Vec<api::GetStatusResponse>> {
    if service == "hindered" {
        return Some(hindered());
    }
    let phases: &[&str] = match service {
        "gated" => &["Validating", "Ready"],
        "refused" => &["Validating", "Failed"],
        "relapsed" => &["Switching", "Baking", "RolledBack"],
        "halted" => &["Switching", "Baking", "Paused"],
        "abandoned" => &["Validating", "Aborted"],
        "stalled" => &["Switching", "Baking"],
        _ => return None,
    };
    let statuses = (1..=phases.len()).map(|so_far| api::GetStatusResponse {
        services: vec![api::ServiceStatus {
            service: service.into(),
            fleet: "payments".into(),
            release: Some(api::ReleaseStatus {
                time_waits_for: match service {
                    "stalled" if so_far == phases.len() => "0 of 2 proxies are connected".into(),
                    _ => String::new(),
                },
                ..release(&phases[..so_far])
            }),
            ..Default::default()
        }],
        alarms: vec![],
    });
    Some(statuses.collect())
}

/// A release that goes on by itself, once what stands in its way is gone.
fn hindered() -> Vec<api::GetStatusResponse> {
    let held = |in_the_way: &str| api::ReleaseStatus {
        reason: in_the_way.into(),
        waits_for_command: false,
        ..release(&["Validating", "Ready"])
    };
    let many = held("2 of 3 proxies have not accepted revision 43");
    let few = held("1 of 3 proxies have not accepted revision 43");
    let whole = release(&["Validating", "Ready", "Switching", "Baking"]);
    let course = [many.clone(), many, few, whole].into_iter();
    let status = |release| api::GetStatusResponse {
        services: vec![api::ServiceStatus {
            service: "hindered".into(),
            fleet: "payments".into(),
            release: Some(release),
            ..Default::default()
        }],
        alarms: vec![],
    };
    course.map(status).collect()
}

/// A release that has come so far.
pub fn release(phases: &[&str]) -> api::ReleaseStatus {
    let phase = phases.last().copied().unwrap_or_default();
    let log = phases
        .iter()
        .enumerate()
        .map(|(at, phase)| api::ReleaseStep {
            at: format!("2026-11-23T10:00:0{at}.000Z"),
            revision: 43 + at as u64,
            phase: (*phase).into(),
            reason: reason(phase).into(),
            by: "ada@desk".into(),
            weight: match *phase {
                "Switching" | "Baking" => 100,
                _ => 0,
            },
        });
    api::ReleaseStatus {
        number: 7,
        from_version: "v1.2".into(),
        to_version: "v1.3".into(),
        phase: phase.into(),
        revision: 43,
        at: "2026-11-23T10:00:00.000Z".into(),
        reason: reason(phase).into(),
        since: "2026-11-23T10:00:00.000Z".into(),
        elapsed_ms: if phase == "Baking" { 61_000 } else { 0 },
        limit_ms: if phase == "Baking" { 1_800_000 } else { 0 },
        log: log.collect(),
        checks: vec![check(phase)],
        over: matches!(phase, "Failed" | "RolledBack" | "Aborted"),
        waits_for_command: matches!(phase, "Ready" | "Paused"),
        time_waits_for: String::new(),
        stuck: String::new(),
    }
}

fn reason(phase: &str) -> &'static str {
    match phase {
        "Validating" => "1 gate runs",
        "Ready" => "all gates are Successful: `bluegreen switch gated` moves the traffic",
        "Failed" => "accuracy is Failed: 0.81 is less than 0.9",
        "Aborted" => "aborted by ann@host",
        "Switching" => "all traffic is pushed to green",
        "Baking" => "watched for 30m",
        "Paused" => "by ann@host: `bluegreen resume halted` goes on with Baking",
        "RolledBack" => "success-rate is Failed: 97.1% of 12,000 requests, less than 99.5%",
        _ => "",
    }
}

fn check(phase: &str) -> api::CheckStatus {
    let (purpose, kind, name, phase, message, measurements) = match phase {
        "Validating" => ("validation", "evaluate", "accuracy", "Running", "", 0),
        "Ready" => (
            "validation",
            "evaluate",
            "accuracy",
            "Successful",
            "0.94 of 400 are right",
            1,
        ),
        "Failed" => (
            "validation",
            "evaluate",
            "accuracy",
            "Failed",
            "0.81 is less than 0.9",
            1,
        ),
        "RolledBack" => (
            "bake",
            "proxies",
            "success-rate",
            "Failed",
            "97.1% of 12,000 requests",
            12,
        ),
        _ => (
            "bake",
            "proxies",
            "success-rate",
            "Running",
            "99.9% of 5,000 requests",
            6,
        ),
    };
    api::CheckStatus {
        name: name.into(),
        kind: kind.into(),
        phase: phase.into(),
        message: message.into(),
        measurements,
        purpose: purpose.into(),
    }
}

pub fn get(request: &api::GetReleasesRequest) -> Result<api::GetReleasesResponse, Status> {
    let whole = api::ReleaseSummary {
        service: "fraud-model".into(),
        fleet: "payments".into(),
        status: Some(release(&["Switching", "Baking", "RolledBack"])),
        begun: "2026-11-23T09:59:00.000Z".into(),
        by: "ada@desk".into(),
        why: "retrained".into(),
        waived: vec!["fleet-lagging".into()],
        ..Default::default()
    };
    let releases = match (request.service.as_str(), request.number) {
        ("fraud-model", 0) => vec![whole],
        ("fraud-model", 7) => vec![api::ReleaseSummary {
            json: r#"{"service":"fraud-model","analyses":[{"number":1}]}"#.into(),
            markdown: "# Release 7 of fraud-model\n".into(),
            ..whole
        }],
        ("quiet", 0) => vec![],
        (other, _) => return Err(not_found(other)),
    };
    Ok(api::GetReleasesResponse { releases })
}
