//! Checks as users declare them (gates before a switch, monitors after it), and what their results are.

mod analysis;
mod assess;
mod data;
mod drift;
mod evaluate;
pub mod expression;
mod fields;
mod http;
mod limit;
mod load;
mod model_rules;
mod other;
mod phase;
mod prompts;
mod proxies;
#[cfg(test)]
mod result_tests;
mod rules;
mod spec;
mod template;
#[cfg(test)]
mod tests;
mod tls;
mod validate;

pub use self::http::{
    Comparison, HttpBody, HttpCheck, HttpExpect, HttpRequest, JsonExpect, OpenAi, OpenInference,
    Scheme, StatusExpect,
};
pub use analysis::{
    Analysis, CheckResult, Decision, MAX_DETAILS, MAX_MEASUREMENTS, MAX_MESSAGE, MAX_VALUES,
    Measurement, Tally, Verdict,
};
pub use assess::Limits;
pub use data::{DataSource, SampleSource};
pub use drift::{ChiSquare, DriftCheck, DriftField, KolmogorovSmirnov};
pub use evaluate::{EvaluateCheck, Metric, MetricLimit};
pub use limit::{Margin, Range};
pub use load::{LatencyLimit, LoadCheck, LoadLimits, Percentile, RateLimit};
pub use other::{ManualCheck, ParityCheck, PrometheusCheck, WebhookCheck, person};
pub use phase::Phase;
pub use prompts::{
    ChatMessage, Embedding, EmbeddingEndpoint, Judge, PromptExpect, PromptRow, PromptsCheck,
    PromptsEndpoint, Reference, Similarity,
};
pub use proxies::{Buckets, MetricCondition, ProxiesCheck, Shift, SuccessRate};
pub use spec::{CheckKind, CheckSpec, CheckUse, Through};
pub use template::{TemplateError, VARIABLES, render};
pub use tls::CheckTls;
pub use validate::{MAX_CHECKS, validate_checks};
