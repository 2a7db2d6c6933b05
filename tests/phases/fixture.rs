//! A server as a process, two simulated proxies, and everything that a release calls; with what the tests ask of them.

use std::{collections::BTreeMap, time::Duration};

use bluegreen::api::{self, steer_request::Verb};
use serde_json::Value;

use crate::{
    calls,
    support::{
        proxy::Proxy,
        receiver::{Call, Receiver},
        server::{Client, Events, Refused},
        world::World,
    },
};

pub const SERVICE: &str = "fraud-model";

/// Nothing takes longer, even on a machine that compiles beside it.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Stage {
    pub world: World,
    /// The new version, its hooks, and who listens for events.
    pub outside: Receiver,
    pub first: Proxy,
    pub second: Proxy,
    events: bool,
}

impl Stage {
    /// v1.2 is live, and releases are declared so. Events are told.
    pub async fn with(release: impl Fn(&Self) -> String) -> Self {
        Self::begun(true, release).await
    }

    /// The same; nobody listens, so that each commit is one of the release itself.
    #[cfg(feature = "fault-points")]
    pub async fn unheard(release: impl Fn(&Self) -> String) -> Self {
        Self::begun(false, release).await
    }

    async fn begun(events: bool, release: impl Fn(&Self) -> String) -> Self {
        let world = World::stopped();
        let (first, second) = (Proxy::start(world.xds, "p1"), Proxy::start(world.xds, "p2"));
        let stage = Self {
            outside: Receiver::start().await,
            world,
            first,
            second,
            events,
        };
        stage.outside.answer("/events", 200, "");
        stage.serve(&[]).await;
        let document = format!(
            "{}  release:\n{}",
            calls::document(SERVICE, stage.world.listener.addr().port()),
            release(&stage)
        );
        calls::apply(&mut stage.client().await, &document)
            .await
            .outcome();
        stage.accepted(2).await;
        // Rosters are saved in batches, and at a clean end at the latest.
        stage.world.terminate().await;
        stage.serve(&[]).await;
        stage.accepted(2).await;
        stage
    }

    /// Starts the server, with these variables too.
    pub async fn serve(&self, more: &[(&str, &str)]) {
        let url = self.outside.url("/events");
        // Its proxies don't report, and are not waited for after three of these and ten seconds.
        let mut environment = vec![("BLUEGREEN_LOAD_REPORT_INTERVAL", "100ms")];
        if self.events {
            environment.push(("BLUEGREEN_EVENTS_WEBHOOK", url.as_str()));
        }
        environment.extend(more);
        self.world.serve(&environment).await;
    }

    pub async fn client(&self) -> Client {
        Client::connect(format!("http://{}", self.world.admin))
            .await
            .unwrap()
    }

