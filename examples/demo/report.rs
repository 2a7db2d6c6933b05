//! The end of the demo: the chart, the tables, and whether everything went as promised.

use std::time::{Duration, Instant};

use comfy_table::{Cell, CellAlignment, LineStyle, Table, presets};

use crate::{
    chart,
    control_plane::Proof,
    ending::{Ending, Flip},
    screen::{Paint, Screen, thousands},
    story::VERSIONS,
    world::FLEET_SIZE,
};

/// Shows how it went; whether it went as promised.
pub fn show(screen: &Screen, ending: &Ending) -> bool {
    screen.line("");
    screen.line(screen.paint(Paint::Bold, "  Who answered"));
    screen.line("");
    for line in chart::draw(screen, &ending.load, &ending.marks) {
        screen.line(line);
    }
    screen.line("");
    screen.line(screen.paint(Paint::Bold, "  Every switch"));
    show_table(screen, &flips(ending));
    screen.line(screen.paint(
        Paint::Dim,
        "  durable and ACKs: since the command arrived at the server; the last two: since it was typed",
    ));
    screen.line("");
    screen.line(screen.paint(Paint::Bold, "  Every request"));
    show_table(screen, &totals(ending));

    let problems = problems(ending);
    screen.line("");
    if problems.is_empty() {
        let all = thousands(ending.load.samples.len());
        let text = format!(
            "  {all} requests, {} switches, a crash: none failed because of them.",
            ending.flips.len()
        );
        screen.line(screen.paint(Paint::Green, text));
        if let Some(ill) = ending.illness {
            screen.line(format!(
                "  {} were answered with an error by {} itself, which is why it was taken back.",
                thousands(ending.model_errors()),
                ill.version
            ));
        }
    } else {
        for problem in &problems {
            screen.line(screen.paint(Paint::Red, format!("  not as promised: {problem}")));
        }
    }
    screen.line("");
    problems.is_empty()
}

fn show_table(screen: &Screen, table: &Table) {
    for line in table.lines() {
        screen.line(format!(" {}", line.trim_end()));
    }
}

fn flips(ending: &Ending) -> Table {
    let mut table = table();
    let head = [
        "command",
        "revision",
        "traffic",
        "accepted",
        "durable",
        "first ACK",
        "last ACK",
        "last old answer",
        "returned",
    ];
    table.set_header(head);
    for (flip, until) in windows(ending) {
        let proof = &flip.ran.answer;
        let number = |ms: Option<f64>| ms.map_or("–".to_owned(), |ms| format!("{ms:.1} ms"));
        table.add_row([
            Cell::new(flip.verb),
            right(proof.revision),
            Cell::new(format!("{} → {}", flip.from, flip.to)),
            right(format!("{}/{}", proof.proxies.acked, proof.proxies.total)),
            right(number(proof.ms.durable)),
            right(number(proof.ms.first_ack)),
            right(number(proof.ms.last_ack)),
            right(number(last_old_answer(ending, flip, until).map(in_ms))),
            right(number(Some(in_ms(flip.ran.returned - flip.ran.started)))),
        ]);
    }
    table
}

fn totals(ending: &Ending) -> Table {
    let load = &ending.load;
    let mut table = table();
    let failures = ending.failures();
    let failed: usize = failures.values().sum();
    table.add_row([Cell::new("requests"), right(thousands(load.samples.len()))]);
    table.add_row([Cell::new("failed"), right(thousands(failed))]);
    for (failure, count) in failures {
        table.add_row([Cell::new(format!("  {failure}")), right(thousands(count))]);
    }
    if let Some(ill) = ending.illness {
        table.add_row([
            Cell::new(format!("errors of {} itself", ill.version)),
            right(thousands(ending.model_errors())),
        ]);
    }
    for (version, count) in load.versions() {
        table.add_row([
            Cell::new(format!("answered by {version}")),
            right(thousands(count)),
        ]);
    }
    for (proxy, count) in &ending.shares {
        let count = usize::try_from(*count).unwrap_or(usize::MAX);
        table.add_row([
            Cell::new(format!("through {proxy}")),
            right(thousands(count)),
        ]);
    }
    for (name, share) in [
        ("latency, median", 0.5),
        ("latency, 99%", 0.99),
        ("latency, worst", 1.0),
    ] {
        let latency = load
            .latency(share)
            .map_or("–".to_owned(), |it| format!("{:.1} ms", in_ms(it)));
        table.add_row([Cell::new(name), right(latency)]);
    }
    table
}

