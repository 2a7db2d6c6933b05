//! Disk space that is kept so that a rollback works on a full disk, and so that sled never meets one in between.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::store::CommitError;

/// Ordinary commits stop below this much free space. A commit writes kilobytes, but sled takes segments of 512 KiB at a
/// time and moves old ones together: 32 segments are far more than it needs in between two looks at the disk.
pub(super) const KEPT_FREE: u64 = 16 * 1024 * 1024;

/// Where even that is used up (by others), this much lies in a file that is given up for a rollback: 16 segments.
const RESERVE: u64 = 8 * 1024 * 1024;

/// Below this, a commit could fail in the middle, and the store with it: two segments and a `HEAD`.
const LEAST_FREE: u64 = 2 * 1024 * 1024;

/// Ordinary commits stop below so many more files: one is needed at a time, by `HEAD`, and a few by sled now and then.
const KEPT_FILES: u64 = 16;

/// Below this `HEAD` could not be written. The reserve is a file, too.
const LEAST_FILES: u64 = 1;

/// What a disk has left.
struct Free {
    bytes: u64,
    /// Files that can still be made; as many as one likes where the file system does not count them.
    files: u64,
}

/// Looks at the disk before each commit.
pub(super) struct Reserve {
    dir: PathBuf,
    file: PathBuf,
}

impl Reserve {
    /// For this data directory.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            file: dir.join("RESERVE"),
        }
    }

    fn free(&self) -> io::Result<Free> {
        let disk = statvfs(&self.dir)?;
        Ok(Free {
            bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
            files: match disk.f_files {
                0 => u64::MAX,
                _ => disk.f_favail,
            },
        })
    }

    /// There is room for ordinary work.
    pub fn has_room(&self) -> bool {
        self.free()
            .is_ok_and(|free| free.check(KEPT_FREE, KEPT_FILES).is_ok())
    }

    /// Lets a commit through, or refuses it; gives the reserve file up where that is what it needs.
    pub fn admit(&self, uses_reserve: bool) -> Result<(), CommitError> {
        let Ok(free) = self.free() else {
            // A system that can't tell must not stop a rollback; the write itself will tell.
            return Ok(());
        };
        if !uses_reserve {
            return free.check(KEPT_FREE, KEPT_FILES);
        }
        let free = match free.check(RESERVE, LEAST_FILES) {
            Ok(()) => free,
            Err(_) => self.give_up().unwrap_or(free),
        };
        let least = free.check(LEAST_FREE, LEAST_FILES);
        least.map_err(|_| CommitError::ReserveUsedUp)
    }

    /// Makes room before sled is opened: it writes then, too, and damages its own files where it can't.
    pub fn make_room(&self) -> io::Result<()> {
        let enough = |free: Free| free.check(LEAST_FREE, LEAST_FILES).is_ok();
        if enough(self.free()?) || enough(self.give_up()?) {
            return Ok(());
        }
        let message = format!(
            "less than {LEAST_FREE} bytes of disk are free, or it can hold no more files: free some space, nothing was changed"
        );
        Err(io::Error::new(io::ErrorKind::StorageFull, message))
    }

    fn give_up(&self) -> io::Result<Free> {
        match fs::remove_file(&self.file) {
            Ok(()) => {
                tracing::warn!("the disk is full: the space kept for rollbacks is used now");
                self.free()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.free(),
            Err(error) => Err(error),
        }
    }

    /// Takes the reserve (again), where there is ample room. That it can't be taken is no reason not to work.
    pub fn refill(&self) {
        let ample = |free: Free| free.check(KEPT_FREE + 2 * RESERVE, KEPT_FILES + 1).is_ok();
        if self.file.exists() || !self.free().is_ok_and(ample) {
            return;
        }
        if let Err(error) = self.allocate() {
            tracing::warn!(%error, "no disk space can be kept for rollbacks");
            let _ = fs::remove_file(&self.file);
        }
    }

    fn allocate(&self) -> io::Result<()> {
        let file: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&self.file)?;
        fallocate(&file, FallocateFlags::empty(), 0, RESERVE)?;
        Ok(())
    }
}

impl Free {
    /// Refuses where less is left.
    fn check(&self, bytes: u64, files: u64) -> Result<(), CommitError> {
        if self.bytes < bytes {
            let (free, needed) = (self.bytes, bytes);
            return Err(CommitError::DiskFull { free, needed });
        }
        if self.files < files {
            let (free, needed) = (self.files, files);
            return Err(CommitError::FilesFull { free, needed });
        }
        Ok(())
    }
}
