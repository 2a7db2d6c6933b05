//! The session against a client that behaves as Envoy was seen to, in either mode: it withholds the answer to clusters
//! until they are warm, in state of the world answers several responses at once, applies the good part of what it
//! rejects; messages cross on the way.
//!
//! Named invariants, over random schedules: **the client ends at the newest snapshot**; **it is never routed to a
//! cluster that it does not have**; **a rejected response is never repeated**; **clusters and listeners never come
//! empty while the snapshot has some**.

mod asking;
mod courses;
mod dialer;
mod dialing;
mod found;
mod schedules;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::{testkit::*, *};
use crate::snapshot::{Digest, Resource};

/// What is declared of one service.
#[derive(Clone, Copy, Debug)]
struct Declared {
    /// Settings of its clusters; [`POISON`] is refused by the client.
    settings: u32,
    green: bool,
    /// Its clusters have load assignments: without, they never warm.
    warms: bool,
}

const POISON: u32 = 3;
const SERVICES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug, Default)]
struct World {
    services: BTreeMap<&'static str, Declared>,
    /// The second listener, with a route configuration of its own.
    second: bool,
    /// The second route configuration is refused by the client.
    second_refused: bool,
}

impl World {
    fn resources(&self) -> Vec<Resource> {
        let mut all = vec![listener("main", 1, &["main"])];
        let mut splits = Vec::new();
        for (name, declared) in &self.services {
            for colour in ["blue", "green"] {
                let cluster_name = format!("{name}/{colour}");
                all.push(cluster(&cluster_name, declared.settings));
                if declared.warms {
                    all.push(endpoints(&cluster_name, 1));
                }
            }
            splits.push((*name, declared.green));
        }
        all.push(routes("main", &splits));
        if self.second {
            all.push(listener("second", 1, &["second"]));
            let split = splits.first().filter(|_| !self.second_refused).copied();
            let refused = ("refused", true);
            all.push(match split {
                Some(split) => routes("second", &[split]),
                None if self.second_refused => refused_routes(refused),
                None => routes("second", &[]),
            });
        }
        all
    }

    fn snapshot(&self, previous: &Snapshot) -> Snapshot {
        let mut sets: BTreeMap<TypeUrl, BTreeMap<Arc<str>, Arc<Resource>>> = BTreeMap::new();
        for resource in self.resources() {
            let set = sets.entry(resource.type_url).or_default();
            set.insert(resource.name.clone(), Arc::new(resource));
        }
        previous.successor(previous.revision.next(), sets)
    }
}

/// A route configuration that the client refuses, and that names no cluster of the snapshot.
fn refused_routes((service, green): (&str, bool)) -> Resource {
    routes("second", &[(service, green)])
}

fn is_refused(resource: &Resource) -> bool {
    match resource.type_url {
        CDS => resource.bytes.ends_with(format!(" {POISON}").as_bytes()),
        RDS => resource
            .references
            .clusters
            .iter()
            .any(|name| name.starts_with("refused")),
        _ => false,
    }
}

/// What the client knows of one type.
#[derive(Clone, Debug, Default)]
struct Known {
    names: BTreeSet<String>,
    version: String,
    nonce: String,
    asked: bool,
    /// Of each resource. Delta only.
    versions: BTreeMap<String, String>,
}

/// A request on its way.
#[derive(Clone, Debug)]
enum Said {
    Sotw(Request),
    Delta(DeltaRequest),
}

#[derive(Clone, Debug)]
struct ClientCluster {
    content: Digest,
    /// It has been warm once: routes to it work.
    active: bool,
    warming: bool,
}

/// A client like Envoy.
struct Envoy {
    mode: Mode,
    types: BTreeMap<TypeUrl, Known>,
    clusters: BTreeMap<String, ClientCluster>,
    endpoints: BTreeMap<String, Digest>,
    listeners: BTreeMap<String, Arc<Resource>>,
    routes: BTreeMap<String, Arc<Resource>>,
    /// An answer to clusters that is withheld, with the last error since the last answer.
    withheld: Option<Option<String>>,
    /// Clusters that came or went with a rejected delta response: its versions say nothing of that.
    unsaid: BTreeSet<String>,
    /// Delta answers every response: nonces and errors.
    withheld_deltas: Vec<(String, Option<String>)>,
    out: VecDeque<(TypeUrl, Said)>,
}

