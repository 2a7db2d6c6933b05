//! A release that is paused goes on without what is left of its monitors, because somebody says so.

use super::{
    Story,
    lifecycle::{release, usual, whole, with},
    switch,
};
use crate::{
    model::{ReleaseSpec, check::Phase as CheckPhase},
    release::{Event, Reason, RolloutPhase, Verb},
};

const SKIP: Event = Event::Steer(Verb::SkipMonitors);

fn validated(mut spec: ReleaseSpec) -> Story {
    spec.hooks = Default::default();
    with(spec)
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .analysed(CheckPhase::Successful)
}

#[test]
fn after_a_quiet_bake_the_standby_begins_and_the_record_says_who_wanted_it() {
    let story = validated(usual()).then(switch(None)).delivered();
    let story = story.analysed(CheckPhase::Inconclusive);
    assert_eq!(story.phase(), RolloutPhase::Paused);
    assert!(story.rollout().reason.contains("--skip-monitors"));

    let skipped = story.then(SKIP);
    assert_eq!(skipped.phase(), RolloutPhase::Standby);
    assert!(skipped.rollout().clock.is_running(), "the standby's time");
    assert_eq!(skipped.rollout().analysis, None);
    assert_eq!(skipped.rollout().waived, ["gates-not-passed"]);
    let said = |it: &&crate::release::LogEntry| it.reason.contains("skipped by");
    assert!(skipped.rollout().log.iter().any(|it| said(&it)));
    // To say it again skips nothing else.
    assert!(!skipped.would(&SKIP).unwrap().changed);
}

#[test]
fn each_step_of_a_canary_is_skipped_for_itself_and_after_the_last_comes_the_switch() {
    let mut canary = whole();
    canary.shadow = None;
    let steps = canary.canary.as_ref().unwrap().steps.len();
    let mut story = validated(canary).then(switch(None)).delivered();
    for step in 0..steps {
        assert_eq!(
            (story.phase(), story.rollout().step),
            (RolloutPhase::Shifting, step)
        );
        story = story.analysed(CheckPhase::Inconclusive).then(SKIP);
        if story.phase() == RolloutPhase::Shifting {
            // Whoever says it twice does not skip that step too.
            assert!(!story.would(&SKIP).unwrap().changed);
            story = story.delivered();
        }
    }
    assert_eq!(story.phase(), RolloutPhase::Switching);
    assert_eq!(story.state.shifting.weight, 0);
}

#[test]
fn after_the_shadow_comes_what_comes_after_it() {
    let story = validated(whole()).then(switch(None));
    assert_eq!(story.phase(), RolloutPhase::Shadowing);
    let story = story.then(Event::Steer(Verb::Pause)).then(SKIP);
    assert_eq!(story.phase(), RolloutPhase::Shifting);
    assert!(story.state.shifting.shadow.is_none());
}

#[test]
fn only_what_is_watched_and_has_arrived_can_be_skipped() {
    let refused = |story: Story| story.would(&SKIP).unwrap_err();
    let ready = validated(usual()).then(Event::Steer(Verb::Pause));
    assert_eq!(refused(ready).reason, Reason::WrongPhase);

    let mut canary = whole();
    canary.shadow = None;
    let on_its_way = validated(canary).then(switch(None));
    let refusal = refused(on_its_way.then(Event::Steer(Verb::Pause)));
    assert_eq!(refusal.reason, Reason::WrongPhase);
    assert!(refusal.remedy.contains("bluegreen fleet"), "{refusal:?}");
}
