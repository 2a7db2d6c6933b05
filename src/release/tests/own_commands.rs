//! What the server does by itself: only what a release still wants, and under numbers that stand for one thing each.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::{
    Story, context,
    lifecycle::{release, release_spec, with},
    name, switch,
};
use crate::{
    model::{Colour, ReleaseSpec},
    release::{Context, FleetState, RolloutPhase, Verb, create, restore, step},
};

/// Nothing to pass, and nobody to ask.
fn at_once() -> ReleaseSpec {
    release_spec(json!({ "promotion": "automatic" }))
}

fn ready() -> Story {
    let story = with(at_once()).then(release("v1.3", &["10.0.0.2:80"]));
    let story = story.delivered();
    assert_eq!(story.phase(), RolloutPhase::Ready);
    story
}

/// Its switch was asked for while it was wanted, and has its turn after the command that gave the release up.
#[test]
fn a_switch_of_the_servers_own_that_no_release_wants_any_more_moves_nothing() {
    let by_server = |story: &Story| {
        let context = Context {
            automatic: true,
            ..context(story.revision + 1)
        };
        step(&story.state, &switch(None), &context).unwrap()
    };
    assert!(by_server(&ready()).changed);
    for verb in [Verb::Abort, Verb::Pause] {
        let story = ready().then(super::Event::Steer(verb));
        let done = by_server(&story);
        assert!(!done.changed, "{verb:?}: {}", done.what);
        assert_eq!(done.state.live, Colour::Blue);
    }
}

#[test]
fn releases_of_a_service_that_is_declared_again_count_on() {
    let known = Context {
        released: BTreeMap::from([(name("fraud-model"), 7)]),
        ..context(9)
    };
    let before = ready().state;
    let spec = (*before.spec).clone();
    let again = create(name("fraud-model"), before.applied.clone(), spec, &known).unwrap();
    assert_eq!(again.state.next_release(), 8);

    // The same where its fleet goes back to a revision that has it.
    let then = FleetState {
        services: BTreeMap::from([(before.name.clone(), Arc::new(before.clone()))]),
        ..FleetState::default()
    };
    let back = restore(&FleetState::default(), &then, false, &known);
    assert_eq!(back.state.services["fraud-model"].next_release(), 8);
    let forgotten = restore(&FleetState::default(), &then, false, &context(9));
    assert_eq!(forgotten.state.services["fraud-model"].next_release(), 2);
}

/// A proxy that is cut off may still route to the version that was taken back: nobody is told that all traffic is back.
#[test]
fn what_is_not_known_of_a_push_is_said_where_its_release_ends() {
    let story = with(release_spec(json!({ "bake": { "duration": "30m" } })))
        .then(release("v1.3", &["10.0.0.2:80"]))
        .delivered()
        .then(switch(None))
        .delivered_but("1 of 2 proxies is away: p2");
    assert_eq!(story.phase(), RolloutPhase::Baking);
    assert!(
        story
            .rollout()
            .reason
            .ends_with("; 1 of 2 proxies is away: p2")
    );
    let story = story
        .then(super::Event::Rollback)
        .delivered_but("1 of 2 proxies is away: p2");
    assert_eq!(story.phase(), RolloutPhase::RolledBack);
    let said = &story.rollout().reason;
    assert!(said.starts_with("the traffic went back to v1.2"), "{said}");
    assert!(said.ends_with("; 1 of 2 proxies is away: p2"), "{said}");
}
