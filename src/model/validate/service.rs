//! One service on its own.

use std::collections::BTreeMap;

use super::super::{
    CircuitBreaker, ClusterSpec, Colour, Endpoint, EnvironmentSpec, HumanDuration, RetrySpec,
    RouteMatch, RouteSpec, ServiceSpec,
    path::{Path, quoted},
};
use super::{
    Findings, Invalid,
    duration::{Zero, duration},
    grpc, host,
};

/// The longest version label, in characters: it is a column of a table, and stands in every line of the history.
pub const MAX_VERSION: usize = 128;

/// The longest path or prefix of a route, in bytes: longer ones exceed what browsers and proxies carry.
const MAX_ROUTE_PATH: usize = 2048;

/// The most retries of one request: each multiplies the load of an outage, and Envoy's back-off makes the tenth
/// come later than most time limits.
pub const MAX_ATTEMPTS: u32 = 10;

/// Everything wrong with a service, as a file declares it or as it would be in force.
///
/// Its live environment may be undeclared: a file may leave the environments to the commands, and whether the live
/// one may be empty depends on what is in force.
pub fn validate_service(spec: &ServiceSpec) -> Vec<Invalid> {
    let mut findings = Findings::default();
    let top = Path::from(["spec"]);
    if spec.listener.as_ref().is_some_and(|l| l.port == 0) {
        findings.add(
            top.join("listener").join("port"),
            "0 is no port to listen on: write 1 to 65535",
        );
    }
    hosts(&mut findings, &top.join("hosts"), &spec.hosts);
    routes(&mut findings, &top.join("routes"), &spec.routes);
    grpc::check(&mut findings, &top, spec);
    cluster(&mut findings, &top.join("cluster"), &spec.cluster);
    if let Some(declared) = &spec.release {
        super::release::release(&mut findings, &top.join("release"), declared);
    }
    for colour in Colour::BOTH {
        if let Some(declared) = spec.environments.get(colour) {
            let path = top.join("environments").join(colour.as_str());
            environment(&mut findings, &path, declared);
        }
    }
    findings.0
}

/// What is wrong with the endpoints of one environment, if anything.
pub fn endpoints_problem(endpoints: &[Endpoint]) -> Option<String> {
    let mut findings = Findings::default();
    unique_endpoints(&mut findings, &Path::from(["endpoints"]), endpoints);
    findings.0.first().map(Invalid::to_string)
}

fn hosts(findings: &mut Findings, path: &Path, hosts: &[String]) {
    if hosts.is_empty() {
        findings.add(path.clone(), "is empty: write \"*\" for every host");
    }
    let mut seen = BTreeMap::new();
    for (at, name) in hosts.iter().enumerate() {
        if let Some(problem) = host::problem(name) {
            findings.add(path.join(at), problem);
        } else if let Some(first) = seen.insert(host::canonical(name), at) {
            findings.add(
                path.join(at),
                format!("{name:?} is hosts[{first}] already: keep one"),
            );
        }
    }
}

fn routes(findings: &mut Findings, path: &Path, routes: &[RouteSpec]) {
    if routes.is_empty() {
        findings.add(
            path.clone(),
            "is empty: write { match: { prefix: / } } for every path",
        );
    }
    let mut seen = BTreeMap::new();
    for (at, route) in routes.iter().enumerate() {
        let path = path.join(at);
        let (key, text) = match &route.matcher {
            RouteMatch::Path(text) => ("path", text),
            RouteMatch::Prefix(text) => ("prefix", text),
        };
        if let Some(problem) = route_path(text) {
            findings.add(path.join("match").join(key), problem);
        }
        if let Some(first) = seen.insert(&route.matcher, at) {
            findings.add(
                path.join("match"),
                format!("is the same as that of routes[{first}]: keep one"),
            );
        }
        // Zero is Envoy's word for "no limit" in these two.
        duration(findings, path.join("timeout"), route.timeout, Zero::Means);
        duration(
            findings,
            path.join("idleTimeout"),
            route.idle_timeout,
            Zero::Means,
        );
        if let Some(policy) = &route.retry {
            retry(findings, &path.join("retry"), policy, route.timeout);
        }
    }
}

