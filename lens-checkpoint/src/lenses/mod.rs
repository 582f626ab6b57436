//! Lenses in files: what each kind of file holds, as maps at points of the residual stream.
//!
//! Every reader makes a [`LensFile`]: a [`Translator`](lens_core::Translator) for the pipeline, and what the file says of
//! the model that it was made for. Nothing of a file is executed, and nothing that a file says is believed before it was
//! compared with the bytes that are there.
//!
//! - [`own`]: this project's own file, safetensors with a header that says everything;
//! - [`tuned`]: folders of the tuned-lens package, of both generations;
//! - [`jacobian`]: files of jlens and its relatives;
//! - tuned lenses of mlxterp.
//!
//! [`open`] finds out which of these a path is.

mod digest;
mod error;
mod file;
pub mod jacobian;
mod matching;
mod mlxterp;
mod npz;
mod open;
pub mod own;
mod stored;
pub mod tuned;

pub use crate::pickle::PickleError;
pub use digest::unembed_sha256;
pub use error::LensFileError;
pub use file::{LensFile, MadeFor};
pub use matching::{Matched, for_model};
pub use open::open;
