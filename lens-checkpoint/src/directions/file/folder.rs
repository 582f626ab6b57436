//! The folder of a sparse autoencoder.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::DirectionFileError;
use crate::limits;
use crate::source::files::read_at_most;

/// The file of weights in a folder: of SAELens, of sparsify, of Gemma Scope, of dictionary_learning.
pub(super) const WEIGHTS: [&str; 4] = ["sae_weights.safetensors", "sae.safetensors", "params.npz", "ae.pt"];

/// What the folder's config is called, by dictionary_learning otherwise than by the rest.
const CONFIGS: [&str; 2] = ["cfg.json", "config.json"];

/// What a folder holds.
pub(super) struct Folder {
    pub(super) weights: PathBuf,
    /// The layer that it was trained on, where its config says so.
    pub(super) layer: Option<u16>,
    pub(super) notes: Vec<String>,
}

impl Folder {
    pub(super) fn read(path: &Path) -> Result<Self, DirectionFileError> {
        let weights = WEIGHTS.into_iter().map(|name| path.join(name)).find(|path| path.is_file());
        let weights = weights.ok_or_else(|| DirectionFileError::Folder {
            path: path.display().to_string(),
            wanted: WEIGHTS.join(", "),
        })?;
        let Some(config) = CONFIGS.map(|name| path.join(name)).into_iter().find(|path| path.is_file()) else {
            return Ok(Self { weights, layer: None, notes: Vec::new() });
        };
        let shown = config.display().to_string();
        let bytes = read_at_most(&config, limits::lenses::LARGEST_DICTIONARY_CONFIG)
            .map_err(|source| DirectionFileError::Read { path: shown.clone(), source })?;
        let config: Value = serde_json::from_slice(&bytes).map_err(|error| DirectionFileError::Broken {
            path: shown,
            reason: format!("it is not JSON: {error}"),
        })?;
        let hook = said(&config, &["hook_name", "hook_point", "submodule_name"]);
        let model = said(&config, &["model_name", "lm_name"]);
        let note = match (model, hook) {
            (None, None) => None,
            (model, hook) => Some(format!(
                "the autoencoder in {} was trained on {}{}",
                path.display(),
                model.unwrap_or("a model that its config does not name"),
                hook.map(|hook| format!(", at {hook}")).unwrap_or_default()
            )),
        };
        let layer =
            hook.and_then(hook_layer).or_else(|| u16::try_from(config["trainer"]["layer"].as_u64()?).ok());
        Ok(Self { weights, layer, notes: note.into_iter().collect() })
    }
}

/// What the config, or a section of it, says under one of some names.
fn said<'a>(config: &'a Value, names: &[&str]) -> Option<&'a str> {
    [config, &config["metadata"], &config["trainer"]]
        .into_iter()
        .find_map(|section| names.iter().find_map(|name| section[*name].as_str()))
}

/// The layer of `blocks.8.hook_resid_pre`.
fn hook_layer(hook: &str) -> Option<u16> {
    hook.strip_prefix("blocks.")?.split('.').next()?.parse().ok()
}
