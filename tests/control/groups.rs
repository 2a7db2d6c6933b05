//! Groups whose services are released in different ways.

use bluegreen::{api, release::RolloutPhase};

use super::{
    calls::{apply, deploy, document, history, status},
    releases::reached_by,
    shifting::{rollback_all, switch_all},
};
use crate::support::server::{Client, LedgerProxy, Server};

const CANARY: &str =
    "  release: { strategy: canary, canary: { steps: [ { weight: 10, pause: 1h } ] } }\n";
const AT_ONCE: &str = "  release: { bake: { duration: 1h } }\n";

/// Services with these releases, each with something staged.
async fn staged_with(client: &mut Client, releases: [&str; 2]) {
    for ((service, port), release) in [("a", 10000), ("b", 10001)].into_iter().zip(releases) {
        let text = document(service, port) + release;
        apply(client, &text).await.outcome();
        deploy(client, service, "v1.3", "127.0.0.1:9002")
            .await
            .outcome();
    }
}

#[tokio::test]
async fn a_group_of_which_some_go_in_steps_and_some_at_once_is_not_moved() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged_with(&mut client, [CANARY, AT_ONCE]).await;
    let before = history(&mut client).await.len();
    let refused = switch_all(&mut client, &["a", "b"]).await;
    let refused = refused.refused();
    assert_eq!(refused.reason, "bad-input");
    assert_eq!(
        refused.message,
        "a group moves in one revision: b would move now, and a (Shifting) later"
    );
    assert_eq!(history(&mut client).await.len(), before);
    assert_eq!(status(&mut client, "b").await.live(), api::Colour::Blue);
}

#[tokio::test]
async fn a_group_of_which_all_go_in_steps_begins_in_one_revision() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged_with(&mut client, [CANARY, CANARY]).await;
    let switched = switch_all(&mut client, &["a", "b"]).await;
    let revision = switched.outcome().deliveries[0].revision;
    for service in ["a", "b"] {
        let rollout = reached_by(&server.fleet("payments"), service, RolloutPhase::Shifting).await;
        assert_eq!(rollout.moved_in.map(|it| it.0), Some(revision));
    }
}

#[tokio::test]
async fn a_group_that_can_not_go_back_whole_says_how_the_others_go_back() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    staged_with(&mut client, ["", ""]).await;
    switch_all(&mut client, &["a"]).await.outcome();
    let refused = rollback_all(&mut client, &["a", "b"]).await;
    let refused = refused.refused();
    assert_eq!(refused.reason, "nothing-to-roll-back");
    // Said once: what each refuses has a reason of its own only where it is another.
    assert!(
        !refused.message.contains("nothing-to-roll-back"),
        "{}",
        refused.message
    );
    let way = "; without what is in the way: `bluegreen rollback a`";
    assert!(refused.remedy.ends_with(way), "{}", refused.remedy);
}
