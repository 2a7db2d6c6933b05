//! What the table does not show: addresses, the document, notices, and the words of remedies.

use super::{Story, apply, context, deploy, endpoints, environment, name, scale, spec, switch};
use crate::{
    model::{Colour, Revision},
    release::{Context, Deployment, Event, Reason, StepKind, create, step},
};

fn green(story: &Story) -> &Deployment {
    story.state.green.deployment.as_ref().unwrap()
}

fn addresses(deployment: &Deployment) -> Vec<String> {
    deployment
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn line_23_a_name_that_does_not_resolve_any_more_keeps_its_last_good_addresses() {
    let story = Story::one().then(deploy("v1.3", &["up.test:80", "down.test:81"]));
    let all = ["10.1.0.1:80", "10.1.0.2:80", "10.2.0.1:81"];
    assert_eq!(addresses(green(&story)), all);

    let mut world = context(3);
    world.addresses.remove("up.test");
    world.addresses.insert("down.test".to_owned(), Vec::new());
    let step = step(&story.state, &Event::Resolved, &world).unwrap();
    assert!(!step.changed, "{}", step.what);
}

#[test]
fn a_name_is_followed_and_its_revision_with_it() {
    let story = Story::one().then(deploy("v1.3", &["up.test:80", "down.test:81"]));
    assert_eq!(green(&story).introduced, Revision(2));
    let mut world = context(7);
    world
        .addresses
        .insert("down.test".to_owned(), vec!["10.2.0.9".parse().unwrap()]);
    let moved = step(&story.state, &Event::Resolved, &world).unwrap();
    let deployment = moved.state.green.deployment.as_ref().unwrap();
    assert_eq!(
        addresses(deployment),
        ["10.1.0.1:80", "10.1.0.2:80", "10.2.0.9:81"]
    );
    assert_eq!(deployment.introduced, Revision(7));
    assert_eq!(deployment.number, 2);
    assert_eq!(moved.kind, StepKind::Endpoints);
    // Blue has no name among its endpoints.
    assert_eq!(moved.state.blue, story.state.blue);
}

#[test]
fn a_rotated_answer_is_no_news() {
    let story = Story::one().then(deploy("v1.3", &["up.test:80"]));
    let mut world = context(3);
    if let Some(ips) = world.addresses.get_mut("up.test") {
        ips.reverse();
    }
    assert!(
        !step(&story.state, &Event::Resolved, &world)
            .unwrap()
            .changed
    );
}

#[test]
fn a_new_endpoint_must_resolve_but_one_that_is_there_need_not() {
    let story = Story::one().then(deploy("v1.3", &["up.test:80"]));
    let refusal = story
        .would(&scale(Colour::Green, &["up.test:80", "gone.test:80"]))
        .unwrap_err();
    assert_eq!(refusal.reason, Reason::EndpointUnresolved);
    assert!(refusal.message.contains("gone.test"), "{refusal}");

    let nothing_resolves = Context {
        revision: Revision(3),
        ..Context::default()
    };
    let scaled = step(
        &story.state,
        &scale(Colour::Green, &["up.test:80", "10.0.0.3:80"]),
        &nothing_resolves,
    )
    .unwrap();
    let deployment = scaled.state.green.deployment.as_ref().unwrap();
    assert_eq!(
        addresses(deployment),
        ["10.1.0.1:80", "10.1.0.2:80", "10.0.0.3:80"]
    );
}

#[test]
fn endpoints_named_twice_or_in_another_order_are_the_same_endpoints() {
    let story = Story::one().then(deploy(
        "v1.3",
        &["10.0.0.2:80", "10.0.0.3:80", "10.0.0.2:80"],
    ));
    assert_eq!(
        green(&story).endpoints,
        endpoints(&["10.0.0.2:80", "10.0.0.3:80"])
    );
    let again = story
        .would(&deploy("v1.3", &["10.0.0.3:80", "10.0.0.2:80"]))
        .unwrap();
    assert!(!again.changed);
    assert_eq!(again.settled_in, Some(Revision(2)));
}

#[test]
fn a_repeat_names_the_revision_of_the_first_time() {
    let story = Story::one()
        .then(deploy("v1.3", &["10.0.0.2:80"]))
        .then(switch(None));
    let first = story.state.release.clone().unwrap();
    let story = story.then(scale(Colour::Green, &["10.0.0.5:80"]));
    let again = story.would(&switch(Some(Colour::Green))).unwrap();
    assert!(!again.changed);
    assert_eq!(again.settled_in, Some(first.switched_in));
    let moved = again.moved.unwrap();
    assert_eq!((moved.from, moved.to), (Colour::Blue, Colour::Green));
    assert_eq!(
        (moved.from_version.as_str(), moved.to_version.as_str()),
        ("v1.2", "v1.3")
    );
}

#[test]
fn a_rollback_takes_the_endpoints_of_today() {
    let back = Story::one()
        .then(deploy("v1.3", &["10.0.0.2:80"]))
        .then(switch(None))
        .then(scale(Colour::Blue, &["10.0.0.7:80"]))
        .then(Event::Rollback);
    let live = back.state.blue.deployment.unwrap();
    assert_eq!(
        (live.number, live.endpoints),
        (1, endpoints(&["10.0.0.7:80"]))
    );
    assert_eq!(live.introduced, Revision(4));
}

#[test]
fn the_live_deployment_of_a_new_service_is_the_first() {
    let both = spec(
        Some(environment("v1.2", &["10.0.0.1:80"])),
        Some(environment("v1.3", &["10.0.0.2:80"])),
        Colour::Green,
    );
    let state = Story::new(both).state;
    let number = |colour| {
        state
            .environment(colour)
            .deployment
            .as_ref()
            .map(|d| d.number)
    };
    assert_eq!(
        (number(Colour::Green), number(Colour::Blue)),
        (Some(1), Some(2))
    );
}

#[test]
fn line_24_a_new_service_whose_live_environment_has_no_endpoints_is_refused() {
    let staged = Some(environment("v1.3", &["10.0.0.2:80"]));
    for live in [None, Some(environment("v1.2", &[]))] {
        let spec = spec(live, staged.clone(), Colour::Blue);
        let refusal = create(name("s"), serde_json::Value::Null, spec, &context(1)).unwrap_err();
        assert_eq!(refusal.reason, Reason::LiveWouldBeEmpty);
    }
}

#[test]
fn a_document_changes_settings_and_leaves_environments_and_live_alone() {
    let story = Story::one()
        .then(deploy("v1.3", &["10.0.0.2:80"]))
        .then(switch(None));
    let mut document = story.state.in_force();
    document.hosts = vec!["fraud.example".to_owned()];
    document.live = Colour::Blue;
    let step = story.would(&apply(document.clone())).unwrap();
    assert!(step.changed);
    assert_eq!(step.state.spec.hosts, document.hosts);
    assert_eq!(step.state.live, Colour::Green);
    assert_eq!(
        (&step.state.blue, &step.state.green),
        (&story.state.blue, &story.state.green)
    );
    assert_eq!(step.state.release, story.state.release);
    assert_eq!(step.state.applied, serde_json::to_value(&document).unwrap());
    assert_eq!(step.what, "applied fraud-model: settings");
}

#[test]
fn a_service_stays_in_its_fleet() {
    let story = Story::one();
    let mut document = story.state.in_force();
    document.fleet = name("search");
    let refusal = story.would(&apply(document)).unwrap_err();
    assert_eq!(refusal.reason, Reason::FleetIsFixed);
}

#[test]
fn one_refused_environment_refuses_the_whole_document() {
    let story = Story::one()
        .then(deploy("v1.3", &["10.0.0.2:80"]))
        .then(switch(None));
    let document = spec(
        Some(environment("v1.4", &["10.0.0.4:80"])),
        Some(environment("v1.3", &["10.0.0.2:80", "10.0.0.3:80"])),
        Colour::Blue,
    );
    let refusal = story.would(&apply(document)).unwrap_err();
    assert_eq!(refusal.reason, Reason::WouldReplaceStandby);
}

#[test]
fn an_endpoint_of_both_environments_is_noticed() {
    let step = Story::one()
        .would(&deploy("v1.3", &["10.0.0.9:80", "10.0.0.1:80"]))
        .unwrap();
    let notice = &step.notices[0];
    assert_eq!(notice.kind, "shared-endpoint");
    assert!(notice.text.starts_with("10.0.0.1:80 is"), "{}", notice.text);
}

#[test]
fn remedies_can_be_pasted_into_a_shell_and_stay_short() {
    let story = Story::one()
        .then(deploy("v1.3", &["10.0.0.2:80"]))
        .then(switch(None));
    let many: Vec<String> = (0..50)
        .map(|port| format!("10.0.0.3:{}", 8000 + port))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refusal = story.would(&deploy("it's $HOME", &many)).unwrap_err();
    let typed = r"bluegreen deploy fraud-model --version 'it'\''s $HOME' --endpoint 10.0.0.3:8000 ";
    assert!(refusal.remedy.contains(typed), "{}", refusal.remedy);
    assert!(
        !refusal.remedy.contains("10.0.0.3:8003"),
        "{}",
        refusal.remedy
    );
}
