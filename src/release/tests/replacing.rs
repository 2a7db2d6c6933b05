//! A release takes the place of another that is still on its way.

use super::{
    Story, deploy, insist,
    lifecycle::{release, usual, with},
    lifecycle_properties::check_state,
};
use crate::{
    model::{Colour, Revision, check::Phase as CheckPhase},
    release::{EffectKind, Event, Replaced, RolloutPhase},
};

fn baking() -> Story {
    let story = with(usual()).then(release("v1.3", &["10.0.0.2:80"]));
    let story = story.delivered().analysed(CheckPhase::Successful);
    let switch = Event::Switch {
        to: None,
        force: false,
        skip_gates: false,
    };
    story.then(switch).delivered()
}

fn by_force(to: Colour) -> Event {
    Event::Switch {
        to: Some(to),
        force: true,
        skip_gates: true,
    }
}

fn replaced(story: &Story) -> &Replaced {
    story.rollout().replaced.as_deref().unwrap()
}

#[test]
fn one_whose_traffic_is_taken_away_by_force_is_ended_and_no_longer_watched() {
    let story = baking();
    let watched = |story: &Story, release: u64| {
        let mut effects = story.state.outbox.iter();
        effects.any(|it| it.release == release && matches!(it.kind, EffectKind::Analyse { .. }))
    };
    assert_eq!(story.phase(), RolloutPhase::Baking);
    assert!(watched(&story, 1));
    let story = story.then(by_force(Colour::Blue));
    assert!(!watched(&story, 1));
    check_state(&story.state);
    assert_eq!(story.rollout().number, 2);
    let Replaced { release, end } = replaced(&story);
    assert_eq!((*release, end.phase), (1, RolloutPhase::Aborted));
    assert_eq!(end.reason, "release 2 took its place");
    assert_eq!(end.revision, Revision(story.revision));
}

#[test]
fn one_in_its_standby_is_completed_by_the_next() {
    let story = baking().analysed(CheckPhase::Successful).after(30);
    assert_eq!(story.phase(), RolloutPhase::Standby);
    let next = match release("v1.4", &["10.0.0.4:80"]) {
        Event::Release {
            version, endpoints, ..
        } => Event::Release {
            version,
            endpoints,
            promotion: None,
            replace_standby: true,
        },
        other => other,
    };
    let story = story.then(next);
    let Replaced { release, end } = replaced(&story);
    assert_eq!((*release, end.phase), (1, RolloutPhase::Completed));
    assert_eq!(end.reason, "release 2 took its place");
}

#[test]
fn one_that_was_over_before_is_no_longer_spoken_of() {
    let story = baking().then(insist(deploy("v1.4", &["10.0.0.4:80"])));
    assert_eq!(story.phase(), RolloutPhase::Completed);
    let story = story.then(by_force(Colour::Blue));
    assert_eq!(story.rollout().number, 2);
    assert!(story.rollout().replaced.is_none());
}
