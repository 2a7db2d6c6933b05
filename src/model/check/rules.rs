//! What each kind of check must keep to.

use serde_json::Value;

use super::{
    super::{path::Path, validate::Findings},
    CheckKind, CheckSpec, CheckUse, Comparison, DriftCheck, DriftField, EvaluateCheck, HttpCheck,
    HttpRequest, LoadCheck, ManualCheck, ParityCheck, Phase, PrometheusCheck, PromptExpect,
    PromptsCheck, PromptsEndpoint, ProxiesCheck, RateLimit, SampleSource, WebhookCheck,
    fields::{
        conditions, count, data, headers, json_path, json_path_template, path_problem, positive,
        regex, request, templated, url, within,
    },
    validate::duration,
};

/// The most retries of a webhook: with the delay doubled each time the tenth comes after a quarter of an hour.
const MAX_RETRIES: u32 = 10;

/// The highest rate, in requests a second: ten times what one core sends.
const MAX_RATE: f64 = 50_000.0;

/// The most requests at once, or connections: below the usual limit of open files (1,024).
const MAX_CONCURRENCY: usize = 1_000;

/// The most resamples of a bootstrap: beyond, the interval's ends move less than the data does.
const MAX_RESAMPLES: u32 = 100_000;

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

fn evaluate(findings: &mut Findings, path: &Path, check: &EvaluateCheck) {
    data(findings, &path.join("data"), &check.data);
    request(findings, &path.join("request"), &check.request, &["input"]);
    for (key, text) in [
        ("input", &check.input),
        ("label", &check.label),
        ("prediction", &check.prediction),
    ] {
        json_path(findings, path.join(key), text);
    }
    if check.metrics.is_empty() {
        findings.add(
            path.join("metrics"),
            "is empty: write e.g. accuracy: { minimum: 0.9 }",
        );
    }
    for (metric, limit) in &check.metrics {
        let path = path.join("metrics").join(metric.as_str());
        let numbers = [limit.minimum, limit.maximum, limit.margin];
        if numbers == [None; 3] {
            findings.add(path, "says nothing: write minimum, maximum or margin");
        } else if numbers.iter().flatten().any(|it| !it.is_finite()) {
            findings.add(path, "must be made of finite numbers");
        } else if limit.margin.is_some_and(|margin| margin < 0.0) {
            findings.add(path.join("margin"), "must be a number from 0");
        } else if metric.is_error() && limit.minimum.is_some() {
            findings.add(
                path.join("minimum"),
                format!("of {metric} less is better: write maximum"),
            );
        } else if !metric.is_error() && limit.maximum.is_some() {
            findings.add(
                path.join("maximum"),
                format!("of {metric} more is better: write minimum"),
            );
        }
    }
    within(
        findings,
        path.join("confidence"),
        check.confidence,
        0.5,
        0.9999,
    );
    within(
        findings,
        path.join("maximumErrorRate"),
        check.maximum_error_rate,
        0.0,
        1.0,
    );
    count(
        findings,
        path.join("minimumSamples"),
        check.minimum_samples,
        usize::MAX,
    );
    count(
        findings,
        path.join("concurrency"),
        check.concurrency,
        MAX_CONCURRENCY,
    );
    count(
        findings,
        path.join("resamples"),
        check.resamples as usize,
        MAX_RESAMPLES as usize,
    );
    if let Some(most) = check.maximum_samples
        && most < check.minimum_samples
    {
        let problem = format!(
            "{most} is less than minimumSamples, {}",
            check.minimum_samples
        );
        findings.add(path.join("maximumSamples"), problem);
    }
}

fn prompts(findings: &mut Findings, path: &Path, check: &PromptsCheck) {
    data(findings, &path.join("data"), &check.data);
    let endpoint = path.join("endpoint");
    match &check.endpoint {
        PromptsEndpoint::OpenAi {
            model,
            path: at,
            headers,
            ..
        } => {
            let path = endpoint.join("openai");
            templated(findings, path.join("model"), model, &[]);
            let asked = HttpRequest {
                path: at.clone(),
                headers: headers.clone(),
                ..HttpRequest::default()
            };
            request(findings, &path, &asked, &[]);
        }
        PromptsEndpoint::Plain {
            request: asked,
            answer,
        } => {
            let path = endpoint.join("plain");
            request(findings, &path.join("request"), asked, &["prompt"]);
            if let Some(answer) = answer {
                json_path(findings, path.join("answer"), answer);
            }
        }
    }
    prompt_expect(findings, &path.join("expect"), &check.expect);
    within(findings, path.join("passRate"), check.pass_rate, 0.0, 1.0);
    count(
        findings,
        path.join("concurrency"),
        check.concurrency,
        MAX_CONCURRENCY,
    );
    if check
        .expect
        .similarity
        .is_some_and(|it| it.embedding.is_some())
        && check.embedding.is_none()
    {
        findings.add(
            path.join("embedding"),
            "is missing: expect.similarity.embedding needs an endpoint",
        );
    }
    if check.expect.judge.is_some() && check.judge.is_none() {
        findings.add(
            path.join("judge"),
            "is missing: expect.judge needs who judges",
        );
    }
    if let Some(embedding) = &check.embedding {
        url(findings, path.join("embedding").join("url"), &embedding.url);
        headers(findings, &path.join("embedding"), &embedding.headers, &[]);
    }
    if let Some(judge) = &check.judge {
        url(findings, path.join("judge").join("url"), &judge.url);
        headers(findings, &path.join("judge"), &judge.headers, &[]);
        within(
            findings,
            path.join("judge").join("scale"),
            judge.scale,
            1.0,
            1_000.0,
        );
    }
}

