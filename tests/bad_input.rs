//! Bad input as a user gives it, through the real command line to a real server: one clear line that says what and
//! where, the right exit code, and nothing changed.

mod support;

#[path = "bad_input/operators.rs"]
mod operators;
#[path = "bad_input/server.rs"]
mod server;

use std::fs;

use support::world::{Ran, World};

const SERVICE: &str = r#"apiVersion: bluegreen/v1
kind: Service
metadata: { name: fraud-model }
spec:
  fleet: payments
  listener: { address: 0.0.0.0, port: 10000 }
  environments:
    blue: { version: v1.2, endpoints: ["127.0.0.1:9001"] }
"#;

const RESOURCES: &str = r#"apiVersion: bluegreen/v1
kind: EnvoyResources
metadata: { name: extra }
spec:
  fleet: payments
  resources:
    - { "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: mine }
"#;

/// A document with one thing wrong, the exit code, and words that the message must have.
struct Bad {
    document: String,
    code: i32,
    says: &'static [&'static str],
}

/// `SERVICE` with `from` replaced.
fn service(from: &str, to: &str, code: i32, says: &'static [&'static str]) -> Bad {
    bad(SERVICE, from, to, code, says)
}

fn bad(good: &str, from: &str, to: &str, code: i32, says: &'static [&'static str]) -> Bad {
    assert!(good.contains(from), "{from}");
    Bad {
        document: good.replace(from, to),
        code,
        says,
    }
}

/// One line `error: …` that says all of these; what can be done stands on a line of its own and is not in the first.
#[track_caller]
fn refused(ran: &Ran, code: i32, says: &[&str]) {
    assert_eq!(ran.code, code, "{ran:?}");
    let mut lines = ran.stderr.lines();
    let error = lines.next().unwrap_or_default();
    assert!(error.starts_with("error: "), "{ran:?}");
    for words in says {
        assert!(error.contains(words), "{words:?} is not said: {ran:?}");
    }
    if let Some(hint) = lines.next() {
        let remedy = hint.strip_prefix("hint: ");
        assert!(
            remedy.is_some_and(|remedy| !error.contains(remedy)),
            "{ran:?}"
        );
    }
    assert_eq!(lines.next(), None, "{ran:?}");
}

/// What clap says itself: its first line is the error, its own usage follows.
#[track_caller]
fn misused(ran: &Ran, says: &str) {
    assert_eq!(ran.code, 2, "{ran:?}");
    let error = ran.stderr.lines().next().unwrap_or_default();
    assert!(
        error.starts_with("error: ") && error.contains(says),
        "{ran:?}"
    );
}

/// Everything that is in force, and every revision there was.
async fn everything(world: &World) -> [String; 3] {
    let mut all = [String::new(), String::new(), String::new()];
    let commands: [&[&str]; 3] = [&["get"], &["history", "payments"], &["fleet"]];
    for (place, command) in all.iter_mut().zip(commands) {
        *place = world.json(command).await.to_string();
    }
    all
}

async fn apply(world: &World, document: &str) -> Ran {
    let file = world.dir.path().join("document.yaml");
    fs::write(&file, document).expect("a file");
    let file = file.display().to_string();
    world.cli(&["apply", "--yes", "-f", &file]).await
}

