//! What each kind of check must keep to.

use serde_json::Value;

use super::{
    super::{path::Path, validate::Findings},
    CheckKind, CheckSpec, CheckUse, Comparison, HttpCheck, LoadCheck, ManualCheck, ParityCheck,
    Phase, PrometheusCheck, RateLimit, WebhookCheck,
    fields::{
        MAX_CONCURRENCY, conditions, count, data, duration, headers, json_path, json_path_template,
        path_problem, regex, request, templated, url, within,
    },
    model_rules::{drift, evaluate, prompts, proxies},
};

/// The most retries of a webhook: with the delay doubled each time the tenth comes after a quarter of an hour.
const MAX_RETRIES: u32 = 10;

/// The highest rate, in requests a second: ten times what one core sends.
const MAX_RATE: f64 = 50_000.0;

pub(super) fn kind(findings: &mut Findings, path: &Path, check: &CheckSpec, used: CheckUse) {
    match &check.kind {
        CheckKind::Http(it) => http(findings, path, it),
        CheckKind::Evaluate(it) => evaluate(findings, path, it),
        CheckKind::Prompts(it) => prompts(findings, path, it),
        CheckKind::Load(it) => load(findings, path, it),
        CheckKind::Parity(it) => parity(findings, path, it),
        CheckKind::Prometheus(it) => prometheus(findings, path, it),
        CheckKind::Proxies(it) => proxies(findings, path, it),
        CheckKind::Drift(it) => drift(findings, path, it),
        CheckKind::Webhook(it) => webhook(findings, path, it),
        CheckKind::Manual(it) => manual(findings, path, it, used),
    }
}

fn http(findings: &mut Findings, path: &Path, check: &HttpCheck) {
    request(findings, path, &check.request(), &[]);
    let plain = check.path.is_some() || check.method.is_some() || check.body.is_some();
    let presets = [
        ("openInference", check.open_inference.is_some()),
        ("openai", check.openai.is_some()),
    ];
    let given: Vec<_> = presets.iter().filter(|(_, given)| *given).collect();
    match given.as_slice() {
        [_, (second, _), ..] => {
            findings.add(path.join(*second), "one preset at a time: make two checks")
        }
        [(preset, _)] if plain => findings.add(
            path.join(*preset),
            "says itself what is asked: leave method, path and body out, or make two checks",
        ),
        _ => {}
    }
    let expect = path.join("expect");
    if check
        .expect
        .status
        .as_ref()
        .is_some_and(|it| it.codes().is_empty())
    {
        findings.add(
            expect.join("status"),
            "no answer would have any of no statuses: list some, or leave it out for any 2xx",
        );
    }
    for code in check.expect.status.iter().flat_map(|it| it.codes()) {
        if !(100..=599).contains(code) {
            findings.add(expect.join("status"), format!("{code} is no HTTP status"));
        }
    }
    for (name, wanted) in &check.expect.headers {
        let path = expect.join("headers").join(name.as_str());
        match wanted {
            Comparison::Equals(text) => templated(findings, path, text, &[]),
            Comparison::Matches { matches } => regex(findings, path.join("matches"), matches),
        }
    }
    for (at, wanted) in check.expect.json.iter().enumerate() {
        let path = expect.join("json").join(at);
        json_path_template(findings, path.join("path"), &wanted.path);
        if let Some(range) = wanted.range
            && let Some(problem) = range.problem()
        {
            findings.add(path.join("range"), problem);
        }
        if let Some(pattern) = &wanted.matches {
            regex(findings, path.join("matches"), pattern);
        }
        if let Some(Value::String(text)) = &wanted.equals {
            templated(findings, path.join("equals"), text, &[]);
        }
        let conditions =
            wanted.equals.is_some() || wanted.matches.is_some() || wanted.range.is_some();
        if wanted.exists == Some(false) && conditions {
            let problem = "false with a condition on the value: keep one";
            findings.add(path.join("exists"), problem);
        }
    }
    if let Some(pattern) = &check.expect.matches {
        regex(findings, expect.join("matches"), pattern);
    }
    duration(findings, expect.join("latency"), check.expect.latency);
    for (key, text) in [
        ("model", check.open_inference.as_ref().map(|it| &it.model)),
        (
            "modelVersion",
            check
                .open_inference
                .as_ref()
                .and_then(|it| it.model_version.as_ref()),
        ),
    ] {
        if let Some(text) = text {
            templated(findings, path.join("openInference").join(key), text, &[]);
        }
    }
    if let Some(preset) = &check.openai {
        templated(
            findings,
            path.join("openai").join("model"),
            &preset.model,
            &[],
        );
    }
}

