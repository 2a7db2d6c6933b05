//! What the tests of the session share: a fleet made of small resources, and a client that says one thing at a time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

pub use super::samples::*;
use super::{DeltaRequest, Mode, Options, Output, Request, Response, Session, version};
use crate::{
    fleet::Record,
    model::{Name, Revision, TypeUrl},
    snapshot::{Changes, Resource, Snapshot},
};

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A fleet of a few resources.
pub struct Fleet(pub Snapshot);

impl Fleet {
    pub fn new() -> Self {
        Self(Snapshot::empty(Name::parse("payments").unwrap()))
    }

    /// Service `a` behind listener `main`, in revision 1.
    pub fn with_a() -> Self {
        let mut fleet = Self::new();
        fleet.put(service("a").into_iter().chain([
            listener("main", 1, &["main"]),
            routes("main", &[("a", false)]),
        ]));
        fleet
    }

    /// The next revision, with these put.
    pub fn put(&mut self, resources: impl IntoIterator<Item = Resource>) -> Arc<Snapshot> {
        self.change(resources, [])
    }

    /// The next revision, with these put and those taken away.
    pub fn change(
        &mut self,
        resources: impl IntoIterator<Item = Resource>,
        gone: impl IntoIterator<Item = (TypeUrl, &'static str)>,
    ) -> Arc<Snapshot> {
        let mut changes = Changes::new();
        for resource in resources {
            let of_type = changes.entry(resource.type_url).or_default();
            of_type.insert(resource.name.clone(), Some(Arc::new(resource)));
        }
        for (type_url, name) in gone {
            changes
                .entry(type_url)
                .or_default()
                .insert(name.into(), None);
        }
        self.0 = self.0.with(self.0.revision.next(), changes);
        self.newest()
    }

    pub fn newest(&self) -> Arc<Snapshot> {
        Arc::new(self.0.clone())
    }

    pub fn version(&self, type_url: TypeUrl) -> String {
        self.0.get(type_url).unwrap().version()
    }
}

/// Both clusters of a service, and their load assignments.
pub fn service(name: &str) -> Vec<Resource> {
    ["blue", "green"]
        .iter()
        .map(|colour| format!("{name}/{colour}"))
        .flat_map(|name| [cluster(&name, 1), endpoints(&name, 1)])
        .collect()
}

impl Response {
    pub fn type_url(&self) -> TypeUrl {
        self.message.type_url
    }

    pub fn version(&self) -> String {
        self.message.version.to_string()
    }

    pub fn resource(&self, index: usize) -> &Resource {
        &self.message.resources[index].resource
    }

    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.message.resources.iter().map(|item| &item.resource)
    }

    /// The version of each resource, as delta says it.
    pub fn versions(&self) -> impl Iterator<Item = (String, String)> {
        let revision = self.message.revision;
        self.message.resources.iter().map(move |item| {
            let version = version::of_item(revision, item.version);
            (item.resource.name.to_string(), version)
        })
    }
}

/// Both modes, for rules that are the same in them.
pub const MODES: [Mode; 2] = [Mode::Sotw, Mode::Delta];

/// A stream with a client that does what the test says.
pub struct Client {
    pub session: Session,
    pub now: Timestamp,
    mode: Mode,
    /// The last response of each type.
    last: BTreeMap<TypeUrl, Response>,
    names: BTreeMap<TypeUrl, Vec<String>>,
    /// The last version that it accepted of each type.
    pub version: BTreeMap<TypeUrl, String>,
    /// The version of each resource that it has. Delta only.
    pub versions: BTreeMap<TypeUrl, BTreeMap<String, String>>,
}

impl Client {
    pub fn new() -> Self {
        Self::speaking(Mode::Sotw)
    }

    pub fn speaking(mode: Mode) -> Self {
        Self::with(mode, Options::default())
    }

    pub fn with(mode: Mode, options: Options) -> Self {
        Self {
            session: Session::new(mode, options, Arc::default()),
            now: at(0),
            mode,
            last: BTreeMap::new(),
            names: BTreeMap::new(),
            version: BTreeMap::new(),
            versions: BTreeMap::new(),
        }
    }

    /// An Envoy that has all of service `a` of that fleet.
    pub fn settled(fleet: &Fleet) -> Self {
        Self::settled_in(Mode::Sotw, fleet)
    }

