//! The fuzz targets' inputs under proptest: a short look at what `make fuzz` looks at for long.

#[path = "../fuzz/inputs/documents.rs"]
mod documents;
#[path = "../fuzz/inputs/resources.rs"]
mod resources;
#[path = "../fuzz/inputs/session.rs"]
mod session;

use bluegreen::xds::session::Mode;

use proptest::prelude::*;

/// A document in which much is right, and a piece that is not.
const DOCUMENT: &str = "apiVersion: bluegreen/v1
kind: Service
metadata: { name: fraud-model }
spec:
  fleet: payments
  client: grpc
  listener: { address: 0.0.0.0, port: 10000 }
  hosts: [a.example]
  routes: [{ match: { prefix: / }, timeout: 1s, retry: { on: [5xx], attempts: 1 } }]
  cluster: { protocol: grpc, connectTimeout: 1s }
  environments:
    blue: { version: v1, endpoints: [127.0.0.1:1] }
";

/// That document with a piece of it replaced.
fn almost() -> impl Strategy<Value = String> {
    let length = DOCUMENT.len();
    (
        0..length,
        0..20_usize,
        "\\PC{0,8}|[ \n:{}\\[\\]&*!|>'\"%@-]{0,8}",
    )
        .prop_map(move |(from, cut, put)| {
            let to = (from + cut).min(length);
            format!("{}{put}{}", &DOCUMENT[..from], &DOCUMENT[to..])
        })
}

/// Fields nested in fields, as messages are.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop::collection::vec(any::<u8>(), 0..12);
    leaf.prop_recursive(6, 48, 4, |inner| {
        prop::collection::vec((1_u8..16, inner), 1..4).prop_map(|fields| {
            let mut bytes = Vec::new();
            for (number, content) in fields {
                bytes.push(number << 3 | 2);
                bytes.push(content.len().min(127) as u8);
                bytes.extend(content.into_iter().take(127));
            }
            bytes
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_read_or_refused(text in almost()) {
        documents::run(text.as_bytes());
    }

    #[test]
    fn a_client_may_say_anything(said in prop::collection::vec(any::<u8>(), 0..400)) {
        session::run(Mode::Sotw, &said);
        session::run(Mode::Delta, &said);
    }

    #[test]
    fn any_bytes_are_looked_into(pick in any::<u8>(), bytes in message()) {
        resources::run(&[&[pick][..], &bytes].concat());
    }
}