fn route_path(text: &str) -> Option<String> {
    let shown = quoted(text, 64);
    if !text.starts_with('/') {
        return Some(format!("{shown} must begin with /"));
    }
    if text.len() > MAX_ROUTE_PATH {
        return Some(format!("has more than {MAX_ROUTE_PATH} bytes"));
    }
    let wrong = text
        .chars()
        .find(|c| matches!(c, '?' | '#') || !c.is_ascii_graphic());
    wrong.map(|c| {
        format!("{shown} holds {c:?}: a path is matched without its query, other characters are percent-encoded")
    })
}

fn retry(findings: &mut Findings, path: &Path, policy: &RetrySpec, whole: Option<HumanDuration>) {
    if policy.on.is_empty() {
        findings.add(
            path.join("on"),
            "is empty: name the conditions, e.g. connect-failure, or leave retry out",
        );
    }
    if !(1..=MAX_ATTEMPTS).contains(&policy.attempts) {
        findings.add(
            path.join("attempts"),
            format!(
                "{} is not from 1 to {MAX_ATTEMPTS} (leave retry out for none)",
                policy.attempts
            ),
        );
    }
    let path = path.join("perTryTimeout");
    duration(findings, path.clone(), policy.per_try_timeout, Zero::Wrong);
    if let (Some(one), Some(whole)) = (policy.per_try_timeout, whole)
        && !whole.0.is_zero()
        && one > whole
    {
        findings.add(
            path,
            format!("{one} is longer than the whole request may take ({whole}): make it shorter"),
        );
    }
}

fn cluster(findings: &mut Findings, path: &Path, cluster: &ClusterSpec) {
    duration(
        findings,
        path.join("connectTimeout"),
        Some(cluster.connect_timeout),
        Zero::Wrong,
    );
    if let Some(check) = &cluster.health_check {
        let path = path.join("healthCheck");
        // Unlike a route's, a health check's path may carry a query: it is sent as it stands.
        if !check.path.starts_with('/') || !check.path.chars().all(|c| c.is_ascii_graphic()) {
            findings.add(
                path.join("path"),
                format!(
                    "{} must begin with / and hold no spaces",
                    quoted(&check.path, 64)
                ),
            );
        }
        duration(
            findings,
            path.join("interval"),
            Some(check.interval),
            Zero::Wrong,
        );
        duration(
            findings,
            path.join("timeout"),
            Some(check.timeout),
            Zero::Wrong,
        );
    }
    if let Some(breaker) = &cluster.circuit_breaker {
        circuit_breaker(findings, &path.join("circuitBreaker"), breaker);
    }
}

fn circuit_breaker(findings: &mut Findings, path: &Path, breaker: &CircuitBreaker) {
    for (key, value) in [
        ("maxConnections", breaker.max_connections),
        ("maxPendingRequests", breaker.max_pending_requests),
        ("maxRequests", breaker.max_requests),
    ] {
        if value == Some(0) {
            findings.add(
                path.join(key),
                "0 would let no request through: write 1 or more, or leave it out",
            );
        }
    }
}

fn environment(findings: &mut Findings, path: &Path, environment: &EnvironmentSpec) {
    if let Some(problem) = version_problem(&environment.version) {
        findings.add(path.join("version"), problem);
    }
    unique_endpoints(findings, &path.join("endpoints"), &environment.endpoints);
}

fn unique_endpoints(findings: &mut Findings, path: &Path, endpoints: &[Endpoint]) {
    let mut seen = BTreeMap::new();
    for (at, endpoint) in endpoints.iter().enumerate() {
        if let Some(first) = seen.insert(canonical(endpoint), at) {
            findings.add(
                path.join(at),
                format!("{endpoint} is endpoints[{first}] already: keep one"),
            );
        }
    }
}

/// What is wrong with a version label, if anything.
pub fn version_problem(label: &str) -> Option<String> {
    if label.is_empty() {
        return Some("is empty: write the version's name, e.g. v1.3".to_owned());
    }
    if label.chars().count() > MAX_VERSION {
        return Some(format!("has more than {MAX_VERSION} characters"));
    }
    if label.chars().any(char::is_control) || label.trim() != label {
        return Some(format!(
            "{} must not hold control characters, nor begin or end with a space",
            quoted(label, MAX_VERSION)
        ));
    }
    None
}

/// One spelling of each address: `[::1]:80` and `[0:0::1]:80` are one endpoint, as are `A:80` and `a:80`.
fn canonical(endpoint: &Endpoint) -> (String, u16) {
    let host = match endpoint.ip() {
        Some(ip) => ip.to_string(),
        None => endpoint.host.trim_end_matches('.').to_ascii_lowercase(),
    };
    (host, endpoint.port)
}
