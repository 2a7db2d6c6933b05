//! Any bytes as what a client says on a stream, between snapshots and time: no panic, no nonce twice, no flood of
//! responses, and what is sent can be encoded.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bluegreen::{
    model::{Colour, Name, ServiceSpec, Split, TypeUrl},
    snapshot::{Input, ServiceInput, Snapshot, build},
    xds::session::{Cache, DeltaRequest, Mode, Options, Output, Request, Session},
};
use jiff::{SignedDuration, Timestamp};

/// Names that exist now and then, that never do, and the one that stands for everything.
const NAMES: [&str; 14] = [
    "*",
    "",
    "a/blue",
    "a/green",
    "b/blue",
    "b/green",
    "c/blue",
    "127.0.0.1:1",
    "127.0.0.1:2",
    "a",
    "b",
    "bluegreen",
    "nobody",
    "a/blue, b/green",
];

/// What one input may send back: each type once, and once more for what became free.
const MOST_RESPONSES: usize = 2 * TypeUrl::ALL.len();

/// What is left of the input; past its end everything is zero.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn one_of<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[usize::from(self.byte()) % all.len()]
    }

    fn names(&mut self) -> Vec<String> {
        let count = self.byte() % 5;
        (0..count)
            .map(|_| (*self.one_of(&NAMES)).to_owned())
            .collect()
    }
}

/// The fleet, and what a step makes of it.
struct Fleet {
    input: Input,
    newest: Snapshot,
}

impl Fleet {
    fn new() -> Self {
        Self {
            input: Input::default(),
            newest: Snapshot::empty(Name::parse("fuzz").expect("a name")),
        }
    }

    /// One of three services is taken away, or put with some shape.
    fn step(&mut self, rest: &mut Rest<'_>) -> Arc<Snapshot> {
        let name = Name::parse(rest.one_of::<&str>(&["a", "b", "c"])).expect("a name");
        let shape = rest.byte();
        let mut input = self.input.clone();
        if shape.is_multiple_of(4) {
            input.services.remove(&name);
        } else {
            let spec = serde_json::json!({
                "fleet": "fuzz",
                "client": if shape & 4 == 0 { "envoy" } else { "grpc" },
                "listener": { "address": "127.0.0.1", "port": 1 + (shape >> 3 & 1) },
                "hosts": [name.as_str()],
                "cluster": { "connectTimeout": if shape & 16 == 0 { "1s" } else { "2s" } },
            });
            let spec: ServiceSpec = serde_json::from_value(spec).expect("a spec");
            let address = format!("127.0.0.1:{}", 1 + (shape >> 5 & 1))
                .parse()
                .expect("an address");
            let live = if shape & 64 == 0 {
                Colour::Blue
            } else {
                Colour::Green
            };
            let service = ServiceInput::new(
                Arc::new(spec),
                vec![address],
                vec![address],
                Split::all_to(live),
            );
            input.services.insert(name, Arc::new(service));
        }
        // Two services may not fit together, and nothing changes then.
        if let Ok(built) = build(&self.newest, &self.input, &input) {
            self.newest = built.snapshot;
            self.input = input;
        }
        Arc::new(self.newest.clone())
    }
}

/// One input, as one stream of that mode.
pub fn run(mode: Mode, data: &[u8]) {
    let mut rest = Rest(data);
    let mut fleet = Fleet::new();
    let options = Options {
        accept_older: rest.byte() & 1 == 1,
        ..Options::default()
    };
    let mut session = Session::new(mode, options, Arc::new(Cache::default()));
    let mut now = Timestamp::UNIX_EPOCH;
    let mut newest_nonce = 0_u64;
    // The last response of each type: its nonce and version.
    let mut last: BTreeMap<TypeUrl, (String, String)> = BTreeMap::new();
    while !rest.0.is_empty() {
        let out = match rest.byte() % 8 {
            0 => {
                let snapshot = fleet.step(&mut rest);
                session.snapshot(snapshot, now)
            }
            1 => {
                let wait = Duration::from_millis(u64::from(rest.byte()) * 200);
                now += SignedDuration::try_from(wait).expect("a short time");
                session.tick(now)
            }
            what => {
                let type_url = *rest.one_of(&TypeUrl::ALL);
                let known = last.get(&type_url).cloned().unwrap_or_default();
                let (nonce, version) = match what {
                    2 => (
                        String::new(),
                        rest.one_of(&["", "x", "1-00000000", "9-a1b2c3d4"])
                            .to_string(),
                    ),
                    3 => (rest.byte().to_string(), known.1),
                    _ => known,
                };
                let error = (what == 4).then(|| (*rest.one_of(&NAMES)).to_owned());
                match mode {
                    Mode::Sotw => {
                        let names = rest.names();
                        session.request(
                            type_url,
                            Request {
                                version,
                                nonce,
                                names,
                                error,
                            },
                            now,
                        )
                    }
                    Mode::Delta => {
                        let versions = rest.names().into_iter().map(|name| (name, version.clone()));
                        let request = DeltaRequest {
                            nonce,
                            versions: versions.collect(),
                            subscribe: rest.names(),
                            unsubscribe: rest.names(),
                            error,
                        };
                        session.delta_request(type_url, request, now)
                    }
                }
            }
        };
        newest_nonce = checked(&out, newest_nonce);
        for response in out.responses {
            let said = (response.nonce.clone(), response.message.version.to_string());
            last.insert(response.message.type_url, said);
        }
        assert!(
            session
                .next_deadline()
                .is_none_or(|deadline| deadline >= Timestamp::UNIX_EPOCH)
        );
    }
}

/// Nonces only grow, and what is said of a response's length is true.
fn checked(out: &Output, mut newest: u64) -> u64 {
    assert!(
        out.responses.len() <= MOST_RESPONSES,
        "{} responses",
        out.responses.len()
    );
    for response in &out.responses {
        let nonce: u64 = response.nonce.parse().expect("a number");
        assert!(nonce > newest, "nonce {nonce} after {newest}");
        newest = nonce;
        let mut bytes = Vec::new();
        response.write(&mut bytes);
        assert_eq!(bytes.len(), response.encoded_len());
    }
    newest
}
