//! Releases that go on by themselves, with real controllers and a real store: checks whose outcome a test decides, hooks and
//! receivers of events over real sockets, and a server that is stopped in every phase.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen::{
    controller::{
        Accepted, Analyst, Command, CommandError, EventSink, Handle, Job, ReleaseOptions, Request,
        Waivers,
    },
    model::{
        Colour, Endpoint, NackWish, Name,
        check::{Analysis, CheckResult, Measurement, Phase},
    },
    release::{Purpose, Reason, ReleaseRecord, Rollout, RolloutPhase, Verb},
    store::CommitKind,
};
use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    calls::{self, apply, document},
    silence::report,
};
use crate::support::{
    backend::Backend,
    receiver::Receiver,
    server::{LedgerProxy, Server, Settings},
};

pub(super) const SERVICE: &str = "fraud-model";

/// Checks come out as the test says, when it says so; until then they run.
pub(super) struct Script {
    verdicts: watch::Sender<BTreeMap<Purpose, Phase>>,
    /// Runs that began, and have measured once.
    runs: watch::Sender<Vec<Purpose>>,
}

impl Script {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            verdicts: watch::Sender::new(BTreeMap::new()),
            runs: watch::Sender::new(Vec::new()),
        })
    }

    pub(super) fn say(&self, purpose: Purpose, phase: Phase) {
        self.verdicts.send_modify(|all| {
            all.insert(purpose, phase);
        });
    }

    pub(super) fn runs(&self, purpose: Purpose) -> usize {
        let runs = self.runs.borrow();
        runs.iter().filter(|it| **it == purpose).count()
    }

    /// Waits until such a run has begun.
    pub(super) async fn begun(&self, purpose: Purpose) {
        let mut runs = self.runs.subscribe();
        runs.wait_for(|all| all.contains(&purpose)).await.unwrap();
    }
}

#[async_trait]
impl Analyst for Script {
    async fn analyse(&self, job: &mut Job) -> Analysis {
        let now = (job.clock)();
        let check = &job.checks[0];
        let mut running = CheckResult::pending(check.name.clone(), check.kind.as_str());
        running.phase = Phase::Running;
        let measured = Measurement::new(now, Phase::Successful, "3 of 1000 requests failed");
        running.measurements.push(measured);
        job.progress
            .send_replace(Analysis::pending(now, vec![running]));
        self.runs.send_modify(|all| all.push(job.purpose));
        let mut verdicts = self.verdicts.subscribe();
        let said = verdicts.wait_for(|all| all.contains_key(&job.purpose));
        let phase = tokio::select! {
            all = said => all.unwrap()[&job.purpose],
            // Monitors that are asked for their last word have nothing to complain of.
            _ = job.finish.wait_for(|finish| *finish) => Phase::Successful,
        };
        let now = (job.clock)();
        let check = &job.checks[0];
        let mut result = CheckResult::pending(check.name.clone(), check.kind.as_str());
        let mut analysis = Analysis::pending(now, vec![result.clone()]);
        result
            .measurements
            .push(Measurement::new(now, phase, "42 of 1000 requests failed"));
        result.end(now, phase, "42 of 1000 requests failed");
        analysis.update(0, result, now);
        analysis
    }
}

pub(super) fn settings(script: &Arc<Script>) -> Settings {
    Settings {
        release: ReleaseOptions {
            analyst: script.clone(),
            silence: Duration::from_millis(500),
            ..ReleaseOptions::default()
        },
        ..Settings::default()
    }
}

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// The service with this `spec.release`.
pub(super) fn declared(release: &str) -> String {
    format!("{}  release:\n{release}", document(SERVICE, 10000))
}

pub(super) const USUAL: &str = "    validation: [ { name: smoke, http: { path: / } } ]
    bake: { duration: 1s, interval: 1s, monitors: [ { name: errors, http: { path: / } } ] }
    standby: 1s
    acceptShortStandby: true
";

pub(super) fn request(command: Command) -> Request {
    Request {
        command,
        operation_id: uuid::Uuid::now_v7().to_string(),
        actor: "alice".to_owned(),
        actor_verified: false,
        message: "CHG-42".to_owned(),
        dry_run: false,
        if_revision: None,
        arrived_at: Timestamp::now(),
        policy: NackWish::default(),
        waivers: Waivers::default(),
    }
}

pub(super) async fn run(handle: &Handle, command: Command) -> Result<Accepted, CommandError> {
    handle.execute(request(command), &|_| {}).await
}

