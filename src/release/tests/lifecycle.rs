//! The way of a release, step by step, as users see it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Story, deploy, endpoints, environment, retire, scale, spec, switch};
use crate::{
    model::{Colour, Endpoint, ReleaseSpec, Revision, check::Phase as CheckPhase},
    release::{
        EffectKind, Event, InUse, Reason, Rollout, RolloutPhase, Signal, SignalKind, StepKind, Verb,
    },
};

pub(super) fn release_spec(value: Value) -> ReleaseSpec {
    serde_json::from_value(value).unwrap()
}

fn check(name: &str) -> Value {
    json!({ "name": name, "http": { "path": "/healthz" } })
}

/// Everything that there is.
pub(super) fn whole() -> ReleaseSpec {
    release_spec(json!({
        "strategy": "canary",
        "promotion": "automatic",
        "hooks": {
            "provision": { "webhook": "http://hooks.test/up" },
            "confirmPromotion": { "webhook": "http://hooks.test/confirm" },
            "terminate": { "webhook": "http://hooks.test/down" },
        },
        "validation": [check("smoke")],
        "shadow": { "percent": 10, "duration": "10m", "monitors": [check("drift")] },
        "canary": { "steps": [{ "weight": 1, "pause": "5m" }, { "weight": 50 }], "monitors": [check("errors")] },
        "bake": { "duration": "30m", "monitors": [check("errors")] },
        "standby": "60m",
    }))
}

/// Gates, a bake, and somebody who says go.
pub(super) fn usual() -> ReleaseSpec {
    release_spec(json!({
        "validation": [check("smoke")],
        "bake": { "duration": "30m", "monitors": [check("errors")] },
    }))
}

/// v1.2 live in blue, released so.
pub(super) fn with(release: ReleaseSpec) -> Story {
    let blue = environment("v1.2", &["10.0.0.1:80"]);
    let mut declared = spec(Some(blue), None, Colour::Blue);
    declared.release = Some(Box::new(release));
    Story::new(declared)
}

pub(super) fn release(version: &str, texts: &[&str]) -> Event {
    Event::Release {
        version: version.to_owned(),
        endpoints: endpoints(texts),
        promotion: None,
        replace_standby: false,
    }
}

impl Story {
    pub(super) fn rollout(&self) -> &Rollout {
        self.state.rollout.as_deref().unwrap()
    }

    pub(super) fn phase(&self) -> RolloutPhase {
        self.rollout().phase
    }

    pub(super) fn news(&self, kind: SignalKind) -> Event {
        Event::Signal(Signal {
            release: self.rollout().number,
            kind,
        })
    }

    fn signal(self, kind: SignalKind) -> Self {
        let event = self.news(kind);
        self.then(event)
    }

    pub(super) fn delivered(self) -> Self {
        self.delivered_but("")
    }

    pub(super) fn delivered_but(self, lacking: &str) -> Self {
        let (revision, lacking) = (self.rollout().pushed.unwrap(), lacking.to_owned());
        self.signal(SignalKind::Delivered { revision, lacking })
    }

    pub(super) fn analysed(self, phase: CheckPhase) -> Self {
        let analysis = self.rollout().analysis.unwrap();
        self.signal(SignalKind::AnalysisEnded {
            analysis,
            phase,
            reason: "errors: 4.2% of 500 requests failed, at most 1% may".to_owned(),
        })
    }

    pub(super) fn answered(self, yes: bool, given: &[&str]) -> Self {
        let effect = self.hook();
        self.signal(SignalKind::HookAnswered {
            effect,
            yes,
            detail: "503 Service Unavailable".to_owned(),
            endpoints: endpoints(given),
        })
    }

    fn hook(&self) -> u64 {
        let call = |kind: &EffectKind| matches!(kind, EffectKind::CallHook { .. });
        let open = self.state.outbox.iter().find(|it| call(&it.kind));
        open.expect("a hook that is called").id
    }

    fn wants(&self) -> Vec<&EffectKind> {
        self.state
            .outbox
            .iter()
            .map(|effect| &effect.kind)
            .collect()
    }

    /// The share of the live traffic that is mirrored, in percent.
    fn mirror(&self) -> u32 {
        let shadow = self.state.shifting.shadow.as_ref();
        shadow
            .filter(|it| !it.window.over)
            .map_or(0, |it| it.percent)
    }

    /// The weight of green, in percent.
    fn green(&self) -> u32 {
        self.state.split().green
    }
}

