//! What the kinds of checks that judge a model must keep to.

use super::{
    super::{path::Path, validate::Findings},
    DriftCheck, DriftField, EvaluateCheck, HttpRequest, Metric, MetricLimit, PromptExpect,
    PromptsCheck, PromptsEndpoint, ProxiesCheck, SampleSource,
    fields::{
        MAX_CONCURRENCY, conditions, count, data, duration, headers, json_path, path_problem,
        positive, regex, request, templated, url, within,
    },
};

/// The most resamples of a bootstrap: beyond, the interval's ends move less than the data does.
const MAX_RESAMPLES: u32 = 100_000;

/// The most rows in one request: its body must stay within what model servers take.
const MAX_BATCH: usize = 10_000;

pub(super) fn evaluate(findings: &mut Findings, path: &Path, check: &EvaluateCheck) {
    data(findings, &path.join("data"), &check.data);
    request(
        findings,
        &path.join("request"),
        &check.request,
        &["input", "count"],
    );
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
        metric_limit(findings, path, *metric, limit);
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
        path.join("batch"),
        check.batch.unwrap_or(1),
        MAX_BATCH,
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

/// What the metric of a version must be, by itself and beside live.
fn metric_limit(findings: &mut Findings, path: Path, metric: Metric, limit: &MetricLimit) {
    let numbers = [limit.minimum, limit.maximum, limit.margin];
    if numbers == [None; 3] {
        findings.add(path, "says nothing: write minimum, maximum or margin");
    } else if numbers.iter().flatten().any(|it| !it.is_finite()) {
        findings.add(path, "must be made of finite numbers");
    } else if let Some(beyond) = limit.minimum.filter(|it| !metric.is_error() && *it > 1.0) {
        let problem = format!("{beyond} is never reached: {metric} is from 0 to 1");
        findings.add(path.join("minimum"), problem);
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

pub(super) fn prompts(findings: &mut Findings, path: &Path, check: &PromptsCheck) {
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

pub(super) fn proxies(findings: &mut Findings, path: &Path, check: &ProxiesCheck) {
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
        &["requests", "successRate", "metrics", "baseline"],
    );
}

pub(super) fn drift(findings: &mut Findings, path: &Path, check: &DriftCheck) {
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
