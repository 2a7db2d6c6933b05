//! Proxies say no: the server takes the change back, or leaves it and says so.

use bluegreen::api::{self, outcome::Result as Ended};

use super::calls::*;
use crate::support::server::{Client, LedgerProxy, Says, Server, Settings};

const WORDS: &str = "route: unknown cluster 'x'";

#[tokio::test]
async fn a_rejected_switch_is_taken_back() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _good = LedgerProxy::connect(&server, "payments", "good");
    let picky = LedgerProxy::connect(&server, "payments", "picky");
    staged(&mut client, "fraud-model").await;
    picky.say(Says::RejectRoutes(WORDS));
    let lost = meta();
    let switched = switch_with(&mut client, "fraud-model", lost.clone(), no_probe()).await;
    let outcome = switched.outcome();
    assert_eq!(outcome.result(), Ended::Reverted, "{outcome:?}");
    assert_eq!(outcome.exit_code, 7);
    assert_eq!(outcome.reverted_by, 4);
    let culprit = &outcome.deliveries[0].not_acked[0];
    assert_eq!(culprit.proxy, "picky");
    assert_eq!(culprit.error, WORDS);
    assert_eq!(culprit.r#type, "RouteConfiguration");

    let now = status(&mut client, "fraud-model").await;
    assert_eq!(now.live(), api::Colour::Blue);
    assert_eq!(now.release.unwrap().phase, "RolledBack");
    let entries = history(&mut client).await;
    assert_eq!(entries[0].command, "revert");
    assert_eq!(entries[0].actor, "bluegreen");
    assert!(entries[0].why.contains(WORDS), "{}", entries[0].why);
    assert!(entries[0].why.contains("picky"));

    // The repeat after a lost answer ends the same way.
    let again = switch_with(&mut client, "fraud-model", lost, no_probe()).await;
    assert_eq!(again.outcome().exit_code, 7);
    assert_eq!(again.outcome().reverted_by, 4);
}

#[tokio::test]
async fn a_rejected_apply_is_taken_back_and_others_stay() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    apply(&mut client, &document("a", 10000)).await.outcome();
    proxy.say(Says::Reject(WORDS));
    let applied = apply(&mut client, &document("b", 10001)).await;
    assert_eq!(applied.outcome().result(), Ended::Reverted);
    let services = client.get_status(api::GetStatusRequest::default()).await;
    let services = services.unwrap().into_inner().services;
    assert_eq!(services.len(), 1);
    assert_eq!(services[0].service, "a");
    let diff = client
        .get_diff(api::GetDiffRequest {
            fleet: "payments".to_owned(),
            from_revision: 1,
            to_revision: 3,
        })
        .await;
    assert_eq!(diff.unwrap().into_inner().changes, []);
}

#[tokio::test]
async fn what_is_rejected_under_halt_is_left_and_loud() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged(&mut client, "fraud-model").await;
    proxy.say(Says::RejectRoutes(WORDS));
    let halt = with(|meta| meta.on_nack = api::OnNack::Halt.into());
    let switched = switch_with(&mut client, "fraud-model", halt, no_probe()).await;
    assert_eq!(switched.outcome().result(), Ended::Nacked);
    assert_eq!(switched.outcome().exit_code, 8);
    assert_eq!(
        status(&mut client, "fraud-model").await.live(),
        api::Colour::Green
    );
    let newest = &history(&mut client).await[0];
    assert_eq!(newest.command, "switch");
    assert!(
        newest.notes.iter().any(|note| note.contains(WORDS)),
        "{newest:?}"
    );
}

#[tokio::test]
async fn one_old_proxy_does_not_decide_for_all() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _good = LedgerProxy::connect(&server, "payments", "good");
    let old = LedgerProxy::connect(&server, "payments", "old");
    staged(&mut client, "fraud-model").await;
    old.say(Says::RejectRoutes(WORDS));
    let tolerant = with(|meta| meta.max_nack = Some(1));
    let switched = switch_with(&mut client, "fraud-model", tolerant, no_probe()).await;
    assert_eq!(switched.outcome().result(), Ended::NotAllAcked);
    assert_eq!(switched.outcome().deliveries[0].nacked, 1);
    assert_eq!(
        status(&mut client, "fraud-model").await.live(),
        api::Colour::Green
    );
}

