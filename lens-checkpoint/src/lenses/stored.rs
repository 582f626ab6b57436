//! A safetensors file of a lens: its tensors by name, and the texts of its header.

use std::{collections::BTreeMap, path::Path};

use safetensors::SafeTensors;

use super::{digest::sha256, error::LensFileError};
use crate::{
    checkpoint::{Bytes, TensorIndex},
    host::{ValueType, View},
};

/// A safetensors file, mapped.
pub(super) struct Stored {
    bytes: Bytes,
    index: TensorIndex,
    /// `__metadata__` of the header.
    pub(super) texts: BTreeMap<String, String>,
    /// What opening it assumed.
    pub(super) notes: Vec<String>,
}

impl Stored {
    /// Opens a file, and checks its header against its length.
    pub(super) fn open(path: &Path) -> Result<Self, LensFileError> {
        let (bytes, note) = Bytes::of_file(path)?;
        let mut index = TensorIndex::default();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        index.add_shard(&name, bytes.as_slice(), bytes.as_slice().len() as u64)?;
        let (_, header) = SafeTensors::read_metadata(bytes.as_slice())
            .map_err(|error| LensFileError::broken(path, "a safetensors file", error.to_string()))?;
        let texts = header.metadata().clone().unwrap_or_default().into_iter().collect();
        Ok(Self { bytes, index, texts, notes: Vec::from_iter(note) })
    }

    /// The SHA-256 of the whole file, in hexadecimal.
    pub(super) fn sha256(&self) -> String {
        sha256(self.bytes.as_slice())
    }

    /// The names of the tensors, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.index.iter().map(|(name, _)| name)
    }

    /// A tensor by name.
    ///
    /// # Errors
    /// When there is none, or its numbers are not floats of 16 or 32 bits.
    pub(super) fn tensor(&self, name: &str) -> Result<View<'_>, String> {
        let tensor = self.index.get(name).ok_or_else(|| format!("it lacks the tensor {name:?}"))?;
        let dtype = tensor
            .dtype
            .as_ref()
            .map_err(|other| format!("the tensor {name:?} is stored as {other}, not as f32, f16 or bf16"))?;
        let bytes = &self.bytes.as_slice()[tensor.range.clone()];
        View::new(bytes, ValueType::Model(*dtype), &tensor.shape)
            .ok_or_else(|| format!("the tensor {name:?} does not fit its bytes"))
    }
}
