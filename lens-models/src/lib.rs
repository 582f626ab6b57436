//! Checkpoints, and decoders that run them with hooks at every point of the residual stream.
//!
//! A checkpoint in the Hugging Face layout becomes a [`lens_core::Backend`] in three steps, each useful by itself:
//!
//! 1. [`source::locate`] finds its files: a folder, the hub's cache, or the hub;
//! 2. [`Checkpoint::open`] understands config.json ([`DecoderSpec`]), checks the headers of the weight files, and makes
//!    sure that the tensors that the config implies are all there and none is left over;
//! 3. `Decoder::load` maps the weights and runs the model on libtorch (feature `torch`, on by default).
//!
//! `Session` (same feature) does all three, and everything from a request to its trace. The first two steps are
//! [`lens_checkpoint`], under the names that they have there: a program that inspects checkpoints or uses their
//! tokenizers takes that crate alone, and needs no libtorch.
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

#[cfg(all(test, feature = "torch"))]
#[path = "../../tests/src/alone.rs"]
#[expect(unreachable_pub, reason = "the integration tests have the same file in a library")]
mod alone;
#[cfg(feature = "torch")]
pub mod decoder;
pub mod device;
#[cfg(feature = "torch")]
pub mod fit;
#[cfg(feature = "torch")]
pub mod session;

#[cfg(feature = "torch")]
pub use decoder::{Decoder, EditError, Edits, LoadOptions, LoadProgress, ModelError, ReadoutPath, Tap};
pub use lens_checkpoint::{
    ChatError, ChatTemplate, Checkpoint, CheckpointError, DecoderSpec, Message, Outline, StoredDtype,
    Tokenizer, TokenizerError, chat, checkpoint, config, demo, families, lenses, made, source, spec,
    tokenizer, vectors,
};
#[cfg(feature = "torch")]
pub use session::{Request, Session, SessionError};
/// libtorch as this crate uses it: captured vectors, and what a [`Tap`] is shown, are its tensors. A program that takes
/// `Tensor` from here always has the version that fits.
#[cfg(feature = "torch")]
pub use tch;
