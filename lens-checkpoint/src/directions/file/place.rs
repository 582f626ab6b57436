//! A tensor of a file, and where its values are.

use std::ops::Range;

use lens_core::Dtype;

use crate::host::ValueType;

/// A tensor of a file.
#[derive(Debug)]
pub(super) struct FileTensor {
    /// Its name; empty for the one array of an npy file.
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// Its type, if it can be read; else what the file calls it.
    pub(super) ty: Result<ValueType, String>,
    pub(super) order: Order,
    pub(super) place: Place,
}

impl FileTensor {
    /// A tensor that is in memory as float32.
    pub(super) fn of_floats((name, shape, values): (String, Vec<usize>, Vec<f32>)) -> Self {
        let ty = Ok(ValueType::Model(Dtype::F32));
        Self { name, shape, ty, order: Order::Rows, place: Place::Floats(values) }
    }
}

/// How the values of a tensor follow each other.
#[derive(Debug)]
pub(super) enum Order {
    /// Row by row.
    Rows,
    /// Column by column, the order of Fortran.
    Columns,
    /// Along each dimension so many values apart, from the first byte of the place on.
    Strides(Vec<usize>),
}

/// Where values are.
#[derive(Debug)]
pub(super) enum Place {
    /// In the file.
    File(Range<usize>),
    /// Packed in the file: bytes of the archive, bytes of a head before the values, and bytes of the whole array.
    Packed { data: Range<usize>, skip: usize, size: usize },
    /// In memory, as bytes.
    Memory(Vec<u8>),
    /// In memory, as numbers.
    Floats(Vec<f32>),
}
