//! Random courses of a gRPC client without a proxy, and what must hold through all of them.
//!
//! Named invariants: **a switch is called accepted only once calls go where it says**; **calls that have a cluster never lose it**;
//! **it comes to rest, with the newest**.

use std::time::Duration;

use super::{
    dialer::{Dialer, weighted},
    schedules::config,
    *,
};
use crate::{fleet::Record, xds::session::deadline::later};

#[derive(Clone, Debug)]
enum Move {
    Put(usize, u32, bool, bool),
    /// So many switches at once.
    Switch(usize, usize),
    Remove(usize),
    Dial(usize),
    HangUp(usize),
    ToClient,
    ToServer,
    Wait(u64),
    Reconnect(bool),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let service = || 0..SERVICES.len();
    let put = (service(), 0..=POISON, any::<bool>(), any::<bool>());
    let step = prop_oneof![
        4 => put.prop_map(|(s, settings, green, warms)| Move::Put(s, settings, green, warms)),
        6 => (service(), 1usize..4).prop_map(|(s, times)| Move::Switch(s, times)),
        1 => service().prop_map(Move::Remove),
        4 => service().prop_map(Move::Dial),
        1 => service().prop_map(Move::HangUp),
        18 => Just(Move::ToClient),
        18 => Just(Move::ToServer),
        2 => (1u64..25).prop_map(Move::Wait),
        1 => any::<bool>().prop_map(Move::Reconnect),
    ];
    proptest::collection::vec(step, 1..120)
}

/// Services as targets of gRPC clients.
fn snapshot(services: &BTreeMap<&'static str, Declared>, previous: &Snapshot) -> Snapshot {
    let mut sets: BTreeMap<TypeUrl, BTreeMap<Arc<str>, Arc<Resource>>> = BTreeMap::new();
    let mut put = |one: Resource| {
        let set = sets.entry(one.type_url).or_default();
        set.insert(one.name.clone(), Arc::new(one));
    };
    for (name, declared) in services {
        put(api_listener(name, name));
        put(routes(name, &[(name, declared.green)]));
        for colour in ["blue", "green"] {
            let cluster_name = format!("{name}/{colour}");
            put(cluster(&cluster_name, declared.settings));
            if declared.warms {
                put(endpoints(&cluster_name, declared.settings));
            }
        }
    }
    previous.successor(previous.revision.next(), sets)
}

struct Course {
    cache: Arc<Cache>,
    session: Session,
    client: Dialer,
    services: BTreeMap<&'static str, Declared>,
    /// Services that may go: they were gone for a while, and what says so may be on its way.
    removed: BTreeSet<&'static str>,
    newest: Snapshot,
    to_client: VecDeque<Response>,
    now: Timestamp,
    /// The revision of the routes that were called accepted last on this stream.
    accepted: Option<Revision>,
}

impl Course {
    fn new() -> Self {
        let cache = Arc::<Cache>::default();
        Self {
            cache: cache.clone(),
            session: Session::new(Mode::Sotw, Options::default(), cache),
            client: Dialer::new(),
            services: BTreeMap::new(),
            removed: BTreeSet::new(),
            newest: Fleet::new().0,
            to_client: VecDeque::new(),
            now: at(0),
            accepted: None,
        }
    }

    fn take(&mut self, output: Output) -> Result<(), TestCaseError> {
        self.to_client.extend(output.responses);
        let accepted = output.records.iter().any(|record| match record {
            Record::Accepted(type_url, _) => *type_url == RDS,
            _ => false,
        });
        let content = self.newest.get(RDS).map(|set| set.changed_in);
        // What was accepted before there were endpoints waits for them as part of their own revision.
        let is_first = accepted && std::mem::replace(&mut self.accepted, content) != content;
        match is_first && self.client.out.is_empty() {
            true => self.calls_go_where_they_should("when it is called accepted"),
            false => Ok(()),
        }
    }

    fn calls_go_where_they_should(&self, when: &str) -> Result<(), TestCaseError> {
        for (target, active) in &self.client.active {
            let Some(routes) = self.newest.resource(RDS, target) else {
                continue;
            };
            let newest = weighted(routes);
            let refused = |name: &String| {
                let cluster = self.newest.resource(CDS, name);
                cluster.is_some_and(|cluster| is_refused(cluster))
            };
            let comes = |name: &String| self.newest.resource(EDS, name).is_some();
            if newest.iter().all(|name| !refused(name) && comes(name)) {
                prop_assert_eq!(active, &newest, "{} {}", target, when);
            }
        }
        Ok(())
    }

    fn push(&mut self) -> Result<(), TestCaseError> {
        self.newest = snapshot(&self.services, &self.newest);
        let newest = Arc::new(self.newest.clone());
        let output = self.session.snapshot(newest, self.now);
        self.take(output)
    }