#[tokio::test]
async fn the_first_revision_is_never_taken_back_to_nothing() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _picky = LedgerProxy::saying(&server, "payments", "picky", Says::Reject(WORDS));
    let applied = apply(&mut client, &document("fraud-model", 10000)).await;
    assert_eq!(applied.outcome().result(), Ended::Nacked);
    assert_eq!(status(&mut client, "fraud-model").await.revision, 1);
}

#[tokio::test]
async fn a_restarted_server_still_takes_back_what_is_rejected() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged(&mut client, "fraud-model").await;
    proxy.say(Says::Nothing);
    let now = with(|meta| meta.wait_ms = 0);
    switch_with(&mut client, "fraud-model", now, no_probe())
        .await
        .outcome();
    drop(client);

    let server = Server::on(server.stop().await, Settings::default()).await;
    let mut heads = server.fleet("payments").heads();
    let _proxy = LedgerProxy::saying(&server, "payments", "p1", Says::RejectRoutes(WORDS));
    let reverted = |revision: u64| {
        move |head: &Option<std::sync::Arc<bluegreen::store::Head>>| {
            head.as_ref()
                .is_some_and(|head| head.meta.revision.0 >= revision)
        }
    };
    let head = heads.wait_for(reverted(4)).await.unwrap().clone().unwrap();
    assert_eq!(head.meta.command, "revert");
    let mut client = server.client().await;
    assert_eq!(
        status(&mut client, "fraud-model").await.live(),
        api::Colour::Blue
    );
}

/// A proxy that has accepted service a, of revision 1, and is silent since b and c came in the next two.
async fn two_unanswered(server: &Server, client: &mut Client) -> LedgerProxy {
    let proxy = LedgerProxy::connect(server, "payments", "p1");
    apply(client, &document("a", 10000)).await.outcome();
    proxy.say(Says::Nothing);
    for (name, port) in [("b", 10001), ("c", 10002)] {
        let now = with(|meta| meta.wait_ms = 0);
        apply_with(client, &document(name, port), now)
            .await
            .outcome();
    }
    proxy
}

#[tokio::test]
async fn of_two_revisions_that_a_proxy_got_as_one_the_newer_is_taken_back() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let proxy = two_unanswered(&server, &mut client).await;
    // It is busy through revisions 2 and 3, and says no to what it is sent then: c is bad, b is not.
    let mut heads = server.fleet("payments").heads();
    proxy.say(Says::RejectOnce(WORDS));
    heads
        .wait_for(|head| head.as_ref().is_some_and(|head| head.meta.revision.0 == 4))
        .await
        .unwrap();
    wait_for_note(&mut client, 2, "accepted by all").await;
    let services = client.get_status(api::GetStatusRequest::default()).await;
    let services = services.unwrap().into_inner().services;
    let names: Vec<_> = services.iter().map(|one| one.service.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(history(&mut client).await.len(), 4);
}

#[tokio::test]
async fn the_older_is_taken_back_too_if_that_did_not_help() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let proxy = two_unanswered(&server, &mut client).await;
    let mut heads = server.fleet("payments").heads();
    proxy.say(Says::Reject(WORDS));
    let head = heads
        .wait_for(|head| head.as_ref().is_some_and(|head| head.meta.revision.0 == 5))
        .await
        .unwrap()
        .clone()
        .unwrap();
    assert_eq!(head.meta.command, "revert");
    let names: Vec<_> = head
        .state
        .services
        .keys()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(names, ["a"]);
}

/// Watches until the record of a revision has such a note.
async fn wait_for_note(client: &mut Client, revision: u64, begin: &str) {
    let mut watch = client
        .watch_status(api::GetStatusRequest::default())
        .await
        .unwrap()
        .into_inner();
    loop {
        let entries = history(client).await;
        let entry = entries.iter().find(|entry| entry.revision == revision);
        if entry.is_some_and(|entry| entry.notes.iter().any(|note| note.starts_with(begin))) {
            return;
        }
        watch.message().await.unwrap();
    }
}
