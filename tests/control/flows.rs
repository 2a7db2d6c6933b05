//! What operators do on a good day.

use bluegreen::api::{self, outcome::Result as Ended};

use super::calls::*;
use crate::support::server::{Events, LedgerProxy, Says, Server};

#[tokio::test]
async fn a_release_goes_forward_and_back_with_proof() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxies = ["p1", "p2", "p3"].map(|id| LedgerProxy::connect(&server, "payments", id));

    let applied = apply(&mut client, &document("fraud-model", 10000)).await;
    assert_eq!(applied.outcome().result(), Ended::Done);
    assert_eq!(applied.revision(), 1);
    assert!(!applied.plans()[0].changes.is_empty());

    let deployed = deploy(&mut client, "fraud-model", "v1.3", "127.0.0.1:9002").await;
    assert_eq!(deployed.revision(), 2);

    let switched = switch(&mut client, "fraud-model").await;
    let outcome = switched.outcome();
    assert_eq!(outcome.result(), Ended::Done, "{outcome:?}");
    assert_eq!(outcome.exit_code, 0);
    assert_eq!(
        (outcome.from(), outcome.to()),
        (api::Colour::Blue, api::Colour::Green)
    );
    assert_eq!(outcome.from_version, "v1.2");
    assert_eq!(outcome.to_version, "v1.3");
    let delivery = &outcome.deliveries[0];
    assert_eq!((delivery.total, delivery.acked), (3, 3));
    assert!(delivery.first_ack_ms.unwrap() <= delivery.last_ack_ms.unwrap());
    // One push: route configurations and nothing else.
    assert!(
        switched.plans()[0]
            .changes
            .iter()
            .all(|change| change.r#type == "RouteConfiguration")
    );

    let now = status(&mut client, "fraud-model").await;
    assert_eq!(now.live(), api::Colour::Green);
    assert_eq!(now.blue.unwrap().role(), api::Role::Standby);
    assert_eq!(now.delivery.unwrap().acked, 3);

    let back = rollback(&mut client, "fraud-model").await;
    assert_eq!(back.revision(), 4);
    assert_eq!(back.outcome().deliveries[0].acked, 3);
    let again = rollback(&mut client, "fraud-model").await;
    assert_eq!(again.outcome().result(), Ended::Unchanged);
    assert_eq!(again.revision(), 4);
    assert_eq!(again.outcome().deliveries[0].acked, 3);

    let now = status(&mut client, "fraud-model").await;
    assert_eq!(now.live(), api::Colour::Blue);
    let green = now.green.unwrap();
    assert_eq!(green.role(), api::Role::Staged);
    assert!(green.rolled_back);
}

#[tokio::test]
async fn a_standby_is_retired_once_nobody_routes_to_it() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let fast = LedgerProxy::connect(&server, "payments", "fast");
    let slow = LedgerProxy::connect(&server, "payments", "slow");
    staged(&mut client, "fraud-model").await;
    slow.say(Says::Nothing);
    let meta = with(|meta| meta.wait_ms = 0);
    let switched = switch_with(&mut client, "fraud-model", meta, no_probe()).await;
    assert_eq!(switched.outcome().result(), Ended::Done);

    let refused = retire(&mut client, "fraud-model", false).await;
    assert_eq!(refused.refused().reason, "still-routed");
    assert_eq!(refused.refused().exit_code, 32);
    assert!(refused.refused().message.contains("slow"));

    slow.say(Says::Accept);
    wait_until(&mut client, |status| {
        status.delivery.as_ref().is_some_and(|one| one.acked == 2)
    })
    .await;
    retire(&mut client, "fraud-model", false).await.outcome();
    let now = status(&mut client, "fraud-model").await;
    assert_eq!(now.blue.unwrap().role(), api::Role::Empty);
    assert_eq!(now.release.unwrap().phase, "Completed");
    drop((fast, slow));
}