pub(super) fn release(endpoints: &[&Backend]) -> Command {
    Command::Release {
        service: name(SERVICE),
        version: "v1.3".to_owned(),
        endpoints: endpoints.iter().map(|it| endpoint(it)).collect(),
        promotion: None,
        replace_standby: false,
    }
}

pub(super) fn endpoint(backend: &Backend) -> Endpoint {
    backend.addr().to_string().parse().unwrap()
}

pub(super) fn switch() -> Command {
    Command::Switch {
        service: name(SERVICE),
        to: None,
    }
}

pub(super) fn steer(verb: Verb) -> Command {
    Command::Steer {
        service: name(SERVICE),
        verb,
    }
}

/// Waits until the release is in that phase, and returns it as it is then.
pub(super) async fn reached(handle: &Handle, phase: RolloutPhase) -> Rollout {
    reached_by(handle, SERVICE, phase).await
}

/// The same of another service's release.
pub(super) async fn reached_by(handle: &Handle, service: &str, phase: RolloutPhase) -> Rollout {
    let mut heads = handle.heads();
    let waiting = async {
        loop {
            let head = heads.borrow_and_update().clone();
            let service = head.as_ref().and_then(|it| it.state.services.get(service));
            let rollout = service.and_then(|it| it.rollout.as_deref());
            if let Some(rollout) = rollout.filter(|it| it.phase == phase) {
                return rollout.clone();
            }
            heads.changed().await.unwrap();
        }
    };
    match tokio::time::timeout(Duration::from_secs(30), waiting).await {
        Ok(rollout) => rollout,
        Err(_) => panic!("never {phase}: {:#?}", handle.head().unwrap().state),
    }
}

/// The record, once it says that.
pub(super) async fn recorded(
    server: &Server,
    number: u64,
    says: impl Fn(&ReleaseRecord) -> bool,
) -> Arc<ReleaseRecord> {
    let (fleet, service) = (name("payments"), name(SERVICE));
    // The book is written beside the revisions, and told as what the ledger has.
    let mut changes = server.fleet("payments").ledger_changes();
    let waiting = async {
        loop {
            changes.borrow_and_update();
            let record = server
                .store
                .release(&fleet, &service, number)
                .await
                .unwrap();
            if let Some(record) = record.filter(|record| says(record)) {
                return record;
            }
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .expect("the record says it")
}

pub(super) async fn begun(settings: Settings, release: &str) -> (Server, Handle, LedgerProxy) {
    begun_on(Server::with(settings).await, release).await
}

/// The same with a server that runs.
pub(super) async fn begun_on(server: Server, release: &str) -> (Server, Handle, LedgerProxy) {
    let mut client = server.client().await;
    apply(&mut client, &declared(release)).await.outcome();
    let handle = server.fleet("payments");
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    (server, handle, proxy)
}

#[tokio::test]
async fn a_release_goes_from_one_command_to_its_end() {
    let script = Script::new();
    let automatic = format!("    promotion: automatic\n{USUAL}");
    let (server, handle, _proxy) = begun(settings(&script), &automatic).await;
    let green = Backend::start("v1.3").await;
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Validating).await;
    // An analysis that runs never counts as passed.
    let refused = run(&handle, switch()).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::GatesNotPassed));

    script.say(Purpose::Validation, Phase::Successful);
    let baking = reached(&handle, RolloutPhase::Baking).await;
    let switched = handle.head().unwrap().state.services[SERVICE].live;
    assert_eq!(switched, Colour::Green);
    let done = reached(&handle, RolloutPhase::Completed).await;
    assert_eq!((done.number, baking.number), (1, 1));
    assert!(
        handle.head().unwrap().state.services[SERVICE]
            .blue
            .deployment
            .is_none()
    );

    let record = recorded(&server, 1, |it| {
        it.rollout.phase == RolloutPhase::Completed
            && it.deliveries.iter().any(|push| push.acked == 1)
    })
    .await;
    let phases: Vec<RolloutPhase> = record.rollout.log.iter().map(|it| it.phase).collect();
    assert_eq!(
        phases,
        [
            RolloutPhase::Staged,
            RolloutPhase::Validating,
            RolloutPhase::Ready,
            RolloutPhase::Switching,
            RolloutPhase::Baking,
            RolloutPhase::Standby,
            RolloutPhase::Retiring,
            RolloutPhase::Completed,
        ]
    );
    assert_eq!(
        (record.rollout.by.as_str(), record.rollout.why.as_str()),
        ("alice", "CHG-42")
    );
    let ran: Vec<Purpose> = record.analyses.iter().map(|it| it.purpose).collect();
    assert_eq!(ran, [Purpose::Validation, Purpose::Bake]);
    let push = &record.deliveries[0];
    assert_eq!((push.total, push.acked, push.proxies.len()), (1, 1, 1));
    assert!(push.first.is_some() && push.first == push.last);
    // The push changed a route configuration, and that is what the digests say.
    let differ: Vec<&str> = record
        .before
        .iter()
        .filter(|it| !record.after.contains(it))
        .map(|it| it.kind.as_str())
        .collect();
    assert!(differ.contains(&"RouteConfiguration"), "{differ:?}");

    // Steps of the release that proxies are told nothing of are of a kind of their own, and change no resource.
    let history = server
        .store
        .history(&name("payments"), None, 100)
        .await
        .unwrap();
    for meta in history.iter().filter(|it| it.kind == CommitKind::Release) {
        assert_eq!(meta.changes, (0, 0, 0), "{meta:?}");
    }
    let switches = history
        .iter()
        .filter(|it| it.kind == CommitKind::Switch)
        .count();
    assert_eq!(switches, 1);
}

