//! Directions of checkpoints and files, beside a restatement in float64 (`tests/fixtures/make_directions.py`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod files;
mod hostile;
mod oracle;
mod own;

use std::path::{Path, PathBuf};

use lens_checkpoint::{
    Checkpoint, StoredDtype,
    directions::{DirectionName, Directions},
    host::ReadoutWeights,
    source::{Silent, SourceOptions, locate},
};
use lens_core::{Decoded, DirectionNorm, NotDecoded, Selection};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn checkpoint(name: &str) -> Checkpoint {
    let folder = fixtures().join("checkpoints").join(name);
    let files = locate(folder.to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent).unwrap();
    Checkpoint::open(&files).unwrap()
}

fn selection(written: &str) -> Selection {
    written.parse().unwrap()
}

/// Names and values of all directions, read in two batches.
fn read(directions: &Directions<'_>) -> (Vec<DirectionName>, Vec<f32>) {
    let (middle, mut values) = (directions.len() / 2, Vec::new());
    let mut names = directions.read(0..middle, &mut values).unwrap();
    names.extend(directions.read(middle..directions.len(), &mut values).unwrap());
    assert_eq!(names.len(), directions.len());
    (names, values)
}

/// What directions say, in float32.
fn decode(
    checkpoint: &Checkpoint,
    directions: &Directions<'_>,
    mode: DirectionNorm,
    k: usize,
) -> Vec<(String, Result<Decoded, NotDecoded>)> {
    let weights = ReadoutWeights::of(checkpoint, Some(StoredDtype::F32)).unwrap();
    let (names, mut values) = read(directions);
    let decoded = weights.directions(mode).unwrap().decode(&mut values, k).unwrap();
    names.iter().map(ToString::to_string).zip(decoded).collect()
}
