//! Zip files, as far as files of tensors use the format: entries that are stored as they are, or packed with Deflate.
//!
//! Read from its end: the end record (and the 64-bit one that large files need), the list of entries, and each entry's
//! own header, whose name has to agree with the list's.

use std::{collections::BTreeMap, ops::Range};

use crate::limits;

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const LISTED: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

const END_LENGTH: usize = 22;
const LISTED_LENGTH: usize = 46;
const LOCAL_LENGTH: usize = 30;

/// The numbers of the two methods of packing that are read.
const STORED: usize = 0;
const DEFLATED: usize = 8;

/// An entry of a zip file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where its bytes lie in the file.
    pub(crate) range: Range<usize>,
    /// How many bytes they are once unpacked, as the file says; `None` for an entry that is stored as it is.
    pub(crate) unpacked: Option<usize>,
}

/// A zip file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ZipError {
    /// It has no end record.
    #[error("it is not a zip file, or it is cut off")]
    NotZip,
    /// It claims too many entries.
    #[error("it claims {0} entries")]
    TooMany(usize),
    /// An entry is encrypted or packed otherwise than with Deflate.
    #[error("its entry {name:?} is {how}")]
    Method {
        /// The entry.
        name: String,
        /// What it is.
        how: &'static str,
    },
    /// It contradicts itself.
    #[error("{0}")]
    Broken(String),
}

/// The most entries that a file may claim.
pub(crate) const fn most_entries() -> usize {
    limits::archives::MOST_ENTRIES
}

/// The entries of a zip file, by name.
pub(crate) fn entries(file: &[u8]) -> Result<BTreeMap<String, Entry>, ZipError> {
    let end = end_record(file).ok_or(ZipError::NotZip)?;
    let list = List::of(file, end).ok_or_else(|| broken("its end record lies"))?;
    if list.count > limits::archives::MOST_ENTRIES {
        return Err(ZipError::TooMany(list.count));
    }
    list.entries(file)
}

fn broken(reason: impl Into<String>) -> ZipError {
    ZipError::Broken(reason.into())
}

/// Where the end record begins: the last one whose comment reaches to the end of the file.
fn end_record(file: &[u8]) -> Option<usize> {
    let last = file.len().checked_sub(END_LENGTH)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|at| {
        file[*at..].starts_with(END)
            && number::<2>(file, at + 20).is_some_and(|comment| at + END_LENGTH + comment == file.len())
    })
}

/// The list of entries, as the end record describes it.
struct List {
    count: usize,
    range: Range<usize>,
}

impl List {
    fn of(file: &[u8], end: usize) -> Option<Self> {
        let locator = end.checked_sub(20).filter(|at| file[*at..].starts_with(LOCATOR_64));
        let (count, length, start) = match locator {
            Some(at) => {
                let end = number::<8>(file, at + 8)?;
                file.get(end..)?.starts_with(END_64).then_some(())?;
                (number::<8>(file, end + 32)?, number::<8>(file, end + 40)?, number::<8>(file, end + 48)?)
            }
            None => {
                (number::<2>(file, end + 10)?, number::<4>(file, end + 12)?, number::<4>(file, end + 16)?)
            }
        };
        let range = start..start.checked_add(length)?;
        (range.end <= end).then_some(Self { count, range })
    }

    fn entries(&self, file: &[u8]) -> Result<BTreeMap<String, Entry>, ZipError> {
        let list = &file[..self.range.end];
        let mut entries = BTreeMap::new();
        let mut at = self.range.start;
        for _ in 0..self.count {
            let listed = Listed::at(list, at).ok_or_else(|| broken("its list of entries lies"))?;
            at = listed.next;
            let other = |how| ZipError::Method { name: listed.name.clone(), how };
            let unpacked = match listed.method {
                _ if listed.flags & 1 != 0 => return Err(other("encrypted")),
                STORED if listed.packed == listed.size => None,
                DEFLATED => Some(listed.size),
                _ => return Err(other("compressed in a way that is not read")),
            };
            let range = listed.data(file, self.range.start);
            let range = range.ok_or_else(|| broken(format!("its entry {:?} lies", listed.name)))?;
            if entries.contains_key(&listed.name) {
                return Err(broken(format!("it has two entries {:?}", listed.name)));
            }
            entries.insert(listed.name, Entry { range, unpacked });
        }
        Ok(entries)
    }
}

/// An entry of the list.
struct Listed {
    name: String,
    flags: usize,
    method: usize,
    packed: usize,
    size: usize,
    /// Where its own header is.
    local: usize,
    /// Where the next one of the list begins.
    next: usize,
}

impl Listed {
    fn at(list: &[u8], at: usize) -> Option<Self> {
        list.get(at..)?.starts_with(LISTED).then_some(())?;
        let name_end = at.checked_add(LISTED_LENGTH)?.checked_add(number::<2>(list, at + 28)?)?;
        let extra_end = name_end.checked_add(number::<2>(list, at + 30)?)?;
        let next = extra_end.checked_add(number::<2>(list, at + 32)?)?;
        let extra = list.get(name_end..extra_end)?;
        let mut wide = Wide { rest: wide(extra)? };
        // In the order of the 64-bit field, which holds those alone that do not fit 32 bits.
        let size = wide.or(number::<4>(list, at + 24)?)?;
        let packed = wide.or(number::<4>(list, at + 20)?)?;
        let local = wide.or(number::<4>(list, at + 42)?)?;
        Some(Self {
            name: str::from_utf8(list.get(at + LISTED_LENGTH..name_end)?).ok()?.to_owned(),
            flags: number::<2>(list, at + 8)?,
            method: number::<2>(list, at + 10)?,
            packed,
            size,
            local,
            next: (next <= list.len()).then_some(next)?,
        })
    }

    /// Where its bytes lie: before `list`, after a header of its own with the same name.
    fn data(&self, file: &[u8], list: usize) -> Option<Range<usize>> {
        let before = &file[..list];
        before.get(self.local..)?.starts_with(LOCAL).then_some(())?;
        let name_start = self.local.checked_add(LOCAL_LENGTH)?;
        let name_end = name_start.checked_add(number::<2>(before, self.local + 26)?)?;
        (before.get(name_start..name_end)? == self.name.as_bytes()).then_some(())?;
        let start = name_end.checked_add(number::<2>(before, self.local + 28)?)?;
        let end = start.checked_add(self.packed)?;
        (end <= list).then_some(start..end)
    }
}

/// The 64-bit values of an entry, in the order in which they are asked for.
struct Wide<'a> {
    rest: &'a [u8],
}

impl Wide<'_> {
    /// A 32-bit value, or the next 64-bit one where it says to look there.
    fn or(&mut self, narrow: usize) -> Option<usize> {
        if narrow != u32::MAX as usize {
            return Some(narrow);
        }
        let (first, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        usize::try_from(u64::from_le_bytes(*first)).ok()
    }
}

/// The content of the 64-bit field among the extra fields of an entry; empty where there is none.
fn wide(mut extra: &[u8]) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let (id, length) = (number::<2>(extra, 0)?, number::<2>(extra, 2)?);
        let field = extra.get(4..4 + length)?;
        if id == 1 {
            return Some(field);
        }
        extra = &extra[4 + length..];
    }
    Some(&[])
}

/// A little-endian number of `N` bytes.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(N)?)?;
    let value = bytes.iter().rev().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    usize::try_from(value).ok()
}