#[test]
fn the_whole_way_with_everything_declared() {
    let story = with(whole()).then(release("v1.3", &[]));
    assert_eq!(story.phase(), RolloutPhase::Provisioning);
    let story = story.answered(true, &["10.0.0.2:80"]);
    assert_eq!(story.phase(), RolloutPhase::Staged);
    let staged = story.state.green.deployment.clone().unwrap();
    assert_eq!((staged.version.as_str(), staged.number), ("v1.3", 2));

    let story = story.delivered();
    assert_eq!(story.phase(), RolloutPhase::Validating);
    let story = story.analysed(CheckPhase::Successful);
    assert_eq!(story.phase(), RolloutPhase::Ready);
    assert_eq!(story.wants(), [&EffectKind::Promote]);

    // The server gives the command, the hook is asked, and the command is given once more.
    let story = story.then(switch(None));
    assert_eq!(story.phase(), RolloutPhase::Ready);
    let story = story.answered(true, &[]).then(switch(None));
    assert_eq!(story.phase(), RolloutPhase::Shadowing);
    assert_eq!((story.mirror(), story.green()), (10, 0));

    // Time alone is not enough: the monitors are asked for their last word.
    let story = story.after(10);
    assert_eq!(story.phase(), RolloutPhase::Shadowing);
    assert!(matches!(
        story.wants()[..],
        [EffectKind::Analyse { finish: true, .. }]
    ));
    let story = story.analysed(CheckPhase::Successful);
    assert_eq!(story.phase(), RolloutPhase::Shifting);
    assert_eq!((story.mirror(), story.green()), (0, 1));

    // Time counts from the moment every proxy has the weights.
    let early = story.would(&story.minutes(10));
    assert!(!early.unwrap().changed);
    let story = story.delivered().after(5).analysed(CheckPhase::Successful);
    assert_eq!(story.green(), 50);
    let story = story.delivered().analysed(CheckPhase::Successful);
    assert_eq!(
        (story.phase(), story.green()),
        (RolloutPhase::Switching, 100)
    );
    let story = story.delivered();
    assert_eq!(story.phase(), RolloutPhase::Baking);
    let story = story.analysed(CheckPhase::Successful);
    assert_eq!(story.phase(), RolloutPhase::Baking, "the time is not over");
    let story = story.after(29).after(1);
    assert_eq!(story.phase(), RolloutPhase::Standby);
    let story = story.after(60);
    assert_eq!(story.phase(), RolloutPhase::Retiring);
    assert_eq!(story.wants(), [&EffectKind::Retire]);
    let story = story.then(retire());
    assert_eq!(story.phase(), RolloutPhase::Completed);
    assert!(story.state.blue.deployment.is_none());
    let story = story.answered(true, &[]);
    assert_eq!(story.wants(), [] as [&EffectKind; 0]);
    assert!(story.rollout().reason.contains("terminate hook was called"));
    let phases: Vec<RolloutPhase> = story.rollout().log.iter().map(|it| it.phase).collect();
    assert_eq!(phases[..4], RolloutPhase::ALL[..4]);
}

#[test]
fn a_switch_before_the_gates_have_passed_is_refused_and_may_be_insisted_on() {
    let story = with(usual()).then(deploy("v1.3", &["10.0.0.2:80"]));
    let refusal = story.would(&switch(None)).unwrap_err();
    assert_eq!(refusal.reason, Reason::GatesNotPassed);
    assert!(refusal.remedy.contains("bluegreen validate"), "{refusal}");

    let insisted = Event::Switch {
        to: None,
        force: false,
        skip_gates: true,
    };
    let step = story.would(&insisted).unwrap();
    assert_eq!(
        (step.kind, step.waived),
        (StepKind::Switch, vec![Reason::GatesNotPassed])
    );
    assert_eq!(step.state.rollout.unwrap().waived, ["gates-not-passed"]);
}

#[test]
fn other_endpoints_open_the_gates_again() {
    let ready = || {
        with(usual())
            .then(release("v1.3", &["10.0.0.2:80"]))
            .delivered()
            .analysed(CheckPhase::Successful)
    };
    assert!(ready().would(&switch(None)).is_ok());
    let story = ready().then(scale(Colour::Green, &["10.0.0.2:80", "10.0.0.3:80"]));
    assert_eq!(story.phase(), RolloutPhase::Staged);
    assert_eq!(
        story.would(&switch(None)).unwrap_err().reason,
        Reason::GatesNotPassed
    );
    let story = story.delivered().analysed(CheckPhase::Successful);
    assert!(story.would(&switch(None)).is_ok());
}

#[test]
fn another_version_in_its_place_ends_a_release_that_has_no_traffic() {
    let story = with(usual())
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .then(deploy("v1.4", &["10.0.0.4:80"]));
    assert_eq!(story.phase(), RolloutPhase::Aborted);
    assert!(story.rollout().reason.contains("replaced by v1.4"));
    assert_eq!(
        story.wants(),
        [] as [&EffectKind; 0],
        "its analysis is cancelled"
    );
}

