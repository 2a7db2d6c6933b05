//! Switches and rollbacks under calls: nothing is lost, and what `switch` proves is true.

use serde_json::Value;

use crate::{
    clients::{Backends, Client, answered, made},
    support::{document, waiting, world::World},
};

/// `fraud-model` for gRPC clients, and nothing for Envoys.
fn service(backends: &Backends) -> String {
    let grpc = "  client: grpc\n  cluster: { protocol: grpc }\n";
    document::service("fraud-model", &[grpc, &backends.environments()])
}

/// Runs a command that moves traffic; every client must have accepted.
pub async fn flip(world: &World, clients: u64, args: &[&str]) {
    let ran = world.json(args).await;
    let proxies = &ran["proxies"];
    assert_eq!(
        (proxies["acked"].as_u64(), proxies["total"].as_u64()),
        (Some(clients), Some(clients)),
        "{ran}"
    );
}

/// The command that puts a version into green, whatever is there.
fn deploy<'a>(version: &'a str, green: &'a [String]) -> Vec<&'a str> {
    let deploy = ["deploy", "fraud-model", "--replace-standby", "--version"];
    let to = [version, "--endpoint"];
    let endpoints = green.iter().map(String::as_str);
    deploy.into_iter().chain(to).chain(endpoints).collect()
}