impl Envoy {
    fn speaking(mode: Mode) -> Self {
        Self {
            mode,
            types: BTreeMap::new(),
            clusters: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            listeners: BTreeMap::new(),
            routes: BTreeMap::new(),
            withheld: None,
            unsaid: BTreeSet::new(),
            withheld_deltas: Vec::new(),
            out: VecDeque::new(),
        }
    }

    /// The first request of a type.
    fn first(&mut self, type_url: TypeUrl) {
        if self.mode == Mode::Sotw {
            return self.request(type_url, None);
        }
        let known = self.types.entry(type_url).or_default();
        known.asked = true;
        let request = DeltaRequest {
            subscribe: known.names.iter().cloned().collect(),
            versions: known.versions.clone(),
            ..DeltaRequest::default()
        };
        self.out.push_back((type_url, Said::Delta(request)));
    }

    /// Answers a delta response.
    fn answer(&mut self, type_url: TypeUrl, nonce: String, error: Option<String>) {
        let request = DeltaRequest {
            nonce,
            error,
            ..DeltaRequest::default()
        };
        self.out.push_back((type_url, Said::Delta(request)));
    }

    fn request(&mut self, type_url: TypeUrl, error: Option<String>) {
        let known = self.types.entry(type_url).or_default();
        known.asked = true;
        let request = Request {
            version: known.version.clone(),
            nonce: known.nonce.clone(),
            names: known.names.iter().cloned().collect(),
            error,
        };
        self.out.push_back((type_url, Said::Sotw(request)));
    }

    fn connect(&mut self) {
        self.out.clear();
        self.withheld = None;
        self.withheld_deltas.clear();
        for known in self.types.values_mut() {
            known.nonce.clear();
        }
        let asked: Vec<TypeUrl> = self
            .types
            .iter()
            .filter(|(_, k)| k.asked)
            .map(|(t, _)| *t)
            .collect();
        if asked.is_empty() {
            self.first(CDS);
        }
        for type_url in asked {
            self.first(type_url);
        }
    }

    fn subscribe(&mut self, type_url: TypeUrl, names: BTreeSet<String>) {
        let known = self.types.entry(type_url).or_default();
        if known.names == names {
            return;
        }
        let before = std::mem::replace(&mut known.names, names.clone());
        if self.mode == Mode::Sotw {
            return self.request(type_url, None);
        }
        if !known.asked {
            return self.first(type_url);
        }
        known.versions.retain(|name, _| names.contains(name));
        let request = DeltaRequest {
            subscribe: names.difference(&before).cloned().collect(),
            unsubscribe: before.difference(&names).cloned().collect(),
            ..DeltaRequest::default()
        };
        self.out.push_back((type_url, Said::Delta(request)));
    }

    /// The answer to a response that is not withheld.
    fn respond(&mut self, response: &Response, error: Option<String>) {
        match self.mode {
            Mode::Sotw => self.request(response.type_url(), error),
            Mode::Delta => self.answer(response.type_url(), response.nonce.clone(), error),
        }
    }

    fn receive(&mut self, response: &Response) {
        let bad: Vec<&str> = response
            .resources()
            .filter(|resource| is_refused(resource))
            .map(|resource| &*resource.name)
            .collect();
        let error = (!bad.is_empty()).then(|| match response.type_url() {
            CDS => format!(
                "Error adding/updating cluster(s) {}: nonsense",
                bad.join(", ")
            ),
            _ => "nonsense".to_owned(),
        });
        let known = self.types.entry(response.type_url()).or_default();
        known.nonce = response.nonce.clone();
        if error.is_none() {
            known.version = response.version();
            known.versions.extend(response.versions());
            for name in &response.message.removed {
                known.versions.remove(&**name);
            }
        }
        match response.type_url() {
            CDS => self.receive_clusters(response, error),
            EDS => {
                let wanted = self.types[&EDS].names.clone();
                let resources = response.resources();
                for resource in resources.filter(|r| wanted.contains(&*r.name)) {
                    self.endpoints
                        .insert(resource.name.to_string(), resource.digest);
                    if let Some(cluster) = self.clusters.get_mut(&*resource.name) {
                        cluster.warming = false;
                        cluster.active = true;
                    }
                }
                self.respond(response, error);
                self.answer_clusters();
            }
            LDS => {
                let by_name = response
                    .resources()
                    .map(|r| (r.name.to_string(), r.clone()));
                if self.mode == Mode::Sotw {
                    self.listeners = by_name.collect();
                } else {
                    self.listeners.extend(by_name);
                    for name in &response.message.removed {
                        self.listeners.remove(&**name);
                    }
                }
                self.respond(response, error);
                let routes = self.listeners.values().flat_map(|l| &l.references.routes);
                let names: BTreeSet<String> = routes.map(|name| name.to_string()).collect();
                self.routes.retain(|name, _| names.contains(name));
                self.subscribe(RDS, names);
            }
            _ => {
                if error.is_none() {
                    let by_name = response
                        .resources()
                        .map(|r| (r.name.to_string(), r.clone()));
                    let wanted = self.types[&RDS].names.clone();
                    self.routes
                        .extend(by_name.filter(|(name, _)| wanted.contains(name)));
                }
                self.respond(response, error);
            }
        }
    }