#[tokio::test]
async fn every_malformed_document_is_refused_in_one_line_and_changes_nothing() {
    let world = World::start().await;
    apply(&world, SERVICE).await.ok();
    let before = everything(&world).await;

    let two = format!("{SERVICE}---\n{SERVICE}");
    let cases = [
        service(
            "bluegreen/v1",
            "v9",
            2,
            &["apiVersion", "bluegreen/v1", "line 1"],
        ),
        service(
            "kind: Service",
            "kind: Sevice",
            2,
            &["kind", "Sevice", "line 2"],
        ),
        service(
            "name: fraud-model",
            "name: a b",
            2,
            &["metadata.name", "\"a b\""],
        ),
        service("  fleet: payments\n", "", 2, &["spec.fleet", "is missing"]),
        service("spec:", "spec: [", 2, &["not valid YAML", "line"]),
        service(SERVICE, "", 2, &["no document"]),
        service(SERVICE, "- 1", 2, &["document.yaml line 1"]),
        service(
            "endpoints:",
            "endpoint:",
            2,
            &["blue.endpoint", "did you mean endpoints?", "line 8"],
        ),
        service(
            "127.0.0.1:9001",
            "127.0.0.1:99999",
            2,
            &["endpoints[0]", "99999", "line 8"],
        ),
        service(
            "127.0.0.1:9001",
            "127.0.0.1",
            2,
            &["endpoints[0]", "HOST:PORT"],
        ),
        service(
            "127.0.0.1:9001",
            "nobody.invalid:1",
            41,
            &["nobody.invalid", "endpoint-unresolved"],
        ),
        service("blue:", "red:", 2, &["environments.red", "blue and green"]),
        service(
            "port: 10000",
            "port: 0",
            2,
            &["spec.listener.port", "line 6"],
        ),
        service(
            "fleet: payments",
            "fleet: payments\n  cluster: { connectTimeout: 5 parsecs }",
            2,
            &["connectTimeout", "5 parsecs", "line 6"],
        ),
        service(
            "fleet: payments",
            "fleet: payments\n  fleet: loans",
            2,
            &["\"fleet\"", "line 5", "line 6"],
        ),
        // A name, a listener or a request that somebody else has.
        service(
            "fleet: payments",
            "fleet: loans",
            40,
            &["fraud-model", "payments", "loans"],
        ),
        service(
            "fraud-model",
            "twin",
            2,
            &["fraud-model and twin", "0.0.0.0:10000"],
        ),
        bad(
            &SERVICE.replace("fraud-model", "twin"),
            "0.0.0.0",
            "127.0.0.1",
            2,
            &["0.0.0.0:10000", "127.0.0.1:10000", "can't both be bound"],
        ),
        bad(
            &two,
            "v1.2",
            "v1.2",
            2,
            &["Service fraud-model is declared twice", "line 1", "line 10"],
        ),
        service(
            "v1.2",
            "v1.9",
            26,
            &["v1.9", "live v1.2", "would-replace-live"],
        ),
        // Envoy's own resources.
        bad(
            RESOURCES,
            "envoy.config.cluster.v3.Cluster",
            "envoy.Unheard",
            2,
            &["resources[0].@type", "envoy.Unheard", "line 7"],
        ),
        bad(
            RESOURCES,
            "name: mine",
            "nam: mine",
            2,
            &["extra", "resources[0]", "nam", "did you mean name?"],
        ),
        bad(
            RESOURCES,
            "cluster.v3.Cluster, name: mine",
            "listener.v3.Listener, name: mine, address: { socket_address: { address: 0.0.0.0, port_value: 10000 } }",
            36,
            &["Listener mine", "port 10000"],
        ),
        bad(
            RESOURCES,
            "cluster.v3.Cluster, name: mine",
            "route.v3.RouteConfiguration, name: mine, virtual_hosts: [{ name: a, domains: [\"*\"], routes: [{ match: { prefix: / }, route: { cluster: nobody } }] }]",
            36,
            &["RouteConfiguration mine", "cluster nobody"],
        ),
    ];
    for Bad {
        document,
        code,
        says,
    } in cases
    {
        refused(&apply(&world, &document).await, code, says);
    }
    let missing = world.dir.path().join("missing.yaml").display().to_string();
    refused(
        &world.cli(&["apply", "-f", &missing]).await,
        2,
        &[&missing, "No such file"],
    );

    let utf16 = world.dir.path().join("utf16.yaml");
    fs::write(&utf16, b"\xff\xfea\0").expect("a file");
    let utf16 = utf16.display().to_string();
    refused(
        &world.cli(&["apply", "-f", &utf16]).await,
        2,
        &[&utf16, "is no text in UTF-8"],
    );
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn every_command_on_what_is_not_there_is_refused_and_changes_nothing() {
    let world = World::start().await;
    apply(&world, SERVICE).await.ok();
    let before = everything(&world).await;

    let not_found: [&[&str]; 15] = [
        &["switch", "nobody"],
        &["rollback", "nobody"],
        &["retire", "nobody"],
        &[
            "deploy",
            "nobody",
            "--version",
            "v2",
            "--endpoint",
            "127.0.0.1:1",
        ],
        &["scale", "nobody", "blue", "--endpoint", "127.0.0.1:1"],
        &["delete", "service", "nobody", "--yes"],
        &["get", "service", "nobody"],
        &["describe", "service", "nobody"],
        &["status", "nobody"],
        &["history", "nobody"],
        &["export", "nobody"],
        &["fleet", "nobody"],
        &["fleet", "forget", "payments", "nobody"],
        &["rebuild", "nobody", "--yes"],
        &["rollback", "--fleet", "nobody", "--to-revision", "1"],
    ];
    for command in not_found {
        refused(&world.cli(command).await, 3, &["nobody"]);
    }
    let revisions: [&[&str]; 3] = [
        &["show", "payments", "9"],
        &["diff", "payments", "1", "9"],
        &["rollback", "--fleet", "payments", "--to-revision", "9"],
    ];
    for command in revisions {
        refused(
            &world.cli(command).await,
            3,
            &["fleet payments has no revision 9"],
        );
    }

    let endpoint = "127.0.0.1:1";
    let rules: [(&[&str], i32, &[&str]); 8] = [
        (&["switch", "fraud-model"], 25, &["nothing-staged"]),
        (&["rollback", "fraud-model"], 28, &["nothing-to-roll-back"]),
        (&["retire", "fraud-model"], 33, &["nothing-to-retire"]),
        (
            &["scale", "fraud-model", "green", "--endpoint", endpoint],
            39,
            &["nothing-deployed"],
        ),
        (
            &["scale", "fraud-model", "blue", "--endpoint", "a:1", "A:1"],
            2,
            &["A:1", "endpoints[0] already"],
        ),
        (
            &[
                "deploy",
                "fraud-model",
                "--version",
                "",
                "--endpoint",
                endpoint,
            ],
            2,
            &["version is empty"],
        ),
        (
            &[
                "deploy",
                "fraud-model",
                "--version",
                "v2",
                "--endpoint",
                "nobody.invalid:1",
            ],
            41,
            &["nobody.invalid"],
        ),
        (
            &[
                "delete",
                "service",
                "fraud-model",
                "--if-revision",
                "7",
                "--yes",
            ],
            4,
            &["revision 1, not 7"],
        ),
    ];
    for (command, code, says) in rules {
        refused(&world.cli(command).await, code, says);
    }

    let usage: [(&[&str], &str); 6] = [
        (&["switch", "fraud-model", "--to", "red"], "blue or green"),
        (
            &["switch", "fraud-model", "--wait", "soon"],
            "\"soon\" is no duration",
        ),
        (
            &["scale", "fraud-model", "purple", "--endpoint", endpoint],
            "blue or green",
        ),
        (
            &[
                "deploy",
                "fraud-model",
                "--version",
                "v2",
                "--endpoint",
                "here",
            ],
            "HOST:PORT",
        ),
        (&["get", "pod"], "pod"),
        (&["swich", "fraud-model"], "swich"),
    ];
    for (command, says) in usage {
        misused(&world.cli(command).await, says);
    }
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_refusal_in_json_has_message_reason_and_remedy_apart() {
    let world = World::start().await;
    apply(&world, SERVICE).await.ok();
    let ran = world.cli(&["switch", "fraud-model", "-o", "json"]).await;
    let json = ran.json();
    assert_eq!(json["result"], "refused");
    assert_eq!(json["reason"], "nothing-staged");
    assert_eq!(json["exitCode"], 25);
    let message = json["message"].as_str().expect("a message");
    let remedy = json["remedy"].as_str().expect("a remedy");
    assert!(remedy.contains("bluegreen deploy fraud-model"), "{ran:?}");
    assert!(
        !message.contains(remedy) && !message.contains('\n'),
        "{ran:?}"
    );
}
