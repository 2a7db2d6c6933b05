//! Whatever operators do, in whatever order: no request fails, and what a command proves is true.
//!
//! The same commands in every run. Others: `BLUEGREEN_TEST_SEED=7 BLUEGREEN_TEST_COMMANDS=2000`; a failure names both.

use std::time::Instant;

use serde_json::Value;

use crate::{
    fixtures::{Backends, all_answered, load, no_trouble, only, service, set},
    random::Random,
    support::{
        document,
        load::{Protocol, Shot},
        waiting,
        world::{Ran, World},
    },
};

/// The services, and what their paths begin with.
const SERVICES: [(&str, &str); 2] = [("fraud-model", "/"), ("explain", "/explain")];

/// A command may be refused, for a reason that has a name, but nothing may go wrong in it.
#[track_caller]
fn went_well(ran: &Ran, said: &str) {
    const STORE_FAILED: i32 = 38;
    // A mirror beside a share, for one.
    let senseless = ran.code == 2 && ran.stderr.contains("(bad-input)");
    let refused = (20..=48).contains(&ran.code) && ran.code != STORE_FAILED;
    assert!(ran.code == 0 || refused || senseless, "{said}: {ran:?}");
}

struct Sequence<'a> {
    world: &'a World,
    backends: &'a Backends,
    random: Random,
    versions: u32,
    /// By service: which environment alone had the traffic, from when on until when.
    proven: Vec<(&'static str, String, Instant, Instant)>,
    /// By service: the same, and nothing has been done since.
    stands: Vec<(&'static str, String, Instant)>,
}

impl Sequence<'_> {
    fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        let at = usize::try_from(self.random.below(of.len() as u64)).expect("an index");
        of[at].clone()
    }

    async fn status(&self, service: &str) -> Value {
        self.world.json(&["status", service]).await
    }

    /// One backend or both of that colour, so that it is seen in an answer which environment it came from.
    fn endpoints(&mut self, colour: &str) -> Vec<String> {
        let all = match colour {
            "blue" => &self.backends.blue,
            _ => &self.backends.green,
        };
        let from = self.one_of(&[0, 0, 1]);
        let addresses = all[from..].iter().map(|one| one.addr().to_string());
        let flags = addresses.flat_map(|address| ["--endpoint".to_owned(), address]);
        flags.collect()
    }

    /// The command line of something to do, but for what is read from standard input.
    async fn command(&mut self) -> Vec<String> {
        let (service, _) = self.one_of(&SERVICES);
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let live = self.status(service).await["live"].clone();
        let other = if live == "blue" { "green" } else { "blue" };
        match self.random.below(20) {
            0..=3 => {
                self.versions += 1;
                let verb = self.one_of(&["deploy", "deploy", "release --detach"]);
                let replace = self.one_of(&["", " --replace-standby"]);
                let version = self.versions;
                let mut deploy = words(&format!("{verb} {service} --version w{version}{replace}"));
                deploy.extend(self.endpoints(other));
                deploy
            }
            4..=7 => {
                let there = format!(" --to {other}");
                let flags = self.one_of(&["", " --force --skip-gates", &there]);
                words(&format!("switch {service}{flags}"))
            }
            8..=9 => words(&format!("rollback {service}")),
            10 => {
                let verb = self.one_of(&["switch", "rollback"]);
                words(&format!("{verb} fraud-model explain"))
            }
            11 => {
                let weight = self.one_of(&[0, 10, 50]);
                words(&format!("shift {service} --weight {weight}"))
            }
            12 => {
                let colour = self.one_of(&["blue", "green"]);
                let mut scale = words(&format!("scale {service} {colour}"));
                scale.extend(self.endpoints(colour));
                scale
            }
            13 => {
                let seconds = self.one_of(&[1, 60]);
                words(&format!("shadow {service} --percent 50 --for {seconds}s"))
            }
            14 => {
                let seconds = self.one_of(&[1, 60]);
                words(&format!("preview {service} --for {seconds}s"))
            }
            15 => {
                let flag = self.one_of(&["", " --force"]);
                words(&format!("retire {service}{flag}"))
            }
            16 => {
                let verb = self.one_of(&["abort", "pause", "resume", "validate"]);
                words(&format!("{verb} {service}"))
            }
            17 => {
                let history = self
                    .world
                    .json(&["history", "payments", "--limit", "20"])
                    .await;
                let revisions = history.as_array().expect("a list");
                let revision = self.one_of(revisions)["revision"].clone();
                words(&format!(
                    "rollback --fleet payments --to-revision {revision} --yes"
                ))
            }
            _ => words("rebuild payments --yes"),
        }
    }

    /// A service as it might be edited, without its environments.
    fn document(&mut self) -> String {
        let (name, prefix) = self.one_of(&SERVICES);
        let listener = document::listener(self.world.listener.addr());
        let timeout = self.one_of(&["15s", "20s"]);
        let routes =
            format!("  routes: [ {{ match: {{ prefix: {prefix} }}, timeout: {timeout} }} ]\n");
        let check = self.one_of(&[
            "",
            "  cluster: { healthCheck: { path: /healthz, interval: 1s, timeout: 1s } }\n",
        ]);
        document::service(name, &[&listener, &routes, check])
    }

    async fn step(&mut self) {
        let what = self.random.below(24);
        if what == 0 {
            self.world.kill().await;
            self.world.serve(&[]).await;
            return;
        }
        let begun = Instant::now();
        for (service, colour, since) in self.stands.drain(..) {
            self.proven.push((service, colour, since, begun));
        }
        let (said, ran) = match what {
            1..=2 => {
                let document = self.document();
                let ran = self.world.apply(&document, &[]).await;
                (document, ran)
            }
            3 => {
                let guest = service(
                    "guest",
                    "/guest",
                    self.world.listener.addr(),
                    self.backends,
                    "",
                );
                let ran = self.world.apply(&guest, &[]).await;
                (guest, ran)
            }
            4 => {
                let delete = ["delete", "service", "guest", "--yes"];
                let ran = self.world.cli(&delete).await;
                if ran.code == 3 {
                    return;
                }
                ("delete guest".to_owned(), ran)
            }
            _ => {
                let command = self.command().await;
                let words: Vec<&str> = command.iter().map(String::as_str).collect();
                (command.join(" "), self.world.cli(&words).await)
            }
        };
        println!("{} {said}", ran.code);
        went_well(&ran, &said);
        self.look().await;
    }

    /// What the fleet has proven to have.
    async fn look(&mut self) {
        for (service, _) in SERVICES {
            let status = self.status(service).await;
            let accepted = status["proxies"]["acked"] == self.world.envoys.len();
            let live = status["live"].as_str().expect("a colour");
            if accepted && status["environments"][live]["weight"] == 100 {
                self.stands.push((service, live.to_owned(), Instant::now()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sequence_of_commands_loses_a_request() {
    let seed = set("BLUEGREEN_TEST_SEED", 0x5eed);
    let commands = set("BLUEGREEN_TEST_COMMANDS", 100);
    println!("again: BLUEGREEN_TEST_SEED={seed} BLUEGREEN_TEST_COMMANDS={commands}");
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let target = world.listener.addr();
    let documents = SERVICES.map(|(name, prefix)| service(name, prefix, target, &backends, ""));
    world.apply(&documents.concat(), &[]).await.ok();
    world.fleet(2).await;
    let loads = SERVICES.map(|(name, prefix)| {
        let path = format!("{}/score", prefix.trim_end_matches('/'));
        (
            name,
            load(target, Protocol::Http1, 50, vec![Shot::get(&path)]),
        )
    });

    let mut sequence = Sequence {
        world: &world,
        backends: &backends,
        random: Random(seed.max(1)),
        versions: 0,
        proven: Vec::new(),
        stands: Vec::new(),
    };
    for _ in 0..commands {
        sequence.step().await;
    }
    let proven = sequence.proven;
    assert!(!proven.is_empty(), "nothing was ever proven");
    waiting::fleet(&world, "in sync", |fleet| fleet["delivery"]["acked"] == 2).await;
    for (name, load) in loads {
        let report = load.stop().await;
        all_answered(&report);
        for (_, colour, from, to) in proven.iter().filter(|(of, ..)| *of == name) {
            only(&report, colour, *from, *to);
        }
    }
    no_trouble(&world).await;
}
