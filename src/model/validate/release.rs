//! `spec.release` on its own.

use super::super::{
    BakeSpec, CanarySpec, Hook, HookKind, ReleaseSpec, ReleaseStrategy, SHORT_STANDBY, ShadowSpec,
    Sticky,
    check::{CheckSpec, CheckUse, validate_checks},
    path::{Path, quoted},
};
use super::{
    Findings,
    duration::{Zero, duration},
};

/// More steps than this are no plan that a person has in mind: with pauses of a minute it is half an hour already.
pub const MAX_STEPS: usize = 32;

/// What is wrong with how a service is to be released.
pub(super) fn release(findings: &mut Findings, path: &Path, release: &ReleaseSpec) {
    for (kind, declared) in release.hooks.all() {
        hook(
            findings,
            &path.join("hooks").join(kind.as_str()),
            kind,
            declared,
        );
    }
    checks(
        findings,
        &path.join("validation"),
        &release.validation,
        CheckUse::Gate,
    );
    if let Some(declared) = &release.shadow {
        shadow(findings, &path.join("shadow"), declared);
    }
    match &release.canary {
        Some(declared) => {
            let needs_steps = release.strategy == ReleaseStrategy::Canary || declared.sticky.is_none();
            canary(findings, &path.join("canary"), declared, needs_steps);
        }
        None if release.strategy == ReleaseStrategy::Canary => findings.add(
            path.join("canary"),
            "is missing: strategy canary needs steps, e.g. canary: { steps: [ { weight: 10, pause: 5m } ] }",
        ),
        None => {}
    }
    if let Some(declared) = &release.bake {
        bake(findings, &path.join("bake"), declared);
    }
    let standby = path.join("standby");
    duration(
        findings,
        standby.clone(),
        Some(release.standby),
        Zero::Wrong,
    );
    if release.standby.0 < SHORT_STANDBY && !release.accept_short_standby {
        findings.add(
            standby,
            format!(
                "{} is under 30m, in which many bad releases have not shown yet: write 30m or more, or acceptShortStandby: true beside it",
                release.standby
            ),
        );
    }
}

fn hook(findings: &mut Findings, path: &Path, kind: HookKind, hook: &Hook) {
    match (&hook.webhook, &hook.exec) {
        (Some(url), None) => {
            if let Some(problem) = url_problem(url) {
                findings.add(path.join("webhook"), problem);
            }
        }
        (None, Some(command)) => {
            if command.first().is_none_or(String::is_empty) {
                findings.add(
                    path.join("exec"),
                    "is empty: write the program and its arguments, e.g. [/usr/local/bin/hook, now]",
                );
            }
        }
        (None, None) => findings.add(
            path.clone(),
            format!(
                "calls nothing: write {}: {{ webhook: https://… }}",
                kind.as_str()
            ),
        ),
        (Some(_), Some(_)) => findings.add(path.clone(), "has webhook and exec: keep one"),
    }
    duration(findings, path.join("timeout"), hook.timeout, Zero::Wrong);
}

/// What is wrong with a URL to be called, if anything.
fn url_problem(url: &str) -> Option<String> {
    let shown = quoted(url, 64);
    let rest = ["http://", "https://"]
        .into_iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    match rest {
        None => Some(format!(
            "{shown} is no URL: it begins with http:// or https://"
        )),
        Some("") => Some(format!("{shown} names no host")),
        Some(rest) if rest.starts_with('/') => Some(format!("{shown} names no host")),
        Some(_) if !url.chars().all(|c| c.is_ascii_graphic()) => Some(format!(
            "{shown} must hold no spaces, and other characters percent-encoded"
        )),
        Some(_) => None,
    }
}

fn shadow(findings: &mut Findings, path: &Path, shadow: &ShadowSpec) {
    share(findings, path.join("percent"), shadow.percent);
    duration(
        findings,
        path.join("duration"),
        Some(shadow.duration),
        Zero::Wrong,
    );
    monitors(findings, path, &shadow.monitors, CheckUse::Monitor);
}