#[tokio::test]
async fn an_old_file_undoes_no_release_and_reports_drift() {
    let server = Server::start().await;
    let mut client = server.client().await;
    staged(&mut client, "fraud-model").await;
    switch(&mut client, "fraud-model").await.outcome();

    let again = apply(&mut client, &document("fraud-model", 10000)).await;
    assert_eq!(again.outcome().result(), Ended::Unchanged);
    assert_eq!(again.outcome().exit_code, 0);
    assert_eq!(
        status(&mut client, "fraud-model").await.live(),
        api::Colour::Green
    );
    assert_eq!(history(&mut client).await.len(), 3);

    // What the file says of blue is no longer so: it is told, and nothing is done about it.
    let other = ["127.0.0.1:9009"];
    let forced = api::ScaleRequest {
        meta: meta(),
        service: "fraud-model".to_owned(),
        colour: api::Colour::Blue.into(),
        endpoints: other.map(str::to_owned).to_vec(),
        replace_standby: true,
        force: false,
    };
    Events::of(client.scale(forced).await).await.outcome();
    let again = apply(&mut client, &document("fraud-model", 10000)).await;
    assert_eq!(again.outcome().result(), Ended::Unchanged);
    assert!(again.notices().contains(&"drift"), "{:?}", again.events);
    let now = status(&mut client, "fraud-model").await;
    assert_eq!(now.blue.unwrap().endpoints, other);
    assert_eq!(now.drift, ["spec.environments.blue"]);
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_shows_the_plan() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let dry = || with(|meta| meta.dry_run = true);
    let planned = apply_with(&mut client, &document("fraud-model", 10000), dry()).await;
    assert_eq!(planned.outcome().result(), Ended::Planned);
    assert!(planned.outcome().revisions.is_empty());
    assert!(!planned.plans()[0].changes.is_empty());
    let known = client.get_status(api::GetStatusRequest::default()).await;
    assert!(known.unwrap().into_inner().services.is_empty());

    staged(&mut client, "fraud-model").await;
    let planned = switch_with(&mut client, "fraud-model", dry(), no_probe()).await;
    assert_eq!(planned.outcome().result(), Ended::Planned);
    assert_eq!(planned.outcome().to(), api::Colour::Green);
    let now = status(&mut client, "fraud-model").await;
    assert_eq!((now.live(), now.revision), (api::Colour::Blue, 2));
}

