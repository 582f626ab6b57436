//! GGUF files are the checkpoints that they were made from, to the last bit; what cannot be one is refused by name.

// The helpers of the tests are tests, too.
#![allow(clippy::unwrap_used)]

mod hostile;
mod models;
mod tokenizer;
mod writer;

use std::path::{Path, PathBuf};

use lens_checkpoint::{
    Checkpoint, StoredDtype,
    source::{CheckpointFiles, Silent, SourceError, SourceOptions, locate},
};

/// The folder of GGUF fixtures.
fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/gguf")
}

fn find(path: &Path) -> Result<CheckpointFiles, SourceError> {
    locate(path.to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent)
}

fn open(path: &Path) -> Checkpoint {
    let files = find(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Checkpoint::open(&files).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The values of a tensor in float32.
fn values(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    let tensor = checkpoint.outline().tensors.get(name).unwrap_or_else(|| panic!("no tensor {name}"));
    let bytes = checkpoint.values(tensor).unwrap();
    match tensor.dtype.as_ref().unwrap() {
        StoredDtype::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        StoredDtype::F16 => {
            bytes.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
        }
        StoredDtype::Bf16 => {
            bytes.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()
        }
    }
}
