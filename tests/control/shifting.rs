//! Shares, mirrors, previews and groups, through the admin API.

use bluegreen::{
    api::{self, outcome::Result as Ended},
    controller::Handle,
    release::Temporary,
};

use super::calls::*;
use crate::support::server::{Client, Events, LedgerProxy, Refused, Says, Server};

/// Longer than any test takes.
const LONG_MS: u64 = 3_600_000;

async fn shift(client: &mut Client, service: &str, weight: u32) -> Events {
    let request = api::ShiftRequest {
        meta: meta(),
        service: service.to_owned(),
        weight,
        waive: Some(no_probe()),
    };
    Events::of(client.shift(request).await).await
}

async fn shadow(client: &mut Client, percent: u32, duration_ms: u64, stop: bool) -> Events {
    let request = api::ShadowRequest {
        meta: meta(),
        service: "fraud-model".to_owned(),
        percent,
        duration_ms,
        stop,
    };
    Events::of(client.shadow(request).await).await
}

async fn preview(client: &mut Client, duration_ms: u64) -> Events {
    let request = api::PreviewRequest {
        meta: meta(),
        service: "fraud-model".to_owned(),
        duration_ms,
        ..Default::default()
    };
    Events::of(client.preview(request).await).await
}

pub(super) async fn switch_all(client: &mut Client, services: &[&str]) -> Events {
    let request = api::SwitchRequest {
        meta: meta(),
        services: services.iter().map(|one| (*one).to_owned()).collect(),
        waive: Some(no_probe()),
        ..Default::default()
    };
    Events::of(client.switch(request).await).await
}

pub(super) async fn rollback_all(client: &mut Client, services: &[&str]) -> Events {
    let request = api::RollbackRequest {
        meta: meta(),
        services: services.iter().map(|one| (*one).to_owned()).collect(),
        ..Default::default()
    };
    Events::of(client.rollback(request).await).await
}

fn changed(events: &Events) -> Vec<&str> {
    let changes = &events.plans()[0].changes;
    changes
        .iter()
        .map(|change| change.r#type.as_str())
        .collect()
}

/// Waits until neither the routes nor the runtime layer know of it.
async fn ended(handle: &Handle, what: Temporary) {
    let mut heads = handle.heads();
    let over = heads.wait_for(|head| {
        let head = head.as_ref().unwrap();
        let service = &head.state.services["fraud-model"];
        service.shifting.window(what).is_none()
    });
    over.await.unwrap();
}

#[tokio::test]
async fn a_share_moves_by_routes_only_and_is_proven_like_a_switch() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged(&mut client, "fraud-model").await;

    let shifted = shift(&mut client, "fraud-model", 10).await;
    assert_eq!(shifted.outcome().result(), Ended::Done);
    assert_eq!(changed(&shifted), ["RouteConfiguration"]);
    assert_eq!(shifted.outcome().deliveries[0].acked, 1);
    let now = status(&mut client, "fraud-model").await;
    let weights = (now.blue.unwrap().weight, now.green.unwrap().weight);
    assert_eq!(weights, (90, 10));

    let again = shift(&mut client, "fraud-model", 10).await;
    assert_eq!(again.outcome().result(), Ended::Unchanged);
    assert_eq!(
        shift(&mut client, "fraud-model", 100)
            .await
            .refused()
            .exit_code,
        2
    );
    let deployed = deploy(&mut client, "fraud-model", "v1.4", "127.0.0.1:9003").await;
    assert_eq!(deployed.refused().reason, "would-replace-live");

    let switched = switch(&mut client, "fraud-model").await;
    assert_eq!(changed(&switched), ["RouteConfiguration"]);
    let now = status(&mut client, "fraud-model").await;
    assert_eq!(now.green.unwrap().weight, 100);
}

#[tokio::test]
async fn a_share_that_proxies_reject_is_taken_back() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged(&mut client, "fraud-model").await;
    proxy.say(Says::RejectRoutes("no"));
    let shifted = shift(&mut client, "fraud-model", 10).await;
    assert_eq!(shifted.outcome().result(), Ended::Reverted);
    let now = status(&mut client, "fraud-model").await;
    assert_eq!(now.green.unwrap().weight, 0);
}