#[test]
fn a_monitor_that_fails_takes_the_traffic_back_and_leaves_the_bad_environment() {
    let baking = with(usual())
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .analysed(CheckPhase::Successful)
        .then(switch(None))
        .delivered();
    assert_eq!(baking.phase(), RolloutPhase::Baking);
    let back = baking.analysed(CheckPhase::Failed);
    assert_eq!((back.phase(), back.green()), (RolloutPhase::RollingBack, 0));
    assert!(back.rollout().rolled_back_by_server);
    assert!(back.rollout().reason.contains("4.2% of 500 requests"));
    assert!(back.state.green.rolled_back);
    assert!(back.state.green.deployment.is_some(), "for the post-mortem");
    let back = back.delivered();
    assert_eq!(back.phase(), RolloutPhase::RolledBack);
}

#[test]
fn a_canary_that_fails_gives_its_share_back() {
    let shifting = || {
        let mut canary = whole();
        canary.hooks = Default::default();
        canary.shadow = None;
        with(canary)
            .then(release("v1.3", &["10.0.0.2:80"]))
            .delivered()
            .analysed(CheckPhase::Successful)
            .then(switch(None))
            .delivered()
    };
    assert_eq!(shifting().green(), 1);
    let back = shifting().analysed(CheckPhase::Error);
    assert_eq!((back.phase(), back.green()), (RolloutPhase::RollingBack, 0));
    // By hand, too, and twice is once.
    let back = shifting().then(Event::Rollback);
    assert_eq!((back.phase(), back.green()), (RolloutPhase::RollingBack, 0));
    let again = back.would(&Event::Rollback).unwrap();
    assert!(!again.changed);
    assert_eq!(again.settled_in, Some(Revision(back.revision)));
    // What has traffic is not changed under it.
    for event in [
        scale(Colour::Green, &["10.0.0.9:80"]),
        deploy("v1.4", &["10.0.0.9:80"]),
    ] {
        let refusal = shifting().would(&event).unwrap_err();
        assert_eq!(refusal.reason, Reason::ReleaseRunning);
    }
}

#[test]
fn proxies_that_fall_silent_after_the_switch_take_it_back() {
    let switching = with(usual())
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .analysed(CheckPhase::Successful)
        .then(switch(None));
    let reason = "2 of 3 proxies have not reported for 30s".to_owned();
    let event = switching.news(SignalKind::Silent { reason });
    let back = switching.then(event);
    assert_eq!(back.phase(), RolloutPhase::RollingBack);
}

#[test]
fn a_pause_stops_what_goes_forward_and_not_what_protects() {
    let paused = with(usual())
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .analysed(CheckPhase::Successful)
        .then(switch(None))
        .delivered()
        .then(Event::Steer(Verb::Pause));
    assert_eq!(paused.phase(), RolloutPhase::Paused);
    let tick = paused.minutes(60);
    assert!(!paused.would(&tick).unwrap().changed);
    let bad = paused.news(SignalKind::AnalysisEnded {
        analysis: paused.rollout().analysis.unwrap(),
        phase: CheckPhase::Failed,
        reason: "bad".to_owned(),
    });
    let back = paused.would(&bad).unwrap().state;
    assert_eq!(back.rollout.unwrap().phase, RolloutPhase::RollingBack);
    let resumed = paused.then(Event::Steer(Verb::Resume));
    assert_eq!(resumed.phase(), RolloutPhase::Baking);
    assert_eq!(resumed.rollout().clock.limit(), Duration::from_secs(1_800));
    assert!(resumed.rollout().analysis.is_some());
}

#[test]
fn a_standby_is_retired_when_its_time_is_over_and_nothing_uses_it() {
    let standby = with(usual())
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .analysed(CheckPhase::Successful)
        .then(switch(None))
        .delivered()
        .analysed(CheckPhase::Successful)
        .after(30);
    assert_eq!(
        standby.would(&retire()).unwrap_err().reason,
        Reason::StandbyNotOver
    );
    let longer = standby.then(Event::Steer(Verb::Extend {
        by: Duration::from_secs(600),
    }));
    assert_eq!(longer.rollout().clock.limit(), Duration::from_secs(4_200));
    let over = longer.after(70);
    assert_eq!(over.phase(), RolloutPhase::Retiring);
    for (in_use, reason) in [
        (
            InUse {
                routed: Some("1 of 2".to_owned()),
                ..InUse::default()
            },
            Reason::StillRouted,
        ),
        (
            InUse {
                open: 3,
                ..InUse::default()
            },
            Reason::StillOpen,
        ),
        (
            InUse {
                unheard: Some("1 of 2 proxies".to_owned()),
                ..InUse::default()
            },
            Reason::StillOpen,
        ),
    ] {
        let event = Event::Retire {
            force: false,
            in_use,
        };
        assert_eq!(over.would(&event).unwrap_err().reason, reason);
    }
    // Until then the way back is open.
    assert!(over.would(&Event::Rollback).unwrap().changed);
    let gone = over.then(retire());
    let refusal = gone.would(&Event::Rollback).unwrap_err();
    assert_eq!(refusal.reason, Reason::NothingToRollBack);
    assert!(
        refusal.remedy.contains("deploy v1.2 again"),
        "{}",
        refusal.remedy
    );
}

