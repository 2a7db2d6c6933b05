//! Any bytes as an Envoy resource, as a damaged store or a raw document may hold them: looked into, checked, shown and
//! varied without a panic. The first byte picks the type.

use std::sync::Arc;

use bluegreen::{
    model::{Name, Revision, TypeUrl},
    snapshot::{Changes, Resource, Snapshot, check, references_of, to_json, with_splits_of},
};
use bytes::Bytes;

/// One input.
pub fn run(data: &[u8]) {
    let Some((pick, bytes)) = data.split_first() else {
        return;
    };
    let type_url = TypeUrl::ALL[usize::from(*pick) % TypeUrl::ALL.len()];
    let references = references_of(type_url, bytes);
    let resource = Resource::new(type_url, "fuzz", Bytes::copy_from_slice(bytes), references);
    let _ = to_json(&resource);

    // Its own splits change nothing, and twice is once.
    let turned = with_splits_of(&resource, &resource);
    assert_eq!(with_splits_of(&turned, &resource).digest, turned.digest);

    let mut changes = Changes::new();
    let of_type = changes.entry(type_url).or_default();
    of_type.insert(resource.name.clone(), Some(Arc::new(resource)));
    let snapshot = Snapshot::empty(Name::parse("fuzz").expect("a name"));
    check(&snapshot.with(Revision(1), changes));
}
