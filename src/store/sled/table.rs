//! A sled tree of values of any length, each under the digest of what was written.
//!
//! sled checks no content by itself (`verify_integrity` says Ok to overwritten bytes), so every value is checked here
//! when it is read.

use sled::{Batch, Tree};

use super::fault::Fault;
use crate::snapshot::Digest;

/// Larger values are cut into pieces. sled keeps up to 16 values in a node, and writes a node of more than 128 KiB
/// (a quarter of a segment) into a file of its own, which it never syncs: 16 of these stay below that.
const PIECE: usize = 6 * 1024;

/// Values by key. No key may be the beginning of another one.
pub(super) struct Table {
    tree: Tree,
    name: &'static str,
}

impl Table {
    /// Opens or creates it.
    pub fn open(db: &sled::Db, name: &'static str) -> Result<Self, Fault> {
        let tree = db.open_tree(name)?;
        Ok(Self { tree, name })
    }

    /// The tree, for transactions.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// A value, checked.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let mut framed = Vec::new();
        for (expected, piece) in (0u16..).zip(self.tree.scan_prefix(key)) {
            let (at, piece) = piece?;
            if at.get(key.len()..) != Some(expected.to_be_bytes().as_slice()) {
                return Err(self.damaged(key, "lacks a piece"));
            }
            framed.extend_from_slice(&piece);
        }
        if framed.is_empty() {
            return Ok(None);
        }
        let Some((digest, value)) = framed.split_first_chunk::<32>() else {
            return Err(self.damaged(key, "is cut"));
        };
        if Digest::from_bytes(*digest) != self.digest(key, value) {
            return Err(self.damaged(key, "does not match its digest"));
        }
        Ok(Some(value.to_vec()))
    }

    /// Adds writing a value to a batch.
    pub fn put(&self, batch: &mut Batch, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.remove(batch, key)?;
        let mut framed = self.digest(key, value).as_bytes().to_vec();
        framed.extend_from_slice(value);
        if framed.len() > PIECE * usize::from(u16::MAX) {
            return Err(Fault::Io(std::io::Error::new(
                std::io::ErrorKind::FileTooLarge,
                format!("a value of {} bytes is too large to store", value.len()),
            )));
        }
        for (number, piece) in (0u16..).zip(framed.chunks(PIECE)) {
            batch.insert([key, &number.to_be_bytes()].concat(), piece);
        }
        Ok(())
    }

    /// Adds removing a value to a batch.
    pub fn remove(&self, batch: &mut Batch, key: &[u8]) -> Result<(), Fault> {
        for at in self.tree.scan_prefix(key).keys() {
            batch.remove(at?);
        }
        Ok(())
    }

    /// The keys from `from` on that begin with `prefix`, in order.
    pub fn keys(
        &self,
        prefix: &[u8],
        from: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<Vec<u8>, Fault>> {
        let prefix = prefix.to_vec();
        let end = after(&prefix);
        let range = match end {
            Some(end) => self.tree.range(from.to_vec()..end),
            None => self.tree.range(from.to_vec()..),
        };
        range.keys().filter_map(|at| match at {
            // Only the first piece stands for its value.
            Ok(at) => at.strip_suffix(&[0, 0]).map(|key| Ok(key.to_vec())),
            Err(error) => Some(Err(error.into())),
        })
    }

    /// Reads all there is, so that a page sled can't read is found now and not in the middle of a commit.
    pub fn touch(&self) -> Result<(), Fault> {
        self.tree
            .iter()
            .try_for_each(|pair| pair.map(drop).map_err(Fault::from))
    }

    fn digest(&self, key: &[u8], value: &[u8]) -> Digest {
        // With the key: a value in another one's place is damage too.
        Digest::of(&[self.name.as_bytes(), key, value])
    }

    fn damaged(&self, key: &[u8], how: &str) -> Fault {
        let name = self.name;
        Fault::Damaged(format!("{name} {} {how}", key.escape_ascii()))
    }
}

/// The first key after all those that begin with `prefix`.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
