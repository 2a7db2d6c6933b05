//! What people say to `manual` checks: it is for the run that asked them, and about what they could look at.

use serde_json::json;

use super::{
    Story, context,
    lifecycle::{release, release_spec, with},
    scale,
};
use crate::{
    model::{
        Colour,
        check::{Phase as CheckPhase, Verdict},
    },
    release::{Context, Event, Reason, Refusal, RolloutPhase, ServiceState, Verb, step},
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
        step: None,
    }
}

fn say_to_step(step: u32) -> Event {
    Event::Decide {
        check: "sign-off".parse().unwrap(),
        verdict: Verdict::Approved,
        step: Some(step),
    }
}

/// What comes of a word of somebody of that name.
fn by(story: &Story, who: &str, verdict: Verdict) -> Result<ServiceState, Refusal> {
    let context = Context {
        actor: who.to_owned(),
        ..context(story.revision + 1)
    };
    step(&story.state, &say(verdict), &context).map(|step| step.state)
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

#[test]
fn a_yes_to_a_step_that_is_over_is_none_to_the_next() {
    let story = asked();
    assert_eq!(
        story.would(&say_to_step(1)).unwrap_err().reason,
        Reason::WrongPhase
    );
    let first = story
        .then(say(Verdict::Approved))
        .analysed(CheckPhase::Successful)
        .then(super::switch(None))
        .delivered();
    assert!(first.would(&say_to_step(1)).unwrap().changed);
    // Two others were quicker, and the next step has begun.
    let second = first
        .then(say_to_step(1))
        .after(5)
        .analysed(CheckPhase::Successful)
        .delivered();
    let late = second.would(&say_to_step(1)).unwrap_err();
    assert_eq!(late.reason, Reason::WrongPhase);
    assert!(late.message.contains("step 2 by now"), "{late}");
    let now = "`bluegreen approve fraud-model --check sign-off --step 2`";
    assert!(late.remedy.contains(now), "{}", late.remedy);
    assert!(second.would(&say_to_step(2)).unwrap().changed);
}

#[test]
fn a_word_that_nobody_waits_for_is_refused() {
    // The gates have passed: a no would stop nothing, and a yes would be taken for one to the first step.
    let ready = || {
        asked()
            .then(say(Verdict::Approved))
            .analysed(CheckPhase::Successful)
    };
    assert_eq!(ready().phase(), RolloutPhase::Ready);
    // The first step has been looked at, and goes on for its time: a yes would be taken for one to the second.
    let looked_at = ready()
        .then(super::switch(None))
        .delivered()
        .then(say(Verdict::Approved))
        .analysed(CheckPhase::Successful);
    assert_eq!(looked_at.phase(), RolloutPhase::Shifting);
    for story in [ready(), looked_at] {
        for verdict in [Verdict::Approved, Verdict::Rejected] {
            let refused = by(&story, "bo@desk", verdict).unwrap_err();
            assert_eq!(refused.reason, Reason::WrongPhase, "{refused}");
        }
    }
}

#[test]
fn what_is_decided_is_not_decided_again() {
    let twice = |verdict| {
        let story = asked();
        let first = Story {
            state: by(&story, "ann@desk", Verdict::Approved).unwrap(),
            ..story
        };
        Story {
            state: by(&first, "bo@desk", verdict).unwrap(),
            ..first
        }
    };
    for verdict in [Verdict::Approved, Verdict::Rejected] {
        let refused = by(&twice(verdict), "cy@desk", Verdict::Rejected).unwrap_err();
        assert_eq!(refused.reason, Reason::WrongPhase, "{refused}");
    }
}

#[test]
fn a_no_after_the_yes_of_a_step_is_refused_with_the_way_back() {
    let shifting = asked()
        .then(say(Verdict::Approved))
        .analysed(CheckPhase::Successful)
        .then(super::switch(None))
        .delivered();
    let story = ["ann@desk", "bo@desk"]
        .into_iter()
        .fold(shifting, |story, who| {
            let state = by(&story, who, Verdict::Approved).unwrap();
            Story { state, ..story }
        });
    let refused = by(&story, "cy@desk", Verdict::Rejected).unwrap_err();
    assert_eq!(refused.reason, Reason::WrongPhase, "{refused}");
    assert!(refused.remedy.contains("bluegreen rollback fraud-model"));
}

#[test]
fn the_word_of_somebody_who_is_not_asked_is_refused() {
    let sign_off = json!({ "name": "sign-off", "manual": { "approvers": ["ann", "bo@desk"] } });
    let story = with(release_spec(json!({ "validation": [sign_off] })))
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered();
    for who in ["mallory@laptop", "ann.smith@laptop", "bo@laptop"] {
        for verdict in [Verdict::Approved, Verdict::Rejected] {
            let refused = by(&story, who, verdict).unwrap_err();
            assert_eq!(refused.reason, Reason::NotAllowed);
            let said = format!("{refused}: {}", refused.remedy);
            assert!(
                said.contains(who) && said.contains("ann, bo@desk"),
                "{said}"
            );
        }
    }
    // A name without a host is that person, wherever he sits.
    for who in ["ann", "ann@laptop", "bo@desk"] {
        let state = by(&story, who, Verdict::Approved).unwrap();
        assert_eq!(state.rollout.unwrap().decisions[0].by, who);
    }
}

#[test]
fn a_pause_says_what_resume_does_also_after_a_change_of_endpoints() {
    let story = asked().then(Event::Steer(Verb::Pause));
    let before = story.rollout().reason.clone();
    let story = story
        .then(scale(Colour::Green, &["10.0.0.2:80", "10.0.0.3:80"]))
        .then(scale(Colour::Green, &["10.0.0.3:80"]));
    assert_eq!(story.phase(), RolloutPhase::Paused);
    let said = &story.rollout().reason;
    assert!(said.starts_with("it has other endpoints"), "{said}");
    assert!(
        said.ends_with(&format!("it was paused: {before}")),
        "{said}"
    );
    let resumed = story.then(Event::Steer(Verb::Resume));
    assert_eq!(resumed.phase(), RolloutPhase::Staged);
}
