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

    /// Bytes that are free for us.
    pub fn free(&self) -> io::Result<u64> {
        let disk = statvfs(&self.dir)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// There is room for ordinary work.
    pub fn has_room(&self) -> bool {
        self.free().is_ok_and(|free| free >= KEPT_FREE)
    }

    /// Lets a commit through, or refuses it; gives the reserve file up where that is what it needs.
    pub fn admit(&self, uses_reserve: bool) -> Result<(), CommitError> {
        let Ok(free) = self.free() else {
            // A system that can't tell must not stop a rollback; the write itself will tell.
            return Ok(());
        };
        if !uses_reserve {
            return if free < KEPT_FREE {
                let needed = KEPT_FREE;
                Err(CommitError::DiskFull { free, needed })
            } else {
                Ok(())
            };
        }
        let free = if free < RESERVE {
            self.give_up().unwrap_or(free)
        } else {
            free
        };
        if free < LEAST_FREE {
            let needed = LEAST_FREE;
            return Err(CommitError::DiskFull { free, needed });
        }
        Ok(())
    }

    /// Makes room before sled is opened: it writes then, too, and damages its own files where it can't.
    pub fn make_room(&self) -> io::Result<()> {
        if self.free()? >= LEAST_FREE || self.give_up()? >= LEAST_FREE {
            return Ok(());
        }
        let message = format!(
            "less than {LEAST_FREE} bytes of disk are free: free some space, nothing was changed"
        );
        Err(io::Error::new(io::ErrorKind::StorageFull, message))
    }

    fn give_up(&self) -> io::Result<u64> {
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
        if self.file.exists() || self.free().is_ok_and(|free| free < KEPT_FREE + 2 * RESERVE) {
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
