//! A run ends as its checks end, in the order that they declare, within their limits; and whatever they do.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use super::*;
use crate::gates::testkit;

/// A check that does what it is told, one word a measurement; the last for ever.
struct Scripted {
    script: Vec<&'static str>,
    asked: AtomicUsize,
    log: Arc<Mutex<Vec<String>>>,
    name: String,
}

#[async_trait::async_trait]
impl Check for Scripted {
    async fn measure(&self, context: &Context) -> Measurement {
        let at = self.asked.fetch_add(1, Ordering::SeqCst);
        self.log.lock().unwrap().push(self.name.clone());
        let phase = match self.script[at.min(self.script.len() - 1)] {
            "good" => Phase::Successful,
            "bad" => Phase::Failed,
            "error" => Phase::Error,
            "unclear" => Phase::Inconclusive,
            "panic" => panic!("out of cheese"),
            "hang" => std::future::pending().await,
            other => unreachable!("{other}"),
        };
        Measurement::new(context.now(), phase, format!("measurement {at}"))
    }
}

/// A run of scripted checks.
struct Scene {
    checks: Vec<Planned>,
    context: Context,
    log: Arc<Mutex<Vec<String>>>,
    wish: watch::Sender<Wish>,
    progress: watch::Sender<Analysis>,
}

