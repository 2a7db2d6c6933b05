//! Which services share a listener, and in what order their routes are tried.

use std::{cmp::Reverse, collections::BTreeMap};

use super::error::BuildError;
use crate::{
    model::{ListenerSpec, Name, RouteMatch, RouteSpec},
    snapshot::{Input, ServiceInput},
};

/// The services of one listener, by name.
pub(super) type Group<'a> = Vec<(&'a Name, &'a ServiceInput)>;

/// One route of one service.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    pub(super) service: &'a Name,
    pub(super) input: &'a ServiceInput,
    pub(super) route: &'a RouteSpec,
}

/// Hosts that have the same services, so the same routes.
pub(super) struct Host<'a> {
    /// Host names in lower case, as Envoy compares them; sorted.
    pub(super) domains: Vec<String>,
    /// In the order in which Envoy tries them: the first match wins.
    pub(super) rules: Vec<Rule<'a>>,
}

/// The services by listener. Services without one are named by raw routes only.
pub(super) fn groups(input: &Input) -> BTreeMap<&ListenerSpec, Group<'_>> {
    let mut groups: BTreeMap<_, Group<'_>> = BTreeMap::new();
    for (name, service) in &input.services {
        if let Some(listener) = &service.spec.listener {
            groups.entry(listener).or_default().push((name, service));
        }
    }
    groups
}

/// The hosts of a listener, each in one place only: Envoy refuses a host name that two virtual hosts have.
pub(super) fn hosts<'a>(
    listener: &ListenerSpec,
    group: &Group<'a>,
) -> Result<Vec<Host<'a>>, BuildError> {
    // Services are positions in `group`: short to compare, and in order.
    let mut services_of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, (_, service)) in group.iter().enumerate() {
        for host in &service.spec.hosts {
            let services = services_of.entry(host.to_ascii_lowercase()).or_default();
            if services.last() != Some(&at) {
                services.push(at);
            }
        }
    }
    let mut domains_of: BTreeMap<Vec<usize>, Vec<String>> = BTreeMap::new();
    for (host, services) in services_of {
        domains_of.entry(services).or_default().push(host);
    }
    let mut hosts = domains_of
        .into_iter()
        .map(|(services, domains)| {
            let rules = rules(listener, &domains, services.iter().map(|at| group[*at]))?;
            Ok(Host { domains, rules })
        })
        .collect::<Result<Vec<_>, BuildError>>()?;
    hosts.sort_by(|a, b| a.domains.cmp(&b.domains));
    Ok(hosts)
}

/// The routes of these services: exact paths first, then longer prefixes before shorter.
fn rules<'a>(
    listener: &ListenerSpec,
    domains: &[String],
    services: impl Iterator<Item = (&'a Name, &'a ServiceInput)>,
) -> Result<Vec<Rule<'a>>, BuildError> {
    let rules = ordered(services);
    let same = rules
        .windows(2)
        .find(|pair| pair[0].route.matcher == pair[1].route.matcher);
    match same {
        Some(pair) => Err(BuildError::SameMatch {
            listener: super::listener::name(listener),
            host: domains.first().cloned().unwrap_or_default(),
            matcher: match &pair[0].route.matcher {
                RouteMatch::Path(path) => format!("path {path}"),
                RouteMatch::Prefix(prefix) => format!("prefix {prefix}"),
            },
            first: pair[0].service.clone(),
            second: pair[1].service.clone(),
        }),
        None => Ok(rules),
    }
}

/// The routes of these services in the order in which they are to be tried.
pub(super) fn ordered<'a>(
    services: impl Iterator<Item = (&'a Name, &'a ServiceInput)>,
) -> Vec<Rule<'a>> {
    let mut rules: Vec<Rule<'a>> = services
        .flat_map(|(service, input)| {
            input.spec.routes.iter().map(move |route| Rule {
                service,
                input,
                route,
            })
        })
        .collect();
    rules.sort_by_key(|rule| match &rule.route.matcher {
        RouteMatch::Path(path) => (0, Reverse(path.len()), path.as_str(), rule.service),
        RouteMatch::Prefix(prefix) => (1, Reverse(prefix.len()), prefix.as_str(), rule.service),
    });
    rules
}
