//! Names that only a client says: what is full of them ends with the client's stream, although streams share the rest.

use std::sync::Weak;

use super::*;
use crate::snapshot::CLAIMS_REMEMBERED;

/// So many names of so many bytes that nobody remembers all of them.
const NAMES: usize = 2 * CLAIMS_REMEMBERED / 64;

fn names() -> Vec<String> {
    (0..NAMES).map(|name| format!("nobody-{name}")).collect()
}

fn list(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Whether anything of what a client said outlives it, while the server and its snapshot go on.
fn outlives(mut client: Client, fleet: &Fleet, said: impl FnOnce(&mut Client) -> Arc<str>) -> bool {
    let (cache, newest) = (client.session.cache.clone(), fleet.newest());
    client.push(newest.clone());
    let name: Weak<str> = Arc::downgrade(&said(&mut client));
    drop(client);
    let outlives = name.upgrade().is_some();
    // Until now both were there.
    drop((cache, newest));
    outlives
}

#[test]
fn names_of_what_does_not_exist_end_with_the_stream_that_asked() {
    let ask = |client: &mut Client| {
        let told = client.ask(EDS, &list(&names()));
        client.ack(EDS);
        told.responses[0].message.removed[0].clone()
    };
    let client = Client::speaking(Mode::Delta);
    assert!(!outlives(client, &Fleet::with_a(), ask));
}

#[test]
fn empty_layers_end_with_the_stream_that_asked_for_them() {
    let ask = |client: &mut Client| {
        let told = client.ask(TypeUrl::Runtime, &list(&names()));
        client.ack(TypeUrl::Runtime);
        told.responses[0].resource(0).name.clone()
    };
    assert!(!outlives(Client::new(), &Fleet::with_a(), ask));
}

#[test]
fn of_runtime_layers_that_do_not_exist_more_than_any_bootstrap_has_are_not_answered() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::new();
    client.push(fleet.newest());
    let answered = client.ask(TypeUrl::Runtime, &list(&names()));
    assert_eq!(answered.responses[0].message.resources.len(), 1_000);
    client.ack(TypeUrl::Runtime);
    // Of those that exist each is said.
    let last = names().into_iter().max().unwrap();
    let exists = client.push(fleet.put([runtime(&last)]));
    assert_eq!(sent(&exists), [(TypeUrl::Runtime, vec![last])]);
}

#[test]
fn names_that_a_proxy_shows_and_nobody_knows_end_with_its_stream() {
    let shows = |client: &mut Client| {
        let told = client.ask(LDS, &[]);
        let removed = &told.responses[0].message.removed;
        assert_eq!(removed.len(), NAMES);
        client.ack(LDS);
        removed[0].clone()
    };
    let mut client = Client::speaking(Mode::Delta);
    let versions = names().into_iter();
    let versions = versions.map(|name| (name, "1-0123456789abcdef".to_owned()));
    client.versions.insert(LDS, versions.collect());
    assert!(!outlives(client, &Fleet::with_a(), shows));
}
