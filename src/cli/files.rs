//! The files of `apply`: named files, directories, standard input.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::error::Error;
use crate::api;

/// The largest file that is read: what the server takes in one request. A device may have no end.
const LARGEST: u64 = 32 << 20;

/// Reads every file that is named, in that order; `-` is standard input, a directory its YAML and JSON files by
/// name, without those of directories below it.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<api::File>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            files.push(read_from(io::stdin(), "stdin".to_owned())?);
        } else if path.is_dir() {
            for path in documents_in(path)? {
                files.push(read_file(&path)?);
            }
        } else {
            files.push(read_file(path)?);
        }
    }
    Ok(files)
}

fn read_file(path: &Path) -> Result<api::File, Error> {
    let name = path.display().to_string();
    let file = fs::File::open(path).map_err(|source| failed(&name, source))?;
    read_from(file, name)
}

fn read_from(source: impl Read, name: String) -> Result<api::File, Error> {
    let mut content = String::new();
    source
        .take(LARGEST + 1)
        .read_to_string(&mut content)
        .map_err(|source| failed(&name, source))?;
    if content.len() as u64 > LARGEST {
        let mib = LARGEST >> 20;
        return Err(Error::Usage(format!(
            "{name} is larger than {mib} MiB, the most that one command can apply"
        )));
    }
    Ok(api::File { name, content })
}

fn documents_in(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let name = || directory.display().to_string();
    let mut paths = fs::read_dir(directory)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map_err(|source| failed(&name(), source))?;
    paths.retain(|path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        // A link that leads nowhere is not passed over: whoever reads it will say so.
        matches!(ending, Some("yaml" | "yml" | "json")) && (path.is_file() || !path.exists())
    });
    if paths.is_empty() {
        return Err(Error::NothingIn {
            path: directory.to_owned(),
        });
    }
    paths.sort();
    Ok(paths)
}

fn failed(path: &str, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::InvalidData => Error::Usage(format!(
            "{path} is no text in UTF-8: save it in that encoding"
        )),
        _ => Error::Read {
            path: path.to_owned(),
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_its_documents_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["b.yml", "a.yaml", "c.json", "notes.txt", "yaml"] {
            fs::write(at(name), name).unwrap();
        }
        fs::create_dir(at("d.yaml")).unwrap();
        fs::write(at("d.yaml").join("inner.yaml"), "").unwrap();
        let files = read(&[at("notes.txt"), directory.path().to_owned()]).unwrap();
        let contents: Vec<_> = files.iter().map(|file| file.content.as_str()).collect();
        assert_eq!(contents, ["notes.txt", "a.yaml", "b.yml", "c.json"]);
        assert_eq!(files[0].name, at("notes.txt").display().to_string());
    }

    #[test]
    fn what_holds_no_documents_is_said_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let said = |path: PathBuf| read(&[path]).unwrap_err().to_string();
        assert!(said(path.clone()).contains(&path.display().to_string()));
        fs::write(path.join("latin1.yaml"), b"name: caf\xe9").unwrap();
        assert!(said(path.join("latin1.yaml")).contains("latin1.yaml is no text in UTF-8"));
        assert!(said(path.join("missing.yaml")).contains("missing.yaml: No such file"));
        fs::remove_file(path.join("latin1.yaml")).unwrap();
        std::os::unix::fs::symlink("/nowhere", path.join("gone.yaml")).unwrap();
        assert!(said(path).contains("gone.yaml: No such file"));
        let endless = read_from(io::repeat(b' '), "endless".to_owned()).unwrap_err();
        assert!(
            endless
                .to_string()
                .contains("endless is larger than 32 MiB")
        );
    }
}
