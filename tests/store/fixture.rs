//! Fleets to store: services with deployments, and resources of about the size that Envoy's have.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bluegreen::{
    model::{Colour, Name, Revision, ServiceSpec, TypeUrl},
    release::{Deployment, Environment, FleetState, Role, ServiceState},
    snapshot::{References, Resource, Snapshot},
    store::{Commit, CommitKind, Head, RevisionMeta},
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A name that is known to be one.
pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

static SPEC: LazyLock<Arc<ServiceSpec>> = LazyLock::new(|| {
    let spec = json!({
        "fleet": "payments",
        "listener": { "address": "0.0.0.0", "port": 10000 },
        "hosts": ["*"],
        "routes": [{ "match": { "prefix": "/" }, "timeout": "2s" }],
    });
    Arc::new(serde_json::from_value(spec).unwrap())
});

/// A service whose live environment is `live`.
pub fn service(service: &str, live: Colour) -> ServiceState {
    let environment = |colour: Colour, number| Environment {
        role: if colour == live {
            Role::Live
        } else {
            Role::Standby
        },
        deployment: Some(Deployment {
            number,
            version: format!("v1.{number}"),
            endpoints: Vec::new(),
            addresses: vec![format!("10.0.0.{number}:9000").parse().unwrap()],
            names: Default::default(),
            introduced: Revision(1),
        }),
        rolled_back: false,
    };
    ServiceState {
        name: name(service),
        spec: SPEC.clone(),
        applied: json!({ "fleet": "payments", "environments": { "blue": { "version": "v1.1" } } }),
        live,
        blue: environment(Colour::Blue, 1),
        green: environment(Colour::Green, 2),
        deployments: 2,
        release: None,
        shifting: Default::default(),
        rollout: None,
        outbox: Vec::new(),
        effects: 0,
        releases_before: 0,
    }
}

/// A resource that says this.
pub fn resource(type_url: TypeUrl, name: &str, content: &str) -> Arc<Resource> {
    let mut references = References::default();
    if type_url == TypeUrl::RouteConfiguration {
        references.clusters.insert(format!("{name}/blue").into());
    }
    let bytes = content.as_bytes().to_vec();
    Arc::new(Resource::new(type_url, name, bytes.into(), references))
}

/// The six resources of a service, as large as the generated ones.
pub fn resources(service: &str, live: Colour) -> Vec<Arc<Resource>> {
    let filler = "x".repeat(300);
    let mut all = Vec::new();
    for colour in Colour::BOTH {
        let of = format!("{service}/{colour}");
        all.push(resource(TypeUrl::Cluster, &of, &format!("{of} {filler}")));
        all.push(resource(TypeUrl::ClusterLoadAssignment, &of, &of.repeat(6)));
    }
    let route = format!("{service} -> {live} {filler}");
    all.push(resource(TypeUrl::RouteConfiguration, service, &route));
    let layer = resource(TypeUrl::Runtime, service, "preview");
    let layer = Resource::clone(&layer).with_ttl(Duration::from_secs(15));
    all.push(Arc::new(layer));
    all
}

/// A fleet that changes, commit by commit.
#[derive(Clone)]
pub struct World {
    pub fleet: Name,
    pub revision: Revision,
    pub state: FleetState,
    pub snapshot: Snapshot,
}

impl World {
    /// A fleet before its first commit.
    pub fn new(fleet: &str) -> Self {
        Self {
            fleet: name(fleet),
            revision: Revision::ZERO,
            state: FleetState::default(),
            snapshot: Snapshot::empty(name(fleet)),
        }
    }

    /// What a head has.
    pub fn of(head: &Head) -> Self {
        Self {
            fleet: head.meta.fleet.clone(),
            revision: head.meta.revision,
            state: head.state.as_ref().clone(),
            snapshot: head.snapshot.as_ref().clone(),
        }
    }

    /// Sets of resources as they are now.
    pub fn sets(&self) -> BTreeMap<TypeUrl, BTreeMap<Arc<str>, Arc<Resource>>> {
        let types = self.snapshot.types();
        types
            .map(|set| (set.type_url, set.resources.clone()))
            .collect()
    }

    /// The commit that puts these services (all their resources too), and nothing else.
    pub fn put(&mut self, services: &[(&str, Colour)], kind: CommitKind) -> Commit {
        let mut sets = self.sets();
        for (at, live) in services {
            let state = Arc::new(service(at, *live));
            self.state.services.insert(name(at), state);
            for resource in resources(at, *live) {
                let set = sets.entry(resource.type_url).or_default();
                let same = set
                    .get(&resource.name)
                    .is_some_and(|old| old.digest == resource.digest);
                if !same {
                    set.insert(resource.name.clone(), resource);
                }
            }
        }
        let names = services.iter().map(|(at, _)| name(at)).collect();
        self.commit(sets, names, kind)
    }

    /// The commit that takes a service away.
    pub fn remove(&mut self, service: &str) -> Commit {
        let mut sets = self.sets();
        self.state.services.remove(service);
        for set in sets.values_mut() {
            set.retain(|known, _| known.split('/').next() != Some(service));
        }
        self.commit(sets, vec![name(service)], CommitKind::Change)
    }

    /// The commit of these sets; the world is then as if it had been made.
    pub fn commit(
        &mut self,
        sets: BTreeMap<TypeUrl, BTreeMap<Arc<str>, Arc<Resource>>>,
        services: Vec<Name>,
        kind: CommitKind,
    ) -> Commit {
        let expected = self.revision;
        self.revision = expected.next();
        self.snapshot = self.snapshot.successor(self.revision, sets);
        Commit {
            expected,
            epoch: 0,
            uses_reserve: false,
            meta: meta(&self.fleet, self.revision, services, kind),
            state: Arc::new(self.state.clone()),
            snapshot: Arc::new(self.snapshot.clone()),
        }
    }
}

/// A record.
pub fn meta(
    fleet: &Name,
    revision: Revision,
    services: Vec<Name>,
    kind: CommitKind,
) -> RevisionMeta {
    RevisionMeta {
        fleet: fleet.clone(),
        revision,
        arrived_at: Timestamp::from_second(1_700_000_000).unwrap(),
        at: Timestamp::from_second(1_700_000_001).unwrap(),
        actor: "alice".to_owned(),
        actor_verified: false,
        kind,
        command: "apply".to_owned(),
        what: format!("revision {revision}"),
        why: "a test".to_owned(),
        operation_id: format!("op-{fleet}-{revision}"),
        fingerprint: "f1".to_owned(),
        services,
        waived: vec!["probe".to_owned()],
        changes: (1, 2, 3),
        watch: Value::Null,
        notes: Vec::new(),
    }
}

/// Everything that can be seen of a revision, to compare: record, state, and each resource's bytes, references, version.
pub fn sight(head: &Head) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{:?}\n{:?}\n", head.meta, head.state);
    for set in head.snapshot.types() {
        writeln!(text, "{} {} {}", set.type_url, set.version(), set.digest).unwrap();
        for resource in set.resources.values() {
            let Resource {
                type_url,
                name,
                bytes,
                ttl,
                digest,
                references,
                named_only: _,
                claimed: _,
            } = resource.as_ref();
            writeln!(
                text,
                "{type_url} {name} {bytes:?} {ttl:?} {digest} {references:?}"
            )
            .unwrap();
        }
    }
    text
}
