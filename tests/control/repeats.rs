//! Lost answers, two operators, and commands that don't wait for each other.

use bluegreen::api::{self, outcome::Result as Ended};

use super::calls::*;
use crate::support::server::{LedgerProxy, Says, Server};

#[tokio::test]
async fn a_repeated_command_gives_the_same_proof_and_does_nothing_twice() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxies = ["p1", "p2"].map(|id| LedgerProxy::connect(&server, "payments", id));
    staged(&mut client, "fraud-model").await;
    let lost = meta();
    let first = switch_with(&mut client, "fraud-model", lost.clone(), no_probe()).await;
    let second = switch_with(&mut client, "fraud-model", lost.clone(), no_probe()).await;
    assert_eq!(second.revision(), first.revision());
    assert_eq!(second.outcome().result(), first.outcome().result());
    assert_eq!(second.outcome().exit_code, first.outcome().exit_code);
    assert_eq!(second.outcome().deliveries, first.outcome().deliveries);
    assert_eq!(second.outcome().to(), api::Colour::Green);
    assert_eq!(second.outcome().to_version, "v1.3");

    // Also after somebody else has gone back: the repeat never goes forward again.
    let back = rollback(&mut client, "fraud-model").await;
    let third = switch_with(&mut client, "fraud-model", lost, no_probe()).await;
    assert_eq!(third.revision(), first.revision());
    assert_eq!(third.outcome().deliveries[0].superseded_by, back.revision());
    assert_eq!(
        status(&mut client, "fraud-model").await.live(),
        api::Colour::Blue
    );
}

#[tokio::test]
async fn a_repeated_command_that_changed_nothing_changes_nothing_later() {
    let server = Server::start().await;
    let mut client = server.client().await;
    staged(&mut client, "fraud-model").await;
    switch(&mut client, "fraud-model").await.outcome();
    rollback(&mut client, "fraud-model").await.outcome();
    let lost = meta();
    let first = rollback_with(&mut client, "fraud-model", lost.clone()).await;
    assert_eq!(first.outcome().result(), Ended::Unchanged);
    let force = api::Waivers {
        force: true,
        ..Default::default()
    };
    switch_with(&mut client, "fraud-model", meta(), force)
        .await
        .outcome();
    let again = rollback_with(&mut client, "fraud-model", lost).await;
    assert_eq!(again.outcome().result(), Ended::Unchanged);
    assert_eq!(
        status(&mut client, "fraud-model").await.live(),
        api::Colour::Green
    );
}

#[tokio::test]
async fn an_operation_id_stands_for_one_command() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let same = meta();
    apply_with(&mut client, &document("fraud-model", 10000), same.clone())
        .await
        .outcome();
    let refused = rollback_with(&mut client, "fraud-model", same).await;
    assert_eq!(refused.refused().reason, "bad-input");
}

#[tokio::test]
async fn an_operation_id_of_what_changed_nothing_stands_for_that_command_too() {
    let server = Server::start().await;
    let mut client = server.client().await;
    staged(&mut client, "fraud-model").await;
    let same = meta();
    let documents = document("fraud-model", 10000);
    let first = apply_with(&mut client, &documents, same.clone()).await;
    assert_eq!(first.outcome().result(), Ended::Unchanged);
    let second = apply_with(&mut client, &documents, same.clone()).await;
    assert_eq!(second.outcome().result(), Ended::Unchanged);
    let other = switch_with(&mut client, "fraud-model", same, no_probe()).await;
    assert_eq!(other.refused().reason, "bad-input");
    assert_eq!(
        status(&mut client, "fraud-model").await.live(),
        api::Colour::Blue
    );
}

#[tokio::test]
async fn an_operation_id_stands_for_a_command_of_one_service() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for (name, port) in [("fraud-model", 10000), ("features", 10001)] {
        apply(&mut client, &document(name, port)).await.outcome();
        deploy(&mut client, name, "v1.3", "127.0.0.1:9002")
            .await
            .outcome();
    }
    let same = meta();
    switch_with(&mut client, "fraud-model", same.clone(), no_probe())
        .await
        .outcome();
    let other = switch_with(&mut client, "features", same, no_probe()).await;
    assert_eq!(other.refused().reason, "bad-input");
    let said = other.refused().message.clone();
    assert!(said.contains("switch of fraud-model"), "{said}");
    assert_eq!(
        status(&mut client, "features").await.live(),
        api::Colour::Blue
    );
}

