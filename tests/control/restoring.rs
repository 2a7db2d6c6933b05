//! A fleet goes back to a revision that lay in the middle of a canary: the release is not taken up, and neither is its share.

use bluegreen::{
    controller::{Handle, Request, Waivers},
    model::{Revision, TypeUrl},
    release::{Rollout, RolloutPhase},
    snapshot::Digest,
};

use super::{
    calls::rollback_fleet,
    releases::{SERVICE, Script, begun, reached, release, request, run, settings, switch},
};
use crate::support::backend::Backend;

const CANARY: &str = "    strategy: canary
    canary: { steps: [ { weight: 10, pause: 1h }, { weight: 50 } ] }
    standby: 1h
";

/// What the proxies' routes are.
fn routes(handle: &Handle) -> Vec<Digest> {
    let snapshot = handle.head().unwrap().snapshot.clone();
    let routes = snapshot.get(TypeUrl::RouteConfiguration).unwrap();
    routes.resources.values().map(|it| it.digest).collect()
}

fn green(handle: &Handle) -> u32 {
    handle.head().unwrap().state.services[SERVICE].split().green
}

/// The revision in which everybody has accepted the first step.
async fn first_step(handle: &Handle) -> Revision {
    let accepted =
        |rollout: &Rollout| rollout.phase == RolloutPhase::Shifting && rollout.pushed.is_none();
    let mut heads = handle.heads();
    let head = heads.wait_for(|head| {
        let service = head.as_ref().and_then(|it| it.state.services.get(SERVICE));
        let rollout = service.and_then(|it| it.rollout.as_deref());
        rollout.is_some_and(accepted)
    });
    head.await.unwrap().as_ref().unwrap().meta.revision
}

#[tokio::test]
async fn the_share_of_a_canary_of_then_is_not_served_again() {
    let (server, handle, _proxy) = begun(settings(&Script::new()), CANARY).await;
    let backend = Backend::start("v1.3").await;
    run(&handle, release(&[&backend])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    let all_blue = routes(&handle);
    run(&handle, switch()).await.unwrap();
    let middle = first_step(&handle).await;
    let shared = routes(&handle);
    assert_ne!(shared, all_blue);

    // Nothing has moved since: it is the same canary, and it goes on.
    let mut client = server.client().await;
    let same = rollback_fleet(&mut client, middle.0, false).await;
    assert_eq!(same.notices(), Vec::<&str>::new());
    assert_eq!((routes(&handle), green(&handle)), (shared, 10));
    reached(&handle, RolloutPhase::Shifting).await;

    let insisting = Request {
        waivers: Waivers {
            skip_gates: true,
            ..Waivers::default()
        },
        ..request(switch())
    };
    handle.execute(insisting, &|_| {}).await.unwrap();
    reached(&handle, RolloutPhase::Standby).await;
    let back = rollback_fleet(&mut client, middle.0, false).await;
    let notices = back.notices();
    assert!(notices.contains(&"not-restored"), "{notices:?}");
    assert_eq!(back.outcome().exit_code, 0);
    assert_eq!((routes(&handle), green(&handle)), (all_blue, 0));
    let over = reached(&handle, RolloutPhase::RolledBack).await;
    assert_eq!(over.log.last().unwrap().weight, 0);
}
