//! Checkpoints in the Hugging Face layout: everything about them that needs no libtorch.
//!
//! [`source::locate`] finds a checkpoint's files (a folder, the hub's cache, or the hub). [`Checkpoint::open`]
//! understands config.json ([`DecoderSpec`]), checks the headers of the weight files, and makes sure that the tensors
//! that the config implies are all there and none is left over. Its tokenizer and chat template turn texts into tokens
//! and back. `lens-models` runs what is described here. What needs no prompt is computed in [`host`] memory: the
//! [`directions`] that parts of the model write, or that a file holds, and the way from them to tokens.
//!
//! # Example
//!
//! ```
//! use lens_checkpoint::demo;
//!
//! let checkpoint = demo::checkpoint()?; // part of this crate: no download
//! let spec = &checkpoint.outline().spec;
//! let tokenizer = checkpoint.tokenizer()?.expect("the demo model has one");
//! let tokens = tokenizer.encode("The capital of France is", true)?;
//! assert!(tokens.iter().all(|token| token.index() < spec.n_vocab()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod chat;
pub mod checkpoint;
pub mod config;
pub mod demo;
pub mod device;
pub mod directions;
pub mod families;
mod gguf;
pub mod host;
pub mod lenses;
mod limits;
pub mod made;
pub mod memory;
mod npy;
mod pickle;
pub mod quantised;
mod sidecar;
pub mod source;
pub mod spec;
pub mod tokenizer;
mod torch_file;
pub mod vectors;
mod view;
mod zip;

pub use chat::{ChatError, ChatTemplate, Message};
pub use checkpoint::{Checkpoint, CheckpointError, Outline, StoredDtype};
pub use spec::DecoderSpec;
pub use tokenizer::{Tokenizer, TokenizerError};
