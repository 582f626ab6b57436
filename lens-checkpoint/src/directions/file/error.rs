//! Files of vectors that cannot be used.

use lens_core::SelectionError;

use crate::{
    checkpoint::CheckpointError, directions::DirectionsError, pickle::PickleError, vectors::VectorError,
};

/// A file of vectors that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectionFileError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        source: Box<CheckpointError>,
    },
    /// It is of no known kind, or broken.
    #[error("{path} is not a file of vectors: {reason}")]
    Broken {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A file of `torch.save` that is not plain data, or broken.
    #[error("{path} cannot be read")]
    Pickle {
        /// The file.
        path: String,
        /// Why.
        source: PickleError,
    },
    /// A GGUF file that is broken.
    #[error(transparent)]
    Gguf(#[from] VectorError),
    /// A folder without a file of vectors.
    #[error("the folder {path} has none of {wanted}: name the file itself")]
    Folder {
        /// The folder.
        path: String,
        /// The names that such a file has.
        wanted: String,
    },
    /// There is no such tensor.
    #[error("{path} has no tensor {name:?}{hint}; it has {names}")]
    NoTensor {
        /// The file.
        path: String,
        /// The tensor asked for.
        name: String,
        /// The near name, as the end of a clause.
        hint: String,
        /// What there is, with shapes.
        names: String,
    },
    /// It is unclear which tensor is meant.
    #[error("{path} has several tensors whose vectors fit the model: name one of {names}")]
    Choose {
        /// The file.
        path: String,
        /// Those that fit, with shapes.
        names: String,
    },
    /// No tensor has vectors of the model's width.
    #[error("no tensor of {path} holds vectors of the model's d_model = {d_model}; it has {names}")]
    NoneFits {
        /// The file.
        path: String,
        /// The model's width.
        d_model: usize,
        /// What there is, with shapes.
        names: String,
    },
    /// A tensor has vectors of another width.
    #[error(
        "the tensor {tensor} of {path} is {shape:?}: neither its rows nor its columns are vectors of the model's \
         d_model = {d_model}. It may be made for another model, or for another place in it"
    )]
    Width {
        /// The file.
        path: String,
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The model's width.
        d_model: usize,
    },
    /// The columns of a tensor were asked for, and are not vectors.
    #[error(
        "the columns of {tensor} in {path}, {shape:?}, are not vectors of the model's d_model = {d_model}"
    )]
    Columns {
        /// The file.
        path: String,
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The model's width.
        d_model: usize,
    },
    /// A tensor of a type that is not read.
    #[error(
        "the tensor {tensor} of {path} is of type {ty}, and f32, f16, bf16 and f64 are read: convert it first"
    )]
    Dtype {
        /// The file.
        path: String,
        /// The tensor.
        tensor: String,
        /// What the file calls its type.
        ty: String,
    },
    /// A row that does not exist, or none at all.
    #[error(transparent)]
    Selection(#[from] SelectionError),
}

/// Rows of a file only fail to be selected: there is no weight to read and no token to name.
impl From<DirectionsError> for DirectionFileError {
    fn from(error: DirectionsError) -> Self {
        match error {
            DirectionsError::Selection(error) => Self::Selection(error),
            other => Self::Broken { path: String::new(), reason: other.to_string() },
        }
    }
}
