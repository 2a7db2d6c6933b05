//! Fields that several kinds of checks have: what they must keep to.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::{
    super::{
        HumanDuration,
        path::{Path, quoted},
        validate::{Findings, MAX_DURATION},
    },
    DataSource, HttpRequest, VARIABLES,
    expression::Expression,
    template,
};
use crate::text::escaped;

/// The longest text of a field (query, path, expression), in bytes: longer ones are data, not configuration.
const MAX_FIELD: usize = 8 * 1024;

/// The most rows that stand in a document itself.
const MAX_ROWS: usize = 1_000;

/// The most requests at once, or connections: below the usual limit of open files (1,024).
pub(super) const MAX_CONCURRENCY: usize = 1_000;

/// A request; its templates may use these variables too.
pub(super) fn request(
    findings: &mut Findings,
    path: &Path,
    request: &HttpRequest,
    more: &[&'static str],
) {
    if let Some(method) = &request.method
        && (method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()))
    {
        let problem = format!("{} is no HTTP method: write e.g. GET", quoted(method, 32));
        findings.add(path.join("method"), problem);
    }
    if let Some(text) = &request.path {
        path_problem(findings, path.join("path"), text, more);
    }
    headers(findings, path, &request.headers, more);
    if let Some(body) = &request.body {
        templates_in(findings, &path.join("body"), &body.0, more);
    }
}

