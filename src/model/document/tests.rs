//! What is read, what is refused, and in which words.

use proptest::prelude::*;

use super::*;
use crate::model::Colour;

const FRAUD: &str = r#"apiVersion: bluegreen/v1
kind: Service
metadata: { name: fraud-model }
spec:
  fleet: payments                       # Envoys whose node.cluster is "payments"
  listener: { address: 0.0.0.0, port: 10000 }
  hosts: ["*"]
  routes:
    - { match: { prefix: / }, timeout: 2s, retry: { on: [connect-failure, refused-stream], attempts: 2 } }
  cluster: { protocol: http1, connectTimeout: 250ms, healthCheck: { path: /healthz, interval: 2s, timeout: 500ms } }
  environments:
    blue:  { version: v1.2, endpoints: ["127.0.0.1:9001"] }
    green: { version: v1.3, endpoints: [127.0.0.1:9002] }
  live: blue
---
apiVersion: bluegreen/v1
kind: EnvoyResources
metadata: { name: extra }
spec: { fleet: payments, resources: [ { "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: x } ] }
"#;

fn refused(text: &str) -> String {
    parse_documents("payments.yaml", text)
        .expect_err("should be refused")
        .to_string()
}

/// The document above with one line of it replaced.
fn refused_with(old: &str, new: &str) -> String {
    assert!(FRAUD.contains(old), "{old}");
    refused(&FRAUD.replacen(old, new, 1))
}

#[test]
fn reads_a_service_and_resources_from_one_file() {
    let documents = parse_documents("payments.yaml", FRAUD).unwrap();
    let [service, extra] = documents.as_slice() else {
        panic!("two documents");
    };
    assert_eq!((service.kind, service.line), (DocumentKind::Service, 1));
    assert_eq!(service.name.as_str(), "fraud-model");
    let DocumentSpec::Service(spec) = &service.spec else {
        panic!("a service");
    };
    assert_eq!(spec.live, Colour::Blue);
    assert_eq!(
        spec.environments.green.as_ref().unwrap().endpoints[0].to_string(),
        "127.0.0.1:9002"
    );
    assert_eq!(service.raw["listener"]["port"], 10000);
    assert_eq!(extra.line, 16);
    let DocumentSpec::EnvoyResources(set) = &extra.spec else {
        panic!("resources");
    };
    assert_eq!(set.resources[0]["name"], "x");
}

#[test]
fn an_unknown_field_is_named_with_its_path_line_and_what_was_meant() {
    assert_eq!(
        refused_with(
            "    blue:  { version: v1.2, endpoints:",
            "    blue:\n      version: v1.2\n      endpoint:\n        []\n    blau: { x:"
        ),
        "spec.environments.blue.endpoint: unknown field, did you mean endpoints? (payments.yaml line 14)"
    );
    assert_eq!(
        refused_with("  live: blue", "  colour: blue"),
        "spec.colour: unknown field, here may stand fleet, listener, hosts, client, grpcTarget, routes, cluster, environments, live and release \
         (payments.yaml line 14)"
    );
    assert_eq!(
        refused_with("{ prefix: / }", "{ prefx: / }"),
        "spec.routes[0].match.prefx: unknown field, did you mean prefix? (payments.yaml line 9)"
    );
    assert_eq!(
        refused_with("metadata: { name", "metadata: { nam"),
        "metadata.nam: unknown field, did you mean name? (payments.yaml line 3)"
    );
}

#[test]
fn a_value_that_does_not_fit_is_named_with_what_fits() {
    for (old, new, message) in [
        (
            "port: 10000",
            "port: 70000",
            "spec.listener.port: expected a whole number from 0 to 65535, found the number 70000 (payments.yaml line 6)",
        ),
        (
            "0.0.0.0",
            "here",
            "spec.listener.address: \"here\" is no IP address: write e.g. 0.0.0.0 (payments.yaml line 6)",
        ),
        (
            "timeout: 2s",
            "timeout: 2",
            "spec.routes[0].timeout: expected a duration with its unit, e.g. 250ms, 2s or 1m30s, found the number 2 (payments.yaml line 9)",
        ),
        (
            "\"127.0.0.1:9001\"",
            "\"127.0.0.1\"",
            "spec.environments.blue.endpoints[0]: \"127.0.0.1\" is no endpoint: write HOST:PORT, e.g. 10.0.0.1:8080 or [::1]:8080 (payments.yaml line 12)",
        ),
        (
            "protocol: http1",
            "protocol: http3",
            "spec.cluster.protocol: \"http3\" is not known here, write http1, http2 or grpc (payments.yaml line 10)",
        ),
        (
            "kind: Service",
            "kind: Deployment",
            "kind: \"Deployment\" is not known here, write Service, EnvoyResources or Group (payments.yaml line 2)",
        ),
        (
            "live: blue",
            "release: { canary: { steps: [ { weight: -10 } ] } }",
            "spec.release.canary.steps[0].weight: expected a whole number from 1 to 100, in percent, found the number -10 (payments.yaml line 14)",
        ),
        (
            "live: blue",
            "release: { shadow: { percent: 2.5, duration: 1m } }",
            "spec.release.shadow.percent: expected a whole number from 1 to 100, in percent, found the number 2.5 (payments.yaml line 14)",
        ),
        (
            "hosts: [\"*\"]",
            "hosts: 5",
            "spec.hosts: expected a list, found the number 5 (payments.yaml line 7)",
        ),
        (
            "hosts: [\"*\"]",
            "hosts: [5]",
            "spec.hosts[0]: expected text, found the number 5: put it in quotes (payments.yaml line 7)",
        ),
        (
            "fleet: payments ",
            "flea: payments ",
            "spec.flea: unknown field, did you mean fleet? (payments.yaml line 5)",
        ),
        (
            "version: v1.2, ",
            "",
            "spec.environments.blue.version: is missing (payments.yaml line 12)",
        ),
        (
            "match: { prefix: / }",
            "match: { prefix: /, path: /x }",
            "spec.routes[0].match: write exactly one of path or prefix (payments.yaml line 9)",
        ),
        (
            "apiVersion: bluegreen/v1",
            "apiVersion: apps/v1",
            "apiVersion: write bluegreen/v1 (payments.yaml line 1)",
        ),
    ] {
        assert_eq!(refused_with(old, new), message);
    }
}

#[test]
fn a_version_is_the_label_that_was_written() {
    for label in ["1.10", "5", "1e3", "007", "2024-01-01"] {
        let text = FRAUD.replace("version: v1.2", &format!("version: {label}"));
        let documents = parse_documents("f", &text).unwrap();
        let DocumentSpec::Service(spec) = &documents[0].spec else {
            panic!("a service");
        };
        assert_eq!(spec.environments.blue.as_ref().unwrap().version, label);
        assert_eq!(documents[0].raw["environments"]["blue"]["version"], label);
    }
    assert!(refused_with("version: v1.2", "version: true").contains("put it in quotes"));
    assert!(refused_with("version: v1.2", "version:").contains("version: is missing"));
}

#[test]
fn a_field_that_is_null_counts_as_left_out() {
    let text = FRAUD.replace("  live: blue", "  live:");
    let documents = parse_documents("f", &text).unwrap();
    assert_eq!(documents[0].raw.get("live"), None);
    assert!(refused_with("  live: blue", "  life:").contains("did you mean live?"));
}

#[test]
fn reads_json_arrays_and_lists() {
    let service = r#"{"apiVersion":"bluegreen/v1","kind":"EnvoyResources","metadata":{"name":"NAME"},
	"spec":{"fleet":"f","resources":[{"@type":"type.googleapis.com/envoy.config.cluster.v3.Cluster","a":"\ud83d\ude00\/","n":null}]}}"#;
    let (a, b) = (service.replace("NAME", "a"), service.replace("NAME", "b"));
    let array = format!("[{a},{b}]");
    let list = format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{a},{b}]}}");
    for text in [array, list, format!("{a}\n---\n---\n{b}\n")] {
        let documents = parse_documents("f.json", &text).unwrap();
        let names: Vec<_> = documents.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(documents[0].raw["resources"][0]["a"], "😀/");
        assert_eq!(documents[0].raw["resources"][0]["n"], Value::Null);
    }
    assert_eq!(
        refused(&format!("[{a},{}]", b.replace("fleet", "fleeet"))),
        "[1].spec.fleeet: unknown field, did you mean fleet? (payments.yaml line 3)"
    );
}