#[tokio::test]
async fn a_fleet_goes_back_to_any_of_its_revisions() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged(&mut client, "fraud-model").await;
    switch(&mut client, "fraud-model").await.outcome();
    apply(&mut client, &document("other", 10001))
        .await
        .outcome();

    let refused = rollback_fleet(&mut client, 2, false).await;
    assert_eq!(refused.refused().reason, "services-would-vanish");
    let back = rollback_fleet(&mut client, 2, true).await;
    assert_eq!(back.revision(), 5);
    let diff = client
        .get_diff(api::GetDiffRequest {
            fleet: "payments".to_owned(),
            from_revision: 2,
            to_revision: 5,
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(diff.changes, []);
    let now = status(&mut client, "fraud-model").await;
    assert_eq!(now.live(), api::Colour::Blue);
    let again = rollback_fleet(&mut client, 2, true).await;
    assert_eq!(again.outcome().result(), Ended::Unchanged);
    let unknown = rollback_fleet(&mut client, 77, true).await;
    assert_eq!(unknown.refused().exit_code, 3);
}

#[tokio::test]
async fn a_rebuild_with_the_same_builder_changes_nothing() {
    let server = Server::start().await;
    let mut client = server.client().await;
    staged(&mut client, "fraud-model").await;
    let request = api::RebuildRequest {
        meta: meta(),
        fleet: "payments".to_owned(),
    };
    let rebuilt = Events::of(client.rebuild(request).await).await;
    assert_eq!(rebuilt.outcome().result(), Ended::Unchanged);
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_can_be_declared_in_another_fleet() {
    let server = Server::start().await;
    let mut client = server.client().await;
    staged(&mut client, "fraud-model").await;
    let moved = document("fraud-model", 10000).replace("payments", "loans");
    let refused = apply(&mut client, &moved).await;
    assert_eq!(refused.refused().reason, "fleet-is-fixed");
    assert!(refused.refused().message.contains("payments"));

    let request = |kind: &str| api::DeleteRequest {
        meta: meta(),
        kind: kind.to_owned(),
        name: "fraud-model".to_owned(),
        no_verify: false,
    };
    Events::of(client.delete(request("service")).await)
        .await
        .outcome();
    let again = Events::of(client.delete(request("Service")).await).await;
    assert_eq!(again.refused().reason, "not-found");
    apply(&mut client, &moved).await.outcome();
    assert_eq!(status(&mut client, "fraud-model").await.fleet, "loans");
}

#[tokio::test]
async fn documents_of_several_fleets_are_all_applied_or_none() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let good = document("a", 10000);
    // Two services with the same match on one listener.
    let bad = document("b", 10001).replace("payments", "loans")
        + "---\n"
        + &document("c", 10001).replace("payments", "loans");
    let refused = apply(&mut client, &format!("{good}---\n{bad}")).await;
    assert_eq!(refused.refused().reason, "bad-input");
    let known = client.get_status(api::GetStatusRequest::default()).await;
    assert!(known.unwrap().into_inner().services.is_empty());

    let both = format!(
        "{good}---\n{}",
        document("b", 10001).replace("payments", "loans")
    );
    let applied = apply(&mut client, &both).await;
    let fleets: Vec<_> = applied
        .outcome()
        .revisions
        .iter()
        .map(|one| one.fleet.as_str())
        .collect();
    assert_eq!(fleets, ["loans", "payments"]);
}

#[tokio::test]
async fn who_did_what_and_why_is_in_the_history() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged(&mut client, "fraud-model").await;
    let waive = api::Waivers {
        force: true,
        ..Default::default()
    };
    switch_with(&mut client, "fraud-model", meta(), waive)
        .await
        .outcome();
    let entries = history(&mut client).await;
    let commands: Vec<_> = entries.iter().map(|entry| entry.command.as_str()).collect();
    assert_eq!(commands, ["switch", "deploy", "apply"]);
    let newest = &entries[0];
    assert_eq!(newest.actor, "alice@test");
    assert!(!newest.actor_verified);
    assert_eq!(newest.why, "because");
    assert_eq!(newest.services, ["fraud-model"]);
    assert_eq!(newest.waived, ["endpoint-unreachable"]);
    assert!(newest.at.ends_with('Z'), "{}", newest.at);
}

/// Watches the status until it is as wanted.
async fn wait_until(
    client: &mut crate::support::server::Client,
    wanted: impl Fn(&api::ServiceStatus) -> bool,
) {
    let request = api::GetStatusRequest {
        service: "fraud-model".to_owned(),
    };
    let mut watch = client.watch_status(request).await.unwrap().into_inner();
    while let Some(answer) = watch.message().await.unwrap() {
        if answer.services.iter().any(&wanted) {
            return;
        }
    }
    panic!("the watch ended");
}

#[tokio::test]
async fn a_fleet_does_not_take_a_name_back_that_another_fleet_has_by_now() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let text = document("fraud-model", 10000);
    apply(&mut client, &text).await.outcome();
    let request = api::DeleteRequest {
        meta: meta(),
        kind: "service".to_owned(),
        name: "fraud-model".to_owned(),
        no_verify: false,
    };
    Events::of(client.delete(request).await).await.outcome();
    let elsewhere = text.replace("fleet: payments", "fleet: shop");
    apply(&mut client, &elsewhere).await.outcome();

    let refused = rollback_fleet(&mut client, 1, true).await;
    assert_eq!(refused.refused().reason, "fleet-is-fixed");
    assert_eq!(
        refused.refused().message,
        "Service fraud-model would come back to fleet payments, but its name is fleet shop's now"
    );
    assert_eq!(history(&mut client).await.len(), 2);
    // The name still leads to the fleet that has it.
    deploy(&mut client, "fraud-model", "v1.3", "127.0.0.1:9002")
        .await
        .outcome();
    assert_eq!(history(&mut client).await.len(), 2);
}