fn load(findings: &mut Findings, path: &Path, check: &LoadCheck) {
    duration(findings, path.join("duration"), Some(check.duration));
    duration(findings, path.join("warmUp"), check.warm_up);
    duration(
        findings,
        path.join("requestTimeout"),
        Some(check.request_timeout),
    );
    match check.rate {
        Some(RateLimit::PerSecond(rate)) => {
            within(
                findings,
                path.join("rate").join("perSecond"),
                rate,
                0.1,
                MAX_RATE,
            );
        }
        Some(RateLimit::TimesLive(times)) => {
            within(
                findings,
                path.join("rate").join("timesLive"),
                times,
                0.01,
                100.0,
            );
        }
        None => {}
    }
    match (check.requests.is_empty(), &check.data) {
        (true, None) => findings.add(
            path.join("requests"),
            "is empty: write requests, or data with JSON lines",
        ),
        (false, Some(_)) => findings.add(path.join("data"), "stands beside requests: keep one"),
        (_, Some(source)) => data(findings, &path.join("data"), source),
        _ => {}
    }
    for (at, asked) in check.requests.iter().enumerate() {
        request(findings, &path.join("requests").join(at), asked, &[]);
    }
    count(
        findings,
        path.join("connections"),
        check.connections,
        MAX_CONCURRENCY,
    );
    let limits = &check.limits;
    let at = path.join("limits");
    if let Some(rate) = limits.error_rate {
        within(findings, at.join("errorRate"), rate, 0.0, 1.0);
    }
    if let Some(over) = limits.error_rate_over_live {
        within(findings, at.join("errorRateOverLive"), over, 0.0, 1.0);
    }
    for (percentile, limit) in &limits.latency {
        let path = at.join("latency").join(percentile.to_string().as_str());
        duration(findings, path.join("maximum"), limit.maximum);
        if let Some(times) = limit.times_live {
            within(findings, path.join("timesLive"), times, 0.01, 1_000.0);
        }
        if limit.maximum.is_none() && limit.times_live.is_none() {
            findings.add(path, "says nothing: write maximum, timesLive or both");
        }
    }
    let relative = check.needs_live();
    if let Some(rate) = check.live_rate {
        within(findings, path.join("liveRate"), rate, 0.1, MAX_RATE);
    }
    match (relative, check.live_rate) {
        (true, None) => findings.add(
            path.join("liveRate"),
            "is missing: limits relative to live need a load on live too, say how many requests a second it bears",
        ),
        (false, Some(_)) => findings.add(path.join("liveRate"), "counts only with a limit relative to live"),
        _ => {}
    }
}

fn parity(findings: &mut Findings, path: &Path, check: &ParityCheck) {
    if let Some(at) = &check.path {
        path_problem(findings, path.join("path"), at, &[]);
    }
    for (at, ignored) in check.ignore.iter().enumerate() {
        if ignored.starts_with('$') {
            json_path(findings, path.join("ignore").join(at), ignored);
        }
    }
    if !check.ignore.is_empty() && check.path.is_none() {
        findings.add(path.join("ignore"), "counts only with a path");
    }
    if check.path.is_none() && !check.endpoints && !check.protocol && !check.cluster {
        findings.add(
            path.clone(),
            "compares nothing: write path, or leave something on",
        );
    }
}

fn prometheus(findings: &mut Findings, path: &Path, check: &PrometheusCheck) {
    url(findings, path.join("address"), &check.address);
    templated(findings, path.join("query"), &check.query, &[]);
    headers(findings, path, &check.headers, &[]);
    conditions(
        findings,
        path,
        check.success_condition.as_ref(),
        check.failure_condition.as_ref(),
        &["result"],
    );
    for (key, phase) in [("whenEmpty", check.when_empty), ("whenNaN", check.when_nan)] {
        if matches!(phase, Phase::Pending | Phase::Running) {
            findings.add(
                path.join(key),
                "write Successful, Failed, Inconclusive or Error",
            );
        }
    }
}

fn webhook(findings: &mut Findings, path: &Path, check: &WebhookCheck) {
    url(findings, path.join("url"), &check.url);
    headers(findings, path, &check.headers, &[]);
    duration(findings, path.join("retryDelay"), Some(check.retry_delay));
    if check.retries > MAX_RETRIES {
        let problem = format!("{} is more than {MAX_RETRIES}", check.retries);
        findings.add(path.join("retries"), problem);
    }
}

fn manual(findings: &mut Findings, path: &Path, check: &ManualCheck, used: CheckUse) {
    if used == CheckUse::Monitor {
        findings.add(
            path.clone(),
            "is for gates and steps of a canary: nobody approves every few seconds",
        );
    }
    if let Some(question) = &check.question {
        templated(findings, path.join("question"), question, &[]);
    }
    if check.approvals == 0 {
        findings.add(
            path.join("approvals"),
            "0 would ask nobody: write 1 or more",
        );
    }
    let able = check.approvers.len();
    if able > 0 && check.approvals as usize > able {
        let problem = format!("{} are more than there are approvers", check.approvals);
        findings.add(path.join("approvals"), problem);
    }
}
