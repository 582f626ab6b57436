//! The folder of a sparse autoencoder.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::DirectionFileError;
use crate::source::files::read_at_most;

/// The file of weights in a folder: of SAELens, of sparsify, of Gemma Scope.
pub(super) const WEIGHTS: [&str; 3] = ["sae_weights.safetensors", "sae.safetensors", "params.npz"];

/// What the folder's config is called.
const CONFIG: &str = "cfg.json";

/// A config of an autoencoder has a few kilobytes.
const LARGEST_CONFIG: u64 = 1 << 20;

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
        let config = path.join(CONFIG);
        if !config.is_file() {
            return Ok(Self { weights, layer: None, notes: Vec::new() });
        }
        let shown = config.display().to_string();
        let bytes = read_at_most(&config, LARGEST_CONFIG)
            .map_err(|source| DirectionFileError::Read { path: shown.clone(), source })?;
        let config: Value = serde_json::from_slice(&bytes).map_err(|error| DirectionFileError::Broken {
            path: shown,
            reason: format!("it is not JSON: {error}"),
        })?;
        let hook = said(&config, &["hook_name", "hook_point"]);
        let model = said(&config, &["model_name"]);
        let note = match (model, hook) {
            (None, None) => None,
            (model, hook) => Some(format!(
                "the autoencoder in {} was trained on {}{}",
                path.display(),
                model.unwrap_or("a model that its config does not name"),
                hook.map(|hook| format!(", at {hook}")).unwrap_or_default()
            )),
        };
        Ok(Self { weights, layer: hook.and_then(hook_layer), notes: note.into_iter().collect() })
    }
}

/// What the config, or its section `metadata`, says under one of some names.
fn said<'a>(config: &'a Value, names: &[&str]) -> Option<&'a str> {
    [config, &config["metadata"]]
        .into_iter()
        .find_map(|section| names.iter().find_map(|name| section[*name].as_str()))
}

/// The layer of `blocks.8.hook_resid_pre`.
fn hook_layer(hook: &str) -> Option<u16> {
    hook.strip_prefix("blocks.")?.split('.').next()?.parse().ok()
}
