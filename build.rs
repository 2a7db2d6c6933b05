//! Generates the admin API from its proto file, and describes every message of Envoy's API, with protox instead of an
//! installed protoc.

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use prost::Message;
use prost_types::FileDescriptorSet;
use protox::file::{File, FileResolver, GoogleFileResolver};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=proto");
    // Another version of the package with Envoy's files comes with another lock file.
    println!("cargo:rerun-if-changed=Cargo.lock");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);

    let admin = protox::compile(["proto/bluegreen/admin/v1/admin.proto"], ["proto"])?;
    // Server reflection (grpcurl) answers from this.
    fs::write(out.join("admin_descriptor.bin"), admin.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(admin)?;

    fs::write(
        out.join("envoy_descriptors.bin"),
        envoy_descriptors()?.encode_to_vec(),
    )?;
    Ok(())
}

/// Every message of Envoy's API, so that users can write any of them as YAML. The files are those of the package that
/// the generated types come from.
fn envoy_descriptors() -> Result<FileDescriptorSet, Box<dyn Error>> {
    let files = EnvoyFiles(include_paths(&envoy_types()?)?);
    let mut seen = BTreeSet::new();
    let mut all = FileDescriptorSet::default();
    for root in &files.0 {
        for file in proto_files(root)? {
            let name = name(root, &file)?;
            if seen.contains(&name) {
                continue;
            }
            // Each by itself: compiled together, a relative name such as `config.core.v3.Metadata` resolves to the
            // package of a file that this one does not import.
            let set = protox::Compiler::with_file_resolver(files.clone())
                .include_imports(true)
                .open_file(&name)?
                .file_descriptor_set();
            for descriptor in set.file {
                if seen.insert(descriptor.name().to_owned()) {
                    all.file.push(descriptor);
                }
            }
        }
    }
    Ok(all)
}

/// The one file in which even so a relative name means something else to protox than to protoc (it sees the packages
/// of indirect imports too): what stands there, and what it means.
const AMBIGUOUS: (&str, &str, &str) = (
    "envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto",
    " common.dynamic_forward_proxy.v3.DnsCacheConfig",
    " .envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig",
);

/// Finds imported files in these folders.
#[derive(Clone)]
struct EnvoyFiles(Vec<PathBuf>);

impl FileResolver for EnvoyFiles {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let Some(path) = self
            .0
            .iter()
            .map(|root| root.join(name))
            .find(|path| path.is_file())
        else {
            return GoogleFileResolver::new().open_file(name);
        };
        let mut source = fs::read_to_string(path).map_err(protox::Error::new)?;
        let (ambiguous, relative, absolute) = AMBIGUOUS;
        if name == ambiguous {
            source = source.replace(relative, absolute);
        }
        File::from_source(name, &source)
    }
}

/// Where cargo keeps the package `envoy-types`.
fn envoy_types() -> Result<PathBuf, Box<dyn Error>> {
    let metadata = cargo_metadata::MetadataCommand::new()
        // Not the packages of other platforms: they may not be here, and need not be.
        .other_options([format!("--filter-platform={}", std::env::var("TARGET")?)])
        .exec()?;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == "envoy-types")
        .ok_or("cargo metadata names no package envoy-types")?;
    let folder = package.manifest_path.parent();
    Ok(folder.ok_or("the manifest is in no folder")?.into())
}

/// Each folder of `proto/` holds the files of one project, and imports are relative to it.
fn include_paths(package: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = fs::read_dir(package.join("proto"))?
        .map(|entry| Ok(entry?.path()))
        .map(|path: Result<PathBuf, std::io::Error>| {
            let path = path?;
            // The one project that has them a folder deeper.
            let deeper = path.join("proto");
            Ok(if deeper.is_dir() { deeper } else { path })
        })
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    // The order of a folder's entries is the file system's: the output must not depend on it.
    paths.sort();
    Ok(paths)
}

fn proto_files(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The name by which other files import it.
fn name(root: &Path, file: &Path) -> Result<String, Box<dyn Error>> {
    let relative = file.strip_prefix(root)?;
    let name = relative.to_str().ok_or("a file name that is no text")?;
    Ok(name.to_owned())
}