/// What was not as promised; empty if everything was.
fn problems(ending: &Ending) -> Vec<String> {
    let mut problems = Vec::new();
    for (failure, count) in ending.failures() {
        problems.push(format!("{count} requests failed: {failure}"));
    }
    let own = ending.model_errors();
    if let Some(ill) = ending.illness
        && own == 0
    {
        problems.push(format!(
            "{} was made to answer with errors and did not",
            ill.version
        ));
    }
    if usize::try_from(ending.server_errors) != Ok(own) {
        problems.push(format!(
            "the Envoys counted {} server errors, of which {own} came from the model itself",
            ending.server_errors
        ));
    }
    let answered = ending.load.versions();
    for (version, _) in VERSIONS {
        if !answered.contains_key(version) {
            problems.push(format!("{version} never answered"));
        }
    }
    for version in answered.keys() {
        if !VERSIONS.iter().any(|(known, _)| **known == **version) {
            problems.push(format!("{version} answered, which nobody deployed"));
        }
    }
    for (flip, until) in windows(ending) {
        let Flip {
            verb,
            from,
            to,
            ran,
        } = flip;
        let Proof {
            from_version,
            to_version,
            proxies,
            ..
        } = &ran.answer;
        if (from_version.as_str(), to_version.as_str()) != (*from, *to) {
            problems.push(format!(
                "{verb} {from} → {to} reports {from_version} → {to_version}"
            ));
        }
        if !proxies.all(FLEET_SIZE) {
            problems.push(format!(
                "{verb} {from} → {to}: {} of {} proxies accepted it, {} pending, {} rejected it, {} away",
                proxies.acked, proxies.total, proxies.pending, proxies.nacked, proxies.disconnected
            ));
        }
        let late = answers(ending, from, ran.returned, until).count();
        if late > 0 {
            problems.push(format!(
                "{verb} {from} → {to}: {late} requests that were sent after the command had returned were answered by {from}"
            ));
        }
        if answers(ending, to, ran.returned, until).next().is_none() {
            problems.push(format!(
                "{verb} {from} → {to}: {to} did not answer afterwards"
            ));
        }
    }
    for (proxy, count) in &ending.shares {
        if *count == 0 {
            problems.push(format!("{proxy} had no part in it"));
        }
    }
    for (counter, count) in &ending.faults {
        if *count > 0 {
            problems.push(format!("the Envoys counted {count} {counter}"));
        }
    }
    problems
}

/// Every flip with the moment at which its successor began: between them its target must answer alone.
fn windows(ending: &Ending) -> impl Iterator<Item = (&Flip, Option<Instant>)> {
    let next = ending
        .flips
        .iter()
        .skip(1)
        .map(|flip| Some(flip.ran.started))
        .chain([None]);
    ending.flips.iter().zip(next)
}

/// Answers by `version` to requests that were sent from `since` on, if they came before `until`: when.
fn answers(
    ending: &Ending,
    version: &str,
    since: Instant,
    until: Option<Instant>,
) -> impl Iterator<Item = Duration> {
    let origin = ending.load.origin;
    let since = since.saturating_duration_since(origin);
    let until = until.map_or(Duration::MAX, |until| {
        until.saturating_duration_since(origin)
    });
    ending
        .load
        .samples
        .iter()
        .filter(move |sample| sample.sent >= since && sample.done < until)
        .filter(move |sample| matches!(&sample.outcome, Ok(by) if &**by == version))
        .map(|sample| sample.done)
}

/// When the last answer of the old colour came, counted from the command's start.
fn last_old_answer(ending: &Ending, flip: &Flip, until: Option<Instant>) -> Option<Duration> {
    let last = answers(ending, flip.from, flip.ran.started, until).max()?;
    Some((ending.load.origin + last).saturating_duration_since(flip.ran.started))
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING.header_separator(LineStyle::none().fill('─')));
    table
}

fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
