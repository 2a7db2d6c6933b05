//! Runs checks beside each other: in order where one comes after another, again and again until each has ended.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::watch, time::sleep};

use super::{Check, Context};
use crate::model::check::{Analysis, CheckResult, CheckSpec, Limits, Measurement, Phase};

/// Between an error and the next try, for checks without an interval: Argo Rollouts' `DefaultErrorRetryInterval`.
pub const ERROR_RETRY: Duration = Duration::from_secs(10);

/// A check keeps its time limit itself, and says then what it was waiting for; so much later it is cut off.
const GRACE: Duration = Duration::from_secs(1);

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// The interval of checks that have none: the bake's, for monitors. None: they measure once.
    pub interval: Option<Duration>,
    /// Whether the first check that ends other than Successful ends the run: so for monitors, where it means to roll
    /// back at once. Gates all run to their end, so that one run shows all that is wrong.
    pub fail_fast: bool,
    /// Whether a check with a count comes to it although its time is over: so where no time was given. Every check measures at
    /// least once: what has seen nothing has nothing to say.
    pub to_count: bool,
    /// What becomes of a check that has kept to its limits and said neither yes nor no when its time is over.
    pub undecided: Undecided,
    /// See [`ERROR_RETRY`].
    pub error_retry: Duration,
}

impl RunOptions {
    /// For gates.
    pub fn gates() -> Self {
        Self {
            interval: None,
            fail_fast: false,
            to_count: false,
            undecided: Undecided::Ends,
            error_retry: ERROR_RETRY,
        }
    }

    /// For monitors that measure at this interval, unless they say another.
    pub fn monitors(interval: Duration) -> Self {
        Self {
            interval: Some(interval),
            fail_fast: true,
            to_count: false,
            undecided: Undecided::Passes,
            error_retry: ERROR_RETRY,
        }
    }
}

/// What becomes of a check whose time is over, and that has said neither yes nor no within its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// It is Successful, as in Argo Rollouts: nothing that it watches goes further because of it.
    Passes,
    /// It is Inconclusive: later there is nothing more to see.
    Ends,
    /// It goes on until it has said yes or no, or its limits end it: what it looks at goes on too.
    GoesOn,
}

/// What is wanted of a run from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    #[default]
    Run,
    /// It is over in good order (the bake has ended): checks that have kept to their limits are Successful, and those that
    /// owe a measurement make it first, see [`RunOptions::to_count`] and [`RunOptions::undecided`].
    Finish,
    /// Stop at once, for this reason: what has not ended is Inconclusive.
    Cancel(String),
}

/// A declared check and what measures it.
pub struct Planned {
    /// As declared.
    pub spec: Arc<CheckSpec>,
    /// What measures.
    pub check: Arc<dyn Check>,
}

/// A result that nothing has been measured for.
pub fn pending(checks: &[Planned], context: &Context) -> Analysis {
    let results = checks
        .iter()
        .map(|planned| CheckResult::pending(planned.spec.name.clone(), planned.spec.kind.as_str()));
    Analysis::pending(context.now(), results.collect())
}

/// Runs the checks until all have ended or `wish` says so; returns what came of them.
///
/// Every step is published in `progress` (which must begin with [`pending`]): whoever watches sees the newest state and
/// delays nothing. A check that panics or hangs is an Error of that check. Dropped, the run stops at once.
pub async fn run(
    checks: &[Planned],
    context: &Context,
    options: RunOptions,
    mut wish: watch::Receiver<Wish>,
    progress: &watch::Sender<Analysis>,
) -> Analysis {
    let mut open: FuturesUnordered<_> = checks
        .iter()
        .enumerate()
        .map(|(at, planned)| {
            let one = One {
                at,
                planned,
                context,
                options,
                progress,
            };
            one.run(wish.clone())
        })
        .collect();
    let why = loop {
        tokio::select! {
            biased;
            why = cancelled(&mut wish) => break Some(why),
            ended = open.next() => match ended {
                None => break None,
                Some(Phase::Successful) => {}
                // At the end the others give their last word, unless there is one already.
                Some(phase) if options.fail_fast && (phase != Phase::Inconclusive || *wish.borrow() == Wish::Run) => {
                    break Some(format!("another check is {phase}"));
                }
                Some(_) => {}
            },
        }
    };
    drop(open);
    if let Some(why) = why {
        let why = format!("stopped before it ended: {why}");
        let now = context.now();
        progress.send_modify(|analysis| analysis.stop(now, &why));
    }
    progress.borrow().clone()
}

