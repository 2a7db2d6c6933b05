//! What was measured: as JSON for programs, as a table for people.

use std::io::Write as _;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::{
    process::{CpuClock, Memory},
    server::Proof,
};

/// CPU time of both sides, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cpu {
    /// None: the server's process id is not known.
    pub server: Option<f64>,
    /// Of the simulated proxies.
    pub proxies: f64,
}

/// Where the CPU clocks of both sides stood.
pub struct Clocks {
    server: Option<CpuClock>,
    proxies: CpuClock,
}

impl Clocks {
    /// Reads them.
    pub fn now(server: Option<u32>) -> Self {
        Self {
            server: server.map(CpuClock::of),
            proxies: CpuClock::of(std::process::id()),
        }
    }

    /// From then until now.
    pub fn elapsed(&self) -> Cpu {
        Cpu {
            server: self.server.as_ref().map(CpuClock::elapsed),
            proxies: self.proxies.elapsed(),
        }
    }
}

/// One switch, from just before its trigger.
#[derive(Clone, Debug, Serialize)]
pub struct Switch {
    /// Every proxy that reads has the expected weights, and has ACKed them.
    pub ok: bool,
    /// The weights that proxies have now; more than one if they differ.
    pub weights: Vec<String>,
    /// Proxies that have received them and ACKed.
    pub acked: usize,
    pub first_receipt_ms: f64,
    pub median_receipt_ms: f64,
    pub first_ack_ms: f64,
    pub p99_ack_ms: f64,
    pub last_ack_ms: f64,
    /// Until one second after the last ACK, so that the server's work on the ACKs is in it.
    pub cpu_s: Cpu,
    /// What the server itself says of it.
    pub proof: Option<Proof>,
}

/// All proxies lost their connections at once.
#[derive(Clone, Debug, Serialize)]
pub struct Reconnect {
    /// Until every proxy has a stream again and has said what it has.
    pub open_s: f64,
    /// Received by all proxies from then until the switch that follows.
    pub bytes: u64,
    pub responses: u64,
    pub cpu_s: Cpu,
    /// The switch that was made the moment that all were back: it proves that they are served.
    pub switch: Switch,
}

/// One row.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    pub shape: Option<String>,
    pub mode: String,
    pub proxies: usize,
    pub slow: usize,
    pub extensions: usize,
    pub warm_s: f64,
    pub warm_cpu_s: Cpu,
    pub distinct_resources: usize,
    /// Resident memory of the server, KiB: before any proxy came, once warm-up has settled, at the end.
    pub server_before: Option<u64>,
    pub server_settled: Option<u64>,
    pub server_end: Option<u64>,
    pub server_peak: Option<u64>,
    /// KiB of the server per proxy.
    pub per_proxy_settled: Option<f64>,
    pub per_proxy_end: Option<f64>,
    pub switches: Vec<Switch>,
    pub reconnects: Vec<Reconnect>,
    pub failed: usize,
    /// Connections that had to be tried again.
    pub retried: u64,
    pub failures: Vec<String>,
}

impl Row {
    /// Reads the server's memory into the row.
    pub fn remember(&mut self, settled: Option<Memory>, end: Option<Memory>) {
        let per_proxy = |now: Option<Memory>| {
            let grown = now?.resident as f64 - self.server_before? as f64;
            Some(grown / self.proxies as f64)
        };
        self.per_proxy_settled = per_proxy(settled);
        self.per_proxy_end = per_proxy(end);
        self.server_settled = settled.map(|memory| memory.resident);
        self.server_end = end.map(|memory| memory.resident);
        self.server_peak = end.map(|memory| memory.peak);
    }

    /// Nothing went wrong.
    pub fn ok(&self) -> bool {
        let reconnects = self.reconnects.iter().map(|one| &one.switch);
        self.failed == 0 && self.switches.iter().chain(reconnects).all(|one| one.ok)
    }
}

/// Prints all rows as one JSON document.
pub fn json(rows: &[Row]) -> Result<(), serde_json::Error> {
    let text = serde_json::to_string_pretty(rows)?;
    // Nobody may read it: then there is nothing to say.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
    Ok(())
}

