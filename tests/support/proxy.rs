//! A simulated proxy over a real socket: takes what it is served, comes back when its server was gone, and keeps back the ACKs
//! that a test wants it to.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bluegreen::{model::TypeUrl, snapshot::references_of};
use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::Cluster,
            route::v3::{RouteConfiguration, route::Action, route_action::ClusterSpecifier},
        },
        service::discovery::v3::DiscoveryResponse,
    },
    google::protobuf::Any,
};
use prost::Message;
use tokio::{sync::watch, task::JoinHandle};

use super::{plane::PATIENCE, xds_client::XdsClient};

/// Before it looks again for a server that is not there, as every proxy does.
const BACKOFF: Duration = Duration::from_millis(20);

/// What it does not accept until it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It accepts everything.
    Nothing,
    /// Load assignments.
    Endpoints,
    /// Routes that give a cluster named `…/green` this share or more, in percent.
    GreenFrom(u32),
    /// Routes that give such a cluster less.
    GreenBelow(u32),
}

/// One proxy of fleet `payments`. Dropped, it is gone.
pub struct Proxy {
    hold: watch::Sender<Hold>,
    there: watch::Sender<bool>,
    /// The share of the green cluster in the newest routes that it got, in percent.
    green: watch::Receiver<Option<u32>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Connects, now or when the server is there.
    pub fn start(server: SocketAddr, id: &'static str) -> Self {
        let hold = watch::Sender::new(Hold::Nothing);
        let there = watch::Sender::new(true);
        let (got, green) = watch::channel(None);
        let task = tokio::spawn(run(server, id, hold.subscribe(), there.subscribe(), got));
        Self {
            hold,
            there,
            green,
            task,
        }
    }

    /// Accepts from now on all but this.
    pub fn hold(&self, what: Hold) {
        self.hold.send_replace(what);
    }

    /// Goes away, until it is told to come back.
    pub fn leave(&self) {
        self.there.send_replace(false);
    }

    /// Comes back.
    pub fn come_back(&self) {
        self.there.send_replace(true);
    }

    /// Returns when the newest routes that it got on its present stream give green that share.
    pub async fn served(&self, percent: u32) {
        let mut green = self.green.clone();
        let served = green.wait_for(|share| *share == Some(percent));
        if tokio::time::timeout(PATIENCE, served).await.is_err() {
            panic!("green has {:?}%, not {percent}%", *self.green.borrow());
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    server: SocketAddr,
    id: &'static str,
    hold: watch::Receiver<Hold>,
    mut there: watch::Receiver<bool>,
    got: watch::Sender<Option<u32>>,
) {
    loop {
        if there.wait_for(|there| *there).await.is_err() {
            return;
        }
        got.send_replace(None);
        let mut told = there.clone();
        tokio::select! {
            () = session(server, id, hold.clone(), &got) => {}
            gone = told.wait_for(|there| !*there) => if gone.is_err() { return },
        }
        tokio::time::sleep(BACKOFF).await;
    }
}

/// One stream, to its end.
async fn session(
    server: SocketAddr,
    id: &str,
    mut hold: watch::Receiver<Hold>,
    got: &watch::Sender<Option<u32>>,
) {
    let Ok(mut client) = XdsClient::try_connect(server, id, "payments").await else {
        return;
    };
    let mut names: BTreeMap<TypeUrl, Vec<String>> = BTreeMap::new();
    let mut kept: BTreeMap<TypeUrl, DiscoveryResponse> = BTreeMap::new();
    client.subscribe(TypeUrl::Cluster, &[]);
    client.subscribe(TypeUrl::Listener, &[]);
    loop {
        tokio::select! {
            response = client.sometime() => {
                let Ok(Some(response)) = response else { return };
                let type_url = TypeUrl::from_url(&response.type_url).unwrap();
                if type_url == TypeUrl::RouteConfiguration {
                    got.send_replace(Some(green(&response.resources)));
                }
                kept.insert(type_url, response.clone());
                let (follows, wanted) = follows(type_url, &response.resources);
                accept(&mut client, &mut kept, *hold.borrow_and_update());
                if let Some(follows) = follows && names.get(&follows) != Some(&wanted) {
                    let list: Vec<&str> = wanted.iter().map(String::as_str).collect();
                    client.subscribe(follows, &list);
                    names.insert(follows, wanted);
                }
            }
            changed = hold.changed() => {
                if changed.is_err() {
                    return;
                }
                accept(&mut client, &mut kept, *hold.borrow_and_update());
            }
        }
    }
}

/// Accepts what waits for that and is not kept back.
fn accept(client: &mut XdsClient, kept: &mut BTreeMap<TypeUrl, DiscoveryResponse>, hold: Hold) {
    kept.retain(|type_url, response| {
        let routes = *type_url == TypeUrl::RouteConfiguration;
        let held = match hold {
            Hold::Nothing => false,
            Hold::Endpoints => *type_url == TypeUrl::ClusterLoadAssignment,
            Hold::GreenFrom(share) => routes && green(&response.resources) >= share,
            Hold::GreenBelow(share) => routes && green(&response.resources) < share,
        };
        if !held {
            client.ack(*type_url);
        }
        held
    });
}

/// What is asked for after a response: load assignments of clusters, routes of listeners.
fn follows(type_url: TypeUrl, resources: &[Any]) -> (Option<TypeUrl>, Vec<String>) {
    match type_url {
        TypeUrl::Cluster => {
            let names = resources.iter().map(|any| {
                let cluster = Cluster::decode(&*any.value).unwrap();
                cluster.name
            });
            (Some(TypeUrl::ClusterLoadAssignment), names.collect())
        }
        TypeUrl::Listener => {
            let routes = resources.iter().flat_map(|any| {
                let references = references_of(TypeUrl::Listener, &any.value);
                references.routes.into_iter().map(|name| name.to_string())
            });
            (Some(TypeUrl::RouteConfiguration), routes.collect())
        }
        _ => (None, Vec::new()),
    }
}

/// The share of the green cluster in the first route that leads to one of the two.
fn green(resources: &[Any]) -> u32 {
    let routes = resources.iter().flat_map(|any| {
        let configuration = RouteConfiguration::decode(&*any.value).unwrap();
        let hosts = configuration.virtual_hosts.into_iter();
        hosts.flat_map(|host| host.routes).collect::<Vec<_>>()
    });
    for route in routes {
        let Some(Action::Route(action)) = route.action else {
            continue;
        };
        match action.cluster_specifier {
            Some(ClusterSpecifier::Cluster(name)) => {
                return if name.ends_with("/green") { 100 } else { 0 };
            }
            Some(ClusterSpecifier::WeightedClusters(weighted)) => {
                let of = |green: bool| {
                    let clusters = weighted.clusters.iter();
                    let mine = clusters.filter(move |it| it.name.ends_with("/green") || !green);
                    mine.map(|it| it.weight.map_or(0, |weight| weight.value))
                        .sum::<u32>()
                };
                return 100 * of(true) / of(false).max(1);
            }
            _ => {}
        }
    }
    0
}