    fn receive_clusters(&mut self, response: &Response, error: Option<String>) {
        let listed: BTreeSet<&str> = response.resources().map(|r| &*r.name).collect();
        match self.mode {
            Mode::Sotw => self.clusters.retain(|name, _| listed.contains(&**name)),
            Mode::Delta => {
                for name in &response.message.removed {
                    self.clusters.remove(&**name);
                }
                let removed = response.message.removed.iter().map(|name| &**name);
                for name in listed.iter().copied().chain(removed) {
                    match error {
                        Some(_) => self.unsaid.insert(name.to_owned()),
                        None => self.unsaid.remove(name),
                    };
                }
            }
        }
        for resource in response.resources().filter(|r| !is_refused(r)) {
            let known = self.clusters.get(&*resource.name);
            if known.is_none_or(|known| known.content != resource.digest) {
                let active = known.is_some_and(|known| known.active);
                self.clusters.insert(
                    resource.name.to_string(),
                    ClientCluster {
                        content: resource.digest,
                        active,
                        warming: true,
                    },
                );
            }
        }
        match self.mode {
            Mode::Sotw => {
                let before = self.withheld.take().flatten();
                self.withheld = Some(error.or(before));
            }
            Mode::Delta => self.withheld_deltas.push((response.nonce.clone(), error)),
        }

        let names: BTreeSet<String> = self.clusters.keys().cloned().collect();
        self.endpoints.retain(|name, _| names.contains(name));
        self.subscribe(EDS, names);
        self.answer_clusters();
    }

    /// The answer to clusters goes out once all of them are warm; then a proxy that starts asks for listeners.
    fn answer_clusters(&mut self) {
        if self.clusters.values().any(|cluster| cluster.warming) {
            return;
        }
        if let Some(error) = self.withheld.take() {
            self.request(CDS, error);
        }
        for (nonce, error) in std::mem::take(&mut self.withheld_deltas) {
            self.answer(CDS, nonce, error);
        }
        if !self.types.get(&LDS).is_some_and(|known| known.asked) {
            self.first(LDS);
        }
    }

    fn routed_to_missing(&self) -> Option<String> {
        let named = self.routes.values().flat_map(|rc| &rc.references.clusters);
        named
            .filter(|name| !name.starts_with("refused"))
            .find(|name| !self.clusters.get(&***name).is_some_and(|c| c.active))
            .map(|name| name.to_string())
    }

    /// Whether the client has exactly the newest snapshot.
    fn differs_from(&self, newest: &Snapshot) -> Option<String> {
        let of = |type_url: TypeUrl| {
            let set = newest.get(type_url).map(|set| &set.resources);
            let by_name = set.into_iter().flatten();
            by_name
                .map(|(name, r)| (name.to_string(), r.digest))
                .collect::<BTreeMap<_, _>>()
        };
        let digest = |by_name: &BTreeMap<String, Arc<Resource>>| {
            by_name
                .iter()
                .map(|(name, r)| (name.clone(), r.digest))
                .collect::<BTreeMap<_, _>>()
        };
        let clusters: BTreeMap<String, Digest> = self
            .clusters
            .iter()
            .map(|(name, c)| (name.clone(), c.content))
            .collect();
        for (type_url, has) in [
            (CDS, clusters),
            (EDS, self.endpoints.clone()),
            (LDS, digest(&self.listeners)),
            (RDS, digest(&self.routes)),
        ] {
            let wants = of(type_url);
            if wants != has {
                let (wants, has): (Vec<_>, Vec<_>) =
                    (wants.into_iter().collect(), has.into_iter().collect());
                return Some(format!("{type_url}: has {has:?}, should have {wants:?}"));
            }
        }
        self.clusters
            .values()
            .any(|c| c.warming)
            .then(|| "something warms".to_owned())
    }
}
