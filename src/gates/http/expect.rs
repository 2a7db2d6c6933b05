//! What an answer must be, with templates filled in: status, headers, JSON values, text, time.

use http::StatusCode;
use regex::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::super::{client::Answer, request::Variables};
use crate::model::{
    HumanDuration,
    check::{Comparison, HttpExpect, JsonExpect, render},
};

/// So much of a value or a body is shown in a message, in characters.
const SHOWN: usize = 120;

/// An expectation ready to be held against answers.
pub(super) struct Expectation<'a> {
    expect: &'a HttpExpect,
    variables: &'a Variables,
}

impl<'a> Expectation<'a> {
    pub(super) fn new(expect: &'a HttpExpect, variables: &'a Variables) -> Self {
        Self { expect, variables }
    }

    /// # Errors
    /// What is wrong with the answer: what came, and what was wanted.
    pub(super) fn judge(&self, answer: &Answer) -> Result<(), String> {
        self.status(answer)?;
        for (name, wanted) in &self.expect.headers {
            self.header(answer, name, wanted)?;
        }
        if !self.expect.json.is_empty() {
            let body: Value = serde_json::from_slice(&answer.body).map_err(|error| {
                format!("the body is no JSON ({error}): {}", shown(&answer.body))
            })?;
            for wanted in &self.expect.json {
                self.json(&body, wanted)?;
            }
        }
        if let Some(pattern) = &self.expect.matches {
            let text = String::from_utf8_lossy(&answer.body);
            if !regex(pattern)?.is_match(&text) {
                return Err(format!(
                    "{pattern:?} is not found in the body: {}",
                    shown(&answer.body)
                ));
            }
        }
        match self.expect.latency {
            Some(limit) if answer.took > limit.0 => {
                let took = answer.took.as_secs_f64() * 1_000.0;
                Err(format!(
                    "took {took:.1} ms, more than {limit}",
                    limit = HumanDuration(limit.0)
                ))
            }
            _ => Ok(()),
        }
    }

    fn status(&self, answer: &Answer) -> Result<(), String> {
        let status = answer.status;
        let good = match &self.expect.status {
            Some(wanted) => wanted.codes().contains(&status.as_u16()),
            None => status.is_success(),
        };
        if good {
            return Ok(());
        }
        let wanted = match &self.expect.status {
            None => "a 2xx".to_owned(),
            Some(wanted) => {
                let codes: Vec<_> = wanted.codes().iter().map(u16::to_string).collect();
                codes.join(" or ")
            }
        };
        let hint = match answer.headers.get(http::header::LOCATION) {
            Some(to) if status.is_redirection() && status != StatusCode::NOT_MODIFIED => format!(
                " (a redirect to {:?}, followed only with followRedirects: true)",
                String::from_utf8_lossy(to.as_bytes())
            ),
            _ if answer.body.is_empty() => String::new(),
            _ => format!(": {}", shown(&answer.body)),
        };
        Err(format!("answered {status}, not {wanted}{hint}"))
    }

    fn header(&self, answer: &Answer, name: &str, wanted: &Comparison) -> Result<(), String> {
        let values: Vec<_> = answer
            .headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        if values.is_empty() {
            return Err(format!("there is no header {name}"));
        }
        let found = values.join(", ");
        match wanted {
            Comparison::Equals(text) => {
                let text = render(text, self.variables).map_err(|error| error.to_string())?;
                if values.iter().any(|value| **value == *text) {
                    Ok(())
                } else {
                    Err(format!("header {name} is {found:?}, not {text:?}"))
                }
            }
            Comparison::Matches { matches } => {
                let regex = regex(matches)?;
                if values.iter().any(|value| regex.is_match(value)) {
                    Ok(())
                } else {
                    Err(format!(
                        "header {name} is {found:?}, which does not match {matches:?}"
                    ))
                }
            }
        }
    }

    fn json(&self, body: &Value, wanted: &JsonExpect) -> Result<(), String> {
        let path = render(&wanted.path, self.variables).map_err(|error| error.to_string())?;
        let query =
            JsonPath::parse(&path).map_err(|error| format!("{path:?} is no JSON path: {error}"))?;
        let found = query.query(body).all();
        match (wanted.exists, found.is_empty()) {
            (Some(false), true) => return Ok(()),
            (Some(false), false) => {
                return Err(format!(
                    "{path} is {}, and must not be there",
                    value(found[0])
                ));
            }
            (_, true) => {
                return Err(format!(
                    "there is no {path}: {}",
                    shown(body.to_string().as_bytes())
                ));
            }
            (_, false) => {}
        }
        for one in found {
            if let Some(equals) = &wanted.equals {
                let equals = match equals {
                    Value::String(text) => Value::String(
                        render(text, self.variables).map_err(|error| error.to_string())?,
                    ),
                    other => other.clone(),
                };
                if !same(one, &equals) {
                    return Err(format!("{path} is {}, not {}", value(one), value(&equals)));
                }
            }
            if let Some(pattern) = &wanted.matches {
                let fits = one
                    .as_str()
                    .map(|text| regex(pattern).map(|it| it.is_match(text)));
                if !fits.transpose()?.unwrap_or(false) {
                    return Err(format!(
                        "{path} is {}, which does not match {pattern:?}",
                        value(one)
                    ));
                }
            }
            if let Some(range) = &wanted.range {
                let number = one
                    .as_f64()
                    .ok_or_else(|| format!("{path} is {}, not a number", value(one)))?;
                if !range.holds(number) {
                    let bound =
                        |word: &str, bound: Option<f64>| bound.map(|it| format!("{word} {it}"));
                    let bounds = [
                        bound("at least", range.minimum),
                        bound("at most", range.maximum),
                    ];
                    let bounds: Vec<_> = bounds.into_iter().flatten().collect();
                    return Err(format!("{path} is {number}, not {}", bounds.join(" and ")));
                }
            }
        }
        Ok(())
    }
}

/// 1 and 1.0 are the same number.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => one == other,
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("{pattern:?} is no regular expression: {error}"))
}

fn value(value: &Value) -> String {
    shown(value.to_string().as_bytes())
}

fn shown(bytes: &[u8]) -> String {
    // Only the beginning is looked at: a body may have megabytes.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN)]);
    let mut line: String = text.chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        line.push('…');
    }
    line
}
