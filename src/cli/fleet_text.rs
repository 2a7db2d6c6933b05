//! Fleets and proxies for people.

use std::fmt::Write;

use super::{
    fleet_resources,
    fleet_view::{Fleet, Proxy, Type},
    out::{BAD, WARN, paint, set_in},
    table::Columns,
};

/// The types in the order in which they are listed, by their short names and the names of their services.
/// Others follow under their own name.
const TYPES: [(&str, &str); 8] = [
    ("Cluster", "CDS"),
    ("ClusterLoadAssignment", "EDS"),
    ("Listener", "LDS"),
    ("RouteConfiguration", "RDS"),
    ("VirtualHost", "VHDS"),
    ("Secret", "SDS"),
    ("Runtime", "RTDS"),
    ("TypedExtensionConfig", "ECDS"),
];

/// All fleets: alarms, a line per proxy, and what was rejected.
pub(super) fn fleets(fleets: &[Fleet], age: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for fleet in fleets {
        for alarm in &fleet.alarms {
            let line = format!("ALARM: {}: {alarm}", fleet.fleet);
            let _ = writeln!(text, "{}", paint(BAD, line)); // a String takes everything
        }
    }
    if fleets.is_empty() {
        return "no fleet is declared, and no proxy has connected\n".to_owned();
    }
    text.push_str(&table(fleets, &age));
    for fleet in fleets {
        if fleet.waiting {
            let line = format!(
                "{}: its proxies wait, nothing is declared for it yet",
                fleet.fleet
            );
            let _ = writeln!(text, "{}", paint(WARN, line));
        } else if fleet.proxies.is_empty() {
            let _ = writeln!(
                text,
                "{}: revision {}, no proxy has connected",
                fleet.fleet, fleet.revision
            );
        }
        for proxy in &fleet.proxies {
            text.push_str(&troubles(proxy, &format!("{}: ", proxy.proxy)));
        }
    }
    text
}

fn table(fleets: &[Fleet], age: &impl Fn(&str) -> String) -> String {
    let proxies = || fleets.iter().flat_map(|fleet| &fleet.proxies);
    if proxies().next().is_none() {
        return String::new();
    }
    let types = types(proxies());
    let heads = ["FLEET", "REVISION", "PROXY", "ADDRESS", "SOFTWARE", "SINCE"]
        .into_iter()
        .chain(types.iter().map(|(_, head)| *head));
    let mut table = Columns::with(heads.map(str::to_owned));
    for fleet in fleets {
        for proxy in &fleet.proxies {
            let mut cells = vec![
                fleet.fleet.clone(),
                fleet.revision.to_string(),
                proxy.proxy.clone(),
                proxy.address.clone(),
                proxy.software.clone(),
                since(proxy, age),
            ];
            cells.extend(types.iter().map(|(name, _)| {
                let of_type = proxy.types.iter().find(|t| t.type_ == *name);
                of_type.map(cell).unwrap_or_default()
            }));
            table.row(cells);
        }
    }
    table.text()
}

/// The types that any of the proxies has, in the order of the columns, with their heads.
fn types<'a>(proxies: impl Iterator<Item = &'a Proxy>) -> Vec<(&'a str, &'a str)> {
    let mut present: Vec<&str> = proxies
        .flat_map(|proxy| &proxy.types)
        .map(|t| t.type_.as_str())
        .collect();
    let place = |name: &str| {
        TYPES
            .iter()
            .position(|(known, _)| *known == name)
            .unwrap_or(TYPES.len())
    };
    present.sort_by_key(|name| (place(name), *name));
    present.dedup();
    present
        .into_iter()
        .map(|name| (name, TYPES.get(place(name)).map_or(name, |(_, head)| head)))
        .collect()
}

fn cell(of_type: &Type) -> String {
    match of_type.state {
        "not-sent" => "NOT SENT".to_owned(),
        state => format!("{} {}", state.to_uppercase(), of_type.revision),
    }
}

fn since(proxy: &Proxy, age: &impl Fn(&str) -> String) -> String {
    let mut text = age(&proxy.since);
    if !proxy.connected {
        text = format!("away {text}");
    }
    if proxy.duplicate {
        text.push_str(" (duplicate id)");
    }
    text
}

/// What an operator should know, what was rejected, and what waits for a cluster.
fn troubles(proxy: &Proxy, who: &str) -> String {
    let mut text = String::new();
    for warning in &proxy.warnings {
        let line = format!("{who}{warning}");
        let _ = writeln!(text, "{}", paint(WARN, line)); // a String takes everything
    }
    for t in &proxy.types {
        if t.state == "nacked" {
            let resources = match t.resources.is_empty() {
                true => String::new(),
                false => format!(" {}", t.resources.join(", ")),
            };
            let line = format!("{who}rejected {}{resources}: {}", t.type_, set_in(&t.error));
            let _ = writeln!(text, "{}", paint(BAD, line)); // a String takes everything
        }
        if !t.held_for.is_empty() {
            let clusters = t.held_for.join(", ");
            let line = format!(
                "{who}{} waits until it has accepted cluster {clusters}",
                t.type_
            );
            let _ = writeln!(text, "{}", paint(WARN, line));
        }
    }
    text
}

/// One proxy on one page.
pub(super) fn proxy(proxy: &Proxy, age: impl Fn(&str) -> String) -> String {
    let state = match proxy.connected {
        true => "connected",
        false => "away",
    };
    let mut text = format!(
        "{}: {state} since {} ({})\n",
        proxy.proxy,
        proxy.since,
        age(&proxy.since)
    );
    let _ = writeln!(
        text,
        "  address   {}\n  software  {}",
        proxy.address, proxy.software
    );
    if proxy.duplicate {
        let line = "  more than one proxy uses this node id: give each its own --service-node";
        let _ = writeln!(text, "{}", paint(WARN, line));
    }
    text.push('\n');
    let mut table = Columns::new(["TYPE", "STATE", "REVISION"]);
    for (name, _) in types(std::iter::once(proxy)) {
        for of_type in proxy.types.iter().filter(|t| t.type_ == name) {
            let state = of_type.state.to_uppercase().replace('-', " ");
            table.row([of_type.type_.clone(), state, of_type.revision.to_string()]);
        }
    }
    text.push_str(&table.text());
    text.push_str(&troubles(proxy, ""));
    let resources = proxy.resources.as_deref().unwrap_or_default();
    text.push_str(&fleet_resources::text(resources));
    text
}