#[tokio::test]
async fn a_mirror_and_a_preview_end_at_their_deadline() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let handle = server.fleet("payments");
    staged(&mut client, "fraud-model").await;

    let mirrored = shadow(&mut client, 10, 50, false).await;
    assert!(mirrored.notices().contains(&"side-effects"));
    assert_eq!(changed(&mirrored), ["RouteConfiguration", "Runtime"]);
    ended(&handle, Temporary::Shadow).await;
    preview(&mut client, 50).await.outcome();
    ended(&handle, Temporary::Preview).await;

    let entries = history(&mut client).await;
    let commands: Vec<_> = entries.iter().map(|entry| entry.command.as_str()).collect();
    assert_eq!(
        commands[..4],
        ["end-preview", "preview", "end-shadow", "shadow"]
    );
    assert_eq!(entries[0].actor, "bluegreen");
}

#[tokio::test]
async fn what_was_renewed_ends_at_its_new_deadline_or_by_the_operators_word() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let handle = server.fleet("payments");
    staged(&mut client, "fraud-model").await;
    shadow(&mut client, 10, LONG_MS, false).await.outcome();
    shadow(&mut client, 20, 50, false).await.outcome();
    ended(&handle, Temporary::Shadow).await;

    shadow(&mut client, 30, LONG_MS, false).await.outcome();
    let stopped = shadow(&mut client, 0, 0, true).await;
    assert_eq!(stopped.outcome().result(), Ended::Done);
    let again = shadow(&mut client, 0, 0, true).await;
    assert_eq!(again.outcome().result(), Ended::Unchanged);
}

#[tokio::test]
async fn the_switch_ends_them_by_routes_only_and_their_keys_go_right_after_it() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let handle = server.fleet("payments");
    staged(&mut client, "fraud-model").await;
    shadow(&mut client, 10, LONG_MS, false).await.outcome();
    preview(&mut client, LONG_MS).await.outcome();
    let now = status(&mut client, "fraud-model").await;
    let kinds: Vec<_> = now.temporary.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["shadow", "preview"]);
    assert_eq!(now.temporary[1].value, "green");

    let switched = switch(&mut client, "fraud-model").await;
    assert_eq!(changed(&switched), ["RouteConfiguration"]);
    for what in Temporary::ALL {
        ended(&handle, what).await;
    }
    let now = status(&mut client, "fraud-model").await;
    assert_eq!((now.live(), now.temporary.len()), (api::Colour::Green, 0));
}

#[tokio::test]
async fn a_group_goes_forward_and_back_in_one_revision_each() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    for (service, port) in [("a", 10000), ("b", 10001), ("c", 10000)] {
        let text = document(service, port).replace(
            "fleet: payments",
            &format!("fleet: payments\n  hosts: [{service}.test]"),
        );
        apply(&mut client, &text).await.outcome();
        deploy(&mut client, service, "v1.3", "127.0.0.1:9002")
            .await
            .outcome();
    }
    let before = history(&mut client).await.len();
    let switched = switch_all(&mut client, &["a", "b", "c"]).await;
    let outcome = switched.outcome();
    assert_eq!(outcome.result(), Ended::Done, "{outcome:?}");
    assert_eq!(outcome.deliveries[0].acked, 1);
    assert_eq!(outcome.moves.len(), 3);
    assert_eq!(
        changed(&switched),
        ["RouteConfiguration", "RouteConfiguration"]
    );
    assert_eq!(history(&mut client).await.len(), before + 1);
    for service in ["a", "b", "c"] {
        assert_eq!(
            status(&mut client, service).await.live(),
            api::Colour::Green
        );
    }
    let back = rollback_all(&mut client, &["a", "b", "c"]).await;
    assert_eq!(back.outcome().moves.len(), 3);
    assert_eq!(history(&mut client).await.len(), before + 2);
    assert_eq!(status(&mut client, "b").await.live(), api::Colour::Blue);
}

#[tokio::test]
async fn a_group_that_mirrors_first_is_ended_by_the_proxies_too() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mirror = "  release: { shadow: { percent: 10, duration: 1h } }\n";
    for (service, port) in [("a", 10000), ("b", 10001)] {
        let text = document(service, port) + mirror;
        apply(&mut client, &text).await.outcome();
        deploy(&mut client, service, "v1.3", "127.0.0.1:9002")
            .await
            .outcome();
    }
    let begun = switch_all(&mut client, &["a", "b"]).await;
    begun.outcome();
    assert_eq!(
        changed(&begun),
        ["RouteConfiguration", "RouteConfiguration", "Runtime"]
    );
}

