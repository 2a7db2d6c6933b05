//! What a service must keep to so that gRPC clients can use it.

use std::net::SocketAddr;

use super::super::{
    Client, ServiceSpec,
    path::{Path, quoted},
};
use super::Findings;

/// The longest target, in bytes: as long as a host name may be, which is what a target usually is.
const MAX_TARGET: usize = 253;

/// What gRPC clients would stumble over.
pub(super) fn check(findings: &mut Findings, top: &Path, spec: &ServiceSpec) {
    let path = top.join("grpcTarget");
    match (&spec.grpc_target, spec.client) {
        (Some(_), Client::Envoy) => findings.add(
            path,
            "is only for gRPC clients: add client: grpc, or leave it out",
        ),
        (Some(target), Client::Grpc) => {
            if let Some(problem) = target_problem(target) {
                findings.add(path, problem);
            }
        }
        (None, _) => {}
    }
    let usable = || spec.routes.iter().any(|route| route.matcher.matches_grpc());
    // Without any route that is another problem, and said.
    if spec.client == Client::Grpc && !spec.routes.is_empty() && !usable() {
        findings.add(
            top.join("routes"),
            "have none that a gRPC call can match, whose path is /SERVICE/METHOD: add e.g. { match: { prefix: / } }",
        );
    }
}

/// A target becomes part of a URI, and the name of a listener beside those that are called `ADDRESS:PORT`.
fn target_problem(target: &str) -> Option<String> {
    let shown = quoted(target, 64);
    if target.is_empty() {
        return Some("is empty: write e.g. fraud-model, for xds:///fraud-model".to_owned());
    }
    if target.len() > MAX_TARGET {
        return Some(format!("has more than {MAX_TARGET} bytes"));
    }
    if let Some(bare) = target.strip_prefix("xds:") {
        let bare = quoted(bare.trim_start_matches('/'), 64);
        return Some(format!("is written without xds:///, as {bare}"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    let first = target.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !first || !target.chars().all(allowed) {
        return Some(format!(
            "{shown} must begin with a letter or digit and hold only letters, digits and -_.:/"
        ));
    }
    if target.parse::<SocketAddr>().is_ok() {
        return Some(format!(
            "{shown} is an address, which listeners of Envoys are called by: write a name"
        ));
    }
    None
}
