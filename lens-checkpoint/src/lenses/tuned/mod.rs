//! Folders of the tuned-lens package: `config.json` and `params.pt`, of both generations.
//!
//! A translator is x + W x + b, and number i belongs to the input of block i. Since version 0.1, params.pt holds the
//! translators alone (`3.weight`). Before, it held the whole module: `input_translator` for the embedding, and
//! `layer_translators.2` for the output of block 2, which is the input of block 3; still older ones say `probe` or
//! `adapter` where later ones say `translator`.

mod config;
mod state;
mod write;

use std::path::Path;

use lens_core::{LensMap, Provenance, Translator};

use super::{
    digest::sha256,
    error::LensFileError,
    file::{LensFile, MadeFor},
};
use crate::{host::View, torch_file::TorchFile};
use config::Config;
pub use write::{write_config, write_params};

/// Names of the two files.
pub const CONFIG: &str = "config.json";
/// Names of the two files.
pub const PARAMS: &str = "params.pt";

/// What such a folder is, in messages.
const KIND: &str = "a tuned lens of the tuned-lens package";

/// Reads a folder.
///
/// # Errors
/// When a file is missing or broken, or the lens does something else than x + W x + b.
pub fn read(folder: &Path) -> Result<LensFile, LensFileError> {
    let config_path = folder.join(CONFIG);
    let config = Config::read(&config_path)?;
    let params_path = folder.join(PARAMS);
    let file = TorchFile::open(&params_path).map_err(LensFileError::torch(&params_path))?;
    let broken = |reason: String| LensFileError::broken(&params_path, KIND, reason);
    let state = state::State::of(file.root()).map_err(broken)?;
    config.check(&state).map_err(|reason| LensFileError::broken(&config_path, KIND, reason))?;
    let d_model = config.d_model;
    let mut maps = Vec::new();
    for (layer, parts) in state.translators {
        let values = |view: &View<'_>, shape: &[usize], what: &str| match view.shape() == shape {
            true => view.to_vec().map_err(|error| broken(error.to_string())),
            false => Err(broken(format!(
                "the {what} of translator {layer} is {:?}, and config.json says {shape:?}",
                view.shape()
            ))),
        };
        let weight = values(&parts.weight, &[d_model, d_model], "weight")?;
        let bias = parts.bias.as_ref().map(|bias| values(bias, &[d_model], "bias")).transpose()?;
        let map = LensMap::new(d_model, weight, bias, true).map_err(LensFileError::maps(&params_path))?;
        maps.push((layer, map));
    }
    let provenance = Provenance::default()
        .with_source(Some(folder.display().to_string()))
        .with_sha256(Some(sha256(file.bytes())))
        .with_base_model(config.base_model)
        .with_base_revision(config.base_revision);
    let translator =
        Translator::tuned(d_model, maps, provenance).map_err(LensFileError::maps(&params_path))?;
    let made_for = MadeFor::default()
        .with_n_layers(Some(config.n_layers))
        .with_n_vocab(config.n_vocab)
        .with_unembed_hash(config.unembed_hash);
    let notes = file.notes.iter().cloned().chain(config.notes).chain(state.notes).collect();
    Ok(LensFile::new(translator).with_made_for(made_for).with_notes(notes))
}
