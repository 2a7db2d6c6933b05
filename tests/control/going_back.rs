//! `rollback` while an automatic release is on its way, of the same service or of another of the fleet: what was asked for goes back
//! in one push, and nothing else moves, neither back nor forward.

use bluegreen::{
    controller::{Command, Handle},
    model::{Colour, Name, check::Phase},
    release::{Purpose, Reason, RolloutPhase},
    store::{CommitKind, RevisionMeta},
};

use super::{
    calls::{apply, document},
    releases::{
        SERVICE, Script, USUAL, begun_on, endpoint, name, reached, recorded, release, run, settings,
    },
};
use crate::support::{
    backend::Backend,
    server::{LedgerProxy, Server},
};

const OTHER: &str = "features";

/// The server switches as soon as the gates have passed, and bakes for as long as the test takes.
fn automatic() -> String {
    let slow = USUAL.replace("duration: 1s", "duration: 1h");
    format!("    promotion: automatic\n{slow}")
}

fn rollback(services: &[&str]) -> Command {
    let mut services: Vec<Name> = services.iter().map(|service| name(service)).collect();
    match services.len() {
        1 => Command::Rollback {
            service: services.remove(0),
        },
        _ => Command::RollbackGroup { services },
    }
}

fn live(handle: &Handle, service: &str) -> Colour {
    handle.head().unwrap().state.services[service].live
}

/// The revisions that moved traffic, oldest first.
async fn moves(server: &Server) -> Vec<RevisionMeta> {
    let fleet = name("payments");
    let mut history = server.store.history(&fleet, None, 100).await.unwrap();
    history.retain(|it| it.kind == CommitKind::Switch);
    history.reverse();
    history
}

/// `features` v1.3 is live by a switch, v1.2 its standby; a release of `fraud-model` is Validating.
async fn beside_another(
    script: &std::sync::Arc<Script>,
) -> (Server, Handle, LedgerProxy, [Backend; 2]) {
    let server = Server::with(settings(script)).await;
    let (server, handle, proxy) = begun_on(server, &automatic()).await;
    let mut client = server.client().await;
    apply(&mut client, &document(OTHER, 10001)).await.outcome();
    let backends = [Backend::start("v1.3").await, Backend::start("v1.3").await];
    let deploy = Command::Deploy {
        service: name(OTHER),
        version: "v1.3".to_owned(),
        endpoints: vec![endpoint(&backends[0])],
        replace_standby: false,
    };
    run(&handle, deploy).await.unwrap();
    let switch = Command::Switch {
        service: name(OTHER),
        to: None,
    };
    run(&handle, switch).await.unwrap();
    run(&handle, release(&[&backends[1]])).await.unwrap();
    script.begun(Purpose::Validation).await;
    reached(&handle, RolloutPhase::Validating).await;
    (server, handle, proxy, backends)
}

#[tokio::test]
async fn another_service_goes_back_and_the_release_goes_on_by_itself() {
    let script = Script::new();
    let (server, handle, _proxy, _backends) = beside_another(&script).await;
    let before = handle.head().unwrap().state.services[SERVICE].clone();
    let back = run(&handle, rollback(&[OTHER])).await.unwrap();
    assert_eq!(back.moved.len(), 1);
    assert_eq!(live(&handle, OTHER), Colour::Blue);
    // Not a word of the release has changed: its gates run on, and are not run again.
    assert_eq!(handle.head().unwrap().state.services[SERVICE], before);
    script.say(Purpose::Validation, Phase::Successful);
    let baking = reached(&handle, RolloutPhase::Baking).await;
    assert_eq!(baking.analyses, 2);
    assert_eq!(script.runs(Purpose::Validation), 1);
    assert_eq!(live(&handle, SERVICE), Colour::Green);
    assert_eq!(live(&handle, OTHER), Colour::Blue);
    // Said again, it is the same rollback, though another push came after it.
    let again = run(&handle, rollback(&[OTHER])).await.unwrap();
    assert_eq!(again.revision, back.revision);
    let moves = moves(&server).await;
    let commands: Vec<_> = moves
        .iter()
        .map(|it| (it.command.as_str(), it.services[0].as_str()))
        .collect();
    assert_eq!(
        commands,
        [("switch", OTHER), ("rollback", OTHER), ("switch", SERVICE)]
    );
}

#[tokio::test]
async fn of_a_group_nothing_goes_back_while_one_has_moved_no_traffic() {
    let script = Script::new();
    let (server, handle, _proxy, _backends) = beside_another(&script).await;
    let refused = run(&handle, rollback(&[OTHER, SERVICE])).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::NothingToRollBack));
    let remedy = refused.remedy();
    assert!(remedy.contains("bluegreen abort fraud-model"), "{remedy}");
    assert_eq!(live(&handle, OTHER), Colour::Green);
    // Once it has, both go back in one revision, and the release is over.
    script.say(Purpose::Validation, Phase::Successful);
    reached(&handle, RolloutPhase::Baking).await;
    let back = run(&handle, rollback(&[OTHER, SERVICE])).await.unwrap();
    assert_eq!(back.moved.len(), 2);
    reached(&handle, RolloutPhase::RolledBack).await;
    assert_eq!(live(&handle, OTHER), Colour::Blue);
    assert_eq!(live(&handle, SERVICE), Colour::Blue);
    let last = moves(&server).await.pop().unwrap();
    assert_eq!(last.command, "rollback-group");
}

#[tokio::test]
async fn the_service_itself_goes_back_once_it_has_moved_and_never_forward_again() {
    let script = Script::new();
    let server = Server::with(settings(&script)).await;
    let (server, handle, _proxy) = begun_on(server, &automatic()).await;
    let green = Backend::start("v1.3").await;
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Validating).await;
    // Nothing has moved: to give it up is another command, and the refusal names it.
    let refused = run(&handle, rollback(&[SERVICE])).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::NothingToRollBack));
    assert!(refused.remedy().contains("bluegreen abort fraud-model"));

    script.say(Purpose::Validation, Phase::Successful);
    reached(&handle, RolloutPhase::Baking).await;
    script.begun(Purpose::Bake).await;
    run(&handle, rollback(&[SERVICE])).await.unwrap();
    let over = reached(&handle, RolloutPhase::RolledBack).await;
    assert!(!over.rolled_back_by_server);
    assert_eq!(live(&handle, SERVICE), Colour::Blue);
    // Nothing is left of it that could still move traffic.
    assert!(
        handle.head().unwrap().state.services[SERVICE]
            .outbox
            .is_empty()
    );
    let moves = moves(&server).await;
    let commands: Vec<_> = moves.iter().map(|it| it.command.as_str()).collect();
    assert_eq!(commands, ["switch", "rollback"]);
    // Whoever reads the record finds who went back, and what the monitors had seen by then.
    let record = recorded(&server, 1, |it| {
        it.rollout.phase == RolloutPhase::RolledBack && it.analyses.len() == 2
    })
    .await;
    assert!(record.rollout.reason.contains("by alice (CHG-42)"));
    assert_eq!(record.analyses[1].analysis.phase, Phase::Inconclusive);
    assert_eq!(record.analyses[1].analysis.checks[0].measurements.len(), 1);
}