fn scene(checks: &[(Value, &[&'static str])]) -> Scene {
    let log = Arc::new(Mutex::new(Vec::new()));
    let context = testkit::context(&[], &[]);
    let checks: Vec<_> = checks
        .iter()
        .map(|(fields, script)| {
            let mut fields = fields.clone();
            fields["http"] = json!({});
            let spec = testkit::spec(fields);
            let check = Arc::new(Scripted {
                script: script.to_vec(),
                asked: AtomicUsize::new(0),
                log: Arc::clone(&log),
                name: spec.name.to_string(),
            });
            Planned { spec, check }
        })
        .collect();
    let progress = watch::channel(pending(&checks, &context)).0;
    Scene {
        checks,
        context,
        log,
        wish: watch::channel(Wish::Run).0,
        progress,
    }
}

impl Scene {
    async fn run(&self, options: RunOptions) -> Analysis {
        let wish = self.wish.subscribe();
        run(&self.checks, &self.context, options, wish, &self.progress).await
    }

    fn asked(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

/// The options of gates, without the pause before an error is tried again.
fn gates() -> RunOptions {
    RunOptions {
        error_retry: Duration::ZERO,
        ..RunOptions::gates()
    }
}

/// The same of a step of a canary.
fn of_a_step() -> RunOptions {
    RunOptions {
        undecided: Undecided::GoesOn,
        ..monitors()
    }
}

/// Monitors as fast as they go.
fn monitors() -> RunOptions {
    RunOptions::monitors(Duration::from_millis(1))
}

#[tokio::test]
async fn a_gate_measures_once_and_all_run_to_their_end() {
    let scene = scene(&[
        (json!({ "name": "a" }), &["good"]),
        (json!({ "name": "b" }), &["bad"]),
        (json!({ "name": "c" }), &["unclear"]),
    ]);
    let analysis = scene.run(gates()).await;
    assert_eq!(analysis.phase, Phase::Failed);
    assert_eq!(
        analysis.message,
        "b is Failed: measurement 0; c is Inconclusive: measurement 0"
    );
    let mut asked = scene.asked();
    asked.sort();
    assert_eq!(asked, ["a", "b", "c"]);
    assert_eq!(*scene.progress.borrow(), analysis);
}

#[tokio::test]
async fn a_check_comes_after_another_that_was_successful() {
    let scene = scene(&[
        (json!({ "name": "third", "after": "second" }), &["good"]),
        (json!({ "name": "second", "after": "first" }), &["good"]),
        (json!({ "name": "first" }), &["good"]),
    ]);
    assert_eq!(scene.run(gates()).await.phase, Phase::Successful);
    assert_eq!(scene.asked(), ["first", "second", "third"]);

    let scene = self::scene(&[
        (json!({ "name": "third", "after": "second" }), &["good"]),
        (json!({ "name": "second", "after": "first" }), &["good"]),
        (json!({ "name": "first" }), &["bad"]),
    ]);
    let analysis = scene.run(gates()).await;
    assert_eq!(analysis.phase, Phase::Failed);
    assert_eq!(scene.asked(), ["first"]);
    let third = analysis.check("third").unwrap();
    assert_eq!(third.phase, Phase::Inconclusive);
    assert_eq!(
        third.message,
        "not run: it comes after second, which is Inconclusive"
    );
}

#[tokio::test]
async fn errors_are_tried_again_until_there_are_too_many() {
    let scene = scene(&[(json!({ "name": "a" }), &["error", "error", "good"])]);
    let analysis = scene.run(gates()).await;
    assert_eq!(analysis.phase, Phase::Successful);
    assert_eq!(analysis.check("a").unwrap().measurements.len(), 3);

    let limited = json!({ "name": "a", "consecutiveErrorLimit": 1 });
    let scene = self::scene(&[(limited, &["error"])]);
    let analysis = scene.run(gates()).await;
    assert_eq!(analysis.phase, Phase::Error);
    assert_eq!(
        analysis.message,
        "a is Error: 2 errors in a row, more than 1; the last: measurement 1"
    );
}

#[tokio::test]
async fn a_check_that_panics_or_hangs_is_an_error_of_that_check() {
    let once = |name: &str| json!({ "name": name, "consecutiveErrorLimit": 0 });
    let mut hangs = once("b");
    hangs["timeout"] = json!("1ms");
    let scene = scene(&[
        (once("a"), &["panic"]),
        (hangs, &["hang"]),
        (once("c"), &["good"]),
    ]);
    let analysis = scene.run(gates()).await;
    let message = |name: &str| analysis.check(name).unwrap().message.clone();
    assert_eq!(
        message("a"),
        "the check panicked, which is a bug in it: out of cheese"
    );
    assert_eq!(message("b"), "no result within 1ms, its time limit");
    assert_eq!(analysis.check("c").unwrap().phase, Phase::Successful);
    assert_eq!(analysis.phase, Phase::Error);
}

#[tokio::test]
async fn a_monitor_that_fails_ends_the_run_at_once() {
    let scene = scene(&[
        (json!({ "name": "a" }), &["good"]),
        (json!({ "name": "b" }), &["good", "good", "bad"]),
        (json!({ "name": "c" }), &["hang"]),
    ]);
    let analysis = scene.run(monitors()).await;
    assert_eq!(analysis.phase, Phase::Failed);
    assert_eq!(analysis.check("b").unwrap().tally.successful, 2);
    for name in ["a", "c"] {
        let stopped = analysis.check(name).unwrap();
        assert_eq!(stopped.phase, Phase::Inconclusive, "{name}");
        assert_eq!(
            stopped.message,
            "stopped before it ended: another check is Failed"
        );
    }
}

#[tokio::test]
async fn at_the_end_of_the_bake_monitors_pass_that_have_measured() {
    let scene = scene(&[
        (json!({ "name": "a" }), &["good"]),
        (json!({ "name": "b" }), &["good"]),
    ]);
    let mut seen = scene.progress.subscribe();
    let ends = async {
        let measured =
            |analysis: &Analysis| analysis.checks.iter().all(|it| it.tally.successful > 2);
        let running = seen.wait_for(measured).await.unwrap().phase;
        assert_eq!(running, Phase::Running);
        scene.wish.send_replace(Wish::Finish);
    };
    let (analysis, ()) = tokio::join!(scene.run(monitors()), ends);
    assert_eq!(analysis.phase, Phase::Successful);

    let scene = self::scene(&[
        (json!({ "name": "a" }), &["good"]),
        (json!({ "name": "b", "timeout": "50ms" }), &["hang"]),
    ]);
    let mut seen = scene.progress.subscribe();
    let ends = async {
        let measured = |analysis: &Analysis| {
            analysis
                .check("a")
                .is_some_and(|it| it.tally.successful > 0)
        };
        seen.wait_for(measured).await.unwrap();
        scene.wish.send_replace(Wish::Finish);
    };
    let (analysis, ()) = tokio::join!(scene.run(monitors()), ends);
    assert_eq!(analysis.phase, Phase::Inconclusive);
    assert_eq!(
        analysis.message,
        "b is Inconclusive: it ended before anything was measured"
    );
}

#[tokio::test]
async fn monitors_whose_time_is_over_at_once_measure_first() {
    let checks: [(Value, &[&str]); 3] = [
        (json!({ "name": "a", "initialDelay": "50ms" }), &["good"]),
        (json!({ "name": "b", "after": "a" }), &["good"]),
        (json!({ "name": "c", "count": 3 }), &["good"]),
    ];
    let without_time = RunOptions {
        to_count: true,
        ..monitors()
    };
    for (options, of_c, phase) in [
        (without_time, 3, Phase::Successful),
        (monitors(), 1, Phase::Inconclusive),
    ] {
        let scene = scene(&checks);
        scene.wish.send_replace(Wish::Finish);
        let analysis = scene.run(options).await;
        let counts = analysis.checks.iter().map(|it| it.tally.successful);
        assert_eq!(counts.collect::<Vec<_>>(), [1, 1, of_c]);
        assert_eq!(analysis.phase, phase, "{}", analysis.message);
    }
    // What it measures counts.
    let scene = scene(&[(json!({ "name": "a" }), &["bad"])]);
    scene.wish.send_replace(Wish::Finish);
    assert_eq!(scene.run(monitors()).await.phase, Phase::Failed);
}

/// Right after a step, and in a quiet minute, there is nothing to judge by.
#[tokio::test]
async fn a_monitor_goes_on_after_its_time_until_it_has_said_yes_or_no() {
    let limits = json!({ "name": "a", "inconclusiveLimit": 3 });
    let ended = async |answers: &'static [&'static str], options: RunOptions| {
        let scene = self::scene(&[(limits.clone(), answers)]);
        scene.wish.send_replace(Wish::Finish);
        scene.run(options).await
    };
    let in_the_end = ended(&["unclear", "unclear", "good"], of_a_step()).await;
    assert_eq!(in_the_end.phase, Phase::Successful);
    let failed = ended(&["unclear", "bad"], of_a_step()).await;
    assert_eq!(failed.phase, Phase::Failed);
    // One that fails takes the release back, whatever the others still wait for.
    let scene = scene(&[
        (
            json!({ "name": "a", "inconclusiveLimit": 1_000_000 }),
            &["unclear"],
        ),
        (
            json!({ "name": "b", "inconclusiveLimit": 9 }),
            &["unclear", "unclear", "bad"],
        ),
    ]);
    scene.wish.send_replace(Wish::Finish);
    assert_eq!(scene.run(of_a_step()).await.phase, Phase::Failed);
    // Not for ever, and not where there will be nothing more to see.
    for (undecided, phase, measured) in [
        (Undecided::GoesOn, Phase::Inconclusive, 4),
        (Undecided::Ends, Phase::Inconclusive, 1),
        (Undecided::Passes, Phase::Successful, 1),
    ] {
        let options = RunOptions {
            undecided,
            ..monitors()
        };
        let never = ended(&["unclear"], options).await;
        assert_eq!((never.phase, undecided), (phase, undecided));
        assert_eq!(never.checks[0].tally.inconclusive, measured);
    }
}

#[tokio::test]
async fn a_run_can_be_cancelled_at_any_time() {
    let scene = scene(&[
        (json!({ "name": "a" }), &["hang"]),
        (json!({ "name": "b", "after": "a" }), &["good"]),
        (json!({ "name": "c", "initialDelay": "1h" }), &["good"]),
    ]);
    let mut seen = scene.progress.subscribe();
    let ends = async {
        seen.wait_for(|analysis| analysis.phase == Phase::Running)
            .await
            .unwrap();
        scene
            .wish
            .send_replace(Wish::Cancel("the operator aborted".to_owned()));
    };
    let (analysis, ()) = tokio::join!(scene.run(gates()), ends);
    assert_eq!(analysis.phase, Phase::Inconclusive);
    assert!(analysis.ended_at.is_some());
    for check in &analysis.checks {
        assert_eq!(
            check.message,
            "stopped before it ended: the operator aborted"
        );
    }
}

#[tokio::test]
async fn nothing_declared_is_successful() {
    assert_eq!(scene(&[]).run(gates()).await.phase, Phase::Successful);
}
