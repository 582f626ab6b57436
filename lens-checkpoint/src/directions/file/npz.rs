//! NumPy's npz: a zip of npy arrays, stored as they are (`numpy.savez`) or packed (`numpy.savez_compressed`).

use std::{
    io::{Cursor, Read},
    ops::Range,
};

use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::{
    error::DirectionFileError,
    npy,
    place::{FileTensor, Place},
};

/// More arrays than any such file has.
const MOST: usize = 1 << 14;

/// Why a zip is not a file of vectors.
pub(super) enum NotNpz {
    Broken(String),
    Pickle,
}

impl NotNpz {
    pub(super) fn of(self, path: &str) -> DirectionFileError {
        let path = path.to_owned();
        match self {
            Self::Broken(reason) => DirectionFileError::Broken { path, reason },
            Self::Pickle => DirectionFileError::Pickle { path },
        }
    }
}

impl From<String> for NotNpz {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

/// The arrays of a zip. Of packed ones only the head is unpacked.
pub(super) fn arrays(bytes: &[u8]) -> Result<Vec<FileTensor>, NotNpz> {
    let broken = |error: zip::result::ZipError| format!("its zip is broken: {error}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > MOST {
        return Err(format!("it claims {} arrays", archive.len()).into());
    }
    let mut tensors = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(broken)?;
        let name = entry.name().map_err(broken)?.into_owned();
        if name.ends_with("data.pkl") {
            return Err(NotNpz::Pickle);
        }
        let Some(name) = name.strip_suffix(".npy") else { continue };
        let wrong = |reason: &str| format!("its array {name} {reason}");
        if entry.encrypted() {
            return Err(wrong("is encrypted").into());
        }
        let data = place(entry.data_start(), entry.compressed_size(), bytes.len())
            .ok_or_else(|| wrong("reaches beyond the file"))?;
        let of_array = |reason: String| wrong(&format!("is broken: {reason}"));
        tensors.push(match entry.compression() {
            CompressionMethod::Stored => npy::array(name.to_owned(), bytes, data).map_err(of_array)?,
            CompressionMethod::DEFLATE => {
                let size =
                    usize::try_from(entry.size()).map_err(|_| wrong("claims to be larger than memory"))?;
                packed(name.to_owned(), bytes, data, size).map_err(of_array)?
            }
            other => return Err(wrong(&format!("is packed with {other}, which is not read")).into()),
        });
    }
    Ok(tensors)
}

/// The bytes of an entry.
fn place(start: Option<u64>, length: u64, file: usize) -> Option<Range<usize>> {
    let start = usize::try_from(start?).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= file).then_some(start..end)
}

/// An array that stays packed, from its head.
fn packed(name: String, bytes: &[u8], data: Range<usize>, size: usize) -> Result<FileTensor, String> {
    let mut start = Vec::new();
    let longest = npy::MAGIC.len() + 6 + npy::LONGEST_HEAD;
    let mut decoder = DeflateDecoder::new(&bytes[data.clone()]).take(longest as u64);
    // What cannot be unpacked this far has no head either.
    let unpacked = decoder.read_to_end(&mut start);
    let npy::Head { ty, column_major, shape, length } = match (npy::head(&start), unpacked) {
        (Ok(head), _) => head,
        (Err(_), Err(error)) => return Err(error.to_string()),
        (Err(reason), Ok(_)) => return Err(reason),
    };
    Ok(FileTensor { name, shape, ty, column_major, place: Place::Packed { data, skip: length, size } })
}

/// The values of a packed array: `size` bytes in all, of which `skip` are its head. No more is ever unpacked.
pub(super) fn unpacked(packed: &[u8], skip: usize, size: usize) -> Result<Vec<u8>, String> {
    let mut decoder = DeflateDecoder::new(packed);
    let mut head = vec![0; skip];
    let failed = |error: std::io::Error| format!("its zip is broken: {error}");
    decoder.read_exact(&mut head).map_err(failed)?;
    let (mut values, wanted) = (Vec::new(), size.saturating_sub(skip));
    decoder.take(wanted as u64 + 1).read_to_end(&mut values).map_err(failed)?;
    if values.len() != wanted {
        return Err(format!("its zip is broken: an array of {size} bytes unpacks to another length"));
    }
    Ok(values)
}
