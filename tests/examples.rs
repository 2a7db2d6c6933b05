//! The documents that users are given are read, fit together, and become resources that refer to nothing missing.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use bluegreen::{
    model::{
        self, Colour, Document, DocumentSpec, Name, Split, TypeUrl, parse_documents,
        unique_documents, validate_fleet, validate_service,
    },
    snapshot::{self, Input, ServiceInput, Snapshot},
};

/// Where documents are.
const FOLDERS: [&str; 4] = ["examples", "examples/demo", "examples/mlserver", "docker"];

/// Every YAML file directly in one of the [`FOLDERS`], with its name.
fn examples() -> Vec<(String, Vec<Document>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = FOLDERS
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let text = fs::read_to_string(path).unwrap();
            let documents = parse_documents(&name, &text).unwrap_or_else(|error| panic!("{error}"));
            (name, documents)
        })
        .collect()
}

fn services(documents: &[Document]) -> BTreeMap<Name, Arc<model::ServiceSpec>> {
    documents
        .iter()
        .filter_map(|document| match &document.spec {
            DocumentSpec::Service(spec) => Some((document.name.clone(), Arc::new(spec.clone()))),
            DocumentSpec::EnvoyResources(_) | DocumentSpec::Group(_) => None,
        })
        .collect()
}

/// Where every host name leads.
const NAMED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What the documents of one file declare, with the addresses written in them.
fn input(documents: &[Document]) -> Input {
    let addresses = |spec: &model::ServiceSpec, colour| -> Vec<SocketAddr> {
        let environment = spec.environments.get(colour);
        environment.map_or_else(Vec::new, |environment| {
            let endpoints = environment.endpoints.iter();
            endpoints
                .map(|endpoint| SocketAddr::new(endpoint.ip().unwrap_or(NAMED), endpoint.port))
                .collect()
        })
    };
    let services = services(documents).into_iter().map(|(name, spec)| {
        let service = ServiceInput::new(
            spec.clone(),
            addresses(&spec, Colour::Blue),
            addresses(&spec, Colour::Green),
            Split::all_to(spec.live),
        );
        (name, Arc::new(service))
    });
    let resources = documents
        .iter()
        .filter_map(|document| match &document.spec {
            DocumentSpec::EnvoyResources(set) => {
                Some((document.name.clone(), Arc::new(set.clone())))
            }
            DocumentSpec::Service(_) | DocumentSpec::Group(_) => None,
        });
    Input {
        services: services.collect(),
        resources: resources.collect(),
    }
}

/// Nothing, for the proxies of some fleet.
fn nothing() -> Snapshot {
    Snapshot::empty(Name::parse("f").unwrap())
}

#[test]
fn every_example_is_valid() {
    let examples = examples();
    let names: Vec<_> = examples.iter().map(|(name, _)| name.as_str()).collect();
    for expected in [
        "docker/fraud-model.yaml",
        "examples/adopt.yaml",
        "examples/demo/fraud-model.yaml",
        "examples/fraud-model.yaml",
        "examples/mlserver/fraud-sklearn.yaml",
        "examples/shared-listener.yaml",
    ] {
        assert!(
            names.contains(&expected),
            "{expected} is not among {names:?}"
        );
    }
    for (file, documents) in &examples {
        unique_documents(documents.iter().map(|document| (file.as_str(), document))).unwrap();
        let services = services(documents);
        for (name, spec) in &services {
            assert_eq!(validate_service(spec), [], "{name} in {file}");
        }
        assert_eq!(validate_fleet(&services), [], "{file}");
    }
}

#[test]
fn every_example_becomes_resources() {
    for (file, documents) in examples() {
        let built = snapshot::build(&nothing(), &Input::default(), &input(&documents))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(built.warnings.is_empty(), "{file}: {:?}", built.warnings);
        let problems = snapshot::check(&built.snapshot);
        assert!(problems.is_empty(), "{file}: {problems:?}");
    }
}

/// What adopt.yaml promises: a switch changes the team's own route configuration, and nothing else.
#[test]
fn an_adopted_route_is_switched_by_route_configurations_only() {
    let (_, documents) = examples()
        .into_iter()
        .find(|(file, _)| file.ends_with("adopt.yaml"))
        .unwrap();
    let before = input(&documents);
    let mut after = before.clone();
    for service in after.services.values_mut() {
        Arc::make_mut(service).split = Split::all_to(Colour::Green);
    }
    let first = snapshot::build(&nothing(), &Input::default(), &before).unwrap();
    let second = snapshot::build(&first.snapshot, &before, &after).unwrap();
    let changes = snapshot::diff(&first.snapshot, &second.snapshot);
    let changed: Vec<_> = changes.iter().map(|c| (c.type_url, &*c.name)).collect();
    assert_eq!(changed, [(TypeUrl::RouteConfiguration, "edge")]);
}
