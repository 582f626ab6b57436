//! Weights in files of `torch.save`: a table of tensors, as a `state_dict` is. The pickle is run as data; the numbers stay
//! where they are mapped, and those that do not lie one after the other are gathered when they are asked for.

use std::{ops::Range, path::PathBuf};

use super::{
    CheckpointError, TensorIndex,
    header::{StoredDtype, StoredTensor},
};
use crate::{
    made::{Files, Made, Make, Part},
    pickle::{
        Built, Kind,
        view::{Number, View, row_major},
    },
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
    number: Number,
    strides: Vec<usize>,
}

impl Make for Strided {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let mut shape = self.part.shape.clone();
        let skip = match (shape.first_mut(), self.strides.first()) {
            (Some(first), Some(stride)) => {
                *first = rows.len();
                rows.start * stride * self.number.bytes()
            }
            _ => 0,
        };
        let bytes = files.of(&self.part).get(skip..).unwrap_or_default();
        let view = View::new(self.number, shape, self.strides.clone(), bytes);
        let view = view.ok_or_else(|| "lies outside its storage".to_owned())?;
        view.write(out);
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
    pub(super) fn add_torch(&mut self, file: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
        if bytes.starts_with(b"version https://git-lfs") {
            return Err(CheckpointError::LfsPointer { file: file.to_owned() });
        }
        let failed = |source| CheckpointError::Pickle { file: file.to_owned(), source };
        let built = Built::of(bytes, Kind::Checkpoint).map_err(failed)?;
        let broken = |reason: String| CheckpointError::NoStateDict { file: file.to_owned(), reason };
        let root = built.root(bytes);
        let entries = root.entries().ok_or_else(|| broken(format!("what was saved is {}", root.what())))?;
        let mut tensors = Vec::new();
        for (name, value) in entries {
            let name = name.text().ok_or_else(|| broken("a tensor has a name that is no text".to_owned()))?;
            let tensor = value.layout().ok_or_else(|| broken(format!("{name:?} is {}", value.what())))?;
            tensors.push((name.to_owned(), tensor.clone()));
        }
        if tensors.is_empty() {
            return Err(broken("it holds no tensor".to_owned()));
        }
        let stored = |shard| {
            let stored = |(name, tensor): (String, crate::pickle::Tensor)| {
                let stored = stored(shard, &name, tensor);
                (name, stored)
            };
            tensors.into_iter().map(stored).collect()
        };
        self.add_file(file, stored)
    }
}

fn stored(shard: usize, name: &str, tensor: crate::pickle::Tensor) -> StoredTensor {
    let crate::pickle::Tensor { number, shape, strides, range } = tensor;
    let dtype = dtype(number);
    let bytes = shape.iter().product::<usize>() * number.bytes();
    // The stride of a dimension with one element says nothing.
    let is_row_major = row_major(&shape).is_some_and(|even| {
        even.iter().zip(&strides).zip(&shape).all(|((even, stride), n)| *n == 1 || even == stride)
    });
    match dtype {
        Ok(dtype) if !is_row_major && bytes > 0 => {
            let last: usize = shape.iter().zip(&strides).map(|(n, stride)| (n - 1) * stride).sum();
            let range = range.start..range.start + (last + 1) * number.bytes();
            let part = Part { name: name.to_owned(), shard, range, shape: shape.clone() };
            StoredTensor::of_made(Made::new(name, shape, Strided { part, number, strides }), dtype)
        }
        dtype => StoredTensor { shard, dtype, shape, range: range.start..range.start + bytes, made: None },
    }
}

/// The type as a decoder uses it, if one can; else the name that safetensors has for it.
fn dtype(number: Number) -> Result<StoredDtype, String> {
    let other = |name: &str| Err(name.to_owned());
    match number {
        Number::F32 => Ok(StoredDtype::F32),
        Number::Bf16 => Ok(StoredDtype::Bf16),
        Number::F16 => Ok(StoredDtype::F16),
        Number::F64 => other("F64"),
        Number::I8 => other("I8"),
        Number::U8 => other("U8"),
        Number::I16 => other("I16"),
        Number::I32 => other("I32"),
        Number::I64 => other("I64"),
        Number::Bool => other("BOOL"),
    }
}
