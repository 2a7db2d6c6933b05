//! What people say to `manual` checks: it is for the run that asked them, and about what they could look at.

use serde_json::json;

use super::{
    Story,
    lifecycle::{release, release_spec, with},
    scale,
};
use crate::{
    model::{
        Colour,
        check::{Phase as CheckPhase, Verdict},
    },
    release::{Event, RolloutPhase, Verb},
};

/// Two people are asked before the switch, and again in each step.
fn asked() -> Story {
    let sign_off = json!({ "name": "sign-off", "manual": { "approvals": 2 } });
    with(release_spec(json!({
        "strategy": "canary",
        "promotion": "manual",
        "validation": [sign_off],
        "canary": { "steps": [{ "weight": 1, "pause": "5m" }, { "weight": 50, "pause": "5m" }], "monitors": [sign_off] },
    })))
    .then(release("v1.3", &["10.0.0.2:80"]))
    .delivered()
}

fn say(verdict: Verdict) -> Event {
    Event::Decide {
        check: "sign-off".parse().unwrap(),
        verdict,
    }
}

fn said(story: &Story) -> usize {
    story.rollout().decisions.len()
}

#[test]
fn a_yes_is_not_about_endpoints_that_come_later() {
    let story = asked().then(say(Verdict::Approved));
    assert_eq!(said(&story), 1);
    let story = story.then(scale(Colour::Green, &["10.0.0.2:80", "10.0.0.3:80"]));
    assert_eq!((story.phase(), said(&story)), (RolloutPhase::Staged, 0));
}

#[test]
fn a_no_is_not_the_answer_when_it_is_asked_again() {
    let story = asked()
        .then(say(Verdict::Rejected))
        .analysed(CheckPhase::Failed);
    assert_eq!(story.phase(), RolloutPhase::Failed);
    let story = story.then(Event::Steer(Verb::Retry));
    assert_eq!((story.phase(), said(&story)), (RolloutPhase::Validating, 0));
}

#[test]
fn each_step_asks_for_itself() {
    let story = asked()
        .then(say(Verdict::Approved))
        .analysed(CheckPhase::Successful)
        .then(super::switch(None))
        .delivered();
    assert_eq!((story.phase(), said(&story)), (RolloutPhase::Shifting, 0));
    let story = story
        .then(say(Verdict::Approved))
        .after(5)
        .analysed(CheckPhase::Successful);
    assert_eq!(story.rollout().step, 1);
    assert_eq!(said(&story), 0);
}
