//! What the record of a release keeps: what was seen stays as it was seen, across restarts and whatever the fleet does later, and
//! what could not be written is written once it can be.

use std::sync::Arc;

use bluegreen::{
    controller::{Command, Handle, Request, Waivers},
    fleet::Requirement,
    model::{Colour, DocumentKind, TypeUrl, check::Phase},
    release::{Purpose, ReleaseRecord, RolloutPhase, Verb},
};

use jiff::Timestamp;

use super::{
    calls::apply,
    releases::{
        SERVICE, Script, USUAL, baking, baking_on, begun, endpoint, name, reached, recorded,
        release, request, run, settings, steer, switch,
    },
};
use crate::support::{
    backend::Backend,
    keeping::Keeping,
    server::{LedgerProxy, Says, Server},
};

/// All traffic goes back to blue, by a release that takes the place of the one that bakes.
async fn take_its_place(handle: &Handle) {
    let back = Request {
        waivers: Waivers {
            force: true,
            skip_gates: true,
            skip_probe: true,
            ..Waivers::default()
        },
        ..request(Command::Switch {
            service: name(SERVICE),
            to: Some(Colour::Blue),
        })
    };
    handle.execute(back, &|_| {}).await.unwrap();
}

/// The record of the release once somebody has paused its bake: what was known before has been looked at by then.
async fn paused(server: &Server, handle: &Handle, number: u64) -> Arc<ReleaseRecord> {
    reached(handle, RolloutPhase::Baking).await;
    run(handle, steer(Verb::Pause)).await.unwrap();
    recorded(server, number, |it| {
        it.rollout.phase == RolloutPhase::Paused
    })
    .await
}

#[tokio::test]
async fn the_record_of_a_release_whose_place_was_taken_says_how_it_ended() {
    let script = Script::new();
    let (server, handle, _proxy, _green) = baking(&script).await;
    take_its_place(&handle).await;
    let first = recorded(&server, 1, |it| it.rollout.is_over()).await;
    assert_eq!(first.rollout.phase, RolloutPhase::Aborted);
    assert_eq!(first.rollout.reason, "release 2 took its place");
    let last = first.rollout.log.last().unwrap();
    assert_eq!(
        (last.phase, last.by.as_str()),
        (first.rollout.phase, "alice")
    );

    // A server that is started again has nothing to add to it.
    let settings = settings(&script);
    let store = server.stop().await;
    let kept = store.release(&name("payments"), &name(SERVICE), 1).await;
    let server = Server::on(store, settings).await;
    let handle = server.fleet("payments");
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    paused(&server, &handle, 2).await;
    let now = recorded(&server, 1, |_| true).await;
    assert_eq!(Some(now), kept.unwrap());
}

#[tokio::test]
async fn an_end_that_could_not_be_written_is_written_once_it_can_be() {
    let script = Script::new();
    let store = Keeping::new();
    let server = Server::on(store.clone(), settings(&script)).await;
    let (server, handle, _proxy, _green) = baking_on(server, &script).await;
    store.refuse(1);
    take_its_place(&handle).await;
    store.refused(1).await;
    store.accept();
    let first = recorded(&server, 1, |it| it.rollout.is_over()).await;
    assert_eq!(first.rollout.phase, RolloutPhase::Aborted);
}

#[tokio::test]
async fn the_time_of_an_ack_is_kept_over_a_restart() {
    let script = Script::new();
    let (server, handle, proxy, _green) = baking(&script).await;
    let accepted = |it: &ReleaseRecord| it.deliveries.iter().any(|push| push.acked == 1);
    let before = recorded(&server, 1, accepted).await;
    drop((handle, proxy));

    // The server knows of its own run only: the proxy that comes back is booked anew.
    let server = Server::on(server.stop().await, settings(&script)).await;
    let handle = server.fleet("payments");
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    let after = paused(&server, &handle, 1).await;
    assert_eq!(after.deliveries, before.deliveries);
}