fn prompt_expect(findings: &mut Findings, path: &Path, expect: &PromptExpect) {
    if let Some(pattern) = &expect.matches {
        regex(findings, path.join("matches"), pattern);
    }
    duration(findings, path.join("latency"), expect.latency);
    if let (Some(least), Some(most)) = (expect.minimum_length, expect.maximum_length)
        && least > most
    {
        let problem = format!("{least} is more than maximumLength, {most}");
        findings.add(path.join("minimumLength"), problem);
    }
    if let Some(similarity) = &expect.similarity {
        let path = path.join("similarity");
        if similarity.rouge_l.is_none() && similarity.embedding.is_none() {
            findings.add(path.clone(), "says nothing: write rougeL or embedding");
        }
        if let Some(least) = similarity.rouge_l {
            within(findings, path.join("rougeL"), least, 0.0, 1.0);
        }
        if let Some(least) = similarity.embedding {
            within(findings, path.join("embedding"), least, -1.0, 1.0);
        }
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

fn proxies(findings: &mut Findings, path: &Path, check: &ProxiesCheck) {
    duration(findings, path.join("window"), Some(check.window));
    let nothing =
        check.success_rate.is_none() && check.metrics.is_empty() && check.buckets.is_empty();
    if nothing && check.success_condition.is_none() && check.failure_condition.is_none() {
        findings.add(
            path.clone(),
            "says nothing: write successRate, metrics, buckets or a condition",
        );
    }
    if let Some(rate) = &check.success_rate {
        let path = path.join("successRate");
        if rate.minimum.is_none() && rate.margin.is_none() {
            findings.add(path.clone(), "says nothing: write minimum, margin or both");
        }
        for (key, number) in [("minimum", rate.minimum), ("margin", rate.margin)] {
            if let Some(number) = number {
                within(findings, path.join(key), number, 0.0, 1.0);
            }
        }
        within(
            findings,
            path.join("confidence"),
            rate.confidence,
            0.5,
            0.9999,
        );
    }
    for (name, condition) in &check.metrics {
        let path = path.join("metrics").join(name.as_str());
        match (&condition.mean, &condition.shift) {
            (None, None) => findings.add(path.clone(), "says nothing: write mean, shift or both"),
            (mean, shift) => {
                if let Some(problem) = mean.and_then(|it| it.problem()) {
                    findings.add(path.join("mean"), problem);
                }
                if let Some(problem) = shift.and_then(|it| it.problem()) {
                    findings.add(path.join("shift"), problem);
                }
            }
        }
    }
    for (name, buckets) in &check.buckets {
        let path = path.join("buckets").join(name.as_str());
        if buckets.names.len() < 2 {
            findings.add(path.join("names"), "a distribution has two buckets or more");
        }
        positive(findings, path.join("psi"), buckets.psi);
    }
    conditions(
        findings,
        path,
        check.success_condition.as_ref(),
        check.failure_condition.as_ref(),
    );
}

fn drift(findings: &mut Findings, path: &Path, check: &DriftCheck) {
    let samples = path.join("samples");
    match &check.samples {
        SampleSource::Path(at) => path_problem(findings, samples.join("path"), at, &[]),
        SampleSource::Each {
            candidate,
            baseline,
        } => {
            data(findings, &samples.join("each").join("candidate"), candidate);
            data(findings, &samples.join("each").join("baseline"), baseline);
        }
    }
    if check.fields.is_empty() {
        findings.add(path.join("fields"), "is empty: name what is compared");
    }
    for (name, field) in &check.fields {
        let path = path.join("fields").join(name.as_str());
        let (word, at, psi, test) = match field {
            DriftField::Number {
                path: at,
                ks,
                psi,
                bins,
            } => {
                let inside = path.join("number");
                if !(2..=100).contains(bins) {
                    findings.add(inside.join("bins"), format!("{bins} is not from 2 to 100"));
                }
                if let Some(ks) = ks {
                    let inside = inside.join("ks");
                    if ks.p_value.is_none() && ks.statistic.is_none() {
                        findings.add(
                            inside.clone(),
                            "says nothing: write pValue, statistic or both",
                        );
                    }
                    for (key, number) in [("pValue", ks.p_value), ("statistic", ks.statistic)] {
                        if let Some(number) = number {
                            within(findings, inside.join(key), number, 0.0, 1.0);
                        }
                    }
                }
                ("number", at, psi, ks.is_some())
            }
            DriftField::Category {
                path: at,
                chi_square,
                psi,
            } => {
                if let Some(test) = chi_square {
                    let inside = path.join("category").join("chiSquare").join("pValue");
                    within(findings, inside, test.p_value, 0.0, 1.0);
                }
                ("category", at, psi, chi_square.is_some())
            }
        };
        let path = path.join(word);
        if let Some(at) = at {
            json_path(findings, path.join("path"), at);
        }
        if let Some(psi) = psi {
            positive(findings, path.join("psi"), *psi);
        } else if !test {
            findings.add(path, "says nothing: write psi or a test");
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
        findings.add(path.clone(), "is a gate: nobody approves every few seconds");
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
