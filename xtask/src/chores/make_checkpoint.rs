//! `cargo xtask make-checkpoint`.

use std::path::PathBuf;

use clap::Args;

use crate::checkpoint::{self, Dtype, Order, Shape};

/// Write a checkpoint of random numbers in the shape of a published model
#[derive(Debug, Args)]
#[command(after_help = "\
Shapes: qwen2.5-0.5b (1 GB), qwen2.5-7b (15 GB), llama-3.1-8b (16 GB), llama-3.2-1b (2.5 GB), llama-2-7b (13 GB), tiny.
DIR gets config.json, model.safetensors (or shards and their index) and a tokenizer.json of made-up words.
The same seed makes the same numbers everywhere, whatever the shards and the number of threads.")]
pub(crate) struct MakeCheckpoint {
    /// The shape: of which model
    #[arg(value_parser = checkpoint::parser())]
    shape: &'static Shape,
    /// The folder to make
    dir: PathBuf,
    /// How numbers are stored
    #[arg(long, value_enum, default_value_t = Dtype::Bf16)]
    dtype: Dtype,
    /// Other numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The largest weight file: bytes, or with MB or GB after them
    #[arg(long, value_name = "SIZE", default_value = "5GB", value_parser = bytes)]
    shards: u64,
    /// Replace a checkpoint that is already there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(asked: &MakeCheckpoint) -> anyhow::Result<()> {
    let &MakeCheckpoint { shape, dtype, seed, shards, force, .. } = asked;
    checkpoint::make(&Order { shape, dtype, seed, shards, force }, &asked.dir)?;
    eprintln!("made {} in {}", shape.name, asked.dir.display());
    Ok(())
}

/// `5GB`, `300MB` or a number of bytes.
fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = match (text.strip_suffix("GB"), text.strip_suffix("MB")) {
        (Some(number), _) => (number, 1_000_000_000),
        (_, Some(number)) => (number, 1_000_000),
        _ => (text, 1),
    };
    let bytes = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "write a size such as 5GB, 300MB or a number of bytes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_bytes_or_has_a_unit() {
        assert_eq!(
            ["5GB", "300 MB", "17"].map(|text| bytes(text).unwrap()),
            [5_000_000_000, 300_000_000, 17]
        );
        assert!(["", "0", "5 kB", "-1", "99999999999999GB"].iter().all(|text| bytes(text).is_err()));
    }
}
