//! The session against a client that behaves as Envoy was seen to: it withholds the answer to clusters until they
//! are warm, answers several responses at once, applies the good part of what it rejects; messages cross on the way.
//!
//! Named invariants, over random schedules: **the client ends at the newest snapshot**; **it is never routed to a
//! cluster that it does not have**; **a rejected response is never repeated**; **clusters and listeners never come
//! empty while the snapshot has some**.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::{testkit::*, *};
use crate::snapshot::Digest;

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
}

#[derive(Clone, Debug)]
struct ClientCluster {
    content: Digest,
    /// It has been warm once: routes to it work.
    active: bool,
    warming: bool,
}

/// A client like Envoy.
#[derive(Default)]
struct Envoy {
    types: BTreeMap<TypeUrl, Known>,
    clusters: BTreeMap<String, ClientCluster>,
    endpoints: BTreeMap<String, Digest>,
    listeners: BTreeMap<String, Arc<Resource>>,
    routes: BTreeMap<String, Arc<Resource>>,
    /// An answer to clusters that is withheld, with the last error since the last answer.
    withheld: Option<Option<String>>,

    out: VecDeque<(TypeUrl, Request)>,
}

impl Envoy {
    fn request(&mut self, type_url: TypeUrl, error: Option<String>) {
        let known = self.types.entry(type_url).or_default();
        known.asked = true;
        let request = Request {
            version: known.version.clone(),
            nonce: known.nonce.clone(),
            names: known.names.iter().cloned().collect(),
            error,
        };
        self.out.push_back((type_url, request));
    }