#[test]
fn a_service_without_a_declared_release_keeps_its_standby_until_it_is_told() {
    let story = Story::one()
        .then(deploy("v1.3", &["10.0.0.2:80"]))
        .then(switch(None));
    assert_eq!(story.phase(), RolloutPhase::Standby);
    assert!(story.state.outbox.is_empty() && !story.rollout().clock.is_running());
    assert_eq!(story.rollout().number, 1);
    let story = story.then(retire());
    assert_eq!(story.phase(), RolloutPhase::Completed);
}

#[test]
fn events_are_wanted_only_where_somebody_listens_and_are_bounded() {
    let mut story = with(usual());
    story = story.then(release("v1.3", &["10.0.0.2:80"]));
    assert_eq!(story.wants(), [] as [&EffectKind; 0]);
    for _ in 0..200 {
        let mut context = super::context(story.revision + 1);
        context.events = true;
        let event = if story.phase() == RolloutPhase::Paused {
            Event::Steer(Verb::Resume)
        } else {
            Event::Steer(Verb::Pause)
        };
        story.state = crate::release::step(&story.state, &event, &context)
            .unwrap()
            .state;
        story.revision += 1;
    }
    assert_eq!(story.state.outbox.len(), crate::release::MAX_EVENTS);
    assert!(story.rollout().log.len() <= crate::release::MAX_LOG);
    let effects: Vec<u64> = story.state.outbox.iter().map(|it| it.id).collect();
    let sent = story.news(SignalKind::Sent { effects });
    assert!(story.then(sent).state.outbox.is_empty());
}

#[test]
fn a_release_needs_endpoints_a_hook_or_something_staged() {
    let story = with(usual());
    assert_eq!(
        story.would(&release("v1.3", &[])).unwrap_err().reason,
        Reason::NoEndpoints
    );
    let staged = story
        .then(deploy("v1.3", &["10.0.0.2:80"]))
        .then(release("v1.3", &[]));
    assert_eq!(
        (staged.phase(), staged.state.deployments),
        (RolloutPhase::Staged, 2)
    );
    let again = staged.would(&release("v1.3", &["10.0.0.2:80"])).unwrap();
    assert!(!again.changed, "{}", again.what);
    let other = staged
        .would(&release("v1.4", &["10.0.0.4:80"]))
        .unwrap_err();
    assert_eq!(other.reason, Reason::ReleaseRunning);
}

#[test]
fn a_version_that_somebody_deploys_meanwhile_is_not_replaced_by_the_hook() {
    let story = with(whole())
        .then(release("v1.3", &[]))
        .then(deploy("v1.4", &["10.0.0.4:80"]));
    assert_eq!(story.phase(), RolloutPhase::Aborted);
    assert_eq!(story.wants(), [] as [&EffectKind; 0]);
}

#[test]
fn a_hook_that_fails_or_says_no_is_a_result_and_no_dead_end() {
    let failed = with(whole())
        .then(release("v1.3", &["10.0.0.2:80"]))
        .answered(false, &[]);
    assert_eq!(failed.phase(), RolloutPhase::Failed);
    let again = failed.then(Event::Steer(Verb::Retry));
    assert_eq!(again.phase(), RolloutPhase::Provisioning);
    let staged = again.answered(true, &[]);
    let given: Vec<Endpoint> = staged.state.green.deployment.clone().unwrap().endpoints;
    assert_eq!(given, endpoints(&["10.0.0.2:80"]), "those of the command");
    let asked = staged
        .delivered()
        .analysed(CheckPhase::Successful)
        .then(switch(None));
    let no = asked.answered(false, &[]);
    assert_eq!((no.phase(), no.mirror()), (RolloutPhase::Ready, 0));
    assert!(no.rollout().reason.contains("503"));
    assert_eq!(
        no.then(Event::Steer(Verb::Abort)).phase(),
        RolloutPhase::Aborted
    );
}
