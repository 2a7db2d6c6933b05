//! A client like gRPC without a proxy: it names what it wants, learns of a cluster from the route, goes on with the routes of before
//! until it has the clusters that requests go to now, and gives up what it no longer needs.

use super::*;
use crate::snapshot::View;

/// What it knows of one type.
#[derive(Clone, Debug, Default)]
struct Watched {
    names: BTreeSet<String>,
    version: String,
    nonce: String,
    asked: bool,
    has: BTreeMap<String, Arc<Resource>>,
}

pub struct Dialer {
    targets: BTreeSet<&'static str>,
    types: BTreeMap<TypeUrl, Watched>,
    /// The clusters that the calls of a target go to.
    pub active: BTreeMap<String, BTreeSet<String>>,
    pub out: VecDeque<(TypeUrl, Request)>,
}

/// The clusters that calls go to by a route configuration.
pub fn weighted(routes: &Arc<Resource>) -> BTreeSet<String> {
    let items = [(routes.name.clone(), routes.clone().into())].into();
    let view = View::new(RDS, items);
    let choices = view.choices().iter();
    let all = choices.flat_map(|choice| &choice.weighted);
    all.map(|name| name.to_string()).collect()
}

impl Dialer {
    pub fn new() -> Self {
        Self {
            targets: BTreeSet::new(),
            types: BTreeMap::new(),
            active: BTreeMap::new(),
            out: VecDeque::new(),
        }
    }

    pub fn dials(&self, target: &str) -> bool {
        self.targets.contains(target)
    }

    pub fn has(&self, type_url: TypeUrl) -> BTreeMap<String, Digest> {
        let known = self.types.get(&type_url);
        let has = known.into_iter().flat_map(|known| &known.has);
        has.map(|(name, one)| (name.clone(), one.digest)).collect()
    }

    pub fn names(&self, type_url: TypeUrl) -> BTreeSet<String> {
        let known = self.types.get(&type_url);
        known.map(|known| known.names.clone()).unwrap_or_default()
    }

    pub fn dial(&mut self, target: &'static str) {
        self.targets.insert(target);
        self.look();
    }

    pub fn hang_up(&mut self, target: &'static str) {
        self.targets.remove(target);
        self.active.remove(target);
        self.look();
    }

    /// On a new stream: with all that it has.
    pub fn connect(&mut self) {
        self.out.clear();
        for known in self.types.values_mut() {
            known.nonce.clear();
            known.asked = false;
        }
        let all: Vec<TypeUrl> = self.types.keys().copied().collect();
        for type_url in all {
            if !self.types[&type_url].names.is_empty() {
                self.say(type_url, None);
            }
        }
    }

    fn say(&mut self, type_url: TypeUrl, error: Option<String>) {
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

    fn watch(&mut self, type_url: TypeUrl, names: BTreeSet<String>) {
        let known = self.types.entry(type_url).or_default();
        if known.names == names {
            return;
        }
        known.has.retain(|name, _| names.contains(name));
        known.names = names;
        self.say(type_url, None);
    }

    fn one(&self, type_url: TypeUrl, name: &str) -> Option<&Arc<Resource>> {
        self.types.get(&type_url)?.has.get(name)
    }

    fn is_ready(&self, cluster: &str) -> bool {
        self.one(CDS, cluster).is_some() && self.one(EDS, cluster).is_some()
    }

    /// What follows from what it has: which routes are used, and what else is asked for.
    fn look(&mut self) {
        let targets = self.targets.iter().map(|target| (*target).to_owned());
        self.watch(LDS, targets.collect());
        let listeners = self.targets.iter().filter_map(|name| self.one(LDS, name));
        let routes = listeners.flat_map(|one| &one.references.routes);
        let routes = routes.map(|name| name.to_string()).collect();
        self.watch(RDS, routes);
        let mut wanted = BTreeSet::new();
        for target in self.targets.clone() {
            let listener = self.one(LDS, target);
            let routes = listener.and_then(|_| self.one(RDS, target));
            let Some(routes) = routes else {
                if listener.is_none() {
                    self.active.remove(target);
                }
                wanted.extend(self.active.get(target).cloned().unwrap_or_default());
                continue;
            };
            let newest = weighted(routes);
            if newest.iter().all(|cluster| self.is_ready(cluster)) {
                self.active.insert(target.to_owned(), newest.clone());
            }
            wanted.extend(newest);
            wanted.extend(self.active.get(target).cloned().unwrap_or_default());
        }
        self.watch(CDS, wanted);
        let clusters = self
            .types
            .get(&CDS)
            .into_iter()
            .flat_map(|known| known.has.values());
        let endpoints = clusters.flat_map(|one| &one.references.endpoints);
        let endpoints = endpoints.map(|name| name.to_string()).collect();
        self.watch(EDS, endpoints);
    }

    pub fn receive(&mut self, response: &Response) {
        let type_url = response.type_url();
        let known = self.types.entry(type_url).or_default();
        known.nonce = response.nonce.clone();
        let mut errors = Vec::new();
        let mut listed = BTreeSet::new();
        for one in response.resources() {
            listed.insert(one.name.to_string());
            if is_refused(one) {
                errors.push(format!("{}: nonsense", one.name));
            } else if known.names.contains(&*one.name) {
                known.has.insert(one.name.to_string(), one.clone());
            }
        }
        if type_url.is_full_state() {
            known.has.retain(|name, _| listed.contains(name));
        }
        if errors.is_empty() {
            known.version = response.version();
        }
        let error = (!errors.is_empty()).then(|| errors.join("; "));
        self.say(type_url, error);
        self.look();
    }
}
