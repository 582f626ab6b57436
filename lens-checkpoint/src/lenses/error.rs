//! Why a file is not a lens that can be used.

use std::path::{Path, PathBuf};

use lens_core::MapShapeError;

use crate::{checkpoint::CheckpointError, pickle::PickleError, torch_file::TorchFileError};

/// Why a file cannot be read as a lens, or a lens cannot be written as a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LensFileError {
    /// The file cannot be opened, or its safetensors header is broken.
    #[error(transparent)]
    File(#[from] CheckpointError),
    /// A file of `torch.save` that is not plain data, or broken.
    #[error("{} cannot be read", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PickleError,
    },
    /// The file does not hold what this kind of file holds.
    #[error("{} is not {kind}: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What it was read as, with its article.
        kind: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The maps in it do not make a lens.
    #[error("the maps of {} do not make a lens", path.display())]
    Maps {
        /// The file.
        path: PathBuf,
        /// Why.
        source: MapShapeError,
    },
    /// The lens cannot be one for the model that it is to read.
    #[error("{source_name} does not fit this model: {problem}")]
    OtherModel {
        /// Where the lens comes from.
        source_name: String,
        /// What does not fit.
        problem: String,
    },
    /// The identity cannot be made a map of the lens.
    #[error("the identity cannot be a map of this lens")]
    Identity {
        /// Why.
        source: MapShapeError,
    },
    /// The lens has what the file format has no words for.
    #[error("this lens cannot be written as {kind}: {reason}")]
    Unwritable {
        /// What was to be written, with its article.
        kind: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write the lens")]
    Write {
        /// Why.
        source: std::io::Error,
    },
}

impl LensFileError {
    /// A file that is not `kind`, and why.
    pub(super) fn broken(path: &Path, kind: &'static str, reason: impl Into<String>) -> Self {
        Self::Broken { path: path.to_owned(), kind, reason: reason.into() }
    }

    /// A file of `torch.save` that cannot be opened.
    pub(super) fn torch(path: &Path) -> impl Fn(TorchFileError) -> Self {
        move |error| match error {
            TorchFileError::File(error) => Self::File(error),
            TorchFileError::Pickle(source) => Self::Pickle { path: path.to_owned(), source },
        }
    }

    /// Maps that do not make a lens.
    pub(super) fn maps(path: &Path) -> impl Fn(MapShapeError) -> Self {
        move |source| Self::Maps { path: path.to_owned(), source }
    }

    pub(super) fn write(source: std::io::Error) -> Self {
        Self::Write { source }
    }
}
