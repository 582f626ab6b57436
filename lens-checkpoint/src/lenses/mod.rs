//! Lenses in files: what each kind of file holds, as maps at points of the residual stream.
//!
//! Every reader makes a [`LensFile`]: a [`Translator`](lens_core::Translator) for the pipeline, and what the file says of
//! the model that it was made for. Nothing of a file is executed, and nothing that a file says is believed before it was
//! compared with the bytes that are there.
//!
//! - [`own`]: this project's own file, safetensors with a header that says everything.

mod digest;
mod error;
mod file;
pub mod own;
mod stored;
mod view;

pub use digest::unembed_sha256;
pub use error::LensFileError;
pub use file::{LensFile, MadeFor};
