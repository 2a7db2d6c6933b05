//! Schedules that once broke an invariant, as they were found.

use super::{schedules::*, *};

use Step::{Put, Reconnect, Remove, Second, ToClient, ToServer, Wait};

/// Everything on its way arrives: so many messages of the client, so many of the server.
fn repeat(step: Step, times: usize) -> impl Iterator<Item = Step> {
    std::iter::repeat_n(step, times)
}

#[test]
fn a_cluster_that_only_rejected_lists_had_is_not_routed_to() {
    let steps = vec![
        Put(1, POISON, false, false),
        ToServer,
        ToClient,
        Put(2, 0, false, false),
        Second(false, false),
        ToServer,
        Put(0, POISON, false, false),
        Remove(2),
        Put(1, 0, false, false),
        Wait(5),
        Put(2, POISON, false, false),
        Wait(5),
    ];
    keeps_every_invariant(Mode::Sotw, steps).unwrap();
}

#[test]
fn a_load_assignment_that_went_and_came_back_ends_the_wait_of_its_cluster() {
    let steps = vec![
        ToServer,
        Put(0, 0, false, false),
        ToClient,
        Put(1, 1, false, true),
        Put(0, 0, false, true),
        ToServer,
        ToClient,
        ToServer,
        Put(1, 0, false, false),
        Wait(5),
        Put(1, 1, false, false),
        Wait(5),
    ];
    keeps_every_invariant(Mode::Sotw, steps).unwrap();
}

#[test]
fn routes_that_were_held_when_the_stream_broke_come_on_the_next() {
    let mut steps = vec![
        ToServer,
        Put(0, 0, false, true),
        Put(2, POISON, false, false),
        ToClient,
        ToClient,
        ToServer,
        Wait(5),
        Put(1, 0, false, true),
    ];
    steps.extend(repeat(ToClient, 2));
    steps.extend(repeat(ToServer, 4));
    steps.extend(repeat(ToClient, 2));
    steps.extend([
        ToServer,
        Put(1, 1, false, false),
        Put(0, POISON, false, false),
        ToServer,
        ToClient,
    ]);
    steps.extend(repeat(ToServer, 2));
    steps.extend(repeat(ToClient, 3));
    steps.extend([
        Put(0, 0, false, false),
        Reconnect(true),
        Put(1, 0, false, false),
    ]);
    ends_at_the_newest(Mode::Sotw, steps).unwrap();
}

#[test]
fn a_cluster_that_was_sent_again_gets_its_load_assignment_once_the_answer_to_it_is_in() {
    let steps = vec![
        Put(2, 1, false, true),
        Put(1, 0, false, false),
        ToServer,
        ToClient,
        ToServer,
        Put(2, 0, false, false),
        Wait(5),
        Put(2, 1, false, false),
        Put(1, 0, false, true),
    ];
    keeps_every_invariant(Mode::Sotw, steps).unwrap();
}

#[test]
fn a_cluster_that_was_sent_again_gets_the_load_assignment_that_it_had() {
    let steps = vec![
        Put(1, 1, false, true),
        Put(0, 0, false, true),
        ToServer,
        ToClient,
        ToServer,
        ToClient,
        Put(1, 0, false, true),
        ToServer,
        ToServer,
        Put(1, 1, false, false),
        Put(1, 0, false, false),
        Put(0, 1, false, true),
        Wait(5),
    ];
    keeps_every_invariant(Mode::Sotw, steps).unwrap();
}

#[test]
fn a_cluster_that_was_taken_of_a_rejected_list_before_a_reconnect_gets_its_load_assignment() {
    let steps = vec![
        Put(1, 0, false, true),
        Put(0, 0, false, true),
        ToServer,
        Put(0, 3, false, true),
        Put(1, 1, false, true),
        Wait(5),
        Put(1, 3, false, true),
        ToClient,
        ToServer,
        ToClient,
        ToClient,
        ToClient,
        Reconnect(true),
        ToServer,
        ToServer,
        ToServer,
        ToClient,
        ToServer,
        Remove(0),
    ];
    ends_at_the_newest(Mode::Sotw, steps).unwrap();
}

#[test]
fn a_cluster_that_goes_back_after_a_reconnect_gets_its_load_assignment() {
    let steps = vec![
        ToServer,
        Put(0, 1, false, true),
        ToClient,
        ToServer,
        ToClient,
        Put(1, 3, false, true),
        ToClient,
        Put(0, 0, false, true),
        Wait(5),
        ToClient,
        ToClient,
        Reconnect(true),
        Put(0, 3, false, true),
        ToServer,
        ToClient,
        ToServer,
        ToServer,
        ToServer,
        Put(0, 1, false, true),
    ];
    ends_at_the_newest(Mode::Sotw, steps).unwrap();
}

#[test]
fn a_rejection_that_comes_after_eight_more_responses_is_heard() {
    let steps = vec![
        ToServer,
        Put(1, 3, false, true),
        Put(2, 0, false, true),
        Wait(5),
        Put(0, 0, false, true),
        Put(0, 2, false, true),
        Wait(5),
        Put(0, 0, false, true),
        Wait(5),
        Wait(5),
        Remove(2),
        Wait(5),
        Remove(0),
        Put(0, 0, false, true),
        Wait(5),
        Wait(5),
    ];
    keeps_every_invariant(Mode::Delta, steps).unwrap();
}
