//! The documents under `examples/` and `docker/` are read, and fit together.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use bluegreen::model::{
    self, Document, DocumentSpec, Name, parse_documents, unique_documents, validate_fleet,
    validate_service,
};

/// Where documents are.
const FOLDERS: [&str; 3] = ["examples", "examples/demo", "docker"];

/// Every YAML file directly in one of the [`FOLDERS`], with its name.
fn examples() -> Vec<(String, Vec<Document>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = FOLDERS
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
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
            DocumentSpec::EnvoyResources(_) => None,
        })
        .collect()
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
