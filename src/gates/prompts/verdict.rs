//! From the outcomes of all prompts to one measurement, with the answers side by side.

use serde_json::{Value, json};

use super::expect::Reply;
use crate::{
    gates::findings::Findings,
    model::check::{MAX_DETAILS, Phase, PromptsCheck},
};

/// Answers are cut to so many characters in the record: the longest that lets all prompts fit is taken.
const CUTS: [usize; 5] = [4_000, 1_000, 300, 80, 20];

/// So many prompts that failed are named in the message.
const MAX_NAMED: usize = 5;

/// What became of one prompt.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Its name.
    pub(super) id: String,
    /// What was asked, for the record.
    pub(super) prompt: String,
    /// How much it counts.
    pub(super) weight: f64,
    /// It must pass whatever the others do.
    pub(super) must_pass: bool,
    /// What the version said, or why it said nothing.
    pub(super) answer: Result<Reply, String>,
    /// What live said, where it was asked.
    pub(super) live: Option<Result<Reply, String>>,
    /// What is wrong with the answer.
    pub(super) problems: Vec<String>,
    /// What could not be found out about it, because of another system than the version.
    pub(super) unknown: Vec<String>,
    /// Similarities and the judge's score.
    pub(super) scores: Vec<(&'static str, f64)>,
}

impl Outcome {
    fn failed(&self) -> bool {
        !self.problems.is_empty()
    }

    fn open(&self) -> bool {
        self.problems.is_empty() && !self.unknown.is_empty()
    }
}

/// The verdict on all prompts.
pub(super) fn verdict(check: &PromptsCheck, outcomes: &[Outcome]) -> Findings {
    let mut findings = Findings::default();
    let total: f64 = outcomes.iter().map(|it| it.weight).sum();
    let share = |of: &dyn Fn(&Outcome) -> bool| -> f64 {
        let counted = outcomes.iter().filter(|it| of(it));
        // From 0: the sum of nothing is -0, which reads oddly.
        let weight = counted.fold(0.0, |sum, it| sum + it.weight);
        if total > 0.0 { weight / total } else { 0.0 }
    };
    let passed = share(&|it| !it.failed() && !it.open());
    let open = share(&|it| it.open());
    let count = outcomes
        .iter()
        .filter(|it| !it.failed() && !it.open())
        .count();
    findings.value("prompts", outcomes.len() as f64);
    findings.value("passed", count as f64);
    findings.value("passRate", passed);
    means(outcomes, &mut findings);
    let seen = format!(
        "{count} of {} prompts pass, {} by weight",
        outcomes.len(),
        percent(passed)
    );

    // Rounding must not fail 9 of 10 at a rate of 0.9.
    let least = check.pass_rate - 1e-9;
    if passed + open < least {
        let text = format!(
            "{seen}, wanted {}: {}",
            percent(check.pass_rate),
            named(outcomes)
        );
        findings.add(Phase::Failed, text);
    } else if passed < least {
        let text = format!(
            "{seen}, wanted {}, and not all could be judged: {}",
            percent(check.pass_rate),
            unknown(outcomes)
        );
        findings.add(Phase::Error, text);
    } else {
        findings.add(Phase::Successful, seen);
    }
    for outcome in outcomes.iter().filter(|it| it.must_pass) {
        if outcome.failed() {
            let why = outcome.problems.join(", ");
            findings.add(
                Phase::Failed,
                format!("{}, which must pass, {why}", outcome.id),
            );
        } else if outcome.open() {
            let why = outcome.unknown.join(", ");
            findings.add(
                Phase::Error,
                format!("{}, which must pass, can't be judged: {why}", outcome.id),
            );
        }
    }
    findings.details(answers(outcomes));
    findings
}

fn percent(share: f64) -> String {
    format!("{}%", (share * 1_000.0).round() / 10.0)
}

fn named(outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter(|it| it.failed());
    let names: Vec<String> = failed
        .clone()
        .take(MAX_NAMED)
        .map(|it| format!("{} {}", it.id, it.problems.join(", ")))
        .collect();
    let more = failed.count().saturating_sub(MAX_NAMED);
    let rest = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    format!("{}{rest}", names.join("; "))
}

fn unknown(outcomes: &[Outcome]) -> String {
    let first = outcomes.iter().find(|it| it.open());
    first.map_or_else(String::new, |it| {
        format!("{}: {}", it.id, it.unknown.join(", "))
    })
}

/// Means over the prompts: of the scores, and of the time that answers took.
fn means(outcomes: &[Outcome], findings: &mut Findings) {
    for name in ["rougeL", "embedding", "judge"] {
        let scores: Vec<f64> = outcomes
            .iter()
            .flat_map(|it| &it.scores)
            .filter(|(score, _)| *score == name)
            .map(|(_, value)| *value)
            .collect();
        findings.value(format!("{name}.mean"), mean(&scores));
    }
    let seconds = |answer: &Result<Reply, String>| Some(answer.as_ref().ok()?.took.as_secs_f64());
    let took: Vec<f64> = outcomes
        .iter()
        .filter_map(|it| seconds(&it.answer))
        .collect();
    findings.value("latency.mean", mean(&took));
    let live: Vec<f64> = outcomes
        .iter()
        .filter_map(|it| seconds(it.live.as_ref()?))
        .collect();
    findings.value("latency.mean.live", mean(&live));
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The answers side by side, those that failed first, cut so that they fit the record.
fn answers(outcomes: &[Outcome]) -> Value {
    let mut ordered: Vec<&Outcome> = outcomes.iter().collect();
    ordered.sort_by_key(|it| (!it.failed(), !it.open()));
    for cut in CUTS {
        let rows: Vec<Value> = ordered.iter().map(|it| row(it, cut)).collect();
        let whole = json!({ "answers": rows });
        if whole.to_string().len() <= MAX_DETAILS {
            return whole;
        }
    }
    // Very many prompts: as many as fit, with the shortest cut.
    let mut rows = Vec::new();
    let mut size = 100;
    for outcome in &ordered {
        let row = row(outcome, CUTS[CUTS.len() - 1]);
        size += row.to_string().len() + 1;
        if size > MAX_DETAILS {
            break;
        }
        rows.push(row);
    }
    let left_out = ordered.len() - rows.len();
    json!({ "answers": rows, "leftOut": left_out })
}

fn row(outcome: &Outcome, cut: usize) -> Value {
    let text = |answer: &Result<Reply, String>| match answer {
        Ok(answer) => json!({
            "text": shortened(&answer.text, cut),
            "milliseconds": answer.took.as_millis() as u64,
        }),
        Err(why) => json!({ "error": shortened(why, cut) }),
    };
    let mut row = json!({
        "id": shortened(&outcome.id, cut.max(80)),
        "passed": !outcome.failed() && !outcome.open(),
        "prompt": shortened(&outcome.prompt, cut),
        "answer": text(&outcome.answer),
    });
    if let Some(live) = &outcome.live {
        row["live"] = text(live);
    }
    for (key, texts) in [
        ("problems", &outcome.problems),
        ("unknown", &outcome.unknown),
    ] {
        if !texts.is_empty() {
            row[key] = texts
                .iter()
                .map(|text| shortened(text, cut.max(80)))
                .collect();
        }
    }
    for (name, value) in &outcome.scores {
        row[*name] = json!(value);
    }
    row
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
