//! Weights in files of `torch.save`: a table of tensors, as a `state_dict` is. The pickle is run as data; the numbers stay
//! where they are mapped, and those that do not lie one after the other are gathered when they are asked for.

use std::{ops::Range, path::PathBuf};

use super::{
    CheckpointError, TensorIndex,
    header::{StoredDtype, StoredTensor},
};
use crate::{
    made::{Files, Made, Make, Part},
    pickle::{Built, Number, Tensor},
    view::{ValueType, View, packed_strides},
};

/// Whether a file is one of `torch.save`, by its name.
pub(super) fn is_torch(file: &str) -> bool {
    file.ends_with(".bin")
}

/// What the reader should know of weights in such files.
pub(super) fn note(files: &[PathBuf]) -> Option<String> {
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let first = files.iter().filter_map(name).find(|name| is_torch(name))?;
    Some(format!(
        "the weights are in the format of torch.save ({first}), whose pickle is read as data: nothing in it is run"
    ))
}

/// A tensor whose numbers do not lie one after the other.
#[derive(Debug)]
struct Strided {
    /// From the first number to the end of its storage.
    part: Part,
    dtype: StoredDtype,
    strides: Vec<usize>,
}

impl Make for Strided {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let mut shape = self.part.shape.clone();
        let skip = match (shape.first_mut(), self.strides.first()) {
            (Some(first), Some(stride)) => {
                *first = rows.len();
                rows.start * stride * self.dtype.bytes()
            }
            _ => 0,
        };
        let bytes = files.of(&self.part).get(skip..).unwrap_or_default();
        let view = View::strided(bytes, ValueType::Model(self.dtype), &shape, &self.strides);
        let view = view.and_then(|view| if shape.len() > 1 { view.into_matrix() } else { Some(view) });
        let values = view.ok_or_else(|| "lies outside its storage".to_owned())?.to_vec();
        let values = values.map_err(|error| error.reason)?;
        out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        vec![&self.part]
    }
}

impl TensorIndex {
    /// Adds the tensors of a whole file of `torch.save`.
    ///
    /// # Errors
    /// When its pickle asks for anything but tensors, or names a tensor that another file has.
    pub fn add_torch(&mut self, file: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
        if bytes.starts_with(b"version https://git-lfs") {
            return Err(CheckpointError::LfsPointer { file: file.to_owned() });
        }
        let failed = |source| CheckpointError::Pickle { file: file.to_owned(), source };
        let built = Built::of_state(bytes).map_err(failed)?;
        let broken = |reason: String| CheckpointError::NoStateDict { file: file.to_owned(), reason };
        let root = built.root(bytes);
        let entries = root.entries().ok_or_else(|| broken(format!("what was saved is {}", root.what())))?;
        let mut tensors = Vec::new();
        for (name, value) in entries {
            let name = name.text().ok_or_else(|| broken("a tensor has a name that is no text".to_owned()))?;
            let tensor = value.stored().ok_or_else(|| broken(format!("{name:?} is {}", value.what())))?;
            tensors.push((name.to_owned(), tensor.clone()));
        }
        if tensors.is_empty() {
            return Err(broken("it holds no tensor".to_owned()));
        }
        let stored = |shard| {
            let stored = |(name, tensor): (String, Tensor)| {
                let stored = stored(shard, &name, tensor);
                (name, stored)
            };
            tensors.into_iter().map(stored).collect()
        };
        self.add_file(file, stored)
    }
}

fn stored(shard: usize, name: &str, tensor: Tensor) -> StoredTensor {
    let Tensor { number, shape, strides, range } = tensor;
    let dtype = dtype(number);
    let of_one = number.bytes();
    // Of numbers that nobody reads the shape was not compared with the storage.
    let count = shape.iter().try_fold(of_one, |bytes, n| bytes.checked_mul(*n));
    let bytes = count.unwrap_or(usize::MAX).min(range.len());
    // The stride of a dimension with one element says nothing.
    let is_row_major = packed_strides(&shape).is_some_and(|even| {
        even.iter().zip(&strides).zip(&shape).all(|((even, stride), n)| *n == 1 || even == stride)
    });
    match dtype {
        Ok(dtype) if !is_row_major && bytes > 0 => {
            let last: usize = shape.iter().zip(&strides).map(|(n, stride)| (n - 1) * stride).sum();
            let range = range.start..range.start + (last + 1) * of_one;
            let part = Part { name: name.to_owned(), shard, range, shape: shape.clone() };
            StoredTensor::of_made(Made::new(name, shape, Strided { part, dtype, strides }), dtype)
        }
        dtype => StoredTensor { shard, dtype, shape, range: range.start..range.start + bytes, made: None },
    }
}

/// The type as a decoder uses it, if one can; else its name.
fn dtype(number: Number) -> Result<StoredDtype, String> {
    match number {
        Number::Value(ValueType::Model(dtype)) => Ok(dtype),
        Number::Value(ValueType::F64) => Err("F64".to_owned()),
        Number::Other(name, _) => Err(name.to_owned()),
    }
}