/// A release in a bake that does not end by itself.
pub(super) async fn baking(script: &Arc<Script>) -> (Server, Handle, LedgerProxy, Backend) {
    baking_on(Server::with(settings(script)).await, script).await
}

/// The same with a server that runs.
pub(super) async fn baking_on(
    server: Server,
    script: &Arc<Script>,
) -> (Server, Handle, LedgerProxy, Backend) {
    let slow = USUAL.replace("duration: 1s", "duration: 1h");
    let (server, handle, proxy) = begun_on(server, &slow).await;
    let green = Backend::start("v1.3").await;
    script.say(Purpose::Validation, Phase::Successful);
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    run(&handle, switch()).await.unwrap();
    reached(&handle, RolloutPhase::Baking).await;
    (server, handle, proxy, green)
}

#[tokio::test]
async fn once_a_switch_is_answered_its_release_has_gone_on() {
    let script = Script::new();
    let slow = USUAL.replace("duration: 1s", "duration: 1h");
    let (server, handle, _proxy) = begun(settings(&script), &slow).await;
    let mut client = server.client().await;
    let green = Backend::start("v1.3").await;
    script.say(Purpose::Validation, Phase::Successful);
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    calls::switch(&mut client, SERVICE).await.outcome();
    // As in a script, which pauses or extends the bake in its next line.
    run(&handle, steer(Verb::Pause)).await.unwrap();
    reached(&handle, RolloutPhase::Paused).await;
    calls::rollback(&mut client, SERVICE).await.outcome();
    let state = handle.head().unwrap().state.clone();
    let rollout = state.services[SERVICE].rollout.as_deref().unwrap();
    assert_eq!(rollout.phase, RolloutPhase::RolledBack);
}

#[tokio::test]
async fn a_monitor_that_fails_takes_the_traffic_back_by_itself() {
    let script = Script::new();
    let (server, handle, _proxy, _green) = baking(&script).await;
    script.say(Purpose::Bake, Phase::Failed);
    let back = reached(&handle, RolloutPhase::RolledBack).await;
    assert!(back.rolled_back_by_server);
    assert!(
        back.reason.contains("42 of 1000 requests failed"),
        "{}",
        back.reason
    );
    let state = handle.head().unwrap().state.services[SERVICE].clone();
    assert_eq!(state.live, Colour::Blue);
    assert!(state.green.deployment.is_some() && state.green.rolled_back);
    let record = recorded(&server, 1, |it| it.deliveries.len() == 2).await;
    assert_eq!(record.analyses[1].analysis.phase, Phase::Failed);
    assert_eq!(record.analyses[1].analysis.checks[0].measurements.len(), 1);
}

#[tokio::test]
async fn proxies_that_stop_reporting_in_the_bake_take_it_back() {
    let script = Script::new();
    let slow = USUAL.replace("duration: 1s", "duration: 1h");
    let (server, handle, proxy) = begun(settings(&script), &slow).await;
    let green = Backend::start("v1.3").await;
    script.say(Purpose::Validation, Phase::Successful);
    let second = LedgerProxy::connect(&server, "payments", "p2");
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    run(&handle, switch()).await.unwrap();
    reached(&handle, RolloutPhase::Baking).await;
    proxy.disconnect();
    second.disconnect();
    let back = reached(&handle, RolloutPhase::RolledBack).await;
    assert!(
        back.reason.contains("2 of 2 proxies stopped reporting"),
        "{}",
        back.reason
    );
}

