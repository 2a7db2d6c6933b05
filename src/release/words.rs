//! How commands, endpoints and deployments are written in messages, so that remedies can be typed as they stand.

use std::fmt::Write;

use super::{Deployment, Reason, Refusal, ServiceState};
use crate::model::{Colour, Endpoint};

/// Endpoints written out in a remedy; more would bury the command, and a list this long is not typed by hand.
const MAX_ENDPOINTS_SHOWN: usize = 3;

/// An argument as a POSIX shell takes it: quoted only where it must be.
pub(super) fn argument(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `--endpoint HOST:PORT` for each; a placeholder for none.
pub(super) fn flags(endpoints: &[Endpoint]) -> String {
    if endpoints.is_empty() {
        return "--endpoint HOST:PORT".to_owned();
    }
    let mut flags = String::new();
    for (at, endpoint) in endpoints.iter().take(MAX_ENDPOINTS_SHOWN).enumerate() {
        let space = if at == 0 { "" } else { " " };
        // proof: writing to a String does not fail, so there is nothing to report.
        let _ = write!(flags, "{space}--endpoint {endpoint}");
    }
    if endpoints.len() > MAX_ENDPOINTS_SHOWN {
        flags.push_str(" --endpoint …");
    }
    flags
}

/// `v1.2 (deployment 4)`.
pub(super) fn held(deployment: &Deployment) -> String {
    format!("{} (deployment {})", deployment.version, deployment.number)
}

/// The command that deploys.
pub(super) fn deploy(state: &ServiceState, version: &str, endpoints: &[Endpoint]) -> String {
    put("deploy", state, version, endpoints)
}

/// The command that puts a version into the environment that is not live: `deploy`, or `release`.
pub(super) fn put(
    verb: &str,
    state: &ServiceState,
    version: &str,
    endpoints: &[Endpoint],
) -> String {
    format!(
        "bluegreen {verb} {} --version {} {}",
        state.name,
        argument(version),
        flags(endpoints)
    )
}

/// The command that gives an environment other endpoints.
pub(super) fn scale(state: &ServiceState, colour: Colour, endpoints: &[Endpoint]) -> String {
    format!(
        "bluegreen scale {} {colour} {}",
        state.name,
        flags(endpoints)
    )
}

/// A command whose only argument is the service.
pub(super) fn plain(verb: &str, state: &ServiceState) -> String {
    format!("bluegreen {verb} {}", state.name)
}

/// Host names of new endpoints that have no address.
pub(super) fn unresolved(state: &ServiceState, hosts: &[String]) -> Refusal {
    Refusal::new(
        Reason::EndpointUnresolved,
        format!(
            "{}: no address is known for {}",
            state.name,
            hosts.join(", ")
        ),
        "check the spelling, make the name resolve on the server, or give IP:PORT",
    )
}
