//! What people see of a snapshot: the whole of the documents' example, a change, and no secret.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::*;
use crate::{
    model::{Colour, Name, ResourceSet, ServiceSpec, Split, TypeUrl},
    snapshot::{Input, References, ServiceInput, build, diff, rebuild},
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// The example of the documentation: one service, both environments.
fn example(live: Colour) -> Input {
    let spec: ServiceSpec = serde_json::from_value(json!({
        "fleet": "payments",
        "listener": { "address": "0.0.0.0", "port": 10000 },
        "hosts": ["*"],
        "routes": [{ "match": { "prefix": "/" }, "timeout": "2s",
            "retry": { "on": ["connect-failure", "refused-stream"], "attempts": 2 } }],
        "cluster": { "protocol": "http1", "connectTimeout": "250ms",
            "healthCheck": { "path": "/healthz", "interval": "2s", "timeout": "500ms" } },
    }))
    .unwrap();
    let service = ServiceInput::new(
        Arc::new(spec),
        vec!["127.0.0.1:9001".parse().unwrap()],
        vec!["127.0.0.1:9002".parse().unwrap()],
        Split::all_to(live),
    );
    Input {
        services: [(name("fraud-model"), Arc::new(service))].into(),
        resources: BTreeMap::new(),
    }
}

fn built(input: &Input) -> Snapshot {
    let empty = Snapshot::empty(name("payments"));
    rebuild(&empty, input).unwrap().snapshot
}

/// `golden/FILE`, written anew where `BLUEGREEN_GOLDEN` is set: then the change is to be read in the diff.
fn golden(file: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/snapshot/golden")
        .join(file);
    if std::env::var_os("BLUEGREEN_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(actual, expected, "{}", path.display());
}

#[test]
fn the_example_is_built_as_its_golden_file_says() {
    let snapshot = built(&example(Colour::Blue));
    let documents: Vec<String> = snapshot
        .types()
        .flat_map(|set| set.resources.values())
        .map(|resource| to_yaml(resource))
        .collect();
    golden("example.yaml", &documents.join("---\n"));
}

/// What is shown, read back.
fn read(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

/// Every place in it that says where to ask for more.
fn config_sources<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    if value.get("ads").is_some() {
        found.push(value);
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|it| config_sources(it, found)),
        Value::Array(items) => items.iter().for_each(|it| config_sources(it, found)),
        _ => {}
    }
}

#[test]
fn line_13_whoever_asks_for_more_waits_as_long_as_it_takes() {
    let snapshot = built(&example(Colour::Blue));
    let sets = snapshot.types();
    let resources = sets.flat_map(|set| set.resources.values());
    let built: Vec<Value> = resources.map(|it| read(&to_yaml(it))).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/envoy/bootstrap.yaml");
    let bootstrap = read(&std::fs::read_to_string(path).unwrap());
    let mut found = Vec::new();
    built.iter().for_each(|it| config_sources(it, &mut found));
    assert_eq!(found.len(), 3, "two clusters and a listener");
    config_sources(&bootstrap, &mut found);
    assert_eq!(found.len(), 6, "clusters, listeners and the runtime layer");
    for source in found {
        assert_eq!(source["initial_fetch_timeout"], "0s", "{source}");
    }
}

#[test]
fn line_31_a_host_goes_when_it_is_removed_and_is_probed_as_often_without_traffic() {
    let snapshot = built(&example(Colour::Blue));
    for cluster in snapshot.get(TypeUrl::Cluster).unwrap().resources.values() {
        let cluster = read(&to_yaml(cluster));
        assert_eq!(cluster["ignore_health_on_host_removal"], true);
        let check = &cluster["health_checks"][0];
        assert_eq!(
            (&check["interval"], &check["no_traffic_interval"]),
            (&json!("2s"), &json!("2s"))
        );
    }
}

#[test]
fn a_switch_reads_as_two_weights() {
    let (before, after) = (example(Colour::Blue), example(Colour::Green));
    let old = built(&before);
    let new = build(&old, &before, &after).unwrap().snapshot;
    let changes = diff(&old, &new);
    let [change] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    golden("switch.diff", &change_text(change, &old, &new));
}

#[test]
fn what_is_new_or_gone_is_shown_whole() {
    let (nothing, old) = (built(&Input::default()), built(&example(Colour::Blue)));
    let changes = diff(&nothing, &old);
    let change = &changes[0];
    let text = change_text(change, &nothing, &old);
    assert!(
        text.starts_with("--- /dev/null\n+++ Cluster fraud-model/blue (revision 1)\n"),
        "{text}"
    );
    assert!(text.contains("\n+name: fraud-model/blue\n"), "{text}");
    let gone = diff(&old, &nothing);
    assert!(change_text(&gone[0], &old, &nothing).contains("\n-name: fraud-model/blue\n"));
}

fn raw(resource: Value) -> Snapshot {
    let set = ResourceSet {
        fleet: name("payments"),
        resources: vec![resource],
    };
    built(&Input {
        services: BTreeMap::new(),
        resources: [(name("extra"), Arc::new(set))].into(),
    })
}

#[test]
fn what_is_read_is_shown_again() {
    let filter = |prefix: &str| {
        json!({ "name": "tcp", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": prefix, "cluster": "c", "idle_timeout": "1.500s" } })
    };
    let listener = json!({
        "@type": TypeUrl::Listener.url(),
        "name": "l",
        "filter_chains": [{ "filters": [filter("x")] }, { "filters": [filter("y")] }],
        "metadata": { "filter_metadata": { "a": { "x": { "deep": [1.0, "2", true, null] }, "y": 1.5 }, "b": {} } },
        "traffic_direction": "INBOUND",
    });
    let snapshot = raw(listener.clone());
    let shown = to_json(snapshot.resource(TypeUrl::Listener, "l").unwrap());
    assert_eq!(shown, listener);
    assert_eq!(serde_json::to_string(&shown).unwrap(), shown.to_string());
    let read: Value = serde_saphyr::from_str(&yaml(&listener)).unwrap();
    assert_eq!(read["name"], "l");
}

#[test]
fn keys_and_passwords_are_not_shown() {
    let secret = |key: &str| {
        raw(
            json!({ "@type": TypeUrl::Secret.url(), "name": "s", "tls_certificate": {
            "certificate_chain": { "filename": "/etc/chain.pem" }, "private_key": { "inline_string": key } } }),
        )
    };
    let (old, new) = (secret("first-key"), secret("other-key"));
    let shown = to_yaml(old.resource(TypeUrl::Secret, "s").unwrap());
    assert!(
        !shown.contains("first-key") && shown.contains("redacted"),
        "{shown}"
    );
    assert!(shown.contains("/etc/chain.pem"), "{shown}");
    let changes = diff(&old, &new);
    assert_eq!(
        change_text(&changes[0], &old, &new),
        "Secret s changed: only in keys and passwords, which are not shown\n"
    );
}

#[test]
fn passwords_in_filters_are_not_shown_and_where_they_come_from_is() {
    let users = |users: Value| {
        json!({ "name": "auth", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
            "stat_prefix": "r", "downstream_auth_passwords": [users] } })
    };
    let keys = json!({ "name": "keys", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "h", "http_filters": [{ "name": "keys", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
            "credentials": [{ "key": "the-key", "client": "c" }] } }] } });
    let snapshot = raw(json!({
        "@type": TypeUrl::Listener.url(),
        "name": "l",
        "filter_chains": [{ "filters": [users(json!({ "inline_string": "the-password" })),
            users(json!({ "filename": "/etc/passwords" })), keys] }],
    }));
    let shown = to_yaml(snapshot.resource(TypeUrl::Listener, "l").unwrap());
    for secret in ["the-password", "the-key"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(
        shown.contains("redacted") && shown.contains("/etc/passwords"),
        "{shown}"
    );
}

#[test]
fn bytes_that_are_no_message_are_shown_by_their_length() {
    let resource = Resource::new(
        TypeUrl::Cluster,
        "c",
        vec![0xff; 7].into(),
        References::default(),
    );
    assert_eq!(
        to_json(&resource)["value"],
        "7 bytes that are no such message"
    );
}

/// Prints the digests of one model, for the test below.
#[test]
fn digest_of_a_model() {
    let mut input = example(Colour::Blue);
    let any = json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": { "k": 1, "l": 2, "m": 3 } });
    let set = ResourceSet {
        fleet: name("payments"),
        resources: vec![json!({
            "@type": TypeUrl::RouteConfiguration.url(), "name": "mine",
            "typed_per_filter_config": { "a": any, "b": any, "c": any, "d": any },
            "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": [
                { "match": { "prefix": "/" }, "route": { "cluster": "service:fraud-model" } }] }],
        })],
    };
    input.resources.insert(name("extra"), Arc::new(set));
    let digests: Vec<String> = built(&input)
        .types()
        .map(|set| set.digest.to_string())
        .collect();
    println!("digests of this process: {}", digests.join(" "));
    assert_eq!(digests.len(), 5);
}

/// Fresh processes have hash maps in fresh orders: one content has one digest in all of them.
#[test]
fn the_digest_is_the_same_in_every_process() {
    /// Four entries in hash order come out the same by chance once in 24: eight processes leave no room for luck.
    const PROCESSES: usize = 8;
    let ours = std::env::current_exe().unwrap();
    let digests: std::collections::BTreeSet<String> = (0..PROCESSES)
        .map(|_| {
            let output = std::process::Command::new(&ours)
                .args([
                    "--exact",
                    "snapshot::show::tests::digest_of_a_model",
                    "--nocapture",
                ])
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let line = text
                .lines()
                .find_map(|line| line.split_once("digests of this process: "));
            line.unwrap_or_else(|| panic!("{text}")).1.to_owned()
        })
        .collect();
    assert_eq!(digests.len(), 1, "{digests:?}");
}
