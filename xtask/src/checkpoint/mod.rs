//! Checkpoints of random numbers in the shapes of published models: what a benchmark or a test of memory needs, without
//! a download.
//!
//! Projections are as wide as at the start of a training, so that activations stay finite; what such a model says means
//! nothing.

mod folder;
mod shape;
mod shards;
mod tensor;
mod tokenizer;

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;

pub(crate) use shape::{Shape, find, parser};
pub(crate) use tensor::Dtype;

/// What to make.
pub(crate) struct Order {
    pub(crate) shape: &'static Shape,
    pub(crate) dtype: Dtype,
    pub(crate) seed: u64,
    /// The largest weight file, in bytes.
    pub(crate) shards: u64,
    /// Whether an older checkpoint in its place goes.
    pub(crate) force: bool,
}

/// Writes a checkpoint in the Hugging Face layout to the folder `target`, whole or not at all.
pub(crate) fn make(order: &Order, target: &Path) -> anyhow::Result<()> {
    let &Order { shape, dtype, seed, .. } = order;
    let shards = shards::split(shape.tensors(), dtype, order.shards);
    let texts = [
        ("config.json", Some(shape.config(dtype.in_config()))),
        ("tokenizer.json", Some(tokenizer::json(&shape.vocabulary))),
        ("tokenizer_config.json", Some(tokenizer::config(&shape.vocabulary))),
        ("model.safetensors.index.json", shards::index(&shards)),
    ];
    let bytes = shards.iter().map(shards::Shard::bytes).sum::<u64>()
        + texts.iter().filter_map(|(_, text)| text.as_ref()).map(|text| text.len() as u64).sum::<u64>();

    let folder = folder::Folder::prepare(target, order.force, bytes)?;
    for (name, text) in texts {
        if let Some(text) = text {
            folder.write(name, &text)?;
        }
    }
    for shard in &shards {
        let begin = Instant::now();
        shard.write(folder.path(), seed).with_context(|| format!("cannot write {}", shard.file))?;
        eprintln!(
            "{}: {} MB in {:.1} s",
            shard.file,
            shard.bytes() / 1_000_000,
            begin.elapsed().as_secs_f64()
        );
    }
    folder.finish()
}

#[cfg(test)]
mod tests;