#[tokio::test]
async fn a_group_moves_whole_or_not_at_all_and_says_what_is_in_the_way_of_whom() {
    let server = Server::start().await;
    let mut client = server.client().await;
    staged(&mut client, "a").await;
    for (service, port) in [("b", 10001), ("c", 10002)] {
        apply(&mut client, &document(service, port)).await.outcome();
    }
    let before = history(&mut client).await.len();
    let refused = switch_all(&mut client, &["a", "b", "c"]).await;
    let refused = refused.refused();
    assert_eq!(refused.reason, "nothing-staged");
    for part in ["2 of 3 services", "b: ", "c: "] {
        assert!(refused.message.contains(part), "{refused:?}");
    }
    let refused = switch_all(&mut client, &["a", "nobody"]).await;
    assert_eq!(refused.refused().reason, "not-found");
    assert_eq!(history(&mut client).await.len(), before);
    assert_eq!(status(&mut client, "a").await.live(), api::Colour::Blue);
}

#[tokio::test]
async fn a_declared_group_is_moved_by_its_name() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let group = |name: &str, services: &str| {
        format!(
            "---\napiVersion: bluegreen/v1\nkind: Group\nmetadata: {{ name: {name} }}\nspec: {{ fleet: payments, services: [{services}] }}\n"
        )
    };
    let services = document("a", 10000) + "---\n" + &document("b", 10001);
    for (groups, wrong) in [
        (group("all", "a, nobody"), "nobody"),
        (group("a", "a, b"), "a service and a group"),
        (group("all", "a, a"), "services[0] already"),
        (group("all", ""), "is empty"),
    ] {
        let refused = apply(&mut client, &format!("{services}{groups}")).await;
        assert_eq!(refused.refused().reason, "bad-input");
        assert!(refused.refused().message.contains(wrong), "{wrong}");
    }
    let whole = format!("{services}{}", group("all", "a, b"));
    apply(&mut client, &whole).await.outcome();
    let again = apply(&mut client, &whole).await;
    assert_eq!(again.outcome().result(), Ended::Unchanged);
    for service in ["a", "b"] {
        deploy(&mut client, service, "v1.3", "127.0.0.1:9002")
            .await
            .outcome();
    }
    let switched = switch(&mut client, "all").await;
    assert_eq!(switched.outcome().moves.len(), 2);
    let back = rollback(&mut client, "all").await;
    assert_eq!(back.outcome().moves.len(), 2);

    // What only a service takes says whose services these are.
    let request = api::GetStatusRequest {
        service: "all".to_owned(),
    };
    let refused = Refused::from(client.get_status(request).await.unwrap_err());
    for part in ["is a group", "a, b"] {
        let said = format!("{} {}", refused.message, refused.remedy);
        assert!(said.contains(part), "{said}");
    }

    // A service that a group needs is not deleted; the group is, and then the service.
    let mut delete = async |kind: &str, name: &str| {
        let request = api::DeleteRequest {
            meta: meta(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            no_verify: false,
        };
        Events::of(client.delete(request).await).await
    };
    assert_eq!(delete("service", "b").await.refused().reason, "bad-input");
    delete("group", "all").await.outcome();
    delete("service", "b").await.outcome();
}

#[tokio::test]
async fn a_group_that_proxies_reject_is_taken_back_whole() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged(&mut client, "a").await;
    apply(&mut client, &document("b", 10001)).await.outcome();
    deploy(&mut client, "b", "v1.3", "127.0.0.1:9002")
        .await
        .outcome();
    proxy.say(Says::RejectRoutes("no"));
    let switched = switch_all(&mut client, &["a", "b"]).await;
    assert_eq!(switched.outcome().result(), Ended::Reverted);
    for service in ["a", "b"] {
        let now = status(&mut client, service).await;
        assert_eq!(now.live(), api::Colour::Blue);
        assert_eq!(now.release.unwrap().phase, "RolledBack");
    }
}
