//! Helpers of the integration tests: fixtures and goldens.

mod alone;
mod copied;
mod golden;

use std::path::PathBuf;

use lens_models::{
    Checkpoint, Decoder, LoadOptions, StoredDtype,
    source::{CheckpointFiles, Silent, SourceOptions, locate},
};

pub use alone::in_a_process_of_its_own;
pub use copied::{Copied, Stored};
pub use golden::Golden;

/// The folder of fixtures.
pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The names of all checkpoint fixtures, sorted.
pub fn checkpoint_names() -> Vec<String> {
    let folder = fixtures().join("checkpoints");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("the fixtures are part of the repository")
        .map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The files of a checkpoint fixture.
pub fn files(name: &str) -> CheckpointFiles {
    let folder = fixtures().join("checkpoints").join(name);
    let folder = folder.to_str().expect("the repository's path is UTF-8");
    locate(folder, &SourceOptions::from_lookup(|_| None), &mut Silent).expect("a sound fixture")
}

/// A checkpoint fixture, with the config that another generation of transformers wrote if `config` says so.
pub fn checkpoint(name: &str, config: Option<&str>) -> Checkpoint {
    let mut files = files(name);
    if let Some(config) = config {
        files.config = files.root.join(config);
    }
    Checkpoint::open(&files).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A fixture loaded in float32, as the goldens are compared.
pub fn decoder(name: &str) -> Decoder {
    load(name, Some(StoredDtype::F32))
}

/// A fixture loaded in a dtype, or as it is stored.
pub fn load(name: &str, dtype: Option<StoredDtype>) -> Decoder {
    let options = LoadOptions::default().with_dtype(dtype);
    Decoder::load(checkpoint(name, None), &options).unwrap_or_else(|error| panic!("{name}: {error}"))
}
