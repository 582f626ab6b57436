//! Checkpoints, and decoders that run them with hooks at every point of the residual stream.
//!
//! A checkpoint in the Hugging Face layout becomes a [`lens_core::Backend`] in three steps, each useful by itself:
//!
//! 1. [`source::locate`] finds its files: a folder, the hub's cache, or the hub;
//! 2. [`Checkpoint::open`] understands config.json ([`DecoderSpec`]), checks the headers of the weight files, and makes
//!    sure that the tensors that the config implies are all there and none is left over;
//! 3. `Decoder::load` maps the weights and runs the model on libtorch (feature `torch`, on by default).
//!
//! `Session` (same feature) does all three, and everything from a request to its trace. Without the feature, the first
//! two steps are there: no libtorch is needed to inspect a checkpoint or to use its tokenizer.
#![cfg_attr(
    feature = "torch",
    doc = r#"
# Example

```
use lens_core::{Lens, Plan};
use lens_models::{Decoder, LoadOptions, demo};

let checkpoint = demo::checkpoint()?; // part of this crate: no download
let tokenizer = checkpoint.tokenizer()?.expect("the demo model has one");
let mut model = Decoder::load(checkpoint, &LoadOptions::default())?;

let tokens = tokenizer.encode("The capital of France is", true)?;
let reading = Lens::new(&mut model).read(&tokens, &Plan::default())?;
let answer = &reading.finals[0];
assert_eq!(tokenizer.bytes(answer.readout.top[0].id).as_deref(), Some(" Paris".as_bytes()));
println!("decided at layer {:?}", answer.decided_at);
# Ok::<(), Box<dyn std::error::Error>>(())
```
"#
)]

pub mod chat;
pub mod checkpoint;
pub mod config;
#[cfg(feature = "torch")]
pub mod decoder;
pub mod demo;
pub mod device;
pub mod families;
#[cfg(feature = "torch")]
pub mod fit;
#[cfg(feature = "torch")]
pub mod session;
mod sidecar;
pub mod source;
pub mod spec;
pub mod tokenizer;
pub mod vectors;

pub use chat::{ChatError, ChatTemplate, Message};
pub use checkpoint::{Checkpoint, CheckpointError, Outline, StoredDtype};
#[cfg(feature = "torch")]
pub use decoder::{Decoder, EditError, Edits, LoadOptions, LoadProgress, ModelError, ReadoutPath, Tap};
#[cfg(feature = "torch")]
pub use session::{Request, Session, SessionError};
pub use spec::DecoderSpec;
/// libtorch as this crate uses it: captured vectors, and what a [`Tap`] is shown, are its tensors. A program that takes
/// `Tensor` from here always has the version that fits.
#[cfg(feature = "torch")]
pub use tch;
pub use tokenizer::{Tokenizer, TokenizerError};