fn canary(findings: &mut Findings, path: &Path, canary: &CanarySpec, needs_steps: bool) {
    if let Some(problem) = canary.sticky.as_ref().and_then(Sticky::problem) {
        findings.add(path.join("sticky"), problem);
    }
    let at = path.join("steps");
    if canary.steps.is_empty() && needs_steps {
        findings.add(
            at.clone(),
            "is empty: write e.g. [ { weight: 10, pause: 5m } ], or strategy: blueGreen",
        );
    }
    if canary.steps.len() > MAX_STEPS {
        findings.add(
            at.clone(),
            format!("has {} steps, more than {MAX_STEPS}", canary.steps.len()),
        );
    }
    let mut before: Option<u32> = None;
    for (index, step) in canary.steps.iter().enumerate() {
        let at = at.join(index);
        share(findings, at.join("weight"), step.weight);
        if let Some(before) = before
            && step.weight <= before
        {
            findings.add(
                at.join("weight"),
                format!(
                    "{} is not more than {before}, the step before: steps must grow",
                    step.weight
                ),
            );
        }
        before = Some(step.weight);
        duration(findings, at.join("pause"), step.pause, Zero::Means);
    }
    monitors(findings, path, &canary.monitors, CheckUse::Step);
}

fn bake(findings: &mut Findings, path: &Path, bake: &BakeSpec) {
    duration(
        findings,
        path.join("duration"),
        Some(bake.duration),
        Zero::Wrong,
    );
    duration(
        findings,
        path.join("interval"),
        Some(bake.interval),
        Zero::Wrong,
    );
    // Without monitors of its own the interval, which has a default, paces only those of the steps before.
    if !bake.monitors.is_empty() && bake.interval > bake.duration {
        findings.add(
            path.join("interval"),
            format!(
                "{} is longer than the bake itself ({}): its monitors would measure once at most",
                bake.interval, bake.duration
            ),
        );
    }
    monitors(findings, path, &bake.monitors, CheckUse::Monitor);
}

fn monitors(findings: &mut Findings, path: &Path, monitors: &[CheckSpec], used: CheckUse) {
    checks(findings, &path.join("monitors"), monitors, used);
}

fn checks(findings: &mut Findings, path: &Path, checks: &[CheckSpec], used: CheckUse) {
    findings.0.extend(validate_checks(path, checks, used));
}

