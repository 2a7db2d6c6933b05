//! A group of services on its own.

use std::collections::BTreeMap;

use super::super::{GroupSpec, MAX_GROUP, path::Path};
use super::{Findings, Invalid};

/// Everything wrong with a group: it names each of its services once, and some. Whether they exist is a matter of the
/// fleet.
pub fn validate_group(group: &GroupSpec) -> Vec<Invalid> {
    let mut findings = Findings::default();
    let services = Path::from(["spec", "services"]);
    if group.services.is_empty() {
        findings.add(services.clone(), "is empty: name the services");
    }
    if group.services.len() > MAX_GROUP {
        findings.add(services.clone(), format!("has more than {MAX_GROUP}"));
    }
    let mut seen = BTreeMap::new();
    for (at, service) in group.services.iter().enumerate() {
        if let Some(first) = seen.insert(service, at) {
            findings.add(
                services.join(at),
                format!("{service} is services[{first}] already: keep one"),
            );
        }
    }
    findings.0
}
