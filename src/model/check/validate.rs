//! What declared checks must keep to beyond their types, each alone and together.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use super::{
    super::{
        HumanDuration, Name,
        path::{Path, quoted},
        validate::{Findings, Invalid},
    },
    CheckKind, CheckSpec, CheckTls, CheckUse, Through,
    fields::{duration, file_below},
    rules,
};

/// The most checks in one place: each measures on its own, in parallel.
pub const MAX_CHECKS: usize = 50;

/// The shortest interval: below a second a check is load, and there is a check for that.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Everything wrong with checks that stand side by side, at `path` in their document.
pub fn validate_checks(path: &Path, checks: &[CheckSpec], used: CheckUse) -> Vec<Invalid> {
    let mut findings = Findings::default();
    if checks.len() > MAX_CHECKS {
        let problem = format!("{} checks, more than {MAX_CHECKS}", checks.len());
        findings.add(path.clone(), problem);
    }
    let mut names: BTreeMap<&Name, usize> = BTreeMap::new();
    for (at, check) in checks.iter().enumerate() {
        let path = path.join(at);
        if let Some(first) = names.insert(&check.name, at) {
            let problem = format!("{} is the name of check {first} already", check.name);
            findings.add(path.join("name"), problem);
        }
        common(&mut findings, &path, check, used);
        rules::kind(&mut findings, &path.join(check.kind.as_str()), check, used);
    }
    order(&mut findings, path, checks);
    findings.0
}

fn common(findings: &mut Findings, path: &Path, check: &CheckSpec, used: CheckUse) {
    for (key, value) in [
        ("initialDelay", check.initial_delay),
        ("interval", check.interval),
        ("timeout", check.timeout),
    ] {
        duration(findings, path.join(key), value);
    }
    if let Some(interval) = check.interval
        && !interval.0.is_zero()
        && interval.0 < MIN_INTERVAL
    {
        let least = HumanDuration(MIN_INTERVAL);
        let problem = format!("{interval} is less than {least}, the shortest accepted");
        findings.add(path.join("interval"), problem);
    }
    match (check.count, check.interval, used) {
        (Some(0), ..) => findings.add(
            path.join("count"),
            "0 would measure nothing: write 1 or more",
        ),
        (Some(2..), None, CheckUse::Gate) => findings.add(
            path.join("interval"),
            "is missing: with a count of more than 1 write what lies between two measurements",
        ),
        (None, Some(_), CheckUse::Gate) => findings.add(
            path.join("count"),
            "is missing: a gate with an interval would never end, write how often it measures",
        ),
        _ => {}
    }
    if check.through == Through::Proxies && !check.kind.can_go_through_proxies() {
        let problem = format!(
            "a {} check sends nothing to the version",
            check.kind.as_str()
        );
        findings.add(path.join("through"), problem);
    } else if check.through == Through::Proxies && used != CheckUse::Gate {
        // There is a way to one version alone while gates run. Later it would be missing, or the weights would choose.
        let problem = "proxies is for gates: a monitor asks the endpoints, and what proxies report of their traffic is seen by a `proxies` check";
        findings.add(path.join("through"), problem);
    }
    if let Some(tls) = &check.tls {
        secured(findings, &path.join("tls"), tls, &check.kind);
    }
    if check.through == Through::Direct && !check.proxy_addresses.is_empty() {
        let problem = "counts only with through: proxies";
        findings.add(path.join("proxyAddresses"), problem);
    }
}

/// What a check says of its TLS.
fn secured(findings: &mut Findings, path: &Path, tls: &CheckTls, kind: &CheckKind) {
    if matches!(kind, CheckKind::Proxies(_) | CheckKind::Manual(_)) {
        let problem = format!("a {} check asks nobody by HTTPS", kind.as_str());
        findings.add(path.clone(), problem);
    }
    if let Some(file) = &tls.ca_file {
        file_below(findings, path.join("caFile"), file);
        if tls.insecure_skip_verify {
            let problem = "counts for nothing beside caFile, or the other way round: keep one";
            findings.add(path.join("insecureSkipVerify"), problem);
        }
    }
    if let Some(name) = &tls.server_name
        && !is_server_name(name)
    {
        let problem = format!(
            "{} is no name of a server: write e.g. fraud.example",
            quoted(name, 64)
        );
        findings.add(path.join("serverName"), problem);
    }
}

/// A DNS name or an address, as certificates have them.
fn is_server_name(name: &str) -> bool {
    let label = |label: &str| {
        let letters = label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        letters
            && (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.parse::<IpAddr>().is_ok() || name.len() <= 253 && name.split('.').all(label)
}

/// `after` names a check beside it, and leads to an end.
fn order(findings: &mut Findings, path: &Path, checks: &[CheckSpec]) {
    let before: BTreeMap<&Name, Option<&Name>> = checks
        .iter()
        .map(|check| (&check.name, check.after.as_ref()))
        .collect();
    for (at, check) in checks.iter().enumerate() {
        let Some(first) = &check.after else { continue };
        let path = path.join(at).join("after");
        if !before.contains_key(first) {
            findings.add(path, format!("there is no check {first} beside it"));
            continue;
        }
        // Whoever goes back more often than there are checks goes round in a circle.
        let mut earlier = Some(first);
        let mut steps = 0;
        while let Some(name) = earlier
            && steps <= checks.len()
        {
            earlier = before.get(name).copied().flatten();
            steps += 1;
        }
        if steps > checks.len() {
            let problem = format!("{} would wait for itself", check.name);
            findings.add(path, problem);
        }
    }
}
