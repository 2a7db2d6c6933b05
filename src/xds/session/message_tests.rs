//! What the encoded messages are to those who read them.

use envoy_types::pb::envoy::service::discovery::v3 as envoy;
use prost::Message as _;
use std::time::Duration;

use super::*;
use crate::snapshot::{References, Resource};

fn item(name: &str, bytes: &'static [u8], ttl: Option<Duration>) -> Item {
    let bytes = Bytes::from_static(bytes);
    let mut resource = Resource::new(TypeUrl::Cluster, name, bytes, References::default());
    if let Some(ttl) = ttl {
        resource = resource.with_ttl(ttl);
    }
    Arc::new(resource).into()
}

fn view(items: &[Item]) -> View {
    let items = items.iter();
    let items = items.map(|item| (item.resource.name.clone(), item.clone()));
    View::new(TypeUrl::Cluster, items.collect())
}

fn response(mode: Mode, told: &View, target: &View, absent: &[Arc<str>]) -> Vec<u8> {
    let parts = Parts {
        mode,
        revision: Revision(43),
        told,
        target,
        asked: &BTreeSet::new(),
        absent,
    };
    let response = Response {
        nonce: "7".into(),
        message: Arc::new(parts.message()),
    };
    let mut bytes = Vec::new();
    response.write(&mut bytes);
    assert_eq!(bytes.len(), response.encoded_len());
    assert_eq!(
        response.message.encoded().len(),
        response.message.encoded_len()
    );
    bytes
}

#[test]
fn a_list_is_what_envoy_reads() {
    let all = view(&[item("a", b"first", None), item("b", &[7; 300], None)]);
    let bytes = response(Mode::Sotw, &view(&[]), &all, &[]);
    let read = envoy::DiscoveryResponse::decode(&bytes[..]).unwrap();
    assert_eq!(read.version_info, version::of(Revision(43), all.digest));
    assert_eq!(read.nonce, "7");
    assert_eq!(read.type_url, TypeUrl::Cluster.url());
    let values: Vec<&[u8]> = read.resources.iter().map(|any| &any.value[..]).collect();
    assert_eq!(values, [&b"first"[..], &[7; 300]]);
    let clusters =
        |any: &envoy_types::pb::google::protobuf::Any| any.type_url == TypeUrl::Cluster.url();
    assert!(read.resources.iter().all(clusters));
}

#[test]
fn changes_are_what_envoy_reads() {
    let (a, b) = (item("a", b"first", None), item("b", b"second", None));
    let (told, target) = (
        view(&[a.clone(), item("c", b"third", None)]),
        view(&[a, b.clone()]),
    );
    let bytes = response(Mode::Delta, &told, &target, &["nowhere".into()]);
    let read = envoy::DeltaDiscoveryResponse::decode(&bytes[..]).unwrap();
    assert_eq!(
        (&*read.nonce, &*read.type_url),
        ("7", TypeUrl::Cluster.url())
    );
    assert_eq!(read.removed_resources, ["c", "nowhere"]);
    let [changed] = &read.resources[..] else {
        panic!("{read:?}");
    };
    assert_eq!(changed.name, "b");
    assert!(version::is_of(&changed.version, b.version));
    assert_eq!(&changed.resource.as_ref().unwrap().value[..], b"second");
    assert_eq!(changed.ttl, None);
}

#[test]
fn a_time_to_live_stands_in_the_wrapper_and_a_heartbeat_repeats_it() {
    let ttl = Duration::from_millis(15_250);
    let (mortal, other) = (item("a", b"first", Some(ttl)), item("b", b"second", None));
    let all = view(&[mortal.clone(), other.clone()]);
    let resources = [mortal, other].map(|item| (item.resource.name.clone(), item.resource));
    let set = TypeSet::new(TypeUrl::Cluster, Revision(43), resources.into());

    let bytes = response(Mode::Sotw, &view(&[]), &all, &[]);
    let read = envoy::DiscoveryResponse::decode(&bytes[..]).unwrap();
    assert_eq!(read.resources[0].type_url, RESOURCE);
    let wrapped = envoy::Resource::decode(&read.resources[0].value[..]).unwrap();
    assert_eq!(
        (&*wrapped.name, &*wrapped.version),
        ("a", &*read.version_info)
    );
    assert_eq!(&wrapped.resource.unwrap().value[..], b"first");
    let said = wrapped.ttl.unwrap();
    assert_eq!((said.seconds, said.nanos), (15, 250_000_000));
    assert_eq!(&read.resources[1].value[..], b"second");

    let beat = Message::heartbeat(Mode::Delta, &set, &all);
    let read = envoy::DeltaDiscoveryResponse::decode(&beat.encoded()[..]).unwrap();
    let [wrapped] = &read.resources[..] else {
        panic!("{read:?}");
    };
    assert_eq!((&*wrapped.name, wrapped.resource.is_none()), ("a", true));
    assert_eq!(wrapped.ttl.as_ref().unwrap().seconds, 15);
    let now = response(Mode::Delta, &view(&[]), &all, &[]);
    let now = envoy::DeltaDiscoveryResponse::decode(&now[..]).unwrap();
    assert_eq!(wrapped.version, now.resources[0].version);

    let gone = TypeSet::new(TypeUrl::Cluster, Revision(44), Default::default());
    assert!(
        Message::heartbeat(Mode::Delta, &gone, &all)
            .resources
            .is_empty()
    );
}