#[tokio::test]
async fn what_monitors_found_is_kept_where_an_operator_goes_back_before_they_end() {
    let script = Script::new();
    let (server, handle, _proxy, _green) = baking(&script).await;
    script.begun(Purpose::Bake).await;
    let back = Command::Rollback {
        service: name(SERVICE),
    };
    run(&handle, back).await.unwrap();
    let record = recorded(&server, 1, |it| it.analyses.len() == 2).await;
    let bake = &record.analyses[1];
    assert_eq!(bake.purpose, Purpose::Bake);
    assert_eq!(bake.analysis.phase, Phase::Inconclusive);
    let check = &bake.analysis.checks[0];
    assert_eq!(check.measurements[0].message, "3 of 1000 requests failed");
    let stopped = "stopped before it ended: the release is RollingBack";
    assert_eq!(check.message, stopped);
    let progress = handle.release_progress(&name(SERVICE)).unwrap();
    let (_, shown) = progress.analysis.unwrap();
    assert_eq!(shown.checks[0].message, stopped);
}

#[tokio::test]
async fn why_somebody_said_go_is_in_the_record() {
    let script = Script::new();
    let (server, _handle, _proxy, _green) = baking(&script).await;
    let record = recorded(&server, 1, |it| it.rollout.phase == RolloutPhase::Baking).await;
    let log = record.rollout.log.iter();
    let switching = log.filter(|it| it.phase == RolloutPhase::Switching);
    let reasons: Vec<&str> = switching.map(|it| it.reason.as_str()).collect();
    let [reason] = reasons[..] else {
        panic!("{reasons:?}")
    };
    assert!(reason.contains("(CHG-42)"), "{reason}");
}

#[tokio::test]
async fn the_digests_of_a_switch_are_not_those_of_a_later_change() {
    let script = Script::new();
    let (server, handle, _proxy, green) = baking(&script).await;
    let accepted = |it: &ReleaseRecord| it.deliveries.iter().any(|push| push.acked == 1);
    let before = recorded(&server, 1, accepted).await;
    let more = Backend::start("v1.3").await;
    let scale = Command::Scale {
        service: name(SERVICE),
        colour: Colour::Green,
        endpoints: vec![endpoint(&green), endpoint(&more)],
        replace_standby: false,
        force: false,
    };
    run(&handle, scale).await.unwrap();
    let after = paused(&server, &handle, 1).await;
    assert_eq!(after.endpoints.len(), 2);
    assert_eq!(after.after, before.after);
}

/// A virtual host on its own that leads to the service.
const HOST: &str = "---
apiVersion: bluegreen/v1
kind: EnvoyResources
metadata: { name: edge }
spec:
  fleet: payments
  resources:
    - '@type': type.googleapis.com/envoy.config.route.v3.VirtualHost
      name: edge/one
      domains: [one.test]
      routes: [ { match: { prefix: / }, route: { cluster: 'service:fraud-model' } } ]
";

#[tokio::test]
async fn an_ack_of_weights_in_virtual_hosts_is_that_of_the_hosts() {
    let script = Script::new();
    let (server, handle, proxy) = begun(settings(&script), USUAL).await;
    apply(&mut server.client().await, HOST).await.outcome();
    let green = Backend::start("v1.3").await;
    script.say(Purpose::Validation, Phase::Successful);
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    proxy.say(Says::AcceptBut(TypeUrl::VirtualHost));
    let switched = run(&handle, switch()).await.unwrap().revision;
    let weights = [Requirement::weights(switched)];
    let mut changes = handle.ledger_changes();
    while handle.ledger().acks(&weights).is_empty() {
        changes.changed().await.unwrap();
    }
    let hosts_come = Timestamp::now();
    proxy.say(Says::Accept);
    let accepted = |it: &ReleaseRecord| it.deliveries.iter().any(|push| push.acked == 1);
    let record = recorded(&server, 1, accepted).await;
    let first = record.deliveries[0].first.unwrap();
    assert!(first >= hosts_come, "{first} {hosts_come}");
}

