//! The way by which gates reach the staged version through the proxies stays as long as they run: without it, they would be answered
//! by the live one.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{
    Story, context,
    lifecycle::{release, release_spec, with},
    switch,
};
use crate::{
    model::{EndedBy, check::Phase},
    release::{Context, Event, Preview, Reason, RolloutPhase, Temporary, Verb, step},
};

/// v1.3 is staged, and a person looks at it by a header of her own, for an hour.
fn looked_at() -> Story {
    let gate = json!({ "name": "smoke", "through": "proxies", "http": { "path": "/" } });
    let story =
        with(release_spec(json!({ "validation": [gate] }))).then(release("v1.3", &["10.0.0.2:80"]));
    story.then(looks())
}

fn looks() -> Event {
    Event::Preview {
        header: "x-team".to_owned(),
        value: Some("risk".to_owned()),
        duration: Duration::from_secs(3600),
        ended_by: EndedBy::Proxies,
    }
}

fn preview(story: &Story) -> Option<&Preview> {
    story.state.shifting.preview.as_ref()
}

fn end(started_in: Option<crate::model::Revision>) -> Event {
    let what = Temporary::Preview;
    Event::End { what, started_in }
}

/// Its gates run, once the proxies have the routes.
fn validating() -> Story {
    let story = looked_at().delivered();
    assert_eq!(story.phase(), RolloutPhase::Validating);
    assert_eq!(story.rollout().analysis, None, "routes come first");
    story.delivered()
}

#[test]
fn gates_go_by_the_header_that_a_person_uses_and_by_nothing_that_may_end() {
    let story = validating();
    let way = preview(&story).unwrap();
    assert_eq!((&*way.header, &*way.value), ("x-team", "risk"));
    assert_eq!(way.window.ended_by, EndedBy::Server);

    // Neither by a person,
    for event in [end(None), looks()] {
        let refused = story.would(&event).unwrap_err();
        assert_eq!(refused.reason, Reason::ReleaseRunning);
        assert!(refused.message.contains("x-team: risk"), "{refused}");
    }
    // nor by its deadline.
    let deadline = end(Some(way.window.started_in));
    let story = story.then(deadline);
    assert_eq!(preview(&story).unwrap().header, "x-team");
    assert!(story.rollout().analysis.is_some());
    let deadline = end(Some(preview(&story).unwrap().window.started_in));
    let passed = story.then(deadline).analysed(Phase::Successful);
    assert_eq!(passed.phase(), RolloutPhase::Ready);
}

#[test]
fn what_a_person_looks_at_is_there_again_after_the_gates() {
    let before = preview(&looked_at()).cloned();
    assert!(before.is_some());
    for phase in [Phase::Successful, Phase::Inconclusive, Phase::Failed] {
        let ended = validating().analysed(phase);
        assert_eq!(preview(&ended), before.as_ref(), "{phase}");
    }
    for verb in [Verb::Pause, Verb::Abort] {
        let ended = validating().then(Event::Steer(verb));
        assert_eq!(preview(&ended), before.as_ref(), "{verb:?}");
        ended.then(end(None));
    }
    // Not where its time is over,
    let story = validating();
    let late = Context {
        now: before.unwrap().window.until + Duration::from_secs(1),
        ..context(story.revision + 1)
    };
    let aborted = step(&story.state, &Event::Steer(Verb::Abort), &late).unwrap();
    assert_eq!(aborted.state.shifting.preview, None);
    // nor where it is live.
    let insisting = Event::Switch {
        to: None,
        force: false,
        skip_gates: true,
    };
    assert_eq!(preview(&validating().then(insisting)), None);
}

#[test]
fn a_preview_that_gates_made_ends_with_them() {
    let gate = json!({ "name": "smoke", "through": "proxies", "http": { "path": "/" } });
    let story = with(release_spec(json!({ "validation": [gate] })))
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .delivered();
    let way = &preview(&story).unwrap().window;
    assert!(way.until > Timestamp::UNIX_EPOCH);
    let deadline = end(Some(way.started_in));
    let story = story.then(deadline);
    assert!(preview(&story).is_some(), "they still go by it");
    let passed = story.analysed(Phase::Successful);
    assert_eq!(preview(&passed), None);
    assert_eq!(passed.then(switch(None)).phase(), RolloutPhase::Switching);
}
