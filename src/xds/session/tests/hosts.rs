//! Virtual hosts on their own (VHDS), as an Envoy was seen to ask for them: for all by an empty list, and by name for the
//! host of a request that it has no route for.

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use prost::Message as _;

use super::*;

const VHDS: TypeUrl = TypeUrl::VirtualHost;

fn host(name: &str, content: u32) -> Resource {
    let bytes = format!("host {name} {content}").into();
    Resource::new(VHDS, name, bytes, References::default())
}

/// A client that has the routes `main` and the host `main/one`.
fn with_host() -> (Fleet, Client) {
    let mut fleet = Fleet::with_a();
    fleet.put([host("main/one", 1)]);
    let mut client = Client::settled_in(Mode::Delta, &fleet);
    let first = client.ask(VHDS, &[]);
    assert_eq!(sent(&first), [(VHDS, vec!["main/one".into()])]);
    client.ack(VHDS);
    (fleet, client)
}

#[test]
fn line_10_an_empty_first_list_of_virtual_hosts_means_all_in_delta() {
    let (mut fleet, mut client) = with_host();
    let more = client.push(fleet.put([host("second/two", 1)]));
    assert_eq!(sent(&more), [(VHDS, vec!["second/two".into()])]);
    assert_eq!(accepted(&client.ack(VHDS)), [(VHDS, rev(3))]);
}

/// Envoy lets the request wait until it hears of that name, and does not hear that it was removed.
#[test]
fn line_15_a_virtual_host_that_does_not_exist_is_answered_as_an_alias_without_content_in_delta() {
    let (_fleet, mut client) = with_host();
    let request = DeltaRequest {
        subscribe: vec!["main/unknown.test".to_owned()],
        ..DeltaRequest::default()
    };
    let answer = client.say_delta(VHDS, request);
    assert_eq!(answer.responses.len(), 1);
    let mut bytes = Vec::new();
    answer.responses[0].write(&mut bytes);
    assert_eq!(bytes.len(), answer.responses[0].encoded_len());
    let said = DeltaDiscoveryResponse::decode(&bytes[..]).unwrap();
    assert!(said.removed_resources.is_empty(), "{said:?}");
    let [unknown] = &said.resources[..] else {
        panic!("not one answer: {said:?}");
    };
    assert_eq!(unknown.name, "main/unknown.test");
    assert_eq!(unknown.aliases, ["main/unknown.test"]);
    assert_eq!(
        (&unknown.resource, unknown.version.is_empty()),
        (&None, false)
    );
}

/// The answer to a name that holds hosts is those hosts; one that holds none is not there.
#[test]
fn line_15_a_route_configuration_that_has_virtual_hosts_is_not_called_gone_in_delta() {
    let mut fleet = Fleet::with_a();
    fleet.put([host("main/one", 1)]);
    let mut client = Client::settled_in(Mode::Delta, &fleet);
    let first = client.ask(VHDS, &["main", "none"]);
    assert_eq!(sent(&first), [(VHDS, vec!["main/one".into()])]);
    let removed = &first.responses[0].message.removed;
    assert_eq!(*removed, [Arc::from("none")]);
    client.ack(VHDS);
    let status = client.session.client_status();
    let hosts = status.iter().filter(|one| one.type_url == VHDS);
    let hosts: Vec<&str> = hosts.map(|one| &*one.name).collect();
    assert_eq!(hosts, ["main/one", "none"]);
}

/// Envoy drops what comes before the route configuration that it belongs to, and does not ask for it.
#[test]
fn line_19_virtual_hosts_are_said_again_after_their_route_configuration_in_delta() {
    let (mut fleet, mut client) = with_host();
    let second = routes("second", &[("a", false)]);
    client.push(fleet.put([
        listener("second", 1, &["second"]),
        second,
        host("second/two", 1),
    ]));
    client.ack(LDS);
    client.ack(VHDS);
    let asked = client.ask_again(RDS, &["main", "second"]);
    let expected = [
        (RDS, vec!["second".to_owned()]),
        (VHDS, vec!["second/two".to_owned()]),
    ];
    assert_eq!(sent(&asked), expected);
    assert_eq!(sent(&client.ack(RDS)), []);
    assert_eq!(sent(&client.ack(VHDS)), []);
}