/// Prints all rows as tables.
pub fn tables(rows: &[Row]) {
    let mut all = vec![warm_up(rows), switches(rows)];
    if rows.iter().any(|row| !row.reconnects.is_empty()) {
        all.push(reconnects(rows));
    }
    let mut out = std::io::stdout().lock();
    for table in all {
        let _ = writeln!(out, "{table}\n");
    }
    for row in rows.iter().filter(|row| !row.ok()) {
        let _ = writeln!(
            out,
            "NOT OK: {}: {} failed",
            label(row).join(" "),
            row.failed
        );
        for failure in &row.failures {
            let _ = writeln!(out, "  {failure}");
        }
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let all = LABEL.iter().chain(header);
    table.set_header(all.copied());
    table
}

const LABEL: [&str; 5] = ["shape", "mode", "proxies", "slow", "extensions"];

fn label(row: &Row) -> Vec<String> {
    vec![
        row.shape.clone().unwrap_or_else(|| "-".to_owned()),
        row.mode.clone(),
        row.proxies.to_string(),
        row.slow.to_string(),
        row.extensions.to_string(),
    ]
}

fn warm_up(rows: &[Row]) -> Table {
    let mut table = table(&[
        "warm s",
        "server CPU s",
        "proxies CPU s",
        "KiB/proxy warm",
        "KiB/proxy end",
        "server peak MiB",
        "tried again",
        "failed",
    ]);
    for row in rows {
        let mut cells = label(row);
        cells.extend([
            format!("{:.2}", row.warm_s),
            number(row.warm_cpu_s.server, 2),
            format!("{:.2}", row.warm_cpu_s.proxies),
            number(row.per_proxy_settled, 1),
            number(row.per_proxy_end, 1),
            number(row.server_peak.map(|peak| peak as f64 / 1024.0), 0),
            row.retried.to_string(),
            row.failed.to_string(),
        ]);
        table.add_row(cells);
    }
    table
}

fn switches(rows: &[Row]) -> Table {
    let mut table = table(&[
        "first receipt ms",
        "median receipt ms",
        "p99 ACK ms",
        "last ACK ms",
        "server CPU ms",
        "proxies CPU ms",
        "durable ms",
        "proof last ACK ms",
        "not ok",
    ]);
    for row in rows.iter().filter(|row| !row.switches.is_empty()) {
        let all = &row.switches;
        let of = |f: &dyn Fn(&Switch) -> Option<f64>, digits| {
            spread(all.iter().filter_map(f).collect(), digits)
        };
        let proof = |f: fn(&Proof) -> f64| of(&move |one| one.proof.as_ref().map(f), 1);
        let mut cells = label(row);
        cells.extend([
            of(&|one| Some(one.first_receipt_ms), 1),
            of(&|one| Some(one.median_receipt_ms), 1),
            of(&|one| Some(one.p99_ack_ms), 1),
            of(&|one| Some(one.last_ack_ms), 1),
            of(&|one| one.cpu_s.server.map(|cpu| cpu * 1e3), 1),
            of(&|one| Some(one.cpu_s.proxies * 1e3), 1),
            proof(|proof| proof.durable_ms),
            proof(|proof| proof.last_ack_ms),
            all.iter().filter(|one| !one.ok).count().to_string(),
        ]);
        table.add_row(cells);
    }
    table
}

fn reconnects(rows: &[Row]) -> Table {
    let mut table = table(&[
        "all back s",
        "bytes/proxy",
        "responses/proxy",
        "server CPU s",
        "proxies CPU s",
        "then switch, last ACK ms",
        "not ok",
    ]);
    for row in rows.iter().filter(|row| !row.reconnects.is_empty()) {
        let all = &row.reconnects;
        let of = |f: &dyn Fn(&Reconnect) -> Option<f64>, digits| {
            spread(all.iter().filter_map(f).collect(), digits)
        };
        let per_proxy = |count: u64| Some(count as f64 / row.proxies as f64);
        let mut cells = label(row);
        cells.extend([
            of(&|one| Some(one.open_s), 2),
            of(&|one| per_proxy(one.bytes), 0),
            of(&|one| per_proxy(one.responses), 1),
            of(&|one| one.cpu_s.server, 2),
            of(&|one| Some(one.cpu_s.proxies), 2),
            of(&|one| Some(one.switch.last_ack_ms), 1),
            all.iter().filter(|one| !one.switch.ok).count().to_string(),
        ]);
        table.add_row(cells);
    }
    table
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// The median, with the least and the most.
fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (values.first(), values.last()) else {
        return "-".to_owned();
    };
    let median = values[values.len() / 2];
    format!("{median:.digits$} ({least:.digits$}-{most:.digits$})")
}
