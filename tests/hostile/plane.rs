//! The server under attack, an honest proxy of it, and how much memory it has.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use bluegreen::{
    api::{self, admin_client::AdminClient},
    model::TypeUrl,
};
use envoy_types::pb::envoy::config::{cluster::v3::Cluster, listener::v3::Listener};
use prost::{Message, Name as _};
use serde_json::Value;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::support::{document, waiting, world::World, xds_client::XdsClient};

/// What honest proxies belong to.
pub const FLEET: &str = "payments";

/// How much more the server may have for good after an attack, in MiB: what an allocator keeps of what was freed, and
/// less than any of the attacks would leave behind if what they send were kept.
const KEPT: u64 = 48;

/// The exit code of a switch that is durable and was not accepted by all in time.
const NOT_ALL_IN_TIME: i32 = 6;

/// A server with a service and a proxy that does as it should.
pub struct Plane {
    pub world: World,
    pub admin: AdminClient<Channel>,
    flips: AtomicU32,
    honest: JoinHandle<()>,
    before: u64,
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.honest.abort();
    }
}

impl Plane {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// All threads of the server share one arena of the allocator (glibc's). Otherwise it is chance on which thread a stream
    /// runs, and each arena keeps for itself the most that any stream ever needed there: nobody could say how much that is.
    pub async fn in_one_arena() -> Self {
        Self::with(&[("MALLOC_ARENA_MAX", "1")]).await
    }

    async fn with(environment: &[(&str, &str)]) -> Self {
        let world = World::stopped();
        world.serve(environment).await;
        // Nobody asks them.
        let nobody = [SocketAddr::from(([127, 0, 0, 1], 9))];
        let document = document::service(
            "fraud-model",
            &[
                &document::listener(world.listener.addr()),
                &document::environments(&nobody, &nobody),
            ],
        );
        world.apply(&document, &[]).await.ok();
        let client = XdsClient::connect(world.xds, "honest", FLEET).await;
        let honest = tokio::spawn(honest(client));
        let admin = AdminClient::connect(format!("http://{}", world.admin)).await;
        let mut plane = Self {
            admin: admin.expect("the admin API"),
            world,
            flips: AtomicU32::new(0),
            honest,
            before: 0,
        };
        // Whatever is made once only is made now.
        plane.goes_on().await;
        plane.goes_on().await;
        plane.before = plane.memory();
        plane
    }

    /// Switches, and the honest proxy accepts, whatever others do meanwhile. Those may never answer, so the command
    /// itself does not wait.
    pub async fn goes_on(&self) {
        let green = self.flips.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        let colour = if green { "green" } else { "blue" };
        let switch = ["switch", "fraud-model", "--to", colour, "--force"];
        let ran = self
            .world
            .cli(&[&switch[..], &["--wait", "1ms"]].concat())
            .await;
        assert!([0, NOT_ALL_IN_TIME].contains(&ran.code), "{ran:?}");
        let ask = async || self.world.json(&["fleet", FLEET]).await;
        let in_step = |fleet: &Value| {
            let proxies = fleet["proxies"].as_array().expect("proxies");
            let mut honest = proxies.iter().filter(|proxy| proxy["proxy"] == "honest");
            let types = honest.next().and_then(|honest| honest["types"].as_array());
            let mut types = types.into_iter().flatten();
            let routes = types.find(|one| one["type"] == "RouteConfiguration");
            routes
                .is_some_and(|one| one["state"] == "synced" && one["revision"] == fleet["revision"])
        };
        waiting::until(&format!("accepted after {ran:?}"), ask, in_step).await;
    }

    /// Whether the server believes that this proxy is there.
    pub async fn is_connected(&self, proxy: &str) -> bool {
        let fleet = self.world.json(&["fleet", FLEET, proxy]).await;
        fleet["connected"].as_bool().expect("known")
    }

    /// Waits until the server has noticed that this proxy is not there.
    pub async fn until_away(&self, proxy: &str) {
        let ask = async || self.is_connected(proxy).await;
        waiting::until(&format!("{proxy} away"), ask, |is| !is).await;
    }

    /// One more revision that changes routes, by the admin API itself.
    pub async fn flip(&mut self, green: bool) {
        let request = api::SwitchRequest {
            meta: Some(api::CommandMeta {
                operation_id: uuid::Uuid::now_v7().to_string(),
                ..Default::default()
            }),
            service: "fraud-model".to_owned(),
            to: match green {
                true => api::Colour::Green.into(),
                false => api::Colour::Blue.into(),
            },
            waive: Some(api::Waivers {
                force: true,
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut events = self
            .admin
            .switch(request)
            .await
            .expect("accepted")
            .into_inner();
        while events.message().await.expect("no refusal").is_some() {}
    }

    /// From now on memory is compared with what it is now.
    pub fn settle(&mut self) {
        self.before = self.memory();
    }

    /// Resident memory of the server, in MiB.
    pub fn memory(&self) -> u64 {
        self.field("VmRSS:")
    }

    /// The most that it ever had, in MiB.
    pub fn peak(&self) -> u64 {
        self.field("VmHWM:")
    }

    fn field(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.world.server_id());
        let status = std::fs::read_to_string(path).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.expect("a number").parse::<u64>().expect("a number") / 1024
    }

    /// After an attack: memory was never more than `most` MiB above what it was, all but a little is given back, others
    /// go on, and nothing has panicked.
    pub async fn recovers(&self, most: u64) {
        let peak = self.peak();
        assert!(peak <= self.before + most, "{} -> {peak} MiB", self.before);
        let what = format!("given back, from {} MiB", self.before);
        let now = async || self.memory();
        waiting::until(&what, now, |now| *now <= self.before + KEPT).await;
        self.goes_on().await;
        let log = self.world.log();
        // `--nocapture` shows it.
        let (before, after) = (self.before, self.memory());
        println!("memory: {before} MiB, {peak} at most, {after} after");
        let panicked = log.lines().find(|line| line.contains("panicked"));
        assert_eq!(panicked, None);
    }
}

/// Asks for everything as an Envoy does, and accepts whatever comes.
async fn honest(mut client: XdsClient) {
    client.subscribe(TypeUrl::Cluster, &[]);
    client.subscribe(TypeUrl::Listener, &[]);
    while let Ok(Some(response)) = client.sometime().await {
        let Some(type_url) = TypeUrl::from_url(&response.type_url) else {
            continue;
        };
        client.ack(type_url);
        let bodies = response.resources.iter().map(|any| &any.value[..]);
        let (named, names): (_, Vec<String>) = match &*response.type_url {
            url if url == Cluster::type_url() => (
                TypeUrl::ClusterLoadAssignment,
                bodies
                    .map(|body| Cluster::decode(body).expect("a cluster").name)
                    .collect(),
            ),
            url if url == Listener::type_url() => (
                TypeUrl::RouteConfiguration,
                bodies
                    .map(|body| Listener::decode(body).expect("a listener").name)
                    .collect(),
            ),
            _ => continue,
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        client.subscribe(named, &names);
    }
}
