//! Requests that name far more than there is. What one stream alone has said must end with it: each test says other names
//! in every round, so that whatever is kept of a round adds up.

use bluegreen::model::TypeUrl;

use crate::{
    plane::{FLEET, Plane},
    spoken::Mode,
    support::xds_client::node,
};

/// Names in one request.
const NAMES: usize = 100_000;

/// Streams, one after the other.
const ROUNDS: usize = 10;

/// Streams before memory counts: what was freed is in the allocator's arenas then, which give little of it back and use
/// it again. Whatever the server itself kept would add up in the rounds that follow.
const WARM_UP: usize = 4;

/// Names of which nothing exists.
fn nobodys(round: usize) -> Vec<String> {
    let names = (0..NAMES).map(|name| format!("nobody-{round}/name-{name}"));
    names.collect()
}

/// Streams, one after the other, that ask for a hundred thousand load assignments and one that exists.
async fn load_assignments(mode: Mode) {
    let mut plane = Plane::start().await;
    let eds = TypeUrl::ClusterLoadAssignment.url();
    for round in 0..ROUNDS {
        if round == WARM_UP {
            plane.settle();
        }
        let mut raw = mode.open(plane.world.xds).await;
        let mut names = nobodys(round);
        names.push("fraud-model/blue".to_owned());
        raw.bytes(mode.ask(Some(node("greedy", FLEET)), eds, names.clone()))
            .await;
        let answer = mode.answer(&mut raw).await;
        assert_eq!((&*answer.type_url, answer.resources), (eds, 1));
        // Delta says what does not exist.
        let absent = if mode == Mode::Delta { NAMES } else { 0 };
        assert_eq!(answer.removed, absent);
        raw.bytes(mode.accept(&answer)).await;
        // Nearly the same once more: in state of the world a list that is a little shorter, in delta a question anew.
        for less in 1..=2 {
            let names = names[less..].to_vec();
            raw.bytes(mode.ask(None, eds, names)).await;
        }
        mode.understood(&mut raw).await;
        drop(raw);
        plane.goes_on().await;
    }
    plane.recovers(256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_names_are_answered_and_forgotten() {
    load_assignments(Mode::Sotw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_names_are_answered_and_forgotten_in_delta() {
    load_assignments(Mode::Delta).await;
}

/// Layers of the runtime that do not exist are called gone, so that no Envoy waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_runtime_layers_are_answered_and_forgotten_in_delta() {
    let mode = Mode::Delta;
    let mut plane = Plane::start().await;
    let rtds = TypeUrl::Runtime.url();
    for round in 0..ROUNDS {
        if round == WARM_UP {
            plane.settle();
        }
        let mut raw = mode.open(plane.world.xds).await;
        raw.bytes(mode.ask(Some(node("greedy", FLEET)), rtds, nobodys(round)))
            .await;
        let answer = mode.answer(&mut raw).await;
        assert_eq!((&*answer.type_url, answer.removed), (rtds, NAMES));
        raw.bytes(mode.accept(&answer)).await;
        drop(raw);
        plane.goes_on().await;
    }
    plane.recovers(256).await;
}
