//! What can go wrong with the store, and what the operator can do.

use crate::model::{Name, Revision};

/// A commit that was not made, or may not have been. What can be done about it, [`CommitError::remedy`] says.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else committed in between.
    #[error("fleet {fleet} is at revision {actual}, not {expected}")]
    Conflict {
        /// The fleet.
        fleet: Name,
        /// What the commit was planned on.
        expected: Revision,
        /// Where the fleet is.
        actual: Revision,
    },
    /// A newer writer has taken over.
    #[error(
        "this server's epoch {epoch} is older than {newest}: another server writes to this store now"
    )]
    Fenced {
        /// Ours.
        epoch: u64,
        /// The newest seen.
        newest: u64,
    },
    /// Too little free disk. Rollbacks still work.
    #[error(
        "the disk of the data directory has only {free} bytes free, {needed} are kept for rollbacks"
    )]
    DiskFull {
        /// Free now, in bytes.
        free: u64,
        /// The reserve, in bytes.
        needed: u64,
    },
    /// The disk can hold hardly any more files, however many bytes are free: `HEAD` is written beside itself. Rollbacks still work.
    #[error(
        "the disk of the data directory has room for only {free} more files, {needed} are kept for rollbacks"
    )]
    FilesFull {
        /// Files that can still be made.
        free: u64,
        /// The reserve.
        needed: u64,
    },
    /// There is not even room for a rollback.
    #[error("the disk of the data directory is full, and what was kept for rollbacks is used up")]
    ReserveUsedUp,
    /// Its parts are not about the same revision.
    #[error("the commit contradicts itself ({detail}): this is a bug of bluegreen")]
    Contradiction {
        /// What it says.
        detail: String,
    },
    /// The disk failed in mid-commit: read the head again before anything else.
    #[error("the commit's outcome is unknown, the store must be read again: {0}")]
    Unknown(#[source] StoreError),
    /// The store failed before anything was written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommitError {
    /// What the operator can do, on one line.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "look at what changed (`bluegreen history`), then try again",
            Self::Fenced { .. } => "send the command to that server; nothing was changed",
            Self::DiskFull { .. } => {
                "free space on the disk of the data directory; nothing was changed, and rollbacks still work"
            }
            Self::FilesFull { .. } => {
                "remove files from the disk of the data directory (`df -i`); nothing was changed, and rollbacks still work"
            }
            Self::ReserveUsedUp => {
                "free space, or remove files, on the disk of the data directory, then try again; nothing was changed, and proxies go on with what they have"
            }
            Self::Contradiction { .. } => "report this with the server's log; nothing was changed",
            Self::Unknown(_) => {
                "it may be done yet, as soon as the disk works again or the server is restarted: `bluegreen history` tells; what failed is in the server's log"
            }
            Self::Store(_) => "see the server's log; proxies go on with what they have",
        }
    }
}

/// The store can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error(
        "the data directory {path} is in use by another process: stop that one, or use another --data-dir"
    )]
    Locked {
        /// The data directory.
        path: String,
    },
    /// Written by a newer bluegreen.
    #[error(
        "the data directory {path} has format {found}, this bluegreen knows up to {known}: run the newer version, or restore a backup made with this one"
    )]
    NewerFormat {
        /// The data directory.
        path: String,
        /// The format found.
        found: u64,
        /// The newest this version knows.
        known: u64,
    },
    /// What is on disk is not what was written.
    #[error(
        "the store in {path} is damaged ({detail}): restore a backup of the data directory; proxies go on with what they have"
    )]
    Damaged {
        /// The data directory.
        path: String,
        /// What was found.
        detail: String,
    },
    /// What is on disk is what was written, and means nothing to this version: a newer one has written it. Nothing is changed,
    /// also where an older revision would do.
    #[error(
        "the data directory {path} holds what this bluegreen can't read ({detail}), whole as it is: a newer version has written it. Run that version, or restore a backup made with this one; nothing was changed, and proxies go on with what they have"
    )]
    Unfamiliar {
        /// The data directory.
        path: String,
        /// What was found.
        detail: String,
    },
    /// The store is older than its HEAD file says.
    #[error(
        "the store in {path} went back in time: fleet {fleet} is at revision {found}, HEAD says {head}. Restore a newer backup, or start once with --accept-older to go on from revision {found}"
    )]
    WentBack {
        /// The data directory.
        path: String,
        /// The fleet.
        fleet: Name,
        /// The newest revision found.
        found: Revision,
        /// The revision that was answered for.
        head: Revision,
    },
    /// An I/O error.
    #[error(
        "the store in {path} can't be used ({source}): it must be a directory that this user may write to, on a disk that works"
    )]
    Io {
        /// The data directory.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It was closed, or failed before and must be opened again.
    #[error("the store is closed: restart the server")]
    Closed,
}
