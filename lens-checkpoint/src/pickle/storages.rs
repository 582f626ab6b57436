//! Where the numbers of tensors lie in a file.

use std::{collections::BTreeMap, ops::Range};

use super::zip::Archive;

/// The storages of a file, by the keys that its pickle has for them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Storages<'a> {
    /// Entries of a zip file.
    Zip(&'a Archive),
    /// Somewhere after the pickle, which is run to find its end.
    Later,
    /// After the pickle, where they were found.
    Found(&'a BTreeMap<String, Range<usize>>),
}

impl Storages<'_> {
    /// Where the storage of that key lies, which should have `expected` bytes.
    pub(super) fn of(self, key: &str, expected: usize) -> Option<Range<usize>> {
        match self {
            Self::Zip(archive) => archive.storage(key),
            Self::Later => Some(0..expected),
            Self::Found(found) => found.get(key).cloned(),
        }
    }
}
