//! What an operator says of rejections is kept with the release: what the server pushes of it later holds to it.

use bluegreen::model::check::Phase;
use bluegreen::{
    controller::{Command, Handle, Request, Verdict},
    model::{Colour, NackWish, OnNack},
    release::{Purpose, RolloutPhase, Verb},
};

use super::releases::{SERVICE, Script, begun, reached, release, request, settings, steer, switch};
use crate::support::{
    backend::Backend,
    server::{LedgerProxy, Says, Server},
};

const WORDS: &str = "route: unknown cluster 'x'";

const STEPS: &str = "    strategy: canary
    canary: { steps: [ { weight: 10 }, { weight: 50 } ] }
    standby: 1h
";

const ONE_MAY: NackWish = NackWish {
    on_nack: None,
    max_nack: Some(1),
};

const HALT: NackWish = NackWish {
    on_nack: Some(OnNack::Halt),
    max_nack: None,
};

const NOTHING: NackWish = NackWish {
    on_nack: None,
    max_nack: None,
};

async fn say(handle: &Handle, command: Command, policy: NackWish) {
    let request = Request {
        policy,
        ..request(command)
    };
    handle.execute(request, &|_| {}).await.unwrap();
}

/// A release that is Ready, and a proxy that takes none of its routes.
async fn ready(policy: NackWish) -> (Server, Handle, ([LedgerProxy; 2], Backend)) {
    let (server, handle, good) = begun(settings(&Script::new()), STEPS).await;
    let picky = LedgerProxy::connect(&server, "payments", "picky");
    let green = Backend::start("v1.3").await;
    say(&handle, release(&[&green]), policy).await;
    reached(&handle, RolloutPhase::Ready).await;
    picky.say(Says::RejectRoutes(WORDS));
    (server, handle, ([good, picky], green))
}

fn green(handle: &Handle) -> u32 {
    handle.head().unwrap().state.services[SERVICE].split().green
}

#[tokio::test]
async fn what_was_said_with_the_release_holds_for_its_steps_and_its_switch() {
    let (_server, handle, _others) = ready(ONE_MAY).await;
    // That the switch says nothing does not take it back.
    say(&handle, switch(), NOTHING).await;
    reached(&handle, RolloutPhase::Standby).await;
    assert_eq!(green(&handle), 100);
}

#[tokio::test]
async fn what_is_said_with_the_switch_holds_from_then_on() {
    let (_server, handle, _others) = ready(NOTHING).await;
    say(&handle, switch(), ONE_MAY).await;
    reached(&handle, RolloutPhase::Standby).await;
    assert_eq!(green(&handle), 100);
}

#[tokio::test]
async fn without_a_word_the_first_rejection_takes_a_step_back() {
    let (_server, handle, _others) = ready(NOTHING).await;
    say(&handle, switch(), NOTHING).await;
    let back = reached(&handle, RolloutPhase::RolledBack).await;
    assert!(back.rolled_back_by_server);
    assert!(back.reason.contains(WORDS), "{}", back.reason);
    assert_eq!(green(&handle), 0);
}

#[tokio::test]
async fn a_step_that_is_rejected_under_halt_stays_until_somebody_decides() {
    let (_server, handle, _others) = ready(HALT).await;
    say(&handle, switch(), NOTHING).await;
    let paused = reached(&handle, RolloutPhase::Paused).await;
    assert!(paused.reason.contains(WORDS), "{}", paused.reason);
    assert!(paused.reason.contains("left in place"), "{}", paused.reason);
    let share = green(&handle);
    assert!([10, 50].contains(&share), "{share}");
    say(&handle, steer(Verb::Abort), NOTHING).await;
    reached(&handle, RolloutPhase::RolledBack).await;
    assert_eq!(green(&handle), 0);
}

#[tokio::test]
async fn a_rollback_by_the_server_itself_that_is_rejected_is_left_and_told() {
    let script = Script::new();
    let watched = "    bake: { duration: 1h, interval: 1s, monitors: [ { name: errors, http: { path: / } } ] }
";
    let (server, handle, _good) = begun(settings(&script), watched).await;
    let picky = LedgerProxy::connect(&server, "payments", "picky");
    let backend = Backend::start("v1.3").await;
    say(&handle, release(&[&backend]), NOTHING).await;
    reached(&handle, RolloutPhase::Ready).await;
    say(&handle, switch(), NOTHING).await;
    reached(&handle, RolloutPhase::Baking).await;
    picky.say(Says::RejectRoutes(WORDS));
    script.say(Purpose::Bake, Phase::Failed);
    let back = reached(&handle, RolloutPhase::RolledBack).await;
    let revision = back.moved_in.unwrap();
    let mut changes = handle.ledger_changes();
    while handle.verdict(revision).is_none() {
        changes.changed().await.unwrap();
    }
    assert!(matches!(handle.verdict(revision), Some(Verdict::Left(_))));
    let meta = handle.meta(revision).await.unwrap();
    assert!(
        meta.notes.iter().any(|note| note.contains(WORDS)),
        "{meta:?}"
    );
    assert_eq!(
        handle.head().unwrap().state.services[SERVICE].live,
        Colour::Blue
    );
}