    fn deliver_response(&mut self) -> Result<(), TestCaseError> {
        let Some(response) = self.to_client.pop_front() else {
            return Ok(());
        };
        let before = self.client.active.clone();
        let had = self.client.has(CDS);
        self.client.receive(&response);
        let has = self.client.has(CDS);
        if response.type_url() == CDS {
            let used = before.values().flatten();
            for cluster in used.filter(|name| had.contains_key(*name)) {
                let service = cluster.split('/').next().unwrap_or_default();
                let is_due = !self.removed.contains(service);
                prop_assert!(
                    has.contains_key(cluster)
                        || !is_due
                        || !self.client.names(CDS).contains(cluster),
                    "calls lose {cluster}"
                );
            }
        }
        Ok(())
    }

    fn deliver_request(&mut self) -> Result<(), TestCaseError> {
        let Some((type_url, request)) = self.client.out.pop_front() else {
            return Ok(());
        };
        let output = self.session.request(type_url, request, self.now);
        self.take(output)
    }

    fn wait(&mut self, seconds: u64) -> Result<(), TestCaseError> {
        self.now = later(self.now, Duration::from_secs(seconds));
        let output = self.session.tick(self.now);
        self.take(output)
    }

    fn step(&mut self, step: Move) -> Result<(), TestCaseError> {
        match step {
            Move::Put(at, settings, green, warms) => {
                let declared = Declared {
                    settings,
                    green,
                    warms,
                };
                self.services.insert(SERVICES[at], declared);
                self.push()
            }
            Move::Switch(at, times) => {
                for _ in 0..times {
                    if let Some(declared) = self.services.get_mut(SERVICES[at]) {
                        declared.green = !declared.green;
                        self.push()?;
                    }
                }
                Ok(())
            }
            Move::Remove(at) => {
                if self.services.remove(SERVICES[at]).is_some() {
                    self.removed.insert(SERVICES[at]);
                }
                self.push()
            }
            Move::Dial(at) => {
                self.client.dial(SERVICES[at]);
                Ok(())
            }
            Move::HangUp(at) => {
                self.client.hang_up(SERVICES[at]);
                Ok(())
            }
            Move::ToClient => self.deliver_response(),
            Move::ToServer => self.deliver_request(),
            Move::Wait(seconds) => self.wait(seconds),
            Move::Reconnect(same_server) => {
                if !same_server {
                    self.cache = Arc::default();
                    // It does not know what there is instead of what the client rejects.
                    self.removed.extend(SERVICES);
                }
                let cache = self.cache.clone();
                self.session = Session::new(Mode::Sotw, Options::default(), cache);
                self.to_client.clear();
                self.accepted = None;
                self.client.connect();
                let newest = Arc::new(self.newest.clone());
                let output = self.session.snapshot(newest, self.now);
                self.take(output)
            }
        }
    }

    fn come_to_rest(&mut self) -> Result<(), TestCaseError> {
        let mut messages = 0;
        for _ in 0..12 {
            while !self.to_client.is_empty() || !self.client.out.is_empty() {
                messages += 1;
                prop_assert!(messages < 300, "it never comes to rest");
                self.deliver_response()?;
                self.deliver_request()?;
            }
            self.wait(60)?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), TestCaseError> {
        self.come_to_rest()?;
        for declared in self.services.values_mut() {
            declared.settings %= POISON;
            declared.warms = true;
        }
        self.push()?;
        self.come_to_rest()?;
        for name in self.services.keys() {
            let is_active = self.client.active.contains_key(*name);
            prop_assert_eq!(is_active, self.client.dials(name), "{}", name);
        }
        self.calls_go_where_they_should("in the end")?;
        for type_url in [LDS, RDS, CDS, EDS] {
            let has = self.client.has(type_url);
            for name in self.client.names(type_url) {
                let newest = self.newest.resource(type_url, &name).map(|one| one.digest);
                if type_url.is_full_state() || newest.is_some() {
                    prop_assert_eq!(has.get(&name).copied(), newest, "{} {}", type_url, name);
                }
            }
            if let Some(set) = self.newest.get(type_url)
                && !self.client.names(LDS).is_empty()
            {
                let reported = self.session.reported.get(&type_url);
                let reported = reported.map(|(content, _)| *content);
                prop_assert_eq!(reported, Some(set.changed_in), "{} accepted", type_url);
            }
        }
        prop_assert_eq!(self.session.next_deadline(), None);
        Ok(())
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn calls_go_where_a_switch_says(steps in moves()) {
        let mut course = Course::new();
        for step in steps {
            course.step(step)?;
        }
        course.settle()?;
    }
}