#[test]
fn aliases_are_written_out() {
    let text = FRAUD
        .replace("[\"127.0.0.1:9001\"]", "&same [\"127.0.0.1:9001\"]")
        .replace("[127.0.0.1:9002]", "*same");
    let documents = parse_documents("f", &text).unwrap();
    let environments = &documents[0].raw["environments"];
    assert_eq!(
        environments["blue"]["endpoints"],
        environments["green"]["endpoints"]
    );
}

#[test]
fn text_that_is_no_document_is_refused_with_its_line() {
    assert_eq!(
        refused("# nothing\n"),
        "payments.yaml holds no document: write apiVersion, kind, metadata and spec"
    );
    assert_eq!(
        refused("a: 1\nb: 2\na: 3\n"),
        "the field \"a\" stands on line 1 too: keep one (payments.yaml line 3)"
    );
    for (text, part) in [
        ("hello", "document: expected a mapping with apiVersion"),
        ("a: &x [*x]", "inside what it refers to"),
        ("a: *nowhere", "(payments.yaml line 1)"),
        ("a: !secret x", "the tag !secret is not supported"),
        ("[a]: b", "a key must be text"),
        ("a:\n\t- b\n", "indent with spaces"),
        ("a: [", "not valid YAML or JSON"),
        ("{\"a\": \"\u{0}\"}", "(payments.yaml line 1)"),
    ] {
        let message = refused(text);
        assert!(message.contains(part), "{text:?}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn what_unfolds_without_end_is_refused() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..20 {
        let before = format!("*a{}", level - 1);
        let items = vec![before; 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(refused(&bomb).contains("more than 500000 values"));
    let long = format!(
        "a: &a {}\nb: [{}]",
        "x".repeat(100_000),
        ["*a"; 1000].join(",")
    );
    assert!(refused(&long).contains("bytes of text"));
    assert!(refused(&"[".repeat(1_000_000)).contains("line 1"));
    assert!(refused(&"- ".repeat(1_000_000)).contains("line 1"));
    assert!(refused(&"{a: ".repeat(1_000_000)).contains("line 1"));
    let many = format!("[{}]", "1,".repeat(600_000));
    assert!(refused(&many).contains("more than 500000 values"));
    assert_eq!(
        refused(&" ".repeat(10_000_000)),
        "payments.yaml has 10000000 bytes, more than the 4194304 that are read: split it"
    );
}

#[test]
fn an_error_is_one_bounded_line_whatever_the_document_holds() {
    let long = "x\\n".repeat(100_000);
    for text in [
        FRAUD.replace("127.0.0.1:9001", &long),
        FRAUD.replace("hosts:", &format!("\"{long}\":")),
        FRAUD.replace("fraud-model", &format!("\"{long}\"")),
    ] {
        let message = refused(&text);
        assert!(message.chars().count() < 1000, "{}", message.len());
        assert!(!message.contains('\n'), "{message}");
    }
}

proptest! {
    #[test]
    fn never_panics_on_text(text in "\\PC*") {
        let _ = parse_documents("f", &text);
    }

    #[test]
    fn never_panics_on_yamls_own_characters(text in "[-\\[\\]{}:,&*!|>'\"%@`#?\t\n\r ~ax0.]{0,200}") {
        let _ = parse_documents("f", &text);
    }

    #[test]
    fn never_panics_on_damaged_documents(
        bytes in prop::collection::vec((0..FRAUD.len(), any::<u8>()), 1..8),
        cut in 0..FRAUD.len(),
    ) {
        let mut text = FRAUD.as_bytes()[..cut].to_vec();
        for (at, byte) in bytes {
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
        }
        if let Err(error) = parse_documents("f", &String::from_utf8_lossy(&text)) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }
}