#[tokio::test]
async fn a_canary_moves_step_by_step_and_gives_its_share_back() {
    let script = Script::new();
    let canary = "    strategy: canary
    canary: { steps: [ { weight: 10 }, { weight: 50, pause: 1h } ], monitors: [ { name: errors, http: { path: / } } ] }
";
    let (server, handle, _proxy) = begun(settings(&script), canary).await;
    let green = Backend::start("v1.3").await;
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    let first = run(&handle, switch()).await.unwrap();
    assert_eq!(first.meta.unwrap().kind, CommitKind::Switch);
    let split = || handle.head().unwrap().state.services[SERVICE].split();
    // The first step has no pause: its monitors are asked at once, and the next begins.
    let mut heads = handle.heads();
    heads
        .wait_for(|head| head.as_ref().unwrap().state.services[SERVICE].split().green == 50)
        .await
        .unwrap();
    let mut heads = handle.heads();
    heads
        .wait_for(|head| {
            let rollout = head.as_ref().unwrap().state.services[SERVICE]
                .rollout
                .as_deref();
            rollout.unwrap().analysis.is_some()
        })
        .await
        .unwrap();
    script.say(Purpose::Step, Phase::Failed);
    reached(&handle, RolloutPhase::RolledBack).await;
    assert_eq!((split().blue, split().green), (100, 0));
    let record = recorded(&server, 1, |it| {
        it.rollout.phase == RolloutPhase::RolledBack
    })
    .await;
    let weights: Vec<u32> = record.rollout.log.iter().map(|it| it.weight).collect();
    assert!(
        weights.contains(&10) && weights.contains(&50),
        "{weights:?}"
    );
}

/// The server is stopped in every phase that waits for something; started again on the same store, the release goes on.
#[tokio::test]
async fn a_release_goes_on_where_it_was_after_a_restart_in_any_phase() {
    let script = Script::new();
    let slow = USUAL.replace("duration: 1s", "duration: 2s");
    let settings = settings(&script);
    let (server, handle, proxy) = begun(settings.clone(), &slow).await;
    let green = Backend::start("v1.3").await;
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Validating).await;
    drop((handle, proxy));

    // The analysis was running: it is run again, under the same number.
    let server = Server::on(server.stop().await, settings.clone()).await;
    let handle = server.fleet("payments");
    let validating = reached(&handle, RolloutPhase::Validating).await;
    assert_eq!(validating.analysis, Some(1));
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    script.say(Purpose::Validation, Phase::Successful);
    let ready = reached(&handle, RolloutPhase::Ready).await;
    assert_eq!(ready.analyses, 1);
    assert_eq!(script.runs(Purpose::Validation), 2);
    drop((handle, proxy));

    let server = Server::on(server.stop().await, settings.clone()).await;
    let handle = server.fleet("payments");
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    run(&handle, switch()).await.unwrap();
    reached(&handle, RolloutPhase::Baking).await;
    drop((handle, proxy));

    // While no proxy reports, nothing bakes, however long it takes.
    let server = Server::on(server.stop().await, settings.clone()).await;
    let handle = server.fleet("payments");
    let baking = reached(&handle, RolloutPhase::Baking).await;
    assert_eq!(baking.clock.limit_ms, 2_000);
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    reached(&handle, RolloutPhase::Standby).await;
    drop((handle, proxy));

    let server = Server::on(server.stop().await, settings.clone()).await;
    let handle = server.fleet("payments");
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    // What is open on the standby is known.
    report(&handle, "p1", 1);
    let done = reached(&handle, RolloutPhase::Completed).await;
    assert_eq!(done.number, 1);
}

#[tokio::test]
async fn a_paused_release_stays_until_it_is_resumed_and_an_aborted_one_goes_back() {
    let script = Script::new();
    let slow = USUAL.replace("duration: 1s", "duration: 1h");
    let (_server, handle, _proxy) = begun(settings(&script), &slow).await;
    let green = Backend::start("v1.3").await;
    script.say(Purpose::Validation, Phase::Successful);
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    run(&handle, steer(Verb::Pause)).await.unwrap();
    let refused = run(&handle, switch()).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::ReleasePaused));
    run(&handle, steer(Verb::Resume)).await.unwrap();
    run(&handle, switch()).await.unwrap();
    reached(&handle, RolloutPhase::Baking).await;
    let aborted = run(&handle, steer(Verb::Abort)).await.unwrap();
    assert_eq!(aborted.meta.unwrap().kind, CommitKind::Switch);
    let back = reached(&handle, RolloutPhase::RolledBack).await;
    assert!(
        back.reason.contains("aborted by alice (CHG-42)"),
        "{}",
        back.reason
    );
}