/// A release that is ready to be switched, and what a second proxy of the fleet says.
async fn ready_with(says: Says) -> (Server, Handle, (LedgerProxy, LedgerProxy), Backend) {
    let script = Script::new();
    let (server, handle, first) = begun(settings(&script), USUAL).await;
    let second = LedgerProxy::connect(&server, "payments", "p2");
    let green = Backend::start("v1.3").await;
    script.say(Purpose::Validation, Phase::Successful);
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    second.say(says);
    (server, handle, (first, second), green)
}

#[tokio::test]
async fn who_rejected_a_switch_that_was_taken_back_is_in_the_record() {
    let (server, handle, proxies, _green) = ready_with(Says::RejectRoutes("no")).await;
    let moved = run(&handle, switch()).await.unwrap().revision;
    reached(&handle, RolloutPhase::RollingBack).await;
    // What it says to the way back is no word about the switch.
    proxies.1.say(Says::Accept);
    let record = recorded(&server, 1, |it| {
        it.rollout.is_over() && it.deliveries.iter().any(|push| push.acked == 2)
    })
    .await;
    let push = record.deliveries.iter().find(|it| it.revision == moved);
    let push = push.expect("the switch is in the record");
    assert_eq!((push.total, push.acked, push.nacked), (2, 1, 1));
}

#[tokio::test]
async fn who_accepted_a_switch_that_somebody_took_back_at_once_is_in_the_record() {
    let (server, handle, _proxies, _green) = ready_with(Says::Nothing).await;
    let moved = run(&handle, switch()).await.unwrap().revision;
    let weights = Requirement::weights(moved);
    let mut changes = handle.ledger_changes();
    while handle.ledger().proof(&weights).acked == 0 {
        changes.changed().await.unwrap();
    }
    let back = Command::Rollback {
        service: name(SERVICE),
    };
    run(&handle, back).await.unwrap();
    let record = recorded(&server, 1, |it| it.deliveries.len() == 2).await;
    let push = record.deliveries.iter().find(|it| it.revision == moved);
    let push = push.expect("the switch is in the record");
    assert_eq!((push.total, push.acked, push.nacked), (2, 1, 0));
    assert_eq!(&*push.proxies[0].proxy, "p1");
}

#[tokio::test]
async fn the_record_of_a_release_that_went_with_its_service_says_so() {
    let script = Script::new();
    let (server, handle, _proxy, _green) = baking(&script).await;
    let delete = Command::Delete {
        kind: DocumentKind::Service,
        name: name(SERVICE),
        no_verify: false,
    };
    handle.execute(request(delete), &|_| {}).await.unwrap();
    let gone = recorded(&server, 1, |it| it.rollout.is_over()).await;
    assert_eq!(gone.rollout.phase, RolloutPhase::Aborted);
    assert!(gone.rollout.reason.contains("deleted"), "{gone:?}");
}

/// It may still route to the version that was replaced, and then to the one that was taken back.
#[tokio::test]
async fn a_proxy_that_is_away_is_named_where_its_release_says_that_the_traffic_moved() {
    let script = Script::new();
    let slow = USUAL.replace("duration: 1s", "duration: 1h");
    let (server, handle, _first) = begun(settings(&script), &slow).await;
    let away = LedgerProxy::connect(&server, "payments", "p2");
    let _third = LedgerProxy::connect(&server, "payments", "p3");
    let green = Backend::start("v1.3").await;
    script.say(Purpose::Validation, Phase::Successful);
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    away.disconnect();
    run(&handle, switch()).await.unwrap();
    let named = "; 1 of 3 proxies is away or rejected it, and may still do as before: p2";
    let baking = reached(&handle, RolloutPhase::Baking).await;
    assert!(baking.reason.ends_with(named), "{}", baking.reason);
    let back = Command::Rollback {
        service: name(SERVICE),
    };
    run(&handle, back).await.unwrap();
    let back = reached(&handle, RolloutPhase::RolledBack).await;
    assert!(back.reason.ends_with(named), "{}", back.reason);
}