fn share(findings: &mut Findings, path: Path, percent: u32) {
    if !(1..=100).contains(&percent) {
        findings.add(
            path,
            format!("{percent} is no share: write 1 to 100, in percent"),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{ServiceSpec, parse_documents, validate_service};

    fn found(release: Value) -> Vec<String> {
        let spec: ServiceSpec =
            serde_json::from_value(json!({ "fleet": "payments", "release": release })).unwrap();
        let found = validate_service(&spec);
        found.iter().map(ToString::to_string).collect()
    }

    /// The longest form there is, as users write it.
    const WHOLE: &str = "
apiVersion: bluegreen/v1
kind: Service
metadata: { name: fraud-model }
spec:
  fleet: payments
  release:
    strategy: blueGreen
    promotion: automatic
    hooks:
      provision: { webhook: 'https://hooks.example/up', timeout: 5m }
      confirmPromotion: { exec: [/usr/local/bin/confirm, now] }
      terminate: { webhook: 'http://hooks.example/down' }
    shadow: { percent: 10, duration: 10m }
    canary: { steps: [ { weight: 1, pause: 5m }, { weight: 10, pause: 5m }, { weight: 50 } ] }
    bake: { duration: 30m, interval: 10s, onFailure: rollback }
    standby: 60m
";

    #[test]
    fn the_whole_of_it_is_read() {
        let documents = parse_documents("release.yaml", WHOLE).unwrap();
        let crate::model::DocumentSpec::Service(spec) = &documents[0].spec else {
            panic!("{documents:?}");
        };
        let release = spec.release.as_ref().unwrap();
        assert_eq!(release.promotion, crate::model::Promotion::Automatic);
        assert_eq!(release.canary.as_ref().unwrap().steps[2].weight, 50);
        assert!(release.has_exec());
        // Written down, but the strategy is another one.
        assert_eq!(release.steps(), []);
    }

    #[test]
    fn nothing_said_is_a_release_by_hand_with_an_hour_of_standby() {
        assert_eq!(found(json!({})), [] as [&str; 0]);
        let release: ReleaseSpec = serde_json::from_value(json!({})).unwrap();
        assert_eq!(release, ReleaseSpec::default());
        assert_eq!(release.standby.to_string(), "1h");
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        for (release, expected) in [
            (
                json!({ "standby": "29m" }),
                "spec.release.standby: 29m is under 30m",
            ),
            (
                json!({ "strategy": "canary" }),
                "spec.release.canary: is missing: strategy canary needs steps",
            ),
            (
                json!({ "canary": { "steps": [] } }),
                "spec.release.canary.steps: is empty",
            ),
            (
                json!({ "canary": { "steps": [{ "weight": 10 }, { "weight": 10 }] } }),
                "spec.release.canary.steps[1].weight: 10 is not more than 10, the step before: steps must grow",
            ),
            (
                json!({ "canary": { "steps": [{ "weight": 101 }] } }),
                "spec.release.canary.steps[0].weight: 101 is no share: write 1 to 100, in percent",
            ),
            (
                json!({ "canary": { "steps": [{ "weight": 0 }] } }),
                "spec.release.canary.steps[0].weight: 0 is no share",
            ),
            (
                json!({ "shadow": { "percent": 0, "duration": "1m" } }),
                "spec.release.shadow.percent: 0 is no share",
            ),
            (
                json!({ "shadow": { "percent": 5, "duration": "0s" } }),
                "spec.release.shadow.duration: must be more than 0",
            ),
            (
                json!({ "bake": { "duration": "5s", "monitors": [{ "name": "slow", "webhook": { "url": "http://judge/" } }] } }),
                "spec.release.bake.interval: 10s is longer than the bake itself (5s)",
            ),
            (
                json!({ "bake": { "duration": "200h", "interval": "1s" } }),
                "spec.release.bake.duration: 200h is more than 168h",
            ),
            (
                json!({ "hooks": { "terminate": {} } }),
                "spec.release.hooks.terminate: calls nothing: write terminate: { webhook:",
            ),
            (
                json!({ "hooks": { "terminate": { "webhook": "http://a/", "exec": ["x"] } } }),
                "spec.release.hooks.terminate: has webhook and exec: keep one",
            ),
            (
                json!({ "hooks": { "provision": { "webhook": "ftp://a/" } } }),
                "spec.release.hooks.provision.webhook: \"ftp://a/\" is no URL",
            ),
            (
                json!({ "hooks": { "provision": { "webhook": "http:///x" } } }),
                "spec.release.hooks.provision.webhook: \"http:///x\" names no host",
            ),
            (
                json!({ "hooks": { "provision": { "exec": [] } } }),
                "spec.release.hooks.provision.exec: is empty",
            ),
        ] {
            let found = found(release.clone());
            assert_eq!(found.len(), 1, "{release}: {found:?}");
            assert!(found[0].starts_with(expected), "{release}: {found:?}");
        }
    }

    #[test]
    fn a_bake_without_monitors_may_be_shorter_than_their_interval() {
        assert_eq!(
            found(json!({ "bake": { "duration": "5s" } })),
            [] as [&str; 0]
        );
    }

    #[test]
    fn a_short_standby_may_be_meant() {
        assert_eq!(
            found(json!({ "standby": "5s", "acceptShortStandby": true })),
            [] as [&str; 0]
        );
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let text = WHOLE.replace("onFailure", "onFail");
        let error = parse_documents("release.yaml", &text).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("spec.release.bake"), "{error}");
        assert!(error.contains("onFailure"), "{error}");
    }
}
