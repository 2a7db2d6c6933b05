//! What goes wrong below the store, before it is known which data directory it is about.

use std::{io, path::Path};

use crate::store::StoreError;

/// A failure in or below sled.
#[derive(Debug)]
pub(super) enum Fault {
    /// What is on disk is not what was written.
    Damaged(String),
    /// It is what was written, by a version that knows more than this one.
    Unfamiliar(String),
    /// The system said no.
    Io(io::Error),
    /// Another process has it open.
    Locked,
    /// The store was closed, or failed before.
    Closed,
}

impl Fault {
    /// Says where it happened.
    pub fn at(self, path: &Path) -> StoreError {
        let path = path.display().to_string();
        match self {
            Fault::Damaged(detail) => StoreError::Damaged { path, detail },
            Fault::Unfamiliar(detail) => StoreError::Unfamiliar { path, detail },
            Fault::Io(source) => StoreError::Io { path, source },
            Fault::Locked => StoreError::Locked { path },
            Fault::Closed => StoreError::Closed,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(source) => Fault::Io(source),
            other => Fault::Damaged(one_line(&other.to_string())),
        }
    }
}

impl From<sled::transaction::TransactionError<Fault>> for Fault {
    fn from(error: sled::transaction::TransactionError<Fault>) -> Self {
        match error {
            sled::transaction::TransactionError::Abort(fault) => fault,
            sled::transaction::TransactionError::Storage(error) => error.into(),
        }
    }
}

/// Messages are one line each, also where sled writes several.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
