//! Endpoints with host names: resolved before anything changes, followed afterwards.

use bluegreen::api;

use super::calls::*;
use crate::support::server::{Server, Settings};

#[tokio::test]
async fn a_name_that_does_not_resolve_changes_nothing() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let text = document("fraud-model", 10000).replace("127.0.0.1:9001", "model.test:9001");
    let refused = apply(&mut client, &text).await;
    assert_eq!(refused.refused().reason, "endpoint-unresolved");
    assert!(
        refused.refused().message.contains("model.test"),
        "{:?}",
        refused.end
    );
    assert!(
        refused.refused().message.contains("no such name"),
        "{:?}",
        refused.end
    );
    let known = client.get_status(api::GetStatusRequest::default()).await;
    assert!(known.unwrap().into_inner().services.is_empty());
}

#[tokio::test]
async fn line_23_names_are_followed_over_a_restart_and_last_good_addresses_stay() {
    let settings = Settings::default();
    settings.names.set("model.test", &["10.0.0.1"]);
    let server = Server::with(settings.clone()).await;
    let mut client = server.client().await;
    let text = document("fraud-model", 10000).replace("127.0.0.1:9001", "model.test:9001");
    apply(&mut client, &text).await.outcome();
    let addresses = |status: api::ServiceStatus| status.blue.unwrap().addresses;
    let now = status(&mut client, "fraud-model").await;
    assert_eq!(addresses(now), ["10.0.0.1:9001"]);
    drop(client);

    // A server looks its names up when it starts; the name has moved meanwhile.
    settings.names.set("model.test", &["10.0.0.2", "10.0.0.3"]);
    let server = Server::on(server.stop().await, settings.clone()).await;
    let mut heads = server.fleet("payments").heads();
    let head = heads
        .wait_for(|head| head.as_ref().is_some_and(|head| head.meta.revision.0 == 2))
        .await
        .unwrap()
        .clone()
        .unwrap();
    assert_eq!(head.meta.kind, bluegreen::store::CommitKind::Endpoints);
    let mut client = server.client().await;
    let now = status(&mut client, "fraud-model").await;
    assert_eq!(addresses(now), ["10.0.0.2:9001", "10.0.0.3:9001"]);

    // The same file again, while the name does not resolve: nothing changes, nothing fails.
    settings.names.set("model.test", &[]);
    let again = apply(&mut client, &text).await;
    assert_eq!(again.outcome().result(), api::outcome::Result::Unchanged);
    let now = status(&mut client, "fraud-model").await;
    assert_eq!(addresses(now), ["10.0.0.2:9001", "10.0.0.3:9001"]);
}