    fn connect(&mut self) {
        self.out.clear();
        self.withheld = None;
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
            self.request(CDS, None);
        }
        for type_url in asked {
            self.request(type_url, None);
        }
    }

    fn subscribe(&mut self, type_url: TypeUrl, names: BTreeSet<String>) {
        let known = self.types.entry(type_url).or_default();
        if known.names != names {
            known.names = names;
            self.request(type_url, None);
        }
    }

    fn receive(&mut self, response: &Response) {
        let bad: Vec<&str> = response
            .resources
            .iter()
            .filter(|resource| is_refused(resource))
            .map(|resource| &*resource.name)
            .collect();
        let error = (!bad.is_empty()).then(|| match response.type_url {
            CDS => format!(
                "Error adding/updating cluster(s) {}: nonsense",
                bad.join(", ")
            ),
            _ => "nonsense".to_owned(),
        });
        let known = self.types.entry(response.type_url).or_default();
        known.nonce = response.nonce.clone();
        if error.is_none() {
            known.version = response.version.clone();
        }
        match response.type_url {
            CDS => self.receive_clusters(response, error),
            EDS => {
                let wanted = self.types[&EDS].names.clone();
                let resources = response.resources.iter();
                for resource in resources.filter(|r| wanted.contains(&*r.name)) {
                    self.endpoints
                        .insert(resource.name.to_string(), resource.digest);
                    if let Some(cluster) = self.clusters.get_mut(&*resource.name) {
                        cluster.warming = false;
                        cluster.active = true;
                    }
                }
                self.request(EDS, error);
                self.answer_clusters();
            }
            LDS => {
                let by_name = response
                    .resources
                    .iter()
                    .map(|r| (r.name.to_string(), r.clone()));
                self.listeners = by_name.collect();
                self.request(LDS, error);
                let routes = self.listeners.values().flat_map(|l| &l.references.routes);
                let names: BTreeSet<String> = routes.map(|name| name.to_string()).collect();
                self.routes.retain(|name, _| names.contains(name));
                self.subscribe(RDS, names);
            }
            _ => {
                if error.is_none() {
                    let by_name = response
                        .resources
                        .iter()
                        .map(|r| (r.name.to_string(), r.clone()));
                    let wanted = self.types[&RDS].names.clone();
                    self.routes
                        .extend(by_name.filter(|(name, _)| wanted.contains(name)));
                }
                self.request(RDS, error);
            }
        }
    }

    fn receive_clusters(&mut self, response: &Response, error: Option<String>) {
        let listed: BTreeSet<&str> = response.resources.iter().map(|r| &*r.name).collect();
        self.clusters.retain(|name, _| listed.contains(&**name));
        for resource in response.resources.iter().filter(|r| !is_refused(r)) {
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
        let before = self.withheld.take().flatten();
        self.withheld = Some(error.or(before));

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
        if !self.types.get(&LDS).is_some_and(|known| known.asked) {
            self.request(LDS, None);
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

#[derive(Clone, Debug)]
enum Step {
    Put(usize, u32, bool, bool),
    Remove(usize),
    Second(bool, bool),
    /// The server's oldest message arrives.
    ToClient,
    /// The client's oldest message arrives.
    ToServer,
    Wait(u64),
    Reconnect,
}

fn steps(reconnects: bool) -> impl Strategy<Value = Vec<Step>> {
    let put = (0..SERVICES.len(), 0..=POISON, any::<bool>(), any::<bool>());
    let step = prop_oneof![
        6 => put.prop_map(|(s, settings, green, warms)| Step::Put(s, settings, green, warms)),
        2 => (0..SERVICES.len()).prop_map(Step::Remove),
        2 => any::<(bool, bool)>().prop_map(|(there, refused)| Step::Second(there, refused)),
        14 => Just(Step::ToClient),
        14 => Just(Step::ToServer),
        2 => (1u64..25).prop_map(Step::Wait),
        (u32::from(reconnects)) => Just(Step::Reconnect),
    ];
    proptest::collection::vec(step, 1..150)
}

/// A stream with messages on their way in both directions.
struct Run {
    session: Session,
    envoy: Envoy,
    world: World,
    newest: Snapshot,
    to_client: VecDeque<Response>,
    now: Timestamp,
    check_routes: bool,
    /// The responses of this stream.
    sent: BTreeMap<String, Sent>,
    /// What the client refused and the server knows of.
    refused: BTreeMap<TypeUrl, BTreeSet<Digest>>,
}

struct Sent {
    version: String,
    list: Digest,
}

impl Run {
    fn new(check_routes: bool) -> Self {
        let mut run = Self {
            session: Session::new(Options::default()),
            envoy: Envoy::default(),
            world: World::default(),
            newest: Fleet::new().0,
            to_client: VecDeque::new(),
            now: at(0),
            check_routes,
            sent: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        run.envoy.connect();
        run
    }

    fn take(&mut self, output: Output) -> Result<(), TestCaseError> {
        for response in output.responses {
            let set = self.newest.get(response.type_url);
            let has_some = set.is_some_and(|set| !set.resources.is_empty());
            prop_assert!(
                !(response.type_url.is_full_state() && response.resources.is_empty() && has_some),
                "clusters and listeners never come empty while the snapshot has some"
            );
            let list = super::version::digest(response.resources.iter());
            let refused = self.refused.get(&response.type_url);
            prop_assert!(
                !refused.is_some_and(|refused| refused.contains(&list)),
                "a rejected response is never repeated: {:?}",
                response
            );
            let sent = Sent {
                version: response.version.clone(),
                list,
            };
            self.sent.insert(response.nonce.clone(), sent);
            self.to_client.push_back(response);
        }
        Ok(())
    }

    fn push(&mut self) -> Result<(), TestCaseError> {
        self.newest = self.world.snapshot(&self.newest);
        let output = self
            .session
            .snapshot(Arc::new(self.newest.clone()), self.now);
        self.take(output)
    }

    fn to_client(&mut self) -> Result<(), TestCaseError> {
        if let Some(response) = self.to_client.pop_front() {
            self.envoy.receive(&response);
        }
        if self.check_routes {
            prop_assert_eq!(
                self.envoy.routed_to_missing(),
                None,
                "routed to a cluster that it does not have"
            );
        }
        Ok(())
    }

    fn to_server(&mut self) -> Result<(), TestCaseError> {
        if let Some((type_url, request)) = self.envoy.out.pop_front() {
            match self.sent.get(&request.nonce) {
                // Otherwise the error is about one of those before.
                Some(sent) if request.error.is_some() && sent.version != request.version => {
                    self.refused.entry(type_url).or_default().insert(sent.list);
                }
                _ => {}
            }
            let output = self.session.request(type_url, request, self.now);
            self.take(output)?;
        }
        Ok(())
    }

    fn wait(&mut self, seconds: u64) -> Result<(), TestCaseError> {
        self.now = later(self.now, Duration::from_secs(seconds));
        let output = self.session.tick(self.now);
        self.take(output)
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Put(service, settings, green, warms) => {
                let declared = Declared {
                    settings,
                    green,
                    warms,
                };
                self.world.services.insert(SERVICES[service], declared);
                self.push()
            }
            Step::Remove(service) => {
                self.world.services.remove(SERVICES[service]);
                self.push()
            }
            Step::Second(there, refused) => {
                self.world.second = there;
                self.world.second_refused = refused;
                self.push()
            }
            Step::ToClient => self.to_client(),
            Step::ToServer => self.to_server(),
            Step::Wait(seconds) => self.wait(seconds),
            Step::Reconnect => {
                self.session = Session::new(Options::default());
                self.to_client.clear();
                self.sent.clear();
                self.refused.clear();
                self.envoy.connect();
                let newest = Arc::new(self.newest.clone());
                let output = self.session.snapshot(newest, self.now);
                self.take(output)
            }
        }
    }

    /// Everything is good again, and every message arrives.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for declared in self.world.services.values_mut() {
            declared.settings %= POISON;
            declared.warms = true;
        }
        self.world.second_refused = false;
        self.push()?;
        // Each round is a few messages and a minute: far more than anything has to wait for.
        for _ in 0..20 {
            while !self.to_client.is_empty() || !self.envoy.out.is_empty() {
                self.to_client()?;
                self.to_server()?;
            }
            self.wait(60)?;
        }
        prop_assert_eq!(
            self.envoy.differs_from(&self.newest),
            None,
            "the client ends at the newest snapshot"
        );
        prop_assert_eq!(self.envoy.routed_to_missing(), None);
        prop_assert_eq!(self.session.next_deadline(), None);
        for set in self.newest.types() {
            prop_assert_eq!(
                self.session
                    .reported
                    .get(&set.type_url)
                    .map(|(has, _)| *has),
                Some(set.changed_in),
                "{}",
                set.type_url
            );
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn one_stream_keeps_every_invariant(steps in steps(false)) {
        let mut run = Run::new(true);
        for step in steps {
            run.step(step)?;
        }
        run.settle()?;
    }

    /// After a reconnect it is not known what the client routes to, but it still ends at the newest snapshot. Streams
    /// break while no cluster warms: a client that shows the newest versions then is taken to have it all.
    #[test]
    fn streams_that_break_end_at_the_newest(steps in steps(true)) {
        let mut run = Run::new(false);
        for step in steps {
            let warms = run.envoy.clusters.values().any(|cluster| cluster.warming);
            if warms && matches!(step, Step::Reconnect) {
                continue;
            }
            run.step(step)?;
        }
        run.settle()?;
    }
}
