//! An open file of `torch.save`.

use std::path::Path;

use super::{digest::sha256, error::LensFileError};
use crate::{
    checkpoint::Bytes,
    pickle::{Built, Kind, Node},
};

/// An open file of `torch.save`.
pub(super) struct TorchFile {
    bytes: Bytes,
    built: Built,
    /// What opening it assumed.
    pub(super) notes: Vec<String>,
}

impl TorchFile {
    /// Opens a file and runs its pickle.
    pub(super) fn open(path: &Path) -> Result<Self, LensFileError> {
        let (bytes, note) = Bytes::of_file(path)?;
        let failed = |source| LensFileError::Pickle { path: path.to_owned(), source };
        let built = Built::of(bytes.as_slice(), Kind::Lens).map_err(failed)?;
        Ok(Self { bytes, built, notes: Vec::from_iter(note) })
    }

    /// What was saved.
    pub(super) fn root(&self) -> Node<'_> {
        self.built.root(self.bytes.as_slice())
    }

    /// The SHA-256 of the whole file, in hexadecimal.
    pub(super) fn sha256(&self) -> String {
        sha256(self.bytes.as_slice())
    }
}
