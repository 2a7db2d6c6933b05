//! What `status` says of a release: the checks that run or ran last, whether it waits for a command, and all of it after a
//! restart too. The checks are real ones.

use std::time::Duration;

use bluegreen::{
    api::{self, steer_request},
    controller::ReleaseOptions,
    model::check::Phase,
    release::{Purpose, RolloutPhase},
};

use super::{
    calls::{apply, document, meta},
    releases::{Script, USUAL, begun, begun_on, reached, release, run, settings, switch},
};
use crate::support::{
    backend::Backend,
    keeping::Keeping,
    server::{Client, Events, LedgerProxy, Server, Settings},
};

const SERVICE: &str = "fraud-model";

/// Two people sign, one after the other.
const GATES: &str = "  release:
    validation:
      - { name: smoke, http: { path: /healthz } }
      - { name: first, after: smoke, manual: {} }
      - { name: second, after: first, manual: {} }
";

/// Waits until the status of the release is so.
async fn seen(
    client: &mut Client,
    what: &str,
    is_so: impl Fn(&api::ReleaseStatus) -> bool,
) -> api::ReleaseStatus {
    let request = api::GetStatusRequest {
        service: SERVICE.to_owned(),
    };
    let mut changes = client.watch_status(request).await.unwrap().into_inner();
    let mut last = None;
    let waiting = async {
        while let Some(change) = changes.message().await.unwrap() {
            let release = change.services.into_iter().next().and_then(|it| it.release);
            last.clone_from(&release);
            if let Some(release) = release.filter(&is_so) {
                return release;
            }
        }
        panic!("the watch ended before {what}");
    };
    let limit = Duration::from_secs(30);
    let found = tokio::time::timeout(limit, waiting).await;
    found.unwrap_or_else(|_| panic!("never {what}: {last:#?}"))
}

fn phase_of<'a>(release: &'a api::ReleaseStatus, check: &str) -> &'a str {
    let found = release.checks.iter().find(|it| it.name == check);
    found.map_or("", |it| &it.phase)
}

/// Without a name: the check that asks now.
async fn approve(client: &mut Client) {
    let request = api::SteerRequest {
        meta: meta(),
        service: SERVICE.to_owned(),
        verb: steer_request::Verb::Approve.into(),
        ..Default::default()
    };
    Events::of(client.steer(request).await).await.outcome();
}

#[tokio::test]
async fn status_tells_the_checks_that_ran_last_after_a_restart_too() {
    let server = Server::with(Settings::default()).await;
    let mut client = server.client().await;
    let declared = format!("{}{GATES}", document(SERVICE, 10000));
    apply(&mut client, &declared).await.outcome();
    let _proxy = LedgerProxy::connect(&server, "payments", "p1");
    let green = Backend::start("v1.3").await;
    let request = api::ReleaseRequest {
        meta: meta(),
        service: SERVICE.to_owned(),
        version: "v1.3".to_owned(),
        endpoints: vec![green.addr().to_string()],
        ..Default::default()
    };
    Events::of(client.release(request).await).await.outcome();
    // The first approval is of no news to the proxies, and seen by who watches all the same.
    for asking in ["first", "second"] {
        let what = format!("{asking} asks");
        let release = seen(&mut client, &what, |it| phase_of(it, asking) == "Running").await;
        assert!(!release.waits_for_command, "{release:?}");
        approve(&mut client).await;
    }
    let ready = seen(&mut client, "ready", |it| it.phase == "Ready").await;
    assert!(ready.waits_for_command);
    let passed = |release: &api::ReleaseStatus| {
        let names = ["smoke", "first", "second"];
        let purposes = release.checks.iter().map(|it| it.purpose.as_str());
        names
            .iter()
            .all(|name| phase_of(release, name) == "Successful")
            && purposes.eq(["validation"; 3])
    };
    seen(&mut client, "all passed", passed).await;

    let server = Server::on(server.stop().await, Settings::default()).await;
    let mut client = server.client().await;
    let again = seen(&mut client, "the checks of the earlier run", passed).await;
    assert_eq!(
        (again.phase.as_str(), again.waits_for_command),
        ("Ready", true)
    );
}

#[tokio::test]
async fn status_says_why_no_time_counts_for_as_long_as_none_does() {
    let script = Script::new();
    script.say(Purpose::Validation, Phase::Successful);
    let settings = settings(&script);
    // Proxies that are away take nothing back.
    let patient = Settings {
        release: ReleaseOptions {
            silence: Duration::from_secs(3600),
            ..settings.release
        },
        ..settings
    };
    let slow = USUAL.replace("duration: 1s", "duration: 1h");
    let (server, handle, first) = begun(patient, &slow).await;
    let second = LedgerProxy::connect(&server, "payments", "p2");
    let _third = LedgerProxy::connect(&server, "payments", "p3");
    let green = Backend::start("v1.3").await;
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Ready).await;
    run(&handle, switch()).await.unwrap();
    reached(&handle, RolloutPhase::Baking).await;
    let mut client = server.client().await;
    first.disconnect();
    second.disconnect();
    let still = |it: &api::ReleaseStatus| !it.time_waits_for.is_empty();
    let status = seen(&mut client, "why none counts", still).await;
    assert_eq!(status.time_waits_for, "1 of 3 proxies are connected");

    let _second = LedgerProxy::connect(&server, "payments", "p2");
    let status = seen(&mut client, "that it counts", |it| !still(it)).await;
    assert_eq!((&*status.phase, status.limit_ms), ("Baking", 3_600_000));
}

#[tokio::test]
async fn status_says_that_a_full_disk_keeps_a_release_where_it_is() {
    let script = Script::new();
    let store = Keeping::new();
    let server = Server::on(store.clone(), settings(&script)).await;
    let (server, handle, _proxy) = begun_on(server, USUAL).await;
    let green = Backend::start("v1.3").await;
    run(&handle, release(&[&green])).await.unwrap();
    reached(&handle, RolloutPhase::Validating).await;
    store.fill(true);
    script.say(Purpose::Validation, Phase::Successful);
    let mut client = server.client().await;
    let still = |it: &api::ReleaseStatus| !it.stuck.is_empty();
    let status = seen(&mut client, "what keeps it", still).await;
    assert_eq!(status.phase, "Validating");
    assert_eq!(
        status.stuck,
        "the disk of the data directory has only 0 bytes free, 1 are kept for rollbacks"
    );

    store.fill(false);
    let ready = seen(&mut client, "that it goes on", |it| !still(it)).await;
    assert_eq!(ready.phase, "Ready");
}
