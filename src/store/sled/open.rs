//! Opening: what is there must be what was answered for, or nothing is served.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    chore::Chore,
    fault::Fault,
    fleet::Fleet,
    guard::guard,
    head_file::{Answered, Answers, Found, HeadFile},
    layout::{FORMAT, parse_revision_key},
    options::{LEAST_HISTORY, SledOptions},
    read::Loaded,
    recover,
    reserve::Reserve,
    retention::Kept,
    shared::Shared,
    tables::{Batches, Tables},
    writer::Writer,
};
use crate::{
    model::{Name, Revision},
    store::StoreError,
};

/// How long a server that is just going may still hold the lock.
const HANDOVER: Duration = Duration::from_secs(2);

/// A fleet as it was found.
struct FoundFleet {
    name: Name,
    revisions: Vec<Revision>,
    answered: Option<Answered>,
}

/// Opens the store in `dir`, checks it, and brings `HEAD` up to date. Blocks.
pub(super) fn open(
    dir: &Path,
    options: &SledOptions,
    shared: Arc<Shared>,
) -> Result<Writer, StoreError> {
    let fail = |fault: Fault| fault.at(dir);
    fs::create_dir_all(dir).map_err(|error| fail(error.into()))?;
    let lock = lock(dir)?;
    let head_file = HeadFile::in_dir(dir);
    let answers = answers(dir, &head_file, options)?;
    let db = dir.join("db");
    let any_answer = answers.as_ref().is_some_and(|known| !known.is_empty());
    if any_answer && !options.accept_older && !db.join("db").exists() {
        // Before sled makes a new, empty one.
        return Err(fail(Fault::Damaged(
            "HEAD is there, and the database beside it is gone".to_owned(),
        )));
    }
    let reserve = Reserve::in_dir(dir);
    reserve.make_room().map_err(|error| fail(error.into()))?;
    let (tables, epoch) = guard(|| {
        let tables = Tables::open(&db, lock)?;
        tables.touch()?;
        let epoch = number(&tables, b"epoch")?.unwrap_or(0);
        Ok((tables, epoch))
    })
    .map_err(fail)?;
    let found = guard(|| number(&tables, b"format")).map_err(fail)?;
    match found {
        Some(found) if found > FORMAT => return Err(newer(dir, found)),
        Some(_) => {}
        None => guard(|| begin(&tables)).map_err(fail)?,
    }

    let mut writer = Writer {
        dir: dir.to_owned(),
        tables: Arc::new(tables),
        shared,
        head_file,
        reserve,
        answers: answers.clone().unwrap_or_default(),
        epoch,
        fleets: BTreeMap::new(),
        unsettled: None,
        dirty: false,
        failed: false,
        chore: Chore::Done,
        history_limit: options.history_limit.max(LEAST_HISTORY),
    };
    writer.take_up(answers.as_ref(), options)?;
    writer.reserve.refill();
    for (fleet, answered) in &writer.answers {
        if answered.record.is_none() {
            writer.shared.starts_at(fleet, answered.revision);
        }
    }
    writer.begin_chores();
    Ok(writer)
}

/// What `HEAD` says; None: nothing, and that is no reason not to go on yet.
fn answers(
    dir: &Path,
    head_file: &HeadFile,
    options: &SledOptions,
) -> Result<Option<Answers>, StoreError> {
    let fail = |fault: Fault| fault.at(dir);
    match head_file.read().map_err(|error| fail(error.into()))? {
        Found::Newer(found) => Err(newer(dir, found)),
        Found::Whole(answers) => Ok(Some(answers)),
        Found::Missing => Ok(None),
        Found::Damaged(_) if options.accept_older => Ok(None),
        Found::Damaged(detail) => Err(fail(Fault::Damaged(format!(
            "{detail}; if only this file is damaged, start once with --accept-older"
        )))),
    }
}

impl Writer {
    /// Goes on from what is stored, if all of it is what was answered for, and brings `HEAD` up to date.
    fn take_up(
        &mut self,
        answers: Option<&Answers>,
        options: &SledOptions,
    ) -> Result<(), StoreError> {
        let dir = self.dir.clone();
        let fail = |fault: Fault| fault.at(&dir);
        let fleets = guard(|| find(&self.tables, &self.answers)).map_err(fail)?;
        if answers.is_none() && !fleets.is_empty() && !options.accept_older {
            return Err(fail(Fault::Damaged(
                "the file HEAD is missing beside a database that has revisions; if it was deleted by mistake, start once \
                 with --accept-older"
                    .to_owned(),
            )));
        }
        // First all checks, then all changes: a store that is refused stays as it was.
        let mut good = Vec::new();
        let mut older = Vec::new();
        for fleet in fleets {
            let outcome = if answers.is_none() {
                Err(fail(Fault::Damaged("HEAD is missing".to_owned())))
            } else {
                self.check(&fleet)
            };
            match outcome {
                Ok(loaded) => good.extend(loaded.map(|loaded| (fleet, loaded))),
                // It is not lost, so there is nothing to go back from.
                Err(error @ StoreError::Unfamiliar { .. }) => return Err(error),
                Err(_) if options.accept_older => {
                    let newest = recover::newest_whole(self, &fleet.name, &fleet.revisions)?;
                    older.push((fleet, newest));
                }
                Err(error) => return Err(error),
            }
        }
        for (fleet, loaded) in good {
            let answered = Answered {
                revision: loaded.head.meta.revision,
                record: Some(loaded.record),
            };
            self.answers.insert(fleet.name.clone(), answered);
            self.adopt(fleet, loaded);
        }
        for (fleet, newest) in older {
            recover::go_on(self, fleet.name, &fleet.revisions, fleet.answered, newest)?;
        }
        if answers != Some(&self.answers) {
            self.head_file
                .write(&self.answers)
                .map_err(|error| fail(error.into()))?;
        }
        Ok(())
    }