/// Path and query of a request.
pub(super) fn path_problem(findings: &mut Findings, path: Path, text: &str, more: &[&'static str]) {
    if !text.starts_with('/') {
        findings.add(path, format!("{} must begin with /", quoted(text, 64)));
    } else if text.len() > MAX_FIELD {
        findings.add(path, format!("has more than {MAX_FIELD} bytes"));
    } else if let Some(c) = without_variables(text)
        .chars()
        .find(|c| !c.is_ascii_graphic())
    {
        let problem = format!("{} holds {c:?}: write it percent-encoded", quoted(text, 64));
        findings.add(path, problem);
    } else {
        templated(findings, path, text, more);
    }
}

/// Names and values of headers, in the field `headers` of `path`.
pub(super) fn headers(
    findings: &mut Findings,
    path: &Path,
    headers: &BTreeMap<String, String>,
    more: &[&'static str],
) {
    for (name, value) in headers {
        let path = path.join("headers").join(name.as_str());
        let good = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !good {
            findings.add(path, format!("{} is no header name", quoted(name, 64)));
        } else if value.chars().any(|c| c.is_control() && c != '\t') {
            findings.add(path, "holds control characters");
        } else {
            templated(findings, path, value, more);
        }
    }
}

/// A text with templates.
pub(super) fn templated(findings: &mut Findings, path: Path, text: &str, more: &[&'static str]) {
    if text.len() > MAX_FIELD {
        findings.add(path, format!("has more than {MAX_FIELD} bytes"));
    } else if let Some(problem) = template::problem(text, more) {
        findings.add(path, problem);
    }
}

/// Every text in a value, with templates.
fn templates_in(findings: &mut Findings, path: &Path, value: &Value, more: &[&'static str]) {
    match value {
        Value::String(text) => {
            if let Some(problem) = template::problem(text, more) {
                findings.add(path.clone(), problem);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                templates_in(findings, &path.join(at), item, more);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                templates_in(findings, &path.join(key.as_str()), value, more);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `http://HOST…` or `https://HOST…`.
pub(super) fn url(findings: &mut Findings, path: Path, text: &str) {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let host = rest.map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    if host.is_none_or(str::is_empty)
        || !without_variables(text)
            .chars()
            .all(|c| c.is_ascii_graphic())
    {
        let problem = format!(
            "{} is no URL: write http://HOST or https://HOST and a path",
            quoted(text, 64)
        );
        findings.add(path, problem);
    } else if host.is_some_and(|host| host.contains('@')) {
        findings.add(path, "holds a password: send it in headers");
    } else {
        templated(findings, path, text, &[]);
    }
}

/// A JSON path, without templates.
pub(super) fn json_path(findings: &mut Findings, path: Path, text: &str) {
    if text.len() > MAX_FIELD {
        findings.add(path, format!("has more than {MAX_FIELD} bytes"));
    } else if let Err(error) = JsonPath::parse(text) {
        let problem = escaped(&error.to_string(), 200);
        findings.add(
            path,
            format!(
                "{} is no JSON path (RFC 9535), e.g. $.outputs[0].data[0]: {problem}",
                quoted(text, 64)
            ),
        );
    }
}

/// A JSON path with templates.
pub(super) fn json_path_template(findings: &mut Findings, path: Path, text: &str) {
    match template::problem(text, &[]) {
        Some(problem) => findings.add(path, problem),
        None => json_path(findings, path, &without_variables(text)),
    }
}

/// The text with a letter for each variable: what follows does not depend on what a version is called.
fn without_variables(text: &str) -> String {
    let values = VARIABLES
        .iter()
        .map(|name| (*name, "x".to_owned()))
        .collect();
    template::render(text, &values).unwrap_or_else(|_| text.replace(' ', ""))
}

/// A regular expression.
pub(super) fn regex(findings: &mut Findings, path: Path, text: &str) {
    if let Err(error) = ::regex::Regex::new(text) {
        let last = error.to_string();
        let problem = last.lines().last().unwrap_or_default();
        findings.add(
            path,
            format!(
                "{} is no regular expression: {}",
                quoted(text, 64),
                escaped(problem, 200)
            ),
        );
    }
}

/// `successCondition` and `failureCondition` of `path`.
pub(super) fn conditions(
    findings: &mut Findings,
    path: &Path,
    success: Option<&String>,
    failure: Option<&String>,
    variables: &[&str],
) {
    for (key, text) in [("successCondition", success), ("failureCondition", failure)] {
        let Some(text) = text else { continue };
        match Expression::parse(text) {
            Err(error) => findings.add(path.join(key), error.to_string()),
            // It would be an Error each time, which in a bake takes a good version back.
            Ok(condition) if condition.is_about_others_than(variables) => findings.add(
                path.join(key),
                format!(
                    "{} is about nothing that is measured: there is {}",
                    quoted(text, 64),
                    variables.join(", ")
                ),
            ),
            Ok(_) => {}
        }
    }
}

/// A path of a file below the server's folder of check data.
pub(super) fn file_below(findings: &mut Findings, path: Path, file: &str) {
    if file.is_empty() || file.starts_with('/') || file.split('/').any(|part| part == "..") {
        let problem = format!(
            "{} leads out of the server's folder of check data: write a path below it",
            quoted(file, 64)
        );
        findings.add(path, problem);
    }
}

/// A source of JSON lines.
pub(super) fn data(findings: &mut Findings, path: &Path, source: &DataSource) {
    match source {
        DataSource::File(file) => file_below(findings, path.join("file"), file),
        DataSource::Url(text) => url(findings, path.join("url"), text),
        DataSource::Rows(rows) => {
            if rows.is_empty() {
                findings.add(path.join("rows"), "is empty");
            } else if rows.len() > MAX_ROWS {
                let problem = format!(
                    "{} rows, more than {MAX_ROWS}: put them into a file",
                    rows.len()
                );
                findings.add(path.join("rows"), problem);
            }
        }
    }
}

/// A number from `least` to `most`.
pub(super) fn within(findings: &mut Findings, path: Path, number: f64, least: f64, most: f64) {
    if !(least..=most).contains(&number) {
        findings.add(path, format!("{number} is not from {least} to {most}"));
    }
}

/// A number above 0.
pub(super) fn positive(findings: &mut Findings, path: Path, number: f64) {
    if !(number.is_finite() && number > 0.0) {
        findings.add(path, format!("{number} is not more than 0"));
    }
}

/// A number of things from 1.
pub(super) fn count(findings: &mut Findings, path: Path, number: usize, most: usize) {
    if number == 0 {
        findings.add(path, "must be 1 or more");
    } else if number > most {
        findings.add(path, format!("{number} is more than {most}"));
    }
}

/// A duration must be more than nothing, and at most what is accepted anywhere.
pub(super) fn duration(findings: &mut Findings, path: Path, value: Option<HumanDuration>) {
    match value {
        Some(value) if value.0.is_zero() => findings.add(path, "must be more than 0, e.g. 10s"),
        Some(value) if value.0 > MAX_DURATION => {
            let most = HumanDuration(MAX_DURATION);
            let problem = format!("{value} is more than {most}, the longest accepted");
            findings.add(path, problem);
        }
        _ => {}
    }
}
