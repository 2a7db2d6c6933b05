//! A service that was deleted and is declared again: nothing of what was before stands in its way, or is taken for its own.

use bluegreen::{
    controller::{Command, Handle},
    model::DocumentKind,
    release::RolloutPhase,
};

use super::{
    calls::apply,
    releases::{SERVICE, Script, begun, declared, name, reached, recorded, release, run, settings},
};
use crate::support::{backend::Backend, receiver::Receiver};

/// Every release goes the whole way without asking anybody.
const AT_ONCE: &str = "    promotion: automatic
    bake: { duration: 1s }
    standby: 1s
    acceptShortStandby: true
";

async fn delete(handle: &Handle) {
    let delete = Command::Delete {
        kind: DocumentKind::Service,
        name: name(SERVICE),
        no_verify: false,
    };
    run(handle, delete).await.unwrap();
}

#[tokio::test]
async fn its_releases_go_on_by_themselves_and_have_records_of_their_own() {
    let script = Script::new();
    let (server, handle, _proxy) = begun(settings(&script), AT_ONCE).await;
    let mut client = server.client().await;
    let green = Backend::start("v1.3").await;
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Completed).await;
    let over = |it: &bluegreen::release::ReleaseRecord| it.rollout.is_over();
    let first = recorded(&server, 1, over).await;

    delete(&handle).await;
    apply(&mut client, &declared(AT_ONCE)).await.outcome();
    run(&handle, release(&[&green])).await.unwrap();
    let done = reached(&handle, RolloutPhase::Completed).await;
    assert_eq!(done.number, 2);
    let second = recorded(&server, 2, over).await;
    assert_eq!(second.deliveries.len(), 1);
    // What was before is still there to be read.
    let still = recorded(&server, 1, |_| true).await;
    assert_eq!(still.rollout, first.rollout);
    assert_eq!(still.analyses, first.analyses);
}

#[tokio::test]
async fn its_hooks_are_not_taken_for_a_repetition() {
    let script = Script::new();
    let hook = Receiver::start().await;
    hook.answer("/up", 200, r#"{ "endpoints": ["127.0.0.1:9002"] }"#);
    let spec = format!(
        "    hooks: {{ provision: {{ webhook: \"{}\" }} }}\n",
        hook.url("/up")
    );
    let (server, handle, _proxy) = begun(settings(&script), &spec).await;
    let mut client = server.client().await;
    run(&handle, release(&[])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;

    delete(&handle).await;
    apply(&mut client, &declared(&spec)).await.outcome();
    run(&handle, release(&[])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    // So it is in another fleet.
    delete(&handle).await;
    let elsewhere = declared(&spec).replace("fleet: payments", "fleet: shop");
    apply(&mut client, &elsewhere).await.outcome();
    let shop = server.fleet("shop");
    run(&shop, release(&[])).await.unwrap();
    reached(&shop, RolloutPhase::Ready).await;

    let calls = hook.calls("/up", 3).await;
    let mut ids: Vec<&str> = calls
        .iter()
        .map(|it| it.header("idempotency-key"))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
}