/// Returns when the run is to stop at once, with the reason; never if nobody can wish any more.
async fn cancelled(wish: &mut watch::Receiver<Wish>) -> String {
    let cancel = |wish: &Wish| matches!(wish, Wish::Cancel(_));
    let found = match wish.wait_for(cancel).await {
        Ok(found) => match &*found {
            Wish::Cancel(why) => Some(why.clone()),
            Wish::Run | Wish::Finish => None,
        },
        Err(_) => None,
    };
    match found {
        Some(why) => why,
        None => std::future::pending().await,
    }
}

/// Returns when the run is to end in good order.
async fn finished(wish: &mut watch::Receiver<Wish>) {
    if wish.wait_for(|wish| *wish == Wish::Finish).await.is_err() {
        std::future::pending().await
    }
}

/// One check of a run.
struct One<'a> {
    at: usize,
    planned: &'a Planned,
    context: &'a Context,
    options: RunOptions,
    progress: &'a watch::Sender<Analysis>,
}

impl One<'_> {
    async fn run(self, mut wish: watch::Receiver<Wish>) -> Phase {
        let spec = &self.planned.spec;
        let interval = spec.interval.map(|it| it.0).or(self.options.interval);
        let limits = spec.limits(interval);
        let mut result = CheckResult::pending(spec.name.clone(), spec.kind.as_str());
        if let Err(why) = self.turn().await {
            result.end(self.context.now(), Phase::Inconclusive, why);
            return self.publish(&result);
        }
        result.phase = Phase::Running;
        result.started_at = Some(self.context.now());
        result.message = self.planned.check.waits_for(self.context);
        self.publish(&result);
        let mut pause = spec.initial_delay.map_or(Duration::ZERO, |it| it.0);
        loop {
            let measured = async {
                sleep(pause).await;
                self.measure().await
            };
            tokio::select! {
                biased;
                measurement = measured => {
                    let error = measurement.phase == Phase::Error;
                    result.record(measurement, limits);
                    let phase = self.publish(&result);
                    if phase.is_completed() {
                        return phase;
                    }
                    pause = match interval {
                        Some(interval) => interval,
                        None if error => self.options.error_retry,
                        None => Duration::ZERO,
                    };
                }
                () = finished(&mut wish), if !self.owes(&result, limits) => {
                    let passes = self.options.undecided == Undecided::Passes;
                    result.finish(self.context.now(), limits, passes);
                    return self.publish(&result);
                }
            }
        }
    }

    /// Returns when the check that this one comes after was Successful.
    async fn turn(&self) -> Result<(), String> {
        let Some(first) = &self.planned.spec.after else {
            return Ok(());
        };
        let mut progress = self.progress.subscribe();
        let ended = progress.wait_for(|analysis| {
            let result = analysis.check(first.as_str());
            result.is_none_or(|result| result.phase.is_completed())
        });
        let phase = ended
            .await
            .ok()
            .and_then(|analysis| analysis.check(first.as_str()).map(|result| result.phase));
        match phase {
            Some(Phase::Successful) => Ok(()),
            Some(phase) => Err(format!("not run: it comes after {first}, which is {phase}")),
            None => Err(format!(
                "not run: it comes after {first}, which there is not"
            )),
        }
    }

    /// There is something that it has to measure although its time is over.
    fn owes(&self, result: &CheckResult, limits: Limits) -> bool {
        match limits.count {
            Some(count) if self.options.to_count => result.tally.counted() < count,
            _ if self.options.undecided == Undecided::GoesOn && result.tally.is_undecided() => true,
            _ => result.measurements.is_empty(),
        }
    }

    fn publish(&self, result: &CheckResult) -> Phase {
        let now = self.context.now();
        self.progress
            .send_modify(|analysis| analysis.update(self.at, result.clone(), now));
        result.phase
    }

    /// One measurement, bounded in time, whatever the check does.
    async fn measure(&self) -> Measurement {
        let limit = self.planned.spec.measurement_timeout();
        let check = Arc::clone(&self.planned.check);
        let context = self.context.clone();
        // A task of its own: a check that panics ends that task, and one that computes delays no other check.
        let mut task = Abort(tokio::spawn(async move { check.measure(&context).await }));
        let error = |why: String| Measurement::new(self.context.now(), Phase::Error, why);
        match tokio::time::timeout(limit.saturating_add(GRACE), &mut task.0).await {
            Ok(Ok(measurement)) => measurement,
            Ok(Err(ended)) if ended.is_panic() => {
                let panic = ended.into_panic();
                let said = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("no message");
                error(format!("the check panicked, which is a bug in it: {said}"))
            }
            Ok(Err(_)) => error("the server is stopping".to_owned()),
            Err(_) => {
                let limit = crate::model::HumanDuration(limit);
                error(format!("no result within {limit}, its time limit"))
            }
        }
    }
}

/// A task that ends with its owner.
struct Abort<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Abort<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