#[tokio::test]
async fn a_provision_hook_is_called_again_and_says_where_the_new_environment_is() {
    let script = Script::new();
    let hook = Receiver::start().await;
    hook.answer_next(1, "/up", 503, "");
    hook.answer("/up", 200, r#"{ "endpoints": ["127.0.0.1:9002"] }"#);
    let release_spec = format!(
        "    hooks: {{ provision: {{ webhook: \"{}\" }} }}\n",
        hook.url("/up")
    );
    let (_server, handle, _proxy) = begun(settings(&script), &release_spec).await;
    run(&handle, release(&[])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    let calls = hook.calls("/up", 2).await;
    assert_eq!(calls[0].body["id"], calls[1].body["id"], "the same call");
    assert_eq!(calls[0].body["service"], SERVICE);
    assert_eq!(calls[0].body["to"]["version"], "v1.3");
    let green = handle.head().unwrap().state.services[SERVICE]
        .green
        .deployment
        .clone();
    assert_eq!(green.unwrap().endpoints[0].to_string(), "127.0.0.1:9002");
}

#[tokio::test]
async fn where_a_provision_hook_says_more_than_its_answer_the_release_says_so() {
    let script = Script::new();
    let hook = Receiver::start().await;
    let said = "starting two machines\n{ \"endpoints\": [\"127.0.0.1:9002\"] }";
    hook.answer("/up", 200, said);
    let release_spec = format!(
        "    hooks: {{ provision: {{ webhook: \"{}\" }} }}\n",
        hook.url("/up")
    );
    let (_server, handle, _proxy) = begun(settings(&script), &release_spec).await;
    run(&handle, release(&[])).await.unwrap();
    let failed = reached(&handle, RolloutPhase::Failed).await;
    assert!(
        failed.reason.contains("and nothing else"),
        "{}",
        failed.reason
    );
}

#[tokio::test]
async fn exec_hooks_run_only_where_the_server_allows_it() {
    let script = Script::new();
    let text = declared(
        "    hooks: { provision: { exec: [sh, -c, 'cat > /dev/null; head -c 3000000 /dev/zero >&2 && echo \"{\\\"endpoints\\\": [\\\"127.0.0.1:9003\\\"]}\"'] } }\n",
    );
    let server = Server::with(settings(&script)).await;
    let mut client = server.client().await;
    let refused = apply(&mut client, &text).await;
    assert!(refused.refused().remedy.contains("--allow-exec-hooks"));

    let mut allowed = settings(&script);
    allowed.release.allow_exec_hooks = true;
    let server = Server::with(allowed).await;
    let mut client = server.client().await;
    apply(&mut client, &text).await.outcome();
    let handle = server.fleet("payments");
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    run(&handle, release(&[])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    let green = handle.head().unwrap().state.services[SERVICE]
        .green
        .deployment
        .clone();
    assert_eq!(green.unwrap().endpoints[0].to_string(), "127.0.0.1:9003");
}

#[tokio::test]
async fn events_are_told_in_order_signed_and_until_they_are_taken() {
    let script = Script::new();
    let receiver = Receiver::start().await;
    receiver.answer_next(1, "/events", 500, "");
    receiver.answer("/events", 200, "");
    let mut told = settings(&script);
    told.release.events = Some(EventSink {
        url: receiver.url("/events"),
        secret: Some(Arc::from(&b"a secret of the test"[..])),
    });
    let (_server, handle, _proxy) = begun(told, USUAL).await;
    let green = Backend::start("v1.3").await;
    script.say(Purpose::Validation, Phase::Successful);
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    let calls = receiver.calls("/events", 4).await;
    assert_eq!(
        calls[0].body["id"], calls[1].body["id"],
        "sent again under the same id"
    );
    let mut phases: Vec<&str> = calls
        .iter()
        .map(|it| it.body["data"]["phase"].as_str().unwrap())
        .collect();
    phases.dedup();
    assert_eq!(phases, ["Staged", "Validating", "Ready"]);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"a secret of the test");
    for call in &calls {
        assert_eq!(call.body["specversion"], "1.0");
        let signature = call.header("x-bluegreen-signature");
        let hex = signature.strip_prefix("sha256=").unwrap();
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        ring::hmac::verify(&key, &call.raw, &bytes).unwrap();
    }
    // Once they are taken the outbox is empty.
    let mut heads = handle.heads();
    heads
        .wait_for(|head| {
            head.as_ref().unwrap().state.services[SERVICE]
                .outbox
                .is_empty()
        })
        .await
        .unwrap();
}
