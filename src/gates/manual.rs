//! The `manual` check: it waits for people.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::timeout;

use super::{Check, Context};
use crate::model::{
    HumanDuration,
    check::{CheckSpec, Decision, ManualCheck, Measurement, Phase, Verdict},
};

/// Waits until enough people have approved, or one has rejected.
///
/// Decisions come from outside ([`Context::decisions`]): whoever takes them stores them first, so that a run that is
/// started again after a crash finds them.
pub(super) struct Manual {
    spec: Arc<CheckSpec>,
    check: ManualCheck,
}

impl Manual {
    pub(super) fn new(spec: Arc<CheckSpec>, check: ManualCheck) -> Self {
        Self { spec, check }
    }

    /// The question, with what it is behind.
    fn question(&self, context: &Context) -> String {
        match &self.check.question {
            Some(question) => match context.render(question) {
                Ok(question) => format!(": {question}"),
                Err(error) => format!(": {error}"),
            },
            None => String::new(),
        }
    }

    /// What the decisions so far come to, if they come to anything.
    fn verdict(&self, decisions: &[Decision]) -> Option<(Phase, String)> {
        let (verdict, said) = self.check.outcome(&self.spec.name, decisions)?;
        let phase = match verdict {
            Verdict::Approved => Phase::Successful,
            Verdict::Rejected => Phase::Failed,
        };
        let all: Vec<_> = said.into_iter().map(self::said).collect();
        Some((phase, all.join("; ")))
    }
}

/// `approved by ann at 2026-07-01T10:00:00Z: looks good`
fn said(decision: &Decision) -> String {
    let reason = match decision.reason.trim() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let Decision {
        verdict, by, at, ..
    } = decision;
    format!("{verdict} by {by} at {at}{reason}")
}

#[async_trait]
impl Check for Manual {
    async fn measure(&self, context: &Context) -> Measurement {
        let limit = self.spec.measurement_timeout();
        let mut decisions = context.decisions.clone();
        let mut verdict = None;
        let decided = async {
            let decided = decisions.wait_for(|all| {
                verdict = self.verdict(all);
                verdict.is_some()
            });
            if decided.await.is_err() {
                // Nobody can decide any more: only the time limit ends it.
                std::future::pending().await
            }
        };
        let in_time = timeout(limit, decided).await.is_ok();
        let (phase, message) = match verdict {
            Some(verdict) if in_time => verdict,
            _ => {
                let (limit, question) = (HumanDuration(limit), self.question(context));
                (
                    Phase::Inconclusive,
                    format!("nobody decided within {limit}{question}"),
                )
            }
        };
        Measurement::new(context.now(), phase, message)
    }

    fn waits_for(&self, context: &Context) -> String {
        let words = match self.check.approvals {
            1 => "a yes".to_owned(),
            several => format!("{several} approvals"),
        };
        let of = match self.check.approvers.as_slice() {
            [] => String::new(),
            approvers => format!(" of {}", approvers.join(", ")),
        };
        let (service, check) = (&context.target.service, &self.spec.name);
        // Each step asks for itself: a yes to this one is none to the next.
        let step = match context.target.step {
            Some(step) => format!(" --step {step}"),
            None => String::new(),
        };
        format!(
            "waits for {words}{of}{}; `bluegreen approve {service} --check {check}{step}`, or `reject`",
            self.question(context)
        )
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;
    use tokio::sync::watch;

    use super::{super::testkit, *};

    fn decision(by: &str, verdict: Verdict) -> Decision {
        Decision {
            check: "sign-off".parse().unwrap(),
            verdict,
            by: by.to_owned(),
            at: Timestamp::UNIX_EPOCH,
            reason: "seen the numbers".to_owned(),
        }
    }

    fn check(manual: serde_json::Value) -> Arc<dyn Check> {
        crate::gates::measuring(&testkit::spec(
            json!({ "name": "sign-off", "timeout": "50ms", "manual": manual }),
        ))
    }

    #[tokio::test]
    async fn a_person_decides_while_it_waits() {
        let (decide, decisions) = watch::channel(Vec::new());
        let context = Context {
            decisions,
            ..testkit::context(&[], &[])
        };
        let spec = testkit::spec(json!({ "name": "sign-off", "manual": { "approvals": 2 } }));
        let check = crate::gates::measuring(&spec);
        let waiting = tokio::spawn(async move { check.measure(&context).await });
        let other = Decision {
            check: "other".parse().unwrap(),
            ..decision("ann", Verdict::Approved)
        };
        decide.send_modify(|all| all.push(other));
        for by in ["ann", "ann"] {
            decide.send_modify(|all| all.push(decision(by, Verdict::Approved)));
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
        }
        decide.send_modify(|all| all.push(decision("bo", Verdict::Approved)));
        let measured = waiting.await.unwrap();
        assert_eq!(measured.phase, Phase::Successful);
        let when = "at 1970-01-01T00:00:00Z: seen the numbers";
        assert_eq!(
            measured.message,
            format!("approved by ann {when}; approved by bo {when}")
        );
    }

    #[test]
    fn while_it_waits_it_says_for_whom_and_how_they_answer() {
        let spec = testkit::spec(json!({ "name": "sign-off", "manual": {
            "question": "Is {{version}} good?", "approvers": ["ann", "bo"], "approvals": 2 } }));
        assert_eq!(
            crate::gates::measuring(&spec).waits_for(&testkit::context(&[], &[])),
            "waits for 2 approvals of ann, bo: Is v1.3 good?; `bluegreen approve fraud-model --check sign-off`, or `reject`"
        );
        let step = testkit::aimed(testkit::context(&[], &[]), |target| target.step = Some(2));
        let spec = testkit::spec(json!({ "name": "sign-off", "manual": {} }));
        assert_eq!(
            crate::gates::measuring(&spec).waits_for(&step),
            "waits for a yes; `bluegreen approve fraud-model --check sign-off --step 2`, or `reject`"
        );
    }

    #[tokio::test]
    async fn a_rejection_fails_and_silence_is_inconclusive() {
        for (manual, said, phase, message) in [
            (
                json!({}),
                vec![decision("ann", Verdict::Rejected)],
                Phase::Failed,
                "rejected by ann at 1970",
            ),
            (
                json!({ "approvers": ["bo"] }),
                vec![decision("ann", Verdict::Rejected)],
                Phase::Inconclusive,
                "nobody decided within 50ms",
            ),
            (
                json!({ "question": "Is {{version}} good?" }),
                vec![],
                Phase::Inconclusive,
                "nobody decided within 50ms: Is v1.3 good?",
            ),
        ] {
            // Whoever could decide is gone in this test, which must not end the wait early either.
            let context = Context {
                decisions: watch::channel(said).1,
                ..testkit::context(&[], &[])
            };
            let measured = check(manual).measure(&context).await;
            assert_eq!(measured.phase, phase);
            assert!(
                measured.message.starts_with(message),
                "{}",
                measured.message
            );
        }
    }
}
