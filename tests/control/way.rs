//! Gates `through: proxies` ask those that lead to the staged version: one that has not accepted the way there answers with the live
//! version, and what that says is nothing of the staged one.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use bluegreen::{
    controller::{Analyst, Handle, Job, ReleaseOptions, Request},
    model::{
        NackWish,
        check::{Analysis, CheckResult},
    },
    release::RolloutPhase,
};
use tokio::sync::watch;

use super::releases::{begun, reached, release, request};
use crate::support::{
    backend::Backend,
    server::{LedgerProxy, Says, Server, Settings},
};

const GATES: &str = "    validation: [ { name: smoke, through: proxies, http: { path: / } } ]
";

/// Looks whom its checks would ask, whenever a test wants to know.
struct Lookout(watch::Sender<Option<bluegreen::controller::Aim>>);

#[async_trait]
impl Analyst for Lookout {
    async fn analyse(&self, job: &mut Job) -> Analysis {
        self.0.send_replace(Some(job.aim.clone()));
        let check = &job.checks[0];
        let running = CheckResult::pending(check.name.clone(), check.kind.as_str());
        let analysis = Analysis::pending((job.clock)(), vec![running]);
        job.progress.send_replace(analysis);
        std::future::pending().await
    }
}

/// The gates of v1.3 run, with a rejection that is tolerated; whom they ask.
struct Gated {
    server: Server,
    handle: Handle,
    _good: LedgerProxy,
    _green: Backend,
    aim: bluegreen::controller::Aim,
}

impl Gated {
    async fn with(
        others: impl AsyncFnOnce(&Server) -> Vec<LedgerProxy>,
    ) -> (Self, Vec<LedgerProxy>) {
        let lookout = Arc::new(Lookout(watch::Sender::new(None)));
        let settings = Settings {
            release: ReleaseOptions {
                analyst: lookout.clone(),
                ..ReleaseOptions::default()
            },
            ..Settings::default()
        };
        let (server, handle, good) = begun(settings, GATES).await;
        let others = others(&server).await;
        let green = Backend::start("v1.3").await;
        let tolerant = Request {
            policy: NackWish {
                on_nack: None,
                max_nack: Some(1),
            },
            ..request(release(&[&green]))
        };
        handle.execute(tolerant, &|_| {}).await.unwrap();
        reached(&handle, RolloutPhase::Validating).await;
        let mut begun = lookout.0.subscribe();
        let aim = begun.wait_for(Option::is_some).await.unwrap().clone();
        let gated = Self {
            server,
            handle,
            _good: good,
            _green: green,
            aim: aim.unwrap(),
        };
        (gated, others)
    }

    fn asked(&self) -> Vec<SocketAddr> {
        (self.aim)().proxies.clone()
    }
}

fn listener(ip: [u8; 4]) -> SocketAddr {
    SocketAddr::from((ip, 10_000))
}

#[tokio::test]
async fn a_proxy_that_rejected_the_way_to_the_staged_version_is_not_asked() {
    let (gated, _picky) = Gated::with(async |server| {
        let says = Says::RejectRoutes("route: no such matcher");
        vec![LedgerProxy::at(
            server,
            "payments",
            "picky",
            "127.0.0.2:1",
            says,
        )]
    })
    .await;
    assert_eq!(gated.asked(), [listener([127, 0, 0, 1])]);
    let astray = &(gated.aim)().astray;
    assert_eq!(*astray, [listener([127, 0, 0, 2])]);
}

#[tokio::test]
async fn a_proxy_that_comes_while_gates_run_is_asked_once_it_leads_to_the_staged_version() {
    let (gated, _) = Gated::with(async |_| Vec::new()).await;
    let mut changes = gated.handle.ledger_changes();
    let late = LedgerProxy::at(
        &gated.server,
        "payments",
        "late",
        "127.0.0.3:1",
        Says::Nothing,
    );
    assert_eq!(gated.asked(), [listener([127, 0, 0, 1])]);
    late.say(Says::Accept);
    let both = [listener([127, 0, 0, 1]), listener([127, 0, 0, 3])];
    while gated.asked() != both {
        changes.changed().await.unwrap();
    }
}
