//! The header of a GGUF file (versions 2 and 3, little-endian), checked before a byte of a tensor is looked at.
//!
//! The layout is that of ggml's `docs/gguf.md`: magic, version, counts, metadata, tensor descriptions, padding, data.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
};

use super::{blocks::BlockType, cursor::Cursor, value::Value};
use crate::limits;

/// What a file says of itself and of its tensors.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) entries: BTreeMap<&'a str, Value<'a>>,
    /// In the order of the file.
    pub(crate) tensors: Vec<Described<'a>>,
}

/// A tensor as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described<'a> {
    pub(crate) name: &'a str,
    /// The outermost dimension first; ggml writes it last.
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: BlockType,
    /// Its bytes in the file.
    pub(crate) range: Range<usize>,
}

/// Why a header cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// It goes on after the bytes that are there.
    CutOff,
    /// It is broken, or what it describes cannot be used.
    Broken(String),
    /// The tensors that it describes end elsewhere than the file does.
    Size { expected: u64, actual: u64 },
}

impl From<String> for HeaderError {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

impl<'a> Header<'a> {
    /// Reads the header of a file of `file_size` bytes that begins with `start`.
    pub(crate) fn read(start: &'a [u8], file_size: u64) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(start);
        let is_part = (start.len() as u64) < file_size;
        Self::parse(&mut cursor, file_size).map_err(|error| match error {
            HeaderError::Broken(_) if cursor.is_at_end && is_part => HeaderError::CutOff,
            error => error,
        })
    }

    fn parse(cursor: &mut Cursor<'a>, file_size: u64) -> Result<Self, HeaderError> {
        let (n_tensors, n_entries) = counts(cursor)?;
        let mut entries = BTreeMap::new();
        for _ in 0..n_entries {
            let key = cursor.text()?;
            let kind = cursor.u32()?;
            if entries.insert(key, Value::read(cursor, kind)?).is_some() {
                return Err(format!("its metadata says {key:?} twice").into());
            }
        }
        let alignment = match entries.get("general.alignment") {
            None => 32,
            Some(Value::Int(n)) if (1..=1 << 20).contains(n) && (*n as usize).is_power_of_two() => {
                *n as usize
            }
            Some(other) => return Err(format!("its alignment is {}", other.shown()).into()),
        };
        let raw = (0..n_tensors).map(|_| Raw::read(cursor)).collect::<Result<Vec<_>, _>>()?;
        let data = cursor.at.next_multiple_of(alignment);
        let tensors: Vec<_> =
            raw.into_iter().map(|raw| raw.placed(data, alignment)).collect::<Result<_, _>>()?;
        check_apart(&tensors)?;
        let end = tensors.iter().map(|tensor| tensor.range.end).max().unwrap_or(0) as u64;
        if end > file_size {
            return Err(HeaderError::Size { expected: end, actual: file_size });
        }
        Ok(Self { entries, tensors })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.entries.get(key)
    }

    /// A text, if the key is there.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, String> {
        self.get(key).map_or(Ok(None), |value| match value {
            Value::Text(text) => Ok(Some(*text)),
            _ => Err(format!("its {key} is not a string")),
        })
    }

    /// An integer from 0, if the key is there, whatever its width.
    pub(crate) fn count(&self, key: &str) -> Result<Option<u64>, String> {
        self.get(key).map_or(Ok(None), |value| match value {
            Value::Int(int) => {
                u64::try_from(*int).map(Some).map_err(|_| format!("its {key} is {}", value.shown()))
            }
            _ => Err(format!("its {key} is not an integer")),
        })
    }

    /// True or false, if the key is there.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        self.get(key).map_or(Ok(None), |value| match value {
            Value::Bool(flag) => Ok(Some(*flag)),
            _ => Err(format!("its {key} is neither true nor false")),
        })
    }

    /// A list of texts, if the key is there.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<&[&'a str]>, String> {
        self.get(key).map_or(Ok(None), |value| match value {
            Value::Texts(texts) => Ok(Some(texts.as_slice())),
            Value::Ints(none) if none.is_empty() => Ok(Some(&[])),
            _ => Err(format!("its {key} is not a list of texts")),
        })
    }
}

fn counts(cursor: &mut Cursor<'_>) -> Result<(u64, u64), String> {
    if cursor.take(4)? != b"GGUF" {
        return Err("it does not begin with GGUF".to_owned());
    }
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        let hint = if (2..=3).contains(&version.swap_bytes()) { " (it is big-endian)" } else { "" };
        return Err(format!("its GGUF version is {version}{hint}, known are 2 and 3"));
    }
    let mut count = || {
        let count = cursor.u64()?;
        if count > limits::gguf::MOST_ENTRIES { Err(format!("it claims {count} entries")) } else { Ok(count) }
    };
    Ok((count()?, count()?))
}

/// A description of a tensor, not yet compared with anything.
struct Raw<'a> {
    name: &'a str,
    shape: Vec<usize>,
    kind: u32,
    offset: usize,
}

impl<'a> Raw<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, String> {
        let name = cursor.text()?;
        let rank = cursor.u32()?;
        if rank > limits::gguf::MOST_DIMENSIONS {
            return Err(format!("the tensor {name} has {rank} dimensions"));
        }
        let mut shape = (0..rank).map(|_| cursor.size()).collect::<Result<Vec<_>, _>>()?;
        shape.reverse();
        Ok(Self { name, shape, kind: cursor.u32()?, offset: cursor.size()? })
    }

    fn placed(self, data: usize, alignment: usize) -> Result<Described<'a>, String> {
        let Self { name, shape, kind, offset } = self;
        let beyond = || format!("the tensor {name} reaches beyond the file");
        if !offset.is_multiple_of(alignment) {
            return Err(format!(
                "the tensor {name} begins at {offset}, which is not a multiple of {alignment}"
            ));
        }
        let kind = BlockType::of(kind).map_err(|what| format!("the tensor {name} is of type {what}"))?;
        let columns = shape.last().copied().unwrap_or(1);
        if !columns.is_multiple_of(kind.values()) {
            return Err(format!(
                "the tensor {name} has rows of {columns} values, and {kind} has blocks of {}",
                kind.values()
            ));
        }
        let values = shape.iter().try_fold(1, |product: usize, n| product.checked_mul(*n));
        let length = values.and_then(|n| (n / kind.values()).checked_mul(kind.bytes())).ok_or_else(beyond)?;
        let start = data.checked_add(offset).ok_or_else(beyond)?;
        let end = start.checked_add(length).ok_or_else(beyond)?;
        Ok(Described { name, shape, kind, range: start..end })
    }
}

/// Every tensor has a name of its own, and shares no byte with another.
fn check_apart(tensors: &[Described<'_>]) -> Result<(), String> {
    let mut names = HashSet::new();
    if let Some(twice) = tensors.iter().find(|tensor| !names.insert(tensor.name)) {
        return Err(format!("it has two tensors {}", twice.name));
    }
    let mut ranges: Vec<_> = tensors
        .iter()
        .filter(|tensor| !tensor.range.is_empty())
        .map(|tensor| (tensor.range.start, tensor.range.end, tensor.name))
        .collect();
    ranges.sort_unstable();
    match ranges.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        Some(pair) => Err(format!("the tensors {} and {} overlap", pair[0].2, pair[1].2)),
        None => Ok(()),
    }
}
