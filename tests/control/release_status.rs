//! What `status` says of a release: the checks that run or ran last, whether it waits for a command, and all of it after a
//! restart too. The checks are real ones.

use bluegreen::api;

use super::calls::{apply, document, meta};
use crate::support::{
    backend::Backend,
    server::{Client, Events, LedgerProxy, Server, Settings},
};

const SERVICE: &str = "fraud-model";

const GATES: &str = "  release:
    validation:
      - { name: smoke, http: { path: /healthz } }
      - { name: again, after: smoke, http: { path: / } }
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
    let limit = std::time::Duration::from_secs(30);
    let found = tokio::time::timeout(limit, waiting).await;
    found.unwrap_or_else(|_| panic!("never {what}: {last:#?}"))
}

fn phase_of<'a>(release: &'a api::ReleaseStatus, check: &str) -> &'a str {
    let found = release.checks.iter().find(|it| it.name == check);
    found.map_or("", |it| &it.phase)
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
    let ready = seen(&mut client, "ready", |it| it.phase == "Ready").await;
    assert!(ready.waits_for_command);
    let passed = |release: &api::ReleaseStatus| {
        let names = ["smoke", "again"];
        let purposes = release.checks.iter().map(|it| it.purpose.as_str());
        names
            .iter()
            .all(|name| phase_of(release, name) == "Successful")
            && purposes.eq(["validation"; 2])
    };
    seen(&mut client, "both passed", passed).await;

    let server = Server::on(server.stop().await, Settings::default()).await;
    let mut client = server.client().await;
    let again = seen(&mut client, "the checks of the earlier run", passed).await;
    assert_eq!(
        (again.phase.as_str(), again.waits_for_command),
        ("Ready", true)
    );
}
