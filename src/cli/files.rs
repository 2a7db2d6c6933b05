//! The files of `apply`: named files, directories, standard input.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::error::Error;
use crate::api;

/// Reads every file that is named, in that order; `-` is standard input, a directory its YAML and JSON files by
/// name, without those of directories below it.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<api::File>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let mut content = String::new();
            io::stdin()
                .read_to_string(&mut content)
                .map_err(|source| failed("stdin", source))?;
            files.push(api::File {
                name: "stdin".to_owned(),
                content,
            });
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
    match fs::read_to_string(path) {
        Ok(content) => Ok(api::File { name, content }),
        Err(source) => Err(failed(&name, source)),
    }
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
        matches!(ending, Some("yaml" | "yml" | "json")) && path.is_file()
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
    }
}
