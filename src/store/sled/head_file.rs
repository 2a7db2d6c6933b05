//! `HEAD`: a small file beside sled that says which revision of each fleet was answered for.
//!
//! sled alone may go back in time in silence. This file can't: it is replaced whole, by rename, after sled has flushed
//! and before a commit is answered. Its text:
//!
//! ```text
//! bluegreen store 1
//! payments 43 9b0c…   (fleet, revision, digest of the revision's record; or `-` where the revisions were given up)
//! digest 77ab…        (of the lines above)
//! ```

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::layout::FORMAT;
use crate::{
    model::{Name, Revision},
    snapshot::Digest,
};

/// The newest revision that was answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// Its number.
    pub revision: Revision,
    /// Of its record. None: the revisions up to this one were lost and given up.
    pub record: Option<Digest>,
}

/// By fleet.
pub(super) type Answers = BTreeMap<Name, Answered>;

/// What there is in the place of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Missing,
    /// Something that was not written so.
    Damaged(String),
    /// Written by a newer version.
    Newer(u64),
    /// As it was written.
    Whole(Answers),
}

/// The file's place.
pub(super) struct HeadFile {
    dir: PathBuf,
}

impl HeadFile {
    /// In this data directory.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// Reads it.
    pub fn read(&self) -> io::Result<Found> {
        match fs::read(self.dir.join("HEAD")) {
            Ok(bytes) => Ok(parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Missing),
            Err(error) => Err(error),
        }
    }

    /// Replaces it. When this returns, the new one is on the disk; when it fails, the old one or the new one is.
    pub fn write(&self, answers: &Answers) -> io::Result<()> {
        let new = self.dir.join("HEAD.new");
        let mut file = File::create(&new)?;
        file.write_all(text(answers).as_bytes())?;
        file.sync_all()?;
        drop(file);
        crate::fault::point("store-before-rename");
        fs::rename(&new, self.dir.join("HEAD"))?;
        crate::fault::point("store-after-rename");
        File::open(&self.dir)?.sync_all()
    }
}

fn text(answers: &Answers) -> String {
    let mut text = format!("bluegreen store {FORMAT}\n");
    for (fleet, answered) in answers {
        // Writing to a String does not fail.
        let _ = match answered.record {
            Some(record) => writeln!(text, "{fleet} {} {record}", answered.revision),
            None => writeln!(text, "{fleet} {} -", answered.revision),
        };
    }
    let digest = Digest::of(&[text.as_bytes()]);
    let _ = writeln!(text, "digest {digest}");
    text
}

fn parse(bytes: &[u8]) -> Found {
    let damaged = |detail: &str| Found::Damaged(format!("HEAD {detail}"));
    let Ok(whole) = std::str::from_utf8(bytes) else {
        return damaged("is no text");
    };
    let format = whole
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("bluegreen store ")?.parse().ok());
    match format {
        None => return damaged("does not begin as it should"),
        Some(format) if format > FORMAT => return Found::Newer(format),
        Some(_) => {}
    }
    let Some((body, digest)) = whole
        .strip_suffix('\n')
        .and_then(|text| text.rsplit_once("\ndigest "))
    else {
        return damaged("is cut");
    };
    let body = &whole[..=body.len()];
    if digest.parse().ok() != Some(Digest::of(&[body.as_bytes()])) {
        return damaged("does not match its digest");
    }
    match body.lines().skip(1).map(line).collect() {
        Some(answers) => Found::Whole(answers),
        None => damaged("has a line that can't be read"),
    }
}

fn line(line: &str) -> Option<(Name, Answered)> {
    let mut words = line.split(' ');
    let fleet = Name::parse(words.next()?).ok()?;
    let revision = Revision(words.next()?.parse().ok()?);
    let record = match words.next()? {
        "-" => None,
        digest => Some(digest.parse().ok()?),
    };
    words
        .next()
        .is_none()
        .then_some((fleet, Answered { revision, record }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        let payments = Answered {
            revision: Revision(43),
            record: Some(Digest::of(&[b"record"])),
        };
        let lost = Answered {
            revision: Revision(7),
            record: None,
        };
        Answers::from([
            (Name::parse("payments").unwrap(), payments),
            (Name::parse("search").unwrap(), lost),
        ])
    }

    #[test]
    fn is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = HeadFile::in_dir(dir.path());
        assert_eq!(file.read().unwrap(), Found::Missing);
        for expected in [Answers::new(), answers()] {
            file.write(&expected).unwrap();
            assert_eq!(file.read().unwrap(), Found::Whole(expected));
        }
    }

    #[test]
    fn any_cut_and_any_other_byte_is_seen() {
        let whole = text(&answers()).into_bytes();
        for keep in 0..whole.len() {
            let found = parse(&whole[..keep]);
            assert!(matches!(found, Found::Damaged(_)), "{keep}: {found:?}");
        }
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 1;
            let found = parse(&other);
            assert!(!matches!(found, Found::Whole(_)), "{at}: {found:?}");
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        assert_eq!(parse(b"bluegreen store 2\nwho knows what"), Found::Newer(2));
    }
}
