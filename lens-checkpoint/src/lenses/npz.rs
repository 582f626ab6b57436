//! Arrays of NumPy in a zip file, stored as they are.

use std::path::Path;

use super::{digest::sha256, error::LensFileError};
use crate::{
    checkpoint::Bytes,
    host::View,
    npy,
    pickle::{Archive, PickleError},
};

/// An open `.npz`.
pub(super) struct Npz {
    bytes: Bytes,
    archive: Archive,
    /// What opening it assumed.
    pub(super) notes: Vec<String>,
}

impl Npz {
    pub(super) fn open(path: &Path) -> Result<Self, LensFileError> {
        let (bytes, note) = Bytes::of_file(path)?;
        let failed = |source: PickleError| LensFileError::Pickle { path: path.to_owned(), source };
        let archive = Archive::of_arrays(bytes.as_slice()).map_err(failed)?;
        Ok(Self { bytes, archive, notes: Vec::from_iter(note) })
    }

    pub(super) fn sha256(&self) -> String {
        sha256(self.bytes.as_slice())
    }

    /// How many arrays there are.
    pub(super) fn count(&self) -> usize {
        self.archive.count()
    }

    /// An array by name.
    pub(super) fn array(&self, name: &str) -> Result<View<'_>, String> {
        let range = self.archive.entry(&format!("{name}.npy")).ok_or_else(|| format!("it lacks {name}"))?;
        array(&self.bytes.as_slice()[range])
            .ok_or_else(|| format!("{name} is not an array of floats as NumPy stores one"))
    }
}

/// An array in the format of `.npy`.
fn array(file: &[u8]) -> Option<View<'_>> {
    let npy::Head { ty, column_major, shape, length } = npy::head(file).ok()?;
    let (ty, values) = (ty.ok()?, file.get(length..)?);
    let count = shape.iter().try_fold(ty.bytes(), |bytes, size| bytes.checked_mul(*size))?;
    let values = values.get(..count)?;
    if column_major { View::column_major(values, ty, &shape) } else { View::new(values, ty, &shape) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, numbers: &[f32]) -> Vec<u8> {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.bytes());
        file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        file
    }

    #[test]
    fn arrays_are_read_in_both_orders() {
        let of = |order: &str, shape: &str| {
            let header = format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': {shape}, }}   \n");
            array(&file(&header, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])).map(|view| view.to_vec().unwrap())
        };
        assert_eq!(of("False", "(2, 3)").unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(of("True", "(2, 3)").unwrap(), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(of("False", "(6,)").unwrap().len(), 6);
        for (order, shape) in [("False", "(7,)"), ("Maybe", "(6,)"), ("False", "(-1,)"), ("False", "6")] {
            assert!(of(order, shape).is_none(), "{order} {shape}");
        }
        assert!(array(b"\x93NUMPY\x01\x00\xff\xff").is_none());
    }
}
