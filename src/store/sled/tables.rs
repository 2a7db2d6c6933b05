//! sled's trees, opened together and written together.

use std::{
    fs::File,
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError},
    time::{Duration, Instant},
};

use sled::{Batch, Transactional, transaction::ConflictableTransactionError};

use super::{fault::Fault, table::Table};

/// What sled may hold in memory. The head is in memory anyway and history is read rarely, so little is enough, and
/// the whole server is to stay below 50 MB.
const CACHE: u64 = 4 * 1024 * 1024;

/// How long sled's own threads may hold its lock after a store in this same process was closed.
const LINGERING: Duration = Duration::from_secs(5);

/// All that is in sled. The fields are dropped in this order: our lock goes last.
pub(super) struct Tables {
    pub blobs: Table,
    pub records: Table,
    pub deltas: Table,
    pub operations: Table,
    pub notes: Table,
    pub rosters: Table,
    pub releases: Table,
    pub meta: Table,
    db: sled::Db,
    file: File,
    /// Held for reading while a revision is put together, for writing while chains of deltas are changed.
    chains: RwLock<()>,
    _lock: File,
}

/// Writes to all tables that happen together or not at all.
#[derive(Default)]
pub(super) struct Batches {
    pub blobs: Batch,
    pub records: Batch,
    pub deltas: Batch,
    pub operations: Batch,
    pub notes: Batch,
    pub meta: Batch,
}

impl Tables {
    /// Opens sled in `dir`, whose lock the caller has.
    pub fn open(dir: &Path, lock: File) -> Result<Self, Fault> {
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE)
            // The writer flushes. A thread that flushes on its own would meet a full disk on its own, too.
            .flush_every_ms(None);
        let since = Instant::now();
        let db = loop {
            match config.open() {
                Ok(db) => break db,
                // sled tells this error by its words only.
                Err(sled::Error::Io(error))
                    if error.to_string().contains("could not acquire lock") =>
                {
                    if since.elapsed() > LINGERING {
                        return Err(Fault::Locked);
                    }
                    // This is sled's thread of the store before, on its way out; there is nothing to wait on.
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error.into()),
            }
        };
        Ok(Self {
            blobs: Table::open(&db, "blobs")?,
            records: Table::open(&db, "records")?,
            deltas: Table::open(&db, "deltas")?,
            operations: Table::open(&db, "operations")?,
            notes: Table::open(&db, "notes")?,
            rosters: Table::open(&db, "rosters")?,
            releases: Table::open(&db, "releases")?,
            meta: Table::open(&db, "meta")?,
            file: File::open(dir.join("db"))?,
            db,
            chains: RwLock::default(),
            _lock: lock,
        })
    }

    /// Reads everything once: what sled can't read is found at the start, and not in the middle of a commit.
    pub fn touch(&self) -> Result<(), Fault> {
        let all = [
            &self.blobs,
            &self.records,
            &self.deltas,
            &self.operations,
            &self.notes,
            &self.rosters,
            &self.releases,
            &self.meta,
        ];
        all.into_iter().try_for_each(Table::touch)
    }

    /// Writes all of it or nothing. Not yet durable: see [`Tables::flush`].
    pub fn write(&self, batches: &Batches) -> Result<(), Fault> {
        let trees = (
            self.blobs.tree(),
            self.records.tree(),
            self.deltas.tree(),
            self.operations.tree(),
            self.notes.tree(),
            self.meta.tree(),
        );
        trees
            .transaction(|(blobs, records, deltas, operations, notes, meta)| {
                blobs.apply_batch(&batches.blobs)?;
                records.apply_batch(&batches.records)?;
                deltas.apply_batch(&batches.deltas)?;
                operations.apply_batch(&batches.operations)?;
                notes.apply_batch(&batches.notes)?;
                meta.apply_batch(&batches.meta)?;
                Ok::<(), ConflictableTransactionError<Fault>>(())
            })
            .map_err(Fault::from)
    }

    /// Makes everything written durable.
    pub fn flush(&self) -> Result<(), Fault> {
        self.db.flush()?;
        // On Linux sled's flush is sync_file_range, which neither writes the file's new length nor empties the disk's
        // cache: after a power failure the commit would be gone.
        self.file.sync_data()?;
        Ok(())
    }

    /// For putting a revision together: no chain changes meanwhile.
    pub fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.chains.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For changing chains. None while somebody reads: the writer has better things to do than to wait.
    pub fn rechaining(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        match self.chains.try_write() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