    /// The service, once it is so.
    pub async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&api::ServiceStatus) -> bool,
    ) -> api::ServiceStatus {
        let request = api::GetStatusRequest {
            service: SERVICE.to_owned(),
        };
        let mut last = None;
        let waiting = async {
            let mut statuses = self
                .client()
                .await
                .watch_status(request)
                .await
                .unwrap()
                .into_inner();
            loop {
                let status = statuses.message().await.unwrap().expect("a status");
                let service = status.services.into_iter().next().expect("the service");
                if is_so(&service) {
                    return service;
                }
                last = Some(service);
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(service) => service,
            Err(_) => panic!("never {what}: {last:#?}\n{}", self.world.log()),
        }
    }

    /// The release, once it is in that phase.
    pub async fn reached(&self, phase: &str) -> api::ReleaseStatus {
        let is_so =
            |it: &api::ServiceStatus| it.release.as_ref().is_some_and(|it| it.phase == phase);
        self.until(phase, is_so).await.release.unwrap()
    }

    /// The new version has that share, by a step of a canary.
    pub async fn shifted(&self, share: u32) {
        let is_so = |it: &api::ServiceStatus| {
            let shifting = it.release.as_ref().is_some_and(|it| it.phase == "Shifting");
            shifting && it.green.as_ref().is_some_and(|it| it.weight == share)
        };
        self.until("shifted", is_so).await;
    }

    /// So many proxies have accepted the newest revision.
    pub async fn accepted(&self, count: u32) {
        let is_so =
            |it: &api::ServiceStatus| it.delivery.as_ref().is_some_and(|it| it.acked == count);
        self.until("accepted", is_so).await;
    }

    /// The server has seen that so many proxies are away.
    pub async fn away(&self, count: usize) {
        let request = || api::GetFleetsRequest {
            fleet: "payments".to_owned(),
            ..Default::default()
        };
        let mut statuses = self
            .client()
            .await
            .watch_status(api::GetStatusRequest::default())
            .await
            .unwrap()
            .into_inner();
        let mut client = self.client().await;
        let waiting = async {
            loop {
                let fleets = client.get_fleets(request()).await.unwrap().into_inner();
                let proxies = fleets.fleets.iter().flat_map(|fleet| &fleet.proxies);
                if proxies.filter(|it| !it.connected).count() == count {
                    return;
                }
                // Whatever changes is told here.
                statuses.message().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("proxies go away");
    }

    /// Kills the server and starts it again. The release is in the phase that it was in, with the same past; and the traffic is where
    /// it was.
    pub async fn killed(&self, phase: &str) -> api::ReleaseStatus {
        let before = calls::status(&mut self.client().await, SERVICE).await;
        self.world.kill().await;
        self.serve(&[]).await;
        let after = calls::status(&mut self.client().await, SERVICE).await;
        let weights = |it: &api::ServiceStatus| {
            [&it.blue, &it.green].map(|it| it.as_ref().map_or(0, |it| it.weight))
        };
        assert_eq!(weights(&after), weights(&before), "after {phase}");
        let (before, after) = (before.release.unwrap(), after.release.unwrap());
        assert_eq!(before.phase, phase, "{before:#?}");
        assert_eq!(after.phase, phase, "{after:#?}");
        assert_eq!(after.number, before.number);
        assert_eq!(after.log, before.log, "after {phase}");
        after
    }

    /// Begins the release of v1.3.
    pub async fn release(&self) {
        self.release_of("v1.3").await;
    }

    pub async fn release_of(&self, version: &str) {
        let mut client = self.client().await;
        let answer = client
            .release(api::ReleaseRequest {
                meta: now(),
                service: SERVICE.to_owned(),
                version: version.to_owned(),
                endpoints: vec![self.outside.addr().to_string()],
                ..Default::default()
            })
            .await;
        Events::of(answer).await.outcome();
    }

    pub async fn switch(&self) {
        calls::switch_with(&mut self.client().await, SERVICE, now(), calls::no_probe())
            .await
            .outcome();
    }

    /// Why a switch is refused.
    pub async fn would_switch(&self) -> Refused {
        calls::switch(&mut self.client().await, SERVICE)
            .await
            .refused()
            .clone()
    }

    pub async fn steer(&self, verb: Verb) {
        let mut client = self.client().await;
        let answer = client
            .steer(api::SteerRequest {
                meta: now(),
                service: SERVICE.to_owned(),
                verb: verb.into(),
                ..Default::default()
            })
            .await;
        Events::of(answer).await.outcome();
    }

    /// The record of the newest release, once it is over for that reason and everybody was told of each phase: in their order,
    /// and of each under one id.
    pub async fn ended(&self, reason: &str) -> Value {
        let is_so = |it: &api::ServiceStatus| {
            let release = it.release.as_ref();
            release.is_some_and(|it| it.over && it.reason.contains(reason))
        };
        let status = self.until(reason, is_so).await.release.unwrap();
        let number = status.number;
        let mut client = self.client().await;
        let request = api::GetReleasesRequest {
            service: SERVICE.to_owned(),
            number,
            ..Default::default()
        };
        let answer = client.get_releases(request).await.unwrap().into_inner();
        let record: Value = serde_json::from_str(&answer.releases[0].json).unwrap();
        if self.events {
            self.told(&record).await;
        }
        record
    }

    async fn told(&self, record: &Value) {
        let log = record["rollout"]["log"].as_array().unwrap();
        let said = |entry: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&entry["phase"]), text(&entry["reason"]))
        };
        let happened: Vec<_> = log.iter().map(said).collect();
        let mut count = happened.len();
        loop {
            let calls = self.outside.calls("/events", count).await;
            let mut ids = BTreeMap::new();
            let mut told = Vec::new();
            let mine = |call: &&Call| call.body["data"]["release"] == record["rollout"]["number"];
            for call in calls.iter().filter(mine) {
                let id = call.body["id"].as_str().unwrap().to_owned();
                let event = said(&call.body["data"]);
                if let Some(first) = ids.insert(id, event.clone()) {
                    assert_eq!(first, event, "two events under one id");
                } else {
                    told.push(event);
                }
            }
            if told.len() == happened.len() {
                assert_eq!(told, happened);
                return;
            }
            // Some were told twice.
            count = calls.len() + 1;
        }
    }

    /// The calls of a hook are one call that was made again.
    pub fn same_call(&self, path: &str) {
        let calls = self.outside.so_far(path);
        let key = calls[0].header("idempotency-key");
        assert!(!key.is_empty());
        for call in &calls {
            assert_eq!(call.header("idempotency-key"), key, "{path}");
            assert_eq!(call.body, calls[0].body, "{path}");
        }
    }
}

/// The outcome as soon as the command is durable: the proxies of these tests take their time.
fn now() -> Option<api::CommandMeta> {
    calls::with(|meta| meta.wait_ms = 0)
}

/// The phases of a record, each of which a release may say several things of.
pub fn phases(record: &Value) -> Vec<String> {
    let log = record["rollout"]["log"].as_array().unwrap();
    let phase = |entry: &Value| entry["phase"].as_str().unwrap().to_owned();
    let mut phases: Vec<String> = log.iter().map(phase).collect();
    phases.dedup();
    phases
}
