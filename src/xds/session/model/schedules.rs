//! Random schedules of what a stream and its client may do, and what must hold through all of them.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use proptest::test_runner::RngSeed;

use super::*;
use crate::xds::session::deadline::later;

#[derive(Clone, Debug)]
pub enum Step {
    Put(usize, u32, bool, bool),
    Remove(usize),
    Second(bool, bool),
    /// The server's oldest message arrives.
    ToClient,
    /// The client's oldest message arrives.
    ToServer,
    Wait(u64),
    /// To the same server, or to one that remembers nothing.
    Reconnect(bool),
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
        (u32::from(reconnects)) => any::<bool>().prop_map(Step::Reconnect),
    ];
    proptest::collection::vec(step, 1..150)
}

/// A stream with messages on their way in both directions.
struct Run {
    mode: Mode,
    cache: Arc<Cache>,
    session: Session,
    envoy: Envoy,
    world: World,
    newest: Snapshot,
    to_client: VecDeque<Response>,
    now: Timestamp,
    check_routes: bool,
    /// Every name that was told or asked for on this stream.
    told: BTreeSet<(TypeUrl, Arc<str>)>,
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
    fn new(mode: Mode, check_routes: bool) -> Self {
        let cache = Arc::<Cache>::default();
        let mut run = Self {
            mode,
            cache: cache.clone(),
            session: Session::new(mode, Options::default(), cache),
            envoy: Envoy::speaking(mode),
            world: World::default(),
            newest: Fleet::new().0,
            to_client: VecDeque::new(),
            now: at(0),
            check_routes,
            told: BTreeSet::new(),
            sent: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        run.envoy.connect();
        run
    }

    fn take(&mut self, output: Output) -> Result<(), TestCaseError> {
        for response in output.responses {
            let set = self.newest.get(response.type_url());
            let has_some = set.is_some_and(|set| !set.resources.is_empty());
            prop_assert!(
                !(self.mode.is_whole(response.type_url())
                    && response.message.resources.is_empty()
                    && has_some),
                "clusters and listeners never come empty while the snapshot has some"
            );
            let list = response.message.content();
            let refused = self.refused.get(&response.type_url());
            prop_assert!(
                !refused.is_some_and(|refused| refused.contains(&list)),
                "a rejected response is never repeated: {:?}",
                response
            );
            for name in &response.message.removed {
                let has = |known: &Known| {
                    known.versions.contains_key(&**name) || known.names.contains(&**name)
                };
                let on_its_way = |sent: &Response| {
                    sent.type_url() == response.type_url()
                        && sent.resources().any(|resource| resource.name == *name)
                };
                let known = self.envoy.types.get(&response.type_url()).is_some_and(has);
                let rejected = self.told.contains(&(response.type_url(), name.clone()));
                prop_assert!(
                    known || rejected || self.to_client.iter().any(on_its_way),
                    "{name} is taken away and was never told"
                );
            }
            let names = response
                .resources()
                .map(|r| (response.type_url(), r.name.clone()));
            self.told.extend(names);
            let sent = Sent {
                version: response.version(),
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

    fn deliver_response(&mut self) -> Result<(), TestCaseError> {
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

    fn deliver_request(&mut self) -> Result<(), TestCaseError> {
        let next = self.envoy.out.pop_front();
        if let Some((type_url, Said::Delta(request))) = next {
            // What was asked for is answered, though the client may have given it up meanwhile.
            let asked = request.subscribe.iter().chain(request.versions.keys());
            let asked = asked.map(|name| (type_url, Arc::from(name.as_str())));
            self.told.extend(asked);
            let sent = self.sent.get(&request.nonce);
            if let Some(sent) = sent.filter(|_| request.error.is_some()) {
                self.refused.entry(type_url).or_default().insert(sent.list);
            }
            let output = self.session.delta_request(type_url, request, self.now);
            self.take(output)?;
        } else if let Some((type_url, Said::Sotw(request))) = next {
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
            Step::ToClient => self.deliver_response(),
            Step::ToServer => self.deliver_request(),
            Step::Wait(seconds) => self.wait(seconds),
            Step::Reconnect(same_server) => {
                if !same_server {
                    self.cache = Arc::default();
                }
                let cache = self.cache.clone();
                self.session = Session::new(self.mode, Options::default(), cache);
                self.to_client.clear();
                self.told.clear();
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
                self.deliver_response()?;
                self.deliver_request()?;
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

/// The same schedules in every run. With `BLUEGREEN_TEST_SEED=random` others each time, and with the number that a failure
/// names those of that run again; PROPTEST_CASES says how many.
pub fn config() -> ProptestConfig {
    let seed = match std::env::var("BLUEGREEN_TEST_SEED").as_deref() {
        Ok("random") => RandomState::new().hash_one(()),
        Ok(seed) => seed.parse().expect("a number, or `random`"),
        Err(_) => 1,
    };
    let cases = std::env::var("PROPTEST_CASES");
    let cases = cases.map_or(512, |cases| cases.parse().expect("a number"));
    // The harness shows it where a test fails.
    println!("again: BLUEGREEN_TEST_SEED={seed} PROPTEST_CASES={cases}");
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

pub fn keeps_every_invariant(mode: Mode, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut run = Run::new(mode, true);
    for step in steps {
        run.step(step)?;
    }
    run.settle()
}

/// After a reconnect it is not known what the client routes to, but it still ends at the newest snapshot. Streams
/// break while no cluster warms: a client that shows the newest versions then is taken to have it all; and not after a
/// delta response was taken in part, of which the client shows nothing (docs/operations.md, "Limits").
pub fn ends_at_the_newest(mode: Mode, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut run = Run::new(mode, false);
    for step in steps {
        let warms = run.envoy.clusters.values().any(|cluster| cluster.warming);
        let unsaid = !run.envoy.unsaid.is_empty();
        if (warms || unsaid) && matches!(step, Step::Reconnect(_)) {
            continue;
        }
        run.step(step)?;
    }
    run.settle()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn one_stream_keeps_every_invariant(steps in steps(false)) {
        keeps_every_invariant(Mode::Sotw, steps)?;
    }

    #[test]
    fn one_delta_stream_keeps_every_invariant(steps in steps(false)) {
        keeps_every_invariant(Mode::Delta, steps)?;
    }

    #[test]
    fn streams_that_break_end_at_the_newest(steps in steps(true)) {
        ends_at_the_newest(Mode::Sotw, steps)?;
    }

    #[test]
    fn delta_streams_that_break_end_at_the_newest(steps in steps(true)) {
        ends_at_the_newest(Mode::Delta, steps)?;
    }
}
