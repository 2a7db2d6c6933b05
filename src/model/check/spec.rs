//! One declared check: its name, when and how often it measures, how much may go wrong, and what it measures.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    super::{Endpoint, HumanDuration, Name},
    CheckTls, DriftCheck, EvaluateCheck, HttpCheck, Limits, LoadCheck, ManualCheck, ParityCheck,
    PrometheusCheck, PromptsCheck, ProxiesCheck, RateLimit, Scheme, WebhookCheck,
};

/// A gate (before the switch) or a monitor (after it). The words are those of Argo Rollouts' metrics:
///
/// ```yaml
/// - name: smoke
///   interval: 10s
///   count: 3
///   http: { path: /healthz }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct CheckSpec {
    /// Unique among the checks beside it.
    pub name: Name,
    /// It begins when that check was Successful; and never if that one was not.
    pub after: Option<Name>,
    /// Before the first measurement.
    pub initial_delay: Option<HumanDuration>,
    /// Between two measurements. None: one measurement; for a monitor, the interval of the bake.
    pub interval: Option<HumanDuration>,
    /// How many measurements. None: one without an interval, else as many as fit until it is stopped.
    pub count: Option<u32>,
    /// More failed measurements than this fail it. None: 0.
    pub failure_limit: Option<u32>,
    /// More inconclusive measurements than this make it Inconclusive. None: 0.
    pub inconclusive_limit: Option<u32>,
    /// More errors in a row than this make it Error; fewer are tried again. None: 4.
    pub consecutive_error_limit: Option<u32>,
    /// The longest one measurement may take. None: see [`CheckSpec::measurement_timeout`].
    pub timeout: Option<HumanDuration>,
    /// Which way its requests go.
    pub through: Through,
    /// Where the proxies are reached, for `through: proxies`. Empty: where they were last seen, at the port of the
    /// service's listener.
    pub proxy_addresses: Vec<Endpoint>,
    /// Its requests are made by HTTPS, so. None: as the URLs say, with the system's roots trusted.
    pub tls: Option<CheckTls>,
    /// What is measured.
    pub kind: CheckKind,
}

/// What the checks are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckUse {
    /// Before the switch: each must end by itself.
    Gate,
    /// While traffic is on the version: each goes on until it is stopped, unless it has a count.
    Monitor,
    /// The same in a step of a canary, where a person may be asked: once for each step.
    Step,
}

/// Which way the requests of a check go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Through {
    /// To the endpoints themselves.
    #[default]
    Direct,
    /// To a proxy's listener, by the preview route: the way that users' requests take.
    Proxies,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // Each type says it.
#[expect(clippy::large_enum_variant)] // There are a few dozen of them, read once: boxes would cost more than they save.
pub enum CheckKind {
    Http(HttpCheck),
    Evaluate(EvaluateCheck),
    Prompts(PromptsCheck),
    Load(LoadCheck),
    Parity(ParityCheck),
    Prometheus(PrometheusCheck),
    Proxies(ProxiesCheck),
    Drift(DriftCheck),
    Webhook(WebhookCheck),
    Manual(ManualCheck),
}

/// The kinds, as they are written.
const KINDS: &str =
    "http, evaluate, prompts, load, parity, prometheus, proxies, drift, webhook or manual";

/// How many errors in a row are tried again: Argo Rollouts' default.
const CONSECUTIVE_ERROR_LIMIT: u32 = 4;

impl CheckKind {
    /// As it is written.
    pub fn as_str(&self) -> &'static str {
        match self {
            CheckKind::Http(_) => "http",
            CheckKind::Evaluate(_) => "evaluate",
            CheckKind::Prompts(_) => "prompts",
            CheckKind::Load(_) => "load",
            CheckKind::Parity(_) => "parity",
            CheckKind::Prometheus(_) => "prometheus",
            CheckKind::Proxies(_) => "proxies",
            CheckKind::Drift(_) => "drift",
            CheckKind::Webhook(_) => "webhook",
            CheckKind::Manual(_) => "manual",
        }
    }

    /// Whether it measures by the load that proxies report.
    pub fn reads_load_reports(&self) -> bool {
        match self {
            CheckKind::Proxies(_) => true,
            // Without a rate, the one that live has.
            CheckKind::Load(load) => matches!(load.rate, None | Some(RateLimit::TimesLive(_))),
            _ => false,
        }
    }

    /// Whether it sends requests to the version that may as well go through proxies.
    pub fn can_go_through_proxies(&self) -> bool {
        matches!(
            self,
            CheckKind::Http(_)
                | CheckKind::Evaluate(_)
                | CheckKind::Prompts(_)
                | CheckKind::Load(_)
        )
    }
}

impl CheckSpec {
    /// A check with the defaults of everything but this.
    pub fn new(name: Name, kind: CheckKind) -> Self {
        Self {
            name,
            after: None,
            initial_delay: None,
            interval: None,
            count: None,
            failure_limit: None,
            inconclusive_limit: None,
            consecutive_error_limit: None,
            timeout: None,
            through: Through::Direct,
            proxy_addresses: Vec::new(),
            tls: None,
            kind,
        }
    }

    /// Whether the version is asked with TLS.
    pub fn scheme(&self) -> Scheme {
        match (&self.tls, &self.kind) {
            (Some(_), _) => Scheme::Https,
            (None, CheckKind::Http(http)) => http.scheme,
            (None, _) => Scheme::Http,
        }
    }

