//! The one thread that writes: commits in the order in which they come, and between them what can wait.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{
    chore::Chore,
    fault::Fault,
    fleet::Fleet,
    guard::guard,
    head_file::{Answers, HeadFile},
    reserve::Reserve,
    shared::Shared,
    tables::Tables,
};
use crate::{
    fleet::RosterEntry,
    model::{Name, Revision},
    release::ReleaseRecord,
    store::{Commit, CommitError, Head, StoreError},
};

/// How long a roster or a note waits for a commit to be flushed with before it is flushed by itself; and how long the
/// writer waits to try `HEAD` again.
const IDLE: Duration = Duration::from_secs(1);

/// Between two slices of what can wait: long enough not to be busy while somebody reads history.
const PAUSE: Duration = Duration::from_millis(1);

/// What the writer is asked to do. Whoever asks waits for the answer, so the queue is as long as there are askers.
pub(super) enum Job {
    /// Add a revision.
    Commit(Box<Commit>, oneshot::Sender<Result<Arc<Head>, CommitError>>),
    /// Bring `HEAD` up to what is flushed.
    Settle(oneshot::Sender<Result<(), StoreError>>),
    /// Add a line to a revision.
    Annotate(
        Name,
        Revision,
        String,
        oneshot::Sender<Result<(), StoreError>>,
    ),
    /// Keep a roster.
    Roster(
        Name,
        Vec<RosterEntry>,
        oneshot::Sender<Result<(), StoreError>>,
    ),
    /// Keep the record of a release.
    Release(Arc<ReleaseRecord>, oneshot::Sender<Result<(), StoreError>>),
    /// Do now what can wait.
    Tidy(oneshot::Sender<Result<(), StoreError>>),
    /// Flush, and let go of everything.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// What the writer holds.
pub(super) struct Writer {
    pub dir: PathBuf,
    pub tables: Arc<Tables>,
    pub shared: Arc<Shared>,
    pub head_file: HeadFile,
    pub reserve: Reserve,
    /// What `HEAD` says.
    pub answers: Answers,
    /// The newest epoch seen.
    pub epoch: u64,
    pub fleets: BTreeMap<Name, Fleet>,
    /// Flushed, but `HEAD` could not be written.
    pub unsettled: Option<Head>,
    /// Something was written and not flushed.
    pub dirty: bool,
    /// sled failed in the middle of something: what it has in memory is not to be trusted.
    pub failed: bool,
    pub chore: Chore,
    pub history_limit: usize,
}

impl Writer {
    /// Works until it is told to close, or nobody is left who could ask.
    pub fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let patience = if self.chore.is_done() { IDLE } else { PAUSE };
            match jobs.recv_timeout(patience) {
                Ok(Job::Close(answer)) => {
                    let dir = self.dir.clone();
                    let outcome = self.close();
                    let _ = answer.send(outcome.map_err(|fault| fault.at(&dir)));
                    return;
                }
                Ok(job) => self.work(job),
                Err(RecvTimeoutError::Timeout) => self.idle(),
                Err(RecvTimeoutError::Disconnected) => {
                    if let Err(fault) = self.close() {
                        tracing::warn!(?fault, "the store was not closed cleanly");
                    }
                    return;
                }
            }
        }
    }

    // An asker who has gone away needs no answer, so sending one may fail.
    fn work(&mut self, job: Job) {
        match job {
            Job::Commit(commit, answer) => {
                let outcome = self.commit(*commit);
                let _ = answer.send(outcome);
            }
            Job::Settle(answer) => {
                let outcome = self.settle();
                let _ = answer.send(outcome.map_err(|fault| fault.at(&self.dir)));
            }
            Job::Annotate(fleet, revision, note, answer) => {
                let outcome = self.annotate(&fleet, revision, note);
                let _ = answer.send(outcome.map_err(|fault| fault.at(&self.dir)));
            }
            Job::Roster(fleet, roster, answer) => {
                let outcome = self.roster(&fleet, roster);
                let _ = answer.send(outcome.map_err(|fault| fault.at(&self.dir)));
            }
            Job::Release(record, answer) => {
                let outcome = self.release(record);
                let _ = answer.send(outcome.map_err(|fault| fault.at(&self.dir)));
            }
            Job::Tidy(answer) => {
                while !self.chore.is_done() {
                    self.do_chore();
                }
                let written = self.catch_up();
                let outcome = written.and_then(|()| self.guarded(|writer| writer.tables.flush()));
                let _ = answer.send(outcome.map_err(|fault| fault.at(&self.dir)));
            }
            Job::Close(_) => {} // `run` takes these.
        }
    }

    /// Uses sled. A failure in between ends the use of it: only what is on disk counts then.
    pub fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.failed {
            return Err(Fault::Closed);
        }
        guard(|| work(self)).inspect_err(|fault| {
            tracing::error!(?fault, "the store failed, and is not used any more");
            self.failed = true;
        })
    }

    fn idle(&mut self) {
        if self.unsettled.is_some() && self.settle().is_err() {
            return;
        }
        if self.failed || !self.reserve.has_room() {
            // What was left of it is found again, with the next revision too many.
            self.chore = Chore::Done;
            return;
        }
        self.reserve.refill();
        if self.catch_up().is_err() {
            return;
        }
        if self.dirty && self.guarded(|writer| writer.tables.flush()).is_ok() {
            self.dirty = false;
        }
        self.do_chore();
    }

    /// Writes `HEAD` where that failed before, and makes the revision known.
    pub fn settle(&mut self) -> Result<(), Fault> {
        if self.unsettled.is_some() {
            self.head_file.write(&self.answers)?;
        }
        if let Some(head) = self.unsettled.take() {
            self.make_known(head);
        }
        Ok(())
    }

    /// What `HEAD` names is durable, and from now on served.
    pub fn make_known(&mut self, head: Head) -> Arc<Head> {
        let head = Arc::new(Head {
            durable_at: Some(Timestamp::now()),
            ..head
        });
        self.shared.heads.publish(head.clone());
        self.shared.settled();
        head
    }

    fn close(mut self) -> Result<(), Fault> {
        self.shared.close();
        let settled = self.settle();
        let caught_up = self.catch_up_at_last();
        let flushed = if self.dirty {
            self.guarded(|writer| writer.tables.flush())
        } else {
            Ok(())
        };
        let tables = self.tables;
        // Dropping sled flushes once more; on a damaged file it may panic there too.
        guard(|| {
            drop(tables);
            Ok(())
        })?;
        settled.and(caught_up).and(flushed)
    }
}
