//! `cargo xtask make-checkpoint`.

use std::path::Path;

use super::Chore;
use crate::arguments::{Arguments, Usage};
use crate::checkpoint::{self, Dtype, Order, SHAPES};

pub(super) const CHORE: Chore = Chore {
    name: "make-checkpoint",
    summary: "write a checkpoint of random numbers in the shape of a published model",
    details: "\
cargo xtask make-checkpoint SHAPE DIR

Shapes: qwen2.5-0.5b (1 GB), qwen2.5-7b (15 GB), llama-3.1-8b (16 GB), llama-3.2-1b (2.5 GB), llama-2-7b (13 GB), tiny.
DIR gets config.json, model.safetensors (or shards and their index) and a tokenizer.json of made-up words.
The same seed makes the same numbers everywhere, whatever the shards and the number of threads.

  --dtype bf16|f16|f32  how numbers are stored (bf16)
  --seed N              other numbers (0)
  --shards SIZE         largest weight file: bytes, or with MB or GB behind (5GB)
  --force               replace a checkpoint that is already there",
    run,
};

fn run(_root: &Path, mut arguments: Arguments) -> anyhow::Result<()> {
    let force = arguments.take_flag("--force");
    let dtype = arguments.take_option("--dtype")?.map_or(Ok(Dtype::Bf16), |text| Dtype::parse(&text))?;
    let seed = match arguments.take_option("--seed")? {
        None => 0,
        Some(text) => text.parse().map_err(|_| Usage(format!("--seed {text} is no whole number")))?,
    };
    let shards = arguments.take_option("--shards")?.map_or(Ok(5_000_000_000), |text| bytes(&text))?;
    let (shape, dir) = (arguments.take_word(), arguments.take_word());
    if !arguments.finish()?.is_empty() {
        return Err(Usage("make-checkpoint starts no other program".to_owned()).into());
    }
    let Some(shape) = shape else {
        let known = SHAPES.iter().map(|shape| shape.name).collect::<Vec<_>>().join(", ");
        return Err(Usage(format!("say which shape: {known}")).into());
    };
    let shape = checkpoint::find(&shape)?;
    let Some(dir) = dir else { return Err(Usage("say which folder to make".to_owned()).into()) };

    checkpoint::make(&Order { shape, dtype, seed, shards, force }, Path::new(&dir))?;
    eprintln!("made {} in {dir}", shape.name);
    Ok(())
}

/// `5GB`, `300MB` or a number of bytes.
fn bytes(text: &str) -> Result<u64, Usage> {
    let (number, unit) = match (text.strip_suffix("GB"), text.strip_suffix("MB")) {
        (Some(number), _) => (number, 1_000_000_000),
        (_, Some(number)) => (number, 1_000_000),
        _ => (text, 1),
    };
    let bytes = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| Usage(format!("--shards {text} is no size: write 5GB, 300MB or a number of bytes")))
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

    #[test]
    fn every_shape_is_in_the_help() {
        assert!(SHAPES.iter().all(|shape| CHORE.help().contains(shape.name)));
    }
}
