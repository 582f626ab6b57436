//! NumPy's npz: a zip of npy arrays, stored as they are (`numpy.savez`) or packed (`numpy.savez_compressed`).

use std::{io::Read, ops::Range};

use flate2::read::DeflateDecoder;

use super::place::{FileTensor, Order, Place};
use crate::{
    limits, npy,
    zip::{self, Entry},
};

/// The arrays of a zip. Of packed ones only the head is unpacked.
pub(super) fn arrays(bytes: &[u8]) -> Result<Vec<FileTensor>, String> {
    let entries = zip::entries(bytes).map_err(|error| format!("its zip cannot be read: {error}"))?;
    let named =
        entries.into_iter().filter_map(|(name, entry)| Some((name.strip_suffix(".npy")?.to_owned(), entry)));
    let array = |(name, Entry { range, unpacked }): (String, Entry)| {
        let broken = |reason: String, name: &str| format!("its array {name} is broken: {reason}");
        let read = match unpacked {
            None => array_at(name.clone(), bytes, range),
            Some(size) => packed(name.clone(), bytes, range, size),
        };
        read.map_err(|reason| broken(reason, &name))
    };
    named.map(array).collect()
}

/// The array whose npy form is `bytes[range]`.
pub(super) fn array_at(name: String, bytes: &[u8], range: Range<usize>) -> Result<FileTensor, String> {
    let npy::Head { ty, column_major, shape, length } =
        npy::head(bytes.get(range.clone()).unwrap_or_default())?;
    Ok(FileTensor {
        name,
        shape,
        ty,
        order: order(column_major),
        place: Place::File(range.start + length..range.end),
    })
}

fn order(column_major: bool) -> Order {
    if column_major { Order::Columns } else { Order::Rows }
}

/// An array that stays packed, from its head.
fn packed(name: String, bytes: &[u8], data: Range<usize>, size: usize) -> Result<FileTensor, String> {
    let mut start = Vec::new();
    let longest = npy::MAGIC.len() + 6 + limits::archives::LONGEST_NPY_HEAD;
    let mut decoder = DeflateDecoder::new(&bytes[data.clone()]).take(longest as u64);
    // What cannot be unpacked this far has no head either.
    let unpacked = decoder.read_to_end(&mut start);
    let npy::Head { ty, column_major, shape, length } = match (npy::head(&start), unpacked) {
        (Ok(head), _) => head,
        (Err(_), Err(error)) => return Err(error.to_string()),
        (Err(reason), Ok(_)) => return Err(reason),
    };
    Ok(FileTensor {
        name,
        shape,
        ty,
        order: order(column_major),
        place: Place::Packed { data, skip: length, size },
    })
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
