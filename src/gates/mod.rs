//! Checks from the server: gates before a switch, monitors after it, and the probe of endpoints.

mod check;
pub mod client;
mod conditions;
mod context;
pub mod data;
mod drift;
mod evaluate;
mod findings;
mod http;
pub mod jsonl;
pub mod load;
mod manual;
mod outside;
mod parity;
mod probe;
mod prometheus;
mod prompts;
mod proxies;
pub mod request;
mod runner;
mod secured;
mod side;
pub mod stats;
#[cfg(test)]
pub(crate) mod testkit;
mod tls;
mod webhook;

use std::sync::Arc;

use crate::model::check::{CheckKind, CheckSpec};

pub use check::Check;
pub use context::{Clock, Context, Door, NoDoor, Side, Target, Which};
pub use probe::{ProbeError, ProbeOptions, ProbeTarget, Unreachable, probe};
pub use runner::{ERROR_RETRY, Planned, RunOptions, Undecided, Wish, pending, run};
pub use tls::Tls;

/// What measures a declared check.
pub fn measuring(spec: &Arc<CheckSpec>) -> Arc<dyn Check> {
    let own = Arc::clone(spec);
    let check: Arc<dyn Check> = match &spec.kind {
        CheckKind::Http(it) => Arc::new(http::Http::new(own, it.clone())),
        CheckKind::Evaluate(it) => Arc::new(evaluate::Evaluate::new(own, it.clone())),
        CheckKind::Prompts(it) => Arc::new(prompts::Prompts::new(own, it.clone())),
        CheckKind::Proxies(it) => Arc::new(proxies::Proxies::new(it.clone())),
        CheckKind::Drift(it) => Arc::new(drift::Drift::new(own, it.clone())),
        CheckKind::Load(it) => Arc::new(load::Load::new(own, it.clone())),
        CheckKind::Parity(it) => Arc::new(parity::Parity::new(own, it.clone())),
        CheckKind::Prometheus(it) => Arc::new(prometheus::Prometheus::new(own, it.clone())),
        CheckKind::Webhook(it) => Arc::new(webhook::Webhook::new(own, it.clone())),
        CheckKind::Manual(it) => Arc::new(manual::Manual::new(own, it.clone())),
    };
    match &spec.tls {
        Some(tls) => Arc::new(secured::Secured::new(check, tls.clone())),
        None => check,
    }
}