/// Waits until so many clients have everything, from listener to endpoints.
pub async fn in_step(world: &World, clients: usize) -> Value {
    let all = move |fleet: &Value| {
        let proxies = fleet["proxies"].as_array().map_or(&[][..], Vec::as_slice);
        let complete = |proxy: &Value| {
            let types = proxy["types"].as_array().map_or(&[][..], Vec::as_slice);
            types.len() >= 4 && types.iter().all(|one| one["state"] == "synced")
        };
        fleet["delivery"]["acked"] == clients && proxies.iter().all(complete)
    };
    waiting::fleet(world, "all in step", all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn line_33_a_switch_and_a_rollback_lose_no_call_of_a_grpc_client() {
    let backends = Backends::start().await;
    let world = World::start().await;
    world.apply(&service(&backends), &[]).await.ok();
    let mut clients = Vec::new();
    for node in ["scoring-1", "scoring-2"] {
        clients.push(Client::start(&world, node, "fraud-model").await);
    }
    let fleet = in_step(&world, 2).await;
    let software = fleet["proxies"][0]["software"].as_str().unwrap_or_default();
    assert!(software.starts_with("gRPC "), "{fleet}");

    let mut expected = Vec::new();
    for round in 0..5 {
        // A release that is rolled back, then one that goes through and is undone by the next switch.
        let version = format!("v2.{round}");
        let steps: [(&str, &[&str]); 4] = [
            (
                "green",
                &["switch", "fraud-model", "--to", "green", "--force"],
            ),
            ("blue", &["rollback", "fraud-model"]),
            (
                "green",
                &["switch", "fraud-model", "--to", "green", "--force"],
            ),
            ("blue", &["switch", "fraud-model", "--to", "blue"]),
        ];
        for (step, (colour, command)) in steps.into_iter().enumerate() {
            for client in &mut clients {
                client.during(&format!("{version} moving {step}")).await;
            }
            flip(&world, 2, command).await;
            let settled = format!("{version} step {step}");
            for client in &mut clients {
                client.throughout(&settled).await;
            }
            expected.push((settled, colour));
        }
    }
    let expected: Vec<(&str, &str)> = expected
        .iter()
        .map(|(during, colour)| (&**during, *colour))
        .collect();
    for client in clients {
        answered(&client.stop().await, &expected);
    }
}

/// A share of the calls goes to the new version, then none, then more of them, then all. No step loses a call.
#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_calls_moves_by_its_weight() {
    let backends = Backends::start().await;
    let world = World::start().await;
    world.apply(&service(&backends), &[]).await.ok();
    let mut client = Client::start(&world, "scoring-1", "fraud-model").await;
    in_step(&world, 1).await;
    let green = backends.green();
    let mut shares = Vec::new();
    for round in 0..5 {
        client.during("moving").await;
        let version = format!("v2.{round}");
        flip(&world, 1, &deploy(&version, &green)).await;
        for weight in ["20", "0", "80"] {
            client.during("moving").await;
            let shift = ["shift", "fraud-model", "--weight", weight];
            flip(&world, 1, &shift).await;
            let share = format!("{weight}% in round {round}");
            client.throughout_many(&share).await;
            shares.push((weight, share));
        }
        client.during("moving").await;
        flip(&world, 1, &["switch", "fraud-model", "--to", "green"]).await;
        let all = format!("all in round {round}");
        client.throughout(&all).await;
        shares.push(("100", all));
        client.during("moving").await;
        flip(&world, 1, &["switch", "fraud-model", "--to", "blue"]).await;
    }
    let calls = client.stop().await;
    answered(&calls, &[]);
    for (weight, share) in shares {
        let answers =
            |label: &str| made(&calls, &share).any(|call| call.answer.as_deref() == Some(label));
        let both = (answers("blue"), answers("green"));
        let expected = (weight != "100", weight != "0");
        assert_eq!(both, expected, "{share}");
    }
}

/// Waits until a client has the cluster and the endpoints of that name.
pub async fn has(world: &World, node: &str, name: &str) {
    let ask = async || world.json(&["fleet", "payments", node]).await;
    waiting::until(name, ask, |page| {
        ["Cluster", "ClusterLoadAssignment"].iter().all(|of_type| {
            let mut resources = page["resources"].as_array().into_iter().flatten();
            resources.any(|one| {
                (&one["type"], &one["name"], &one["status"])
                    == (&(*of_type).into(), &name.into(), &"synced".into())
            })
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_33_a_client_has_the_environment_that_gets_no_calls_before_a_switch() {
    let backends = Backends::start().await;
    let world = World::start().await;
    world.apply(&service(&backends), &[]).await.ok();
    let mut client = Client::start(&world, "scoring-1", "fraud-model").await;
    in_step(&world, 1).await;
    has(&world, "scoring-1", "fraud-model/green").await;
    client.throughout("before").await;
    answered(&client.stop().await, &[("before", "blue")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_goes_and_comes_back_costs_no_call() {
    let backends = Backends::start().await;
    let world = World::start().await;
    world.apply(&service(&backends), &[]).await.ok();
    let mut client = Client::start(&world, "scoring-1", "fraud-model").await;
    in_step(&world, 1).await;
    // The roster is saved in batches, and at the latest when the server ends: only whom it knows can be waited for.
    world.terminate().await;
    world.serve(&[]).await;
    in_step(&world, 1).await;
    client.throughout("before").await;
    world.kill().await;
    client.throughout("away").await;
    world.serve(&[]).await;
    // At once: the switch itself waits for the client to come back.
    flip(
        &world,
        1,
        &["switch", "fraud-model", "--to", "green", "--force"],
    )
    .await;
    client.throughout("after").await;
    let expected = [("before", "blue"), ("after", "green")];
    answered(&client.stop().await, &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_goes_back_to_before_there_was_a_green_loses_no_call() {
    let backends = Backends::start().await;
    let world = World::start().await;
    let grpc = "  client: grpc\n  cluster: { protocol: grpc }\n";
    let service = document::service("fraud-model", &[grpc, &backends.blue_alone()]);
    world.apply(&service, &[]).await.ok();
    let mut client = Client::start(&world, "scoring-1", "fraud-model").await;
    in_step(&world, 1).await;
    let green = backends.green();
    let mut expected = Vec::new();
    for round in 0..5 {
        let version = format!("v2.{round}");
        client.during("moving").await;
        flip(&world, 1, &deploy(&version, &green)).await;
        flip(&world, 1, &["switch", "fraud-model"]).await;
        client.throughout(&version).await;
        let back = [
            "rollback",
            "--fleet",
            "payments",
            "--to-revision",
            "1",
            "--yes",
        ];
        client.during("moving").await;
        flip(&world, 1, &back).await;
        let settled = format!("back from {version}");
        client.throughout(&settled).await;
        expected.extend([(version, "green"), (settled, "blue")]);
    }
    let expected: Vec<(&str, &str)> = expected
        .iter()
        .map(|(during, colour)| (&**during, *colour))
        .collect();
    answered(&client.stop().await, &expected);
}