    /// The same, in that mode.
    pub fn settled_in(mode: Mode, fleet: &Fleet) -> Self {
        let mut client = Self::speaking(mode);
        client.push(fleet.newest());
        for (type_url, names) in [
            (CDS, &[][..]),
            (EDS, &["a/blue", "a/green"]),
            (LDS, &[]),
            (RDS, &["main"]),
        ] {
            client.ask(type_url, names);
            client.ack(type_url);
        }
        client
    }

    /// A settled proxy with the route configurations `main` and `second`, as of the second revision.
    pub fn with_second(mode: Mode, fleet: &mut Fleet) -> Self {
        let mut client = Self::settled_in(mode, fleet);
        let second = routes("second", &[("a", false)]);
        client.push(fleet.put([listener("second", 1, &["second"]), second]));
        client.ack(LDS);
        client.ask_again(RDS, &["main", "second"]);
        client.ack(RDS);
        client
    }

    /// The same client on a new stream to a server that remembers nothing; it shows what it has.
    pub fn elsewhere(&self) -> Self {
        let mut client = Self::speaking(self.mode);
        client.version = self.version.clone();
        client.versions = self.versions.clone();
        client
    }

    /// The same client on a new stream to the same server.
    pub fn reconnected(&self) -> Self {
        let mut client = self.elsewhere();
        let cache = self.session.cache.clone();
        client.session = Session::new(self.mode, Options::default(), cache);
        client.now = self.now;
        client
    }

    fn keep(&mut self, output: Output) -> Output {
        for response in &output.responses {
            self.last.insert(response.type_url(), response.clone());
        }
        output
    }

    pub fn push(&mut self, snapshot: Arc<Snapshot>) -> Output {
        let output = self.session.snapshot(snapshot, self.now);
        self.keep(output)
    }

    /// That many seconds pass, and the session is woken.
    pub fn wait(&mut self, seconds: u64) -> Output {
        self.now = self
            .now
            .checked_add(SignedDuration::try_from(Duration::from_secs(seconds)).unwrap())
            .unwrap();
        let output = self.session.tick(self.now);
        self.keep(output)
    }

    pub fn say(&mut self, type_url: TypeUrl, request: Request) -> Output {
        let output = self.session.request(type_url, request, self.now);
        self.keep(output)
    }

    pub fn say_delta(&mut self, type_url: TypeUrl, request: DeltaRequest) -> Output {
        let output = self.session.delta_request(type_url, request, self.now);
        self.keep(output)
    }

    /// The first request of a type.
    pub fn ask(&mut self, type_url: TypeUrl, names: &[&str]) -> Output {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.names.insert(type_url, names.clone());
        match self.mode {
            Mode::Sotw => {
                let version = self.version.get(&type_url).cloned().unwrap_or_default();
                let request = Request {
                    names,
                    version,
                    ..Request::default()
                };
                self.say(type_url, request)
            }
            Mode::Delta => {
                let request = DeltaRequest {
                    subscribe: names,
                    versions: self.versions.get(&type_url).cloned().unwrap_or_default(),
                    ..DeltaRequest::default()
                };
                self.say_delta(type_url, request)
            }
        }
    }

    fn nonce(&self, type_url: TypeUrl) -> String {
        self.last
            .get(&type_url)
            .map(|r| r.nonce.clone())
            .unwrap_or_default()
    }

    /// Another list of names; in state of the world with the newest nonce.
    pub fn ask_again(&mut self, type_url: TypeUrl, names: &[&str]) -> Output {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let before = self
            .names
            .insert(type_url, names.clone())
            .unwrap_or_default();
        if self.mode == Mode::Delta {
            let less = |a: &[String], b: &[String]| -> Vec<String> {
                a.iter().filter(|name| !b.contains(name)).cloned().collect()
            };
            let unsubscribe = less(&before, &names);
            if let Some(versions) = self.versions.get_mut(&type_url) {
                versions.retain(|name, _| !unsubscribe.contains(name));
            }
            let request = DeltaRequest {
                subscribe: less(&names, &before),
                unsubscribe,
                ..DeltaRequest::default()
            };
            return self.say_delta(type_url, request);
        }
        let request = Request {
            names,
            nonce: self.nonce(type_url),
            version: self.version.get(&type_url).cloned().unwrap_or_default(),
            error: None,
        };
        self.say(type_url, request)
    }

