//! The mirror of a release lasts as long as its phase does: over pauses, and over a server that was down.

use std::time::Duration;

use serde_json::json;

use super::{
    Story, context,
    lifecycle::{release, release_spec, with},
    switch,
};
use crate::{
    model::EndedBy,
    release::{Context, Event, RolloutPhase, Shadow, Temporary, Verb, step},
};

const LIMIT: Duration = Duration::from_secs(600);

/// Ten minutes of mirroring have begun.
fn mirroring() -> Story {
    let spec = json!({ "shadow": { "percent": 10, "duration": "10m" } });
    with(release_spec(spec))
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .then(switch(None))
}

fn shadow(story: &Story) -> Option<&Shadow> {
    story.state.shifting.shadow.as_ref()
}

/// How long the mirror lasts from its beginning on.
fn lasts(story: &Story) -> Option<Duration> {
    let window = &shadow(story)?.window;
    Some(window.until.duration_since(window.since).unsigned_abs())
}

/// The server ends the mirror, whose time on the wall is over.
fn its_time_is_over(story: &Story) -> Event {
    Event::End {
        what: Temporary::Shadow,
        started_in: shadow(story).map(|shadow| shadow.window.started_in),
    }
}

#[test]
fn a_release_that_is_resumed_mirrors_for_what_is_left_of_its_time() {
    let paused = mirroring().after(4).then(Event::Steer(Verb::Pause));
    let over = its_time_is_over(&paused);
    let paused = paused.then(over);
    assert_eq!(shadow(&paused), None);
    let resumed = paused.then(Event::Steer(Verb::Resume));
    assert_eq!(resumed.phase(), RolloutPhase::Shadowing);
    assert_eq!(lasts(&resumed), Some(Duration::from_secs(360)));
    assert_eq!(shadow(&resumed).map(|shadow| shadow.percent), Some(10));
}

#[test]
fn a_mirror_goes_on_while_its_phase_has_had_less_than_its_time() {
    // The server was down for all of the ten minutes.
    let story = mirroring();
    let over = its_time_is_over(&story);
    let story = story.then(over);
    assert_eq!(lasts(&story), Some(LIMIT));
    // Time that is counted and not stored yet is no time to mirror in.
    let over = its_time_is_over(&story);
    let counted = Context {
        counted: LIMIT - Duration::from_millis(200),
        ..context(story.revision + 1)
    };
    let ended = step(&story.state, &over, &counted).unwrap().state;
    assert_eq!(ended.shifting.shadow, None);
    // An operator who ends it means it.
    let stopped = story.then(Event::End {
        what: Temporary::Shadow,
        started_in: None,
    });
    assert_eq!(shadow(&stopped), None);
}

/// Proxies are away: each new beginning is a revision, and would push older ones out of the history.
#[test]
fn a_mirror_begins_again_for_a_minute_at_least_and_ends_with_its_phase() {
    let story = mirroring().after(4);
    let counted = Context {
        counted: LIMIT - Duration::from_secs(4 * 60 + 2),
        ..context(story.revision + 1)
    };
    let over = its_time_is_over(&story);
    let again = step(&story.state, &over, &counted).unwrap().state;
    let again = Story {
        state: again,
        revision: story.revision + 1,
    };
    assert_eq!(lasts(&again), Some(Duration::from_secs(60)));
    let over = again.after(6);
    assert_ne!(over.phase(), RolloutPhase::Shadowing);
    assert!(shadow(&over).is_none_or(|shadow| shadow.window.over));
}

#[test]
fn the_preview_route_of_gates_needs_no_key_beside_it() {
    let gate = json!({ "name": "smoke", "through": "proxies", "http": { "path": "/" } });
    let spec = json!({ "validation": [gate], "shadow": { "percent": 10, "duration": "10m" } });
    let story = with(release_spec(spec)).then(release("v1.3", &["10.0.0.2:80"]));
    let revision = story.rollout().pushed.unwrap();
    let delivered = story.news(crate::release::SignalKind::Delivered {
        revision,
        lacking: String::new(),
    });
    let by_proxies = Context {
        ended_by: EndedBy::Proxies,
        ..context(story.revision + 1)
    };
    let validating = step(&story.state, &delivered, &by_proxies).unwrap().state;
    let preview = validating.shifting.preview.unwrap();
    assert_eq!(preview.window.ended_by, EndedBy::Server);
}
