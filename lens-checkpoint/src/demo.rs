//! The demo model: a small Llama that was trained for this project and is part of the program.
//!
//! It knows a few tables (capitals, opposites, sequences, small sums) in English and Chinese, and nothing else;
//! its model card lies beside it.

use crate::checkpoint::{Aligned, Checkpoint, CheckpointError};

/// The id of the demo model.
pub const ID: &str = "demo";

static CONFIG: &[u8] = include_bytes!("../demo/config.json");
static TOKENIZER: &[u8] = include_bytes!("../demo/tokenizer.json");
static WEIGHTS: &Aligned<[u8]> = &Aligned(*include_bytes!("../demo/model.safetensors"));

/// The demo model's checkpoint.
///
/// # Errors
/// Never, as long as the files in `demo/` are sound.
pub fn checkpoint() -> Result<Checkpoint, CheckpointError> {
    Checkpoint::embedded(ID, CONFIG, &WEIGHTS.0, TOKENIZER)
}
