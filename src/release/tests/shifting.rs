//! What goes to the staged environment before the switch, and when it ends.

use std::time::Duration;

use serde_json::json;

use super::{
    Story, apply, deploy,
    lifecycle::{release_spec, with},
    scale, switch,
};
use crate::{
    model::{Colour, EndedBy, Revision, Split},
    release::{Event, PREVIEW_HEADER, Reason, StepKind, Temporary, Verb},
};

fn staged() -> Story {
    Story::one().then(deploy("v1.3", &["10.0.0.2:80"]))
}

fn shift(weight: u32) -> Event {
    Event::Shift {
        weight,
        force: false,
    }
}

fn shadow(percent: u32, ended_by: EndedBy) -> Event {
    Event::Shadow {
        percent,
        duration: Duration::from_secs(600),
        ended_by,
    }
}

fn preview(value: Option<&str>) -> Event {
    Event::Preview {
        header: PREVIEW_HEADER.to_owned(),
        value: value.map(str::to_owned),
        duration: Duration::from_secs(3600),
        ended_by: EndedBy::Proxies,
    }
}

fn reason(story: &Story, event: &Event) -> Reason {
    story.would(event).unwrap_err().reason
}

#[test]
fn a_share_of_the_traffic_goes_to_the_staged_environment_and_the_switch_takes_the_rest() {
    let mut story = staged();
    let step = story.tell(&shift(10)).unwrap();
    assert_eq!(step.kind, StepKind::Switch);
    assert_eq!(
        story.state.split(),
        Split {
            blue: 90,
            green: 10
        }
    );
    assert!(!story.would(&shift(10)).unwrap().changed);
    assert_eq!(reason(&story, &shift(100)), Reason::BadInput);

    let switched = story.then(switch(None));
    assert_eq!(switched.state.split(), Split::all_to(Colour::Green));
    assert_eq!(reason(&switched, &shift(10)), Reason::NothingStaged);
}

#[test]
fn a_rollback_before_the_switch_takes_the_share_back() {
    let mut story = staged().then(shift(50));
    let back = story.tell(&Event::Rollback).unwrap();
    assert_eq!(back.what, "shifted all traffic of fraud-model back to blue");
    assert_eq!(story.state.split(), Split::all_to(Colour::Blue));
    assert_eq!(reason(&story, &Event::Rollback), Reason::NothingToRollBack);
}

/// Neither a release that has moved nothing itself, nor a version that is gone altogether.
#[test]
fn nothing_stands_in_the_way_of_a_share_that_is_taken_back() {
    let judged = with(release_spec(json!({})))
        .then(deploy("v1.3", &["10.0.0.2:80"]))
        .then(shift(10))
        .then(Event::Steer(Verb::Validate));
    let emptied = staged().then(shift(10)).then(Event::Scale {
        colour: Colour::Green,
        endpoints: Vec::new(),
        replace_standby: false,
        force: true,
    });
    for story in [&judged, &emptied] {
        for back in [Event::Rollback, shift(0)] {
            let back = story.would(&back).unwrap();
            assert_eq!(back.state.split(), Split::all_to(Colour::Blue));
        }
    }
    // Whoever goes back must not believe that nothing will move.
    let said = judged.would(&Event::Rollback).unwrap().what;
    assert_eq!(
        said,
        "shifted all traffic of fraud-model back to blue; release 1 (v1.3) is Ready: `bluegreen abort fraud-model` gives it up"
    );
}

#[test]
fn a_staged_deployment_with_a_share_is_neither_replaced_nor_emptied() {
    let story = staged().then(shift(10));
    let other = deploy("v1.4", &["10.0.0.3:80"]);
    assert_eq!(reason(&story, &other), Reason::WouldReplaceLive);
    let empty = scale(Colour::Green, &[]);
    assert_eq!(reason(&story, &empty), Reason::LiveWouldBeEmpty);
    let mut without = story.state.in_force();
    without.environments.green = None;
    assert_eq!(reason(&story, &apply(without)), Reason::WouldReplaceLive);
    let elsewhere = deploy("v1.3", &["10.0.0.3:80"]);
    assert!(story.would(&elsewhere).unwrap().changed);
}

#[test]
fn what_was_rolled_back_gets_no_traffic_but_by_force() {
    let story = staged().then(switch(None)).then(Event::Rollback);
    assert_eq!(reason(&story, &shift(10)), Reason::WasRolledBack);
    let forced = Event::Shift {
        weight: 10,
        force: true,
    };
    assert!(story.would(&forced).unwrap().changed);
    // Looking at what went wrong is what a preview is for.
    assert!(story.would(&preview(None)).unwrap().changed);
}

#[test]
fn a_mirror_warns_of_side_effects_and_never_doubles_a_share() {
    let mut story = staged();
    let step = story.tell(&shadow(10, EndedBy::Proxies)).unwrap();
    assert!(step.notices.iter().any(|n| n.kind == "side-effects"));
    assert_eq!(
        reason(&story, &shadow(0, EndedBy::Proxies)),
        Reason::BadInput
    );
    assert_eq!(
        reason(&story, &shadow(101, EndedBy::Proxies)),
        Reason::BadInput
    );

    let shifted = story.then(shift(10));
    assert!(shifted.state.shifting.shadow.as_ref().unwrap().window.over);
    assert_eq!(
        reason(&shifted, &shadow(10, EndedBy::Proxies)),
        Reason::HasShare
    );
}

#[test]
fn the_switch_takes_mirror_and_preview_off_the_routes_and_leaves_the_keys_to_the_next_revision() {
    let story = staged()
        .then(shadow(10, EndedBy::Proxies))
        .then(preview(None))
        .then(switch(None));
    for what in Temporary::ALL {
        let window = story.state.shifting.window(what).unwrap().clone();
        assert!(window.over, "{what:?}");
        let end = Event::End {
            what,
            started_in: Some(window.started_in),
        };
        let ended = story.would(&end).unwrap();
        assert_eq!(ended.state.shifting.window(what), None);
    }
    // Without a key there is nothing to leave.
    let weak = staged()
        .then(shadow(10, EndedBy::Server))
        .then(switch(None));
    assert_eq!(weak.state.shifting.shadow, None);
}

#[test]
fn a_deadline_ends_only_what_it_was_set_for() {
    let story = staged().then(preview(None)).then(preview(Some("team-a")));
    let started = |revision| Event::End {
        what: Temporary::Preview,
        started_in: Some(Revision(revision)),
    };
    assert!(!story.would(&started(3)).unwrap().changed);
    assert!(story.would(&started(4)).unwrap().changed);
}

#[test]
fn the_preview_of_an_environment_is_asked_for_by_its_colour() {
    let story = staged().then(preview(None));
    let preview = story.state.shifting.preview.unwrap();
    assert_eq!(
        (preview.header.as_str(), preview.value.as_str()),
        ("x-bluegreen-preview", "green")
    );
}

#[test]
fn headers_and_durations_that_cannot_be_used_are_refused() {
    let with = |header: &str, seconds| Event::Preview {
        header: header.to_owned(),
        value: None,
        duration: Duration::from_secs(seconds),
        ended_by: EndedBy::Proxies,
    };
    for (header, seconds) in [
        (":path", 60),
        ("host", 60),
        ("x y", 60),
        ("x", 0),
        ("x", 700_000),
    ] {
        assert_eq!(reason(&staged(), &with(header, seconds)), Reason::BadInput);
    }
    assert_eq!(reason(&Story::one(), &with("x", 60)), Reason::NothingStaged);
}
