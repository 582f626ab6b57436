//! Tuned lenses of mlxterp: arrays in an `.npz`, and a `.json` of the same name beside it.
//!
//! A translator there is W x + b, without x itself, and number i belongs to the OUTPUT of block i.

use std::path::Path;

use lens_core::{LensKind, LensMap, Point, Provenance, Site, Translator};
use serde_json::{Map, Value};

use super::{
    error::LensFileError,
    file::{LensFile, MadeFor},
    npz::Npz,
};
use crate::{checkpoint::CheckpointError, limits, source::files::read_at_most};

/// What such a file is, in messages.
const KIND: &str = "a tuned lens of mlxterp";

/// Whether a zip file is one of arrays.
pub(super) fn is_lens(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "npz")
}

/// Reads the `.npz` and the `.json` beside it.
pub(super) fn read(path: &Path) -> Result<LensFile, LensFileError> {
    let broken = |reason: String| LensFileError::broken(path, KIND, reason);
    let config_path = path.with_extension("json");
    let failed = |source| CheckpointError::Read { path: config_path.clone(), source };
    let config = read_at_most(&config_path, limits::lenses::LARGEST_MLXTERP_CONFIG).map_err(failed)?;
    let config: Map<String, Value> = serde_json::from_slice(&config)
        .map_err(|error| broken(format!("{}: {error}", config_path.display())))?;
    let number = |key: &str| {
        let number = config.get(key).and_then(Value::as_u64);
        number.ok_or_else(|| broken(format!("{} does not say {key}", config_path.display())))
    };
    let n_layers =
        u16::try_from(number("num_layers")?).map_err(|_| broken("it says too many layers".to_owned()))?;
    let d_model = usize::try_from(number("hidden_dim")?).unwrap_or(usize::MAX);
    let file = Npz::open(path)?;
    let mut maps = Vec::new();
    for layer in 0..n_layers {
        let values = |what: &str, shape: &[usize]| {
            let name = format!("translators_{layer}_{what}");
            let view = file.array(&name).map_err(broken)?;
            match view.shape() == shape {
                true => view.to_vec().map_err(|error| broken(error.to_string())),
                false => Err(broken(format!("{name} is {:?}, and the config says {shape:?}", view.shape()))),
            }
        };
        let weight = values("weight", &[d_model, d_model])?;
        let bias = values("bias", &[d_model])?;
        let map = LensMap::new(d_model, weight, Some(bias), false).map_err(LensFileError::maps(path))?;
        maps.push((Point::block(layer, Site::ResidPost), map));
    }
    if file.count() != 2 * maps.len() {
        return Err(broken(format!("it holds {} arrays, and {n_layers} layers have two each", file.count())));
    }
    let provenance =
        Provenance::default().with_source(Some(path.display().to_string())).with_sha256(Some(file.sha256()));
    let translator =
        Translator::new(LensKind::Tuned, d_model, maps, provenance).map_err(LensFileError::maps(path))?;
    let notes = file.notes.clone();
    Ok(LensFile::new(translator)
        .with_made_for(MadeFor::default().with_n_layers(Some(n_layers)))
        .with_notes(notes))
}
