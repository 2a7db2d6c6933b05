//! Any text as documents: it is read or refused, and what was read is judged, merged and built without a panic.

use std::{collections::BTreeMap, sync::Arc};

use bluegreen::{
    model::{
        self, DocumentSpec, Name, Split, parse_documents, unique_documents, validate_fleet,
        validate_resources, validate_service,
    },
    snapshot::{Input, ServiceInput, Snapshot, build, check, to_yaml},
};

/// One input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let documents = match parse_documents("fuzz.yaml", text) {
        Ok(documents) => documents,
        Err(refused) => {
            // What is said of it is one line.
            assert!(!refused.to_string().contains('\n'), "{refused}");
            return;
        }
    };
    let _ = unique_documents(documents.iter().map(|document| ("fuzz.yaml", document)));
    let mut input = Input::default();
    let mut specs = BTreeMap::new();
    for document in documents {
        match document.spec {
            DocumentSpec::Service(spec) => {
                let found = validate_service(&spec);
                // What is in force is written out, and must be readable again.
                let value = serde_json::to_value(&spec).expect("JSON");
                let again = model::merge(None, &value, &serde_json::Value::Null);
                assert_eq!(
                    serde_json::from_value::<model::ServiceSpec>(again.value)
                        .ok()
                        .as_ref(),
                    Some(&spec)
                );
                if !found.is_empty() {
                    return;
                }
                let spec = Arc::new(spec);
                let split = Split::all_to(spec.live);
                let address = "127.0.0.1:1".parse().expect("an address");
                let service = ServiceInput::new(spec.clone(), vec![address], Vec::new(), split);
                input
                    .services
                    .insert(document.name.clone(), Arc::new(service));
                specs.insert(document.name, spec);
            }
            DocumentSpec::Group(_) => {}
            DocumentSpec::EnvoyResources(set) => {
                if !validate_resources(&set).is_empty() {
                    return;
                }
                input.resources.insert(document.name, Arc::new(set));
            }
        }
    }
    let fits = validate_fleet(&specs).is_empty();
    let empty = Snapshot::empty(Name::parse("fuzz").expect("a name"));
    let Ok(built) = build(&empty, &Input::default(), &input) else {
        return;
    };
    let problems = check(&built.snapshot);
    for set in built.snapshot.types() {
        for resource in set.resources.values() {
            to_yaml(resource);
        }
    }
    // What we make of services that are valid and fit together is what Envoy takes.
    if fits && input.resources.is_empty() {
        assert_eq!(problems, []);
    }
}
