//! An open file of `torch.save`.

use std::path::Path;

use crate::{
    checkpoint::{Bytes, CheckpointError},
    pickle::{Built, Node, PickleError},
};

/// An open file of `torch.save`.
pub(crate) struct TorchFile {
    bytes: Bytes,
    built: Built,
    /// What opening it assumed.
    pub(crate) notes: Vec<String>,
}

/// Why a file of `torch.save` cannot be opened.
#[derive(Debug)]
pub(crate) enum TorchFileError {
    File(CheckpointError),
    Pickle(PickleError),
}

impl TorchFile {
    /// Opens a file and runs its pickle.
    pub(crate) fn open(path: &Path) -> Result<Self, TorchFileError> {
        let (bytes, note) = Bytes::of_file(path).map_err(TorchFileError::File)?;
        let built = Built::of(bytes.as_slice()).map_err(TorchFileError::Pickle)?;
        Ok(Self { bytes, built, notes: Vec::from_iter(note) })
    }

    /// What was saved.
    pub(crate) fn root(&self) -> Node<'_> {
        self.built.root(self.bytes.as_slice())
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }
}
