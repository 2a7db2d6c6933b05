//! From samples of both versions to a verdict, field by field.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::{
    gates::{
        findings::Findings,
        stats::{
            TestResult, chi_square, kolmogorov_smirnov, merge_rare, psi_of_counts, psi_of_numbers,
        },
    },
    model::check::{ChiSquare, DriftCheck, DriftField, KolmogorovSmirnov, Phase},
};

/// The most categories of a field: more are no categories (an id, a time), and would only fill memory.
const MAX_CATEGORIES: usize = 10_000;

/// The verdict. `candidate` and `baseline` are samples, each one JSON value.
pub(super) fn judge(check: &DriftCheck, candidate: &[Value], baseline: &[Value]) -> Findings {
    let mut findings = Findings::default();
    findings.value("samples", candidate.len() as f64);
    findings.value("baseline.samples", baseline.len() as f64);
    for (name, field) in &check.fields {
        let place = match field {
            DriftField::Number { path, .. } | DriftField::Category { path, .. } => path.as_deref(),
        };
        let place = match place.map(JsonPath::parse).transpose() {
            Ok(place) => place,
            Err(error) => {
                findings.add(Phase::Error, format!("{name}: {error}"));
                continue;
            }
        };
        let place = place.as_ref();
        match field {
            DriftField::Number { ks, psi, bins, .. } => {
                let numbers = |samples: &[Value]| {
                    samples
                        .iter()
                        .filter_map(|it| find(it, name, place)?.as_f64())
                        .collect()
                };
                let sides = Sides {
                    check,
                    name,
                    candidate: numbers(candidate),
                    baseline: numbers(baseline),
                };
                sides.number(*ks, *psi, *bins, &mut findings);
            }
            DriftField::Category {
                chi_square, psi, ..
            } => {
                let names = |samples: &[Value]| {
                    samples
                        .iter()
                        .filter_map(|it| category(find(it, name, place)?))
                        .collect()
                };
                let sides = Sides {
                    check,
                    name,
                    candidate: names(candidate),
                    baseline: names(baseline),
                };
                sides.category(*chi_square, *psi, &mut findings);
            }
        }
    }
    findings
}

fn find<'a>(sample: &'a Value, name: &str, place: Option<&JsonPath>) -> Option<&'a Value> {
    match place {
        Some(place) => place.query(sample).first(),
        None => sample.get(name),
    }
}

fn category(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The values of one field.
struct Sides<'a, T> {
    check: &'a DriftCheck,
    name: &'a str,
    candidate: Vec<T>,
    baseline: Vec<T>,
}

impl<T> Sides<'_, T> {
    /// Whether there are enough; if not, that is the finding.
    fn enough(&self, what: &str, findings: &mut Findings) -> bool {
        let (name, wanted) = (self.name, self.check.minimum_samples);
        let fewest = self.candidate.len().min(self.baseline.len());
        if fewest >= wanted.max(1) {
            return true;
        }
        findings.add(
            Phase::Inconclusive,
            format!(
                "too few samples: {} with {what} in {name}, {} of live, {wanted} wanted",
                self.candidate.len(),
                self.baseline.len()
            ),
        );
        false
    }
}

impl Sides<'_, f64> {
    fn number(
        &self,
        ks: Option<KolmogorovSmirnov>,
        psi: Option<f64>,
        bins: usize,
        findings: &mut Findings,
    ) {
        let name = self.name;
        if !self.enough("a number", findings) {
            return;
        }
        if let Some(bound) = ks
            && let Some(found) = kolmogorov_smirnov(&self.candidate, &self.baseline)
        {
            findings.value(format!("{name}.ks"), found.statistic);
            findings.value(format!("{name}.ks.pValue"), found.p_value);
            let unlikely = bound.p_value.is_none_or(|least| found.p_value < least);
            let far = bound.statistic.is_none_or(|most| found.statistic > most);
            let seen = told("Kolmogorov-Smirnov distance", name, found);
            let wanted: Vec<String> = [
                bound.p_value.map(|least| format!("p from {least}")),
                bound
                    .statistic
                    .map(|most| format!("a distance up to {most}")),
            ]
            .into_iter()
            .flatten()
            .collect();
            verdict(unlikely && far, seen, &wanted.join(" or "), findings);
        }
        let bins = u32::try_from(bins).unwrap_or(u32::MAX);
        stability(
            name,
            psi_of_numbers(&self.baseline, &self.candidate, bins),
            psi,
            findings,
        );
    }
}

impl Sides<'_, String> {
    fn category(&self, test: Option<ChiSquare>, psi: Option<f64>, findings: &mut Findings) {
        let name = self.name;
        if !self.enough("a category", findings) {
            return;
        }
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for category in &self.baseline {
            counts.entry(category).or_default().0 += 1;
        }
        for category in &self.candidate {
            counts.entry(category).or_default().1 += 1;
        }
        if counts.len() > MAX_CATEGORIES {
            let text = format!("{name} has {} values: it is no category", counts.len());
            return findings.add(Phase::Error, text);
        }
        let counts: Vec<(u64, u64)> = counts.into_values().collect();
        if let Some(bound) = test {
            match chi_square(&merge_rare(&counts)) {
                Some(found) => {
                    findings.value(format!("{name}.chiSquare"), found.statistic);
                    findings.value(format!("{name}.chiSquare.pValue"), found.p_value);
                    let seen = told("chi-square", name, found);
                    let wanted = format!("p from {}", bound.p_value);
                    verdict(found.p_value < bound.p_value, seen, &wanted, findings);
                }
                None if counts.len() == 1 => findings.add(
                    Phase::Successful,
                    format!("{name} has one value only, the same in both"),
                ),
                // Put together they are one, and anything would be like anything.
                None => findings.add(
                    Phase::Inconclusive,
                    format!(
                        "too few samples: {name} has {} values, each too rare to be compared",
                        counts.len()
                    ),
                ),
            }
        }
        let shares: Vec<(f64, f64)> = counts
            .iter()
            .map(|(one, other)| (*one as f64, *other as f64))
            .collect();
        stability(name, psi_of_counts(&shares), psi, findings);
    }
}

fn told(test: &str, name: &str, found: TestResult) -> String {
    format!(
        "{test} of {name} is {:.4}, p = {:.2e}",
        found.statistic, found.p_value
    )
}

fn verdict(drifted: bool, seen: String, wanted: &str, findings: &mut Findings) {
    if drifted {
        findings.add(Phase::Failed, format!("{seen}, wanted {wanted}"));
    } else {
        findings.add(Phase::Successful, seen);
    }
}

/// The index is always kept, and judged where a bound is given.
fn stability(name: &str, found: Option<f64>, most: Option<f64>, findings: &mut Findings) {
    let Some(found) = found else { return };
    findings.value(format!("{name}.psi"), found);
    if let Some(most) = most {
        let seen = format!("PSI of {name} is {found:.4}");
        verdict(found > most, seen, &format!("at most {most}"), findings);
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
