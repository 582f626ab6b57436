//! The zip file around a pickle, as far as `torch.save` uses the format: entries that are stored as they are.

use std::{collections::BTreeMap, ops::Range};

use super::error::PickleError;
use crate::zip::{self, ZipError};

/// How the older form of `torch.save` begins: a pickle of a number that says so.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// The entries of a zip file.
#[derive(Debug)]
pub(crate) struct Archive {
    /// Where the bytes of each entry lie in the file.
    entries: BTreeMap<String, Range<usize>>,
    /// The folder that all entries are in, with its slash.
    folder: String,
}

impl Archive {
    /// Reads the list of entries of a file of `torch.save`.
    pub(super) fn open(file: &[u8]) -> Result<Self, PickleError> {
        if file.starts_with(LEGACY) {
            return Err(PickleError::Legacy);
        }
        let entries = entries(file)?;
        let folder = folder(&entries)?;
        let archive = Self { entries, folder };
        if archive.entry("constants.pkl").is_some() {
            return Err(PickleError::TorchScript);
        }
        match archive.entry("byteorder").map(|range| &file[range]) {
            None | Some(b"little") => Ok(archive),
            Some(_) => Err(PickleError::zip("its numbers are not little-endian")),
        }
    }

    /// Where the pickle lies.
    pub(super) fn pickle(&self) -> Result<Range<usize>, PickleError> {
        self.entry("data.pkl").ok_or_else(|| PickleError::zip("it lacks data.pkl"))
    }

    /// Where the numbers of a storage lie.
    pub(super) fn storage(&self, key: &str) -> Option<Range<usize>> {
        self.entry(&format!("data/{key}"))
    }

    /// Reads the list of entries of an `.npz`, which are in no folder.
    pub(crate) fn of_arrays(file: &[u8]) -> Result<Self, PickleError> {
        Ok(Self { entries: entries(file)?, folder: String::new() })
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Where the bytes of an entry lie.
    pub(crate) fn entry(&self, name: &str) -> Option<Range<usize>> {
        self.entries.get(&format!("{}{name}", self.folder)).cloned()
    }
}

/// Where the bytes of each entry lie, by its name.
fn entries(file: &[u8]) -> Result<BTreeMap<String, Range<usize>>, PickleError> {
    let stored = |(name, entry): (String, zip::Entry)| match entry.unpacked {
        None => Ok((name, entry.range)),
        Some(_) => Err(PickleError::NotStored { entry: name, how: "compressed" }),
    };
    zip::entries(file)?.into_iter().map(stored).collect()
}

impl From<ZipError> for PickleError {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::NotZip => Self::NotZip,
            ZipError::TooMany(has) => Self::TooLarge { what: "zip file", has, most: zip::most_entries() },
            ZipError::Method { name, how: "encrypted" } => Self::NotStored { entry: name, how: "encrypted" },
            ZipError::Method { name, .. } => Self::NotStored { entry: name, how: "compressed" },
            ZipError::Broken(reason) => Self::zip(reason),
        }
    }
}

/// The folder that all entries are in: `torch.save` names it like the file.
fn folder(entries: &BTreeMap<String, Range<usize>>) -> Result<String, PickleError> {
    let of = |name: &String| name.split_once('/').map(|(folder, _)| format!("{folder}/"));
    let mut folders: Vec<Option<String>> = entries.keys().map(of).collect();
    folders.dedup();
    match folders.as_mut_slice() {
        [Some(folder)] => Ok(std::mem::take(folder)),
        _ => Err(PickleError::zip("its entries are not in one folder")),
    }
}