    /// The newest revision of a fleet, whole, and not older than what was answered for. None: a fleet that was given up.
    fn check(&self, fleet: &FoundFleet) -> Result<Option<Loaded>, StoreError> {
        let newest = fleet.revisions.last().copied();
        let head = fleet.answered.map(|answered| answered.revision);
        let went_back = |found| StoreError::WentBack {
            path: self.dir.display().to_string(),
            fleet: fleet.name.clone(),
            found,
            head: head.unwrap_or_default(),
        };
        let Some(newest) = newest else {
            return match fleet.answered {
                Some(Answered { record: None, .. }) | None => Ok(None),
                Some(_) => Err(went_back(Revision::ZERO)),
            };
        };
        if head.is_some_and(|head| newest < head) {
            return Err(went_back(newest));
        }
        let fail = |fault: Fault| fault.at(&self.dir);
        if let Some(Answered {
            revision,
            record: Some(expected),
        }) = fleet.answered
        {
            let record = guard(|| self.tables.record(&fleet.name, revision)).map_err(fail)?;
            if record.map(|(_, digest)| digest) != Some(expected) {
                return Err(fail(Fault::Damaged(format!(
                    "revision {revision} of fleet {} is not the one that HEAD names",
                    fleet.name
                ))));
            }
        }
        let loaded = guard(|| self.tables.load(&fleet.name, newest)).map_err(fail)?;
        loaded.map(Some).ok_or_else(|| {
            let detail = format!("revision {newest} of fleet {} is missing", fleet.name);
            fail(Fault::Damaged(detail))
        })
    }

    /// Goes on from this head.
    fn adopt(&mut self, fleet: FoundFleet, loaded: Loaded) {
        let kept = self.kept(&fleet.name, &fleet.revisions);
        let known = Fleet::new(loaded.manifest, loaded.chain, kept);
        self.fleets.insert(fleet.name, known);
        self.shared.heads.publish(Arc::new(loaded.head));
    }

    /// What retention needs to know of these revisions.
    pub fn kept(&self, fleet: &Name, revisions: &[Revision]) -> Vec<Kept> {
        let kept = |revision: &Revision| {
            let record = guard(|| self.tables.record(fleet, *revision));
            match record {
                Ok(Some((record, _))) => Kept::of(&record.meta),
                _ => {
                    tracing::warn!(%fleet, %revision, "an old revision is damaged and can't be shown");
                    Kept::unreadable(*revision)
                }
            }
        };
        revisions.iter().map(kept).collect()
    }
}

/// The server's own lock: sled's would say it less clearly.
fn lock(dir: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("LOCK"));
    let file = file.map_err(|error| Fault::Io(error).at(dir))?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if since.elapsed() < HANDOVER => {
                // A lock that can be waited for with a limit does not exist.
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::Locked.at(dir));
            }
            Err(TryLockError::Error(error)) => return Err(Fault::Io(error).at(dir)),
        }
    }
}

fn newer(dir: &Path, found: u64) -> StoreError {
    StoreError::NewerFormat {
        path: dir.display().to_string(),
        found,
        known: FORMAT,
    }
}

/// A new store says what it is before it holds anything.
fn begin(tables: &Tables) -> Result<(), Fault> {
    let mut batches = Batches::default();
    let format = FORMAT.to_be_bytes();
    tables.meta.put(&mut batches.meta, b"format", &format)?;
    tables.write(&batches)?;
    tables.flush()
}

fn number(tables: &Tables, key: &[u8]) -> Result<Option<u64>, Fault> {
    let Some(bytes) = tables.meta.get(key)? else {
        return Ok(None);
    };
    let bytes = <[u8; 8]>::try_from(bytes.as_slice())
        .map_err(|_| Fault::Damaged(format!("{} is no number", key.escape_ascii())))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

/// All fleets that are stored or were answered for.
fn find(tables: &Tables, answers: &Answers) -> Result<Vec<FoundFleet>, Fault> {
    let mut revisions: BTreeMap<Name, Vec<Revision>> = BTreeMap::new();
    for key in tables.records.keys(&[], &[]) {
        let (fleet, revision) = parse_revision_key(&key?)?;
        revisions.entry(fleet).or_default().push(revision);
    }
    let names: BTreeSet<Name> = revisions.keys().chain(answers.keys()).cloned().collect();
    let found = names.into_iter().map(|name| FoundFleet {
        revisions: revisions.remove(&name).unwrap_or_default(),
        answered: answers.get(&name).copied(),
        name,
    });
    Ok(found.collect())
}