    /// What may go wrong, and when it is done, for a check that measures at this interval (its own, or the bake's).
    pub fn limits(&self, interval: Option<Duration>) -> Limits {
        Limits {
            count: match (self.count, interval) {
                (Some(count), _) => Some(count),
                (None, Some(_)) => None,
                (None, None) => Some(1),
            },
            failure: self.failure_limit.unwrap_or(0),
            inconclusive: self.inconclusive_limit.unwrap_or(0),
            consecutive_errors: self
                .consecutive_error_limit
                .unwrap_or(CONSECUTIVE_ERROR_LIMIT),
        }
    }

    /// The longest one measurement may take: `timeout`, or what fits the kind.
    pub fn measurement_timeout(&self) -> Duration {
        const SECOND: Duration = Duration::from_secs(1);
        if let Some(timeout) = self.timeout {
            return timeout.0;
        }
        match &self.kind {
            // An answer that takes half a minute is none.
            CheckKind::Http(_) | CheckKind::Prometheus(_) | CheckKind::Proxies(_) => 30 * SECOND,
            CheckKind::Parity(_) | CheckKind::Webhook(_) => 60 * SECOND,
            CheckKind::Drift(_) => 120 * SECOND,
            // Ten thousand rows of 50 ms, four at a time, take two minutes on each side.
            CheckKind::Evaluate(_) => 600 * SECOND,
            // A language model takes seconds for each answer, and a judge as long again.
            CheckKind::Prompts(_) => 1_800 * SECOND,
            // Live may be loaded as well, and the last requests have their own time limit.
            CheckKind::Load(load) => {
                let whole = load.duration.0 + load.warm_up.map_or(Duration::ZERO, |it| it.0);
                (2 * whole).saturating_add(2 * load.request_timeout.0 + 30 * SECOND)
            }
            // Long enough for somebody to come back from a weekend's first day.
            CheckKind::Manual(_) => 24 * 3_600 * SECOND,
        }
    }
}

/// A check as it stands in a document: the kind is a key beside the others.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    name: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initial_delay: Option<HumanDuration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interval: Option<HumanDuration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure_limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inconclusive_limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consecutive_error_limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<HumanDuration>,
    #[serde(default, skip_serializing_if = "is_direct")]
    through: Through,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    proxy_addresses: Vec<Endpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<CheckTls>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http: Option<HttpCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evaluate: Option<EvaluateCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompts: Option<PromptsCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    load: Option<LoadCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parity: Option<ParityCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prometheus: Option<PrometheusCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxies: Option<ProxiesCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drift: Option<DriftCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manual: Option<ManualCheck>,
}

fn is_direct(through: &Through) -> bool {
    *through == Through::Direct
}

impl TryFrom<Written> for CheckSpec {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let mut kinds = [
            written.http.map(CheckKind::Http),
            written.evaluate.map(CheckKind::Evaluate),
            written.prompts.map(CheckKind::Prompts),
            written.load.map(CheckKind::Load),
            written.parity.map(CheckKind::Parity),
            written.prometheus.map(CheckKind::Prometheus),
            written.proxies.map(CheckKind::Proxies),
            written.drift.map(CheckKind::Drift),
            written.webhook.map(CheckKind::Webhook),
            written.manual.map(CheckKind::Manual),
        ]
        .into_iter()
        .flatten();
        let name = written.name;
        let kind = match (kinds.next(), kinds.next()) {
            (Some(kind), None) => kind,
            (Some(one), Some(other)) => {
                let (one, other) = (one.as_str(), other.as_str());
                return Err(format!(
                    "check {name} is {one} and {other}: make two checks of it"
                ));
            }
            (None, _) => return Err(format!("check {name} checks nothing: write {KINDS}")),
        };
        Ok(Self {
            name,
            after: written.after,
            initial_delay: written.initial_delay,
            interval: written.interval,
            count: written.count,
            failure_limit: written.failure_limit,
            inconclusive_limit: written.inconclusive_limit,
            consecutive_error_limit: written.consecutive_error_limit,
            timeout: written.timeout,
            through: written.through,
            proxy_addresses: written.proxy_addresses,
            tls: written.tls,
            kind,
        })
    }
}

impl From<CheckSpec> for Written {
    fn from(spec: CheckSpec) -> Self {
        let mut written = Written {
            name: spec.name,
            after: spec.after,
            initial_delay: spec.initial_delay,
            interval: spec.interval,
            count: spec.count,
            failure_limit: spec.failure_limit,
            inconclusive_limit: spec.inconclusive_limit,
            consecutive_error_limit: spec.consecutive_error_limit,
            timeout: spec.timeout,
            through: spec.through,
            proxy_addresses: spec.proxy_addresses,
            tls: spec.tls,
            http: None,
            evaluate: None,
            prompts: None,
            load: None,
            parity: None,
            prometheus: None,
            proxies: None,
            drift: None,
            webhook: None,
            manual: None,
        };
        match spec.kind {
            CheckKind::Http(it) => written.http = Some(it),
            CheckKind::Evaluate(it) => written.evaluate = Some(it),
            CheckKind::Prompts(it) => written.prompts = Some(it),
            CheckKind::Load(it) => written.load = Some(it),
            CheckKind::Parity(it) => written.parity = Some(it),
            CheckKind::Prometheus(it) => written.prometheus = Some(it),
            CheckKind::Proxies(it) => written.proxies = Some(it),
            CheckKind::Drift(it) => written.drift = Some(it),
            CheckKind::Webhook(it) => written.webhook = Some(it),
            CheckKind::Manual(it) => written.manual = Some(it),
        }
        written
    }
}
