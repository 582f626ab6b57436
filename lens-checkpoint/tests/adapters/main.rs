//! Adapters that are merged into a checkpoint, without libtorch.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod bases;
mod hostile;
mod refusals;
mod sources;
mod written;

use std::path::{Path, PathBuf};

use lens_checkpoint::{
    Checkpoint, CheckpointError, Outline, StoredDtype,
    checkpoint::OpenOptions,
    source::{Silent, SourceOptions, headers, locate, locate_adapter},
};
use lens_core::Dtype;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn options() -> SourceOptions {
    SourceOptions::from_lookup(|_| None)
}

/// A checkpoint with adapters.
fn open(base: &Path, adapters: &[&Path]) -> Result<Checkpoint, CheckpointError> {
    open_with(base, adapters, &OpenOptions::default())
}

fn open_with(base: &Path, adapters: &[&Path], opening: &OpenOptions) -> Result<Checkpoint, CheckpointError> {
    let files = locate(base.to_str().unwrap(), &options(), &mut Silent).unwrap();
    let found = adapters.iter().map(|path| locate_adapter(path.to_str().unwrap(), &options(), &mut Silent));
    Checkpoint::open_with(&files.with_adapters(found.collect::<Result<_, _>>().unwrap()), opening)
}

/// The same from headers alone.
fn outline(base: &Path, adapter: &Path) -> Outline {
    let headers = headers(base.to_str().unwrap(), &options(), &mut Silent).unwrap();
    let found = locate_adapter(adapter.to_str().unwrap(), &options(), &mut Silent).unwrap();
    Outline::of_headers(&headers.with_adapters(vec![found])).unwrap()
}

/// The values of a tensor in float32.
fn values(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    let tensor = checkpoint.outline().tensors.get(name).unwrap_or_else(|| panic!("no {name}"));
    let mut bytes = vec![0; tensor.shape.iter().product::<usize>() * 4];
    match &tensor.made {
        Some(made) => checkpoint.write(made, None, StoredDtype::F32, &mut bytes).unwrap(),
        None => {
            let stored = checkpoint.tensor_bytes(tensor);
            return match tensor.dtype.clone().unwrap() {
                Dtype::F32 => stored.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
                Dtype::Bf16 => {
                    stored.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()
                }
                Dtype::F16 => {
                    stored.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
                }
            };
        }
    }
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// An error with its causes.
fn said(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}