    /// Accepts the newest response of a type.
    pub fn ack(&mut self, type_url: TypeUrl) -> Output {
        let newest = self.last.get(&type_url).cloned();
        if self.mode == Mode::Delta {
            let versions = self.versions.entry(type_url).or_default();
            if let Some(newest) = &newest {
                versions.extend(newest.versions());
                versions.retain(|name, _| {
                    let mut removed = newest.message.removed.iter();
                    !removed.any(|removed| **removed == **name)
                });
            }
            let request = DeltaRequest {
                nonce: self.nonce(type_url),
                ..DeltaRequest::default()
            };
            return self.say_delta(type_url, request);
        }
        let version = newest.map(|newest| newest.version());
        self.version.insert(type_url, version.unwrap_or_default());
        let request = Request {
            names: self.names.get(&type_url).cloned().unwrap_or_default(),
            nonce: self.nonce(type_url),
            version: self.version[&type_url].clone(),
            error: None,
        };
        self.say(type_url, request)
    }

    /// Rejects the newest response of a type.
    pub fn nack(&mut self, type_url: TypeUrl, error: &str) -> Output {
        self.answer(type_url, &self.nonce(type_url), Some(error))
    }

    /// Answers whatever response has that nonce. In state of the world the names and the version are those of before.
    pub fn answer(&mut self, type_url: TypeUrl, nonce: &str, error: Option<&str>) -> Output {
        let (nonce, error) = (nonce.to_owned(), error.map(str::to_owned));
        match self.mode {
            Mode::Sotw => {
                let request = Request {
                    names: self.names.get(&type_url).cloned().unwrap_or_default(),
                    nonce,
                    version: self.version.get(&type_url).cloned().unwrap_or_default(),
                    error,
                };
                self.say(type_url, request)
            }
            Mode::Delta => {
                let request = DeltaRequest {
                    nonce,
                    error,
                    ..DeltaRequest::default()
                };
                self.say_delta(type_url, request)
            }
        }
    }

    /// Accepts the newest response of a type and, with the same request, asks for one name more.
    pub fn ack_and_ask(&mut self, type_url: TypeUrl, name: &str) -> Output {
        let names = self.names.entry(type_url).or_default();
        names.push(name.to_owned());
        let (names, nonce) = (names.clone(), self.nonce(type_url));
        match self.mode {
            Mode::Sotw => {
                let version = self.last[&type_url].version();
                self.version.insert(type_url, version.clone());
                let request = Request {
                    names,
                    nonce,
                    version,
                    error: None,
                };
                self.say(type_url, request)
            }
            Mode::Delta => {
                let request = DeltaRequest {
                    nonce,
                    subscribe: vec![name.to_owned()],
                    ..DeltaRequest::default()
                };
                self.say_delta(type_url, request)
            }
        }
    }
}

/// The names that a delta response says are gone.
pub fn removed(output: &Output) -> Vec<(TypeUrl, Vec<String>)> {
    let responses = output.responses.iter();
    let responses = responses.filter(|response| !response.message.removed.is_empty());
    responses
        .map(|response| {
            let names = response.message.removed.iter();
            (
                response.type_url(),
                names.map(|name| name.to_string()).collect(),
            )
        })
        .collect()
}

/// What was sent: a type and its names per response.
pub fn sent(output: &Output) -> Vec<(TypeUrl, Vec<String>)> {
    let responses = output.responses.iter();
    responses
        .map(|response| {
            let names = response.resources().map(|r| r.name.to_string());
            (response.type_url(), names.collect())
        })
        .collect()
}

/// The revisions recorded as accepted.
pub fn accepted(output: &Output) -> Vec<(TypeUrl, Revision)> {
    let records = output.records.iter();
    records
        .filter_map(|record| match record {
            Record::Accepted(type_url, revision) => Some((*type_url, *revision)),
            _ => None,
        })
        .collect()
}

/// The revisions recorded as rejected, and the resources that the error named.
pub fn rejected(output: &Output) -> Vec<(TypeUrl, Revision, Vec<String>)> {
    let records = output.records.iter();
    records
        .filter_map(|record| match record {
            Record::Rejected {
                type_url,
                revision,
                resources,
                ..
            } => Some((*type_url, *revision, resources.clone())),
            _ => None,
        })
        .collect()
}