#[tokio::test]
async fn an_operation_id_stands_for_one_version() {
    let server = Server::start().await;
    let mut client = server.client().await;
    apply(&mut client, &document("fraud-model", 10000))
        .await
        .outcome();
    let (name, same) = ("fraud-model", meta());
    let first = deploy_with(&mut client, name, "v1.3", "127.0.0.1:9002", same.clone()).await;
    let again = deploy_with(&mut client, name, "v1.3", "127.0.0.1:9002", same.clone()).await;
    assert_eq!(again.revision(), first.revision());
    for (version, endpoint) in [("v1.4", "127.0.0.1:9002"), ("v1.3", "127.0.0.1:9003")] {
        let other = deploy_with(&mut client, name, version, endpoint, same.clone()).await;
        assert_eq!(other.refused().reason, "bad-input");
        let said = other.refused().message.clone();
        assert!(said.contains("deploy with other values"), "{said}");
        assert!(said.contains("v1.3"), "{said}");
    }
}

#[tokio::test]
async fn an_operation_id_of_documents_that_were_there_stands_for_those() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let (there, same) = (document("fraud-model", 10000), meta());
    apply(&mut client, &there).await.outcome();
    let first = apply_with(&mut client, &there, same.clone()).await;
    assert_eq!(first.outcome().result(), Ended::Unchanged);
    let other = document("fraud-model", 10001);
    let other = apply_with(&mut client, &other, same).await;
    assert_eq!(other.refused().reason, "bad-input");
    assert_eq!(history(&mut client).await.len(), 1);
}

#[tokio::test]
async fn of_two_operators_on_one_revision_one_wins() {
    let server = Server::start().await;
    let mut client = server.client().await;
    staged(&mut client, "fraud-model").await;
    let at = || with(|meta| meta.if_revision = 2);
    let (mut a, mut b) = (client.clone(), client.clone());
    let (one, other) = tokio::join!(
        switch_with(&mut a, "fraud-model", at(), no_probe()),
        switch_with(&mut b, "fraud-model", at(), no_probe()),
    );
    let refused: Vec<_> = [&one, &other]
        .into_iter()
        .filter_map(|events| events.end.as_ref().err())
        .collect();
    assert_eq!(refused.len(), 1, "{:?} {:?}", one.end, other.end);
    assert_eq!(refused[0].reason, "fleet-moved-on");
    assert_eq!(refused[0].exit_code, 4);
    assert_eq!(refused[0].code, tonic::Code::Aborted);
    assert_eq!(history(&mut client).await.len(), 3);

    // Who comes later hears the same: that nothing is staged any more only follows from it.
    let late = switch_with(&mut client, "fraud-model", at(), no_probe()).await;
    assert_eq!(late.refused().reason, "fleet-moved-on");
}

#[tokio::test]
async fn a_rollback_waits_for_no_other_command() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged(&mut client, "fraud-model").await;
    proxy.say(Says::Nothing);
    // This switch waits for an ACK that does not come.
    let (mut other, for_ever) = (client.clone(), with(|meta| meta.wait_ms = 3_600_000));
    let switching =
        tokio::spawn(
            async move { switch_with(&mut other, "fraud-model", for_ever, no_probe()).await },
        );
    let mut heads = server.fleet("payments").heads();
    heads
        .wait_for(|head| head.as_ref().is_some_and(|head| head.meta.revision.0 == 3))
        .await
        .unwrap();
    let now = with(|meta| meta.wait_ms = 0);
    let back = rollback_with(&mut client, "fraud-model", now).await;
    assert_eq!(back.revision(), 4);
    assert!(!switching.is_finished());

    // Ctrl-C: the watching ends, the switch stays done.
    switching.abort();
    assert_eq!(history(&mut client).await[1].command, "switch");
}

#[tokio::test]
async fn a_client_that_waits_in_vain_is_told_so() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let deaf = LedgerProxy::saying(&server, "payments", "deaf", Says::Nothing);
    let short = with(|meta| meta.wait_ms = 20);
    let applied = apply_with(&mut client, &document("fraud-model", 10000), short).await;
    assert_eq!(applied.outcome().result(), Ended::NotAllAcked);
    assert_eq!(applied.outcome().exit_code, 6);
    let delivery = &applied.outcome().deliveries[0];
    assert_eq!((delivery.total, delivery.pending), (1, 1));
    assert_eq!(delivery.not_acked[0].proxy, "deaf");
    deaf.disconnect();
}
