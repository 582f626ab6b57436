//! Jacobian lenses as jlens-mlx stores them: `lens.safetensors`, and `lens.sidecar.json` beside it.

use std::{collections::BTreeMap, path::Path};

use lens_core::{Provenance, Site};
use serde_json::{Map, Value};

use super::{
    super::{error::LensFileError, file::LensFile, stored::Stored},
    KIND, block, check_layers, lens,
};
use crate::{checkpoint::CheckpointError, limits, source::files::read_at_most};

/// The name of the file that says what the tensors are.
const SIDECAR: &str = "lens.sidecar.json";

/// How J is applied, as the sidecars of this layout say it; there is no other.
const APPLY: &str = "unembed(residual @ J[l].T)";

/// Whether the tensors are named as this layout names them.
pub(in super::super) fn is_lens(stored: &Stored) -> bool {
    stored.names().next().is_some() && stored.names().all(|name| block(name).is_some())
}

/// The lens of an open file.
pub(in super::super) fn of(path: &Path, stored: &Stored) -> Result<LensFile, LensFileError> {
    let broken = |reason: String| LensFileError::broken(path, KIND, reason);
    let sidecar_path = path.with_file_name(SIDECAR);
    let failed = |source| CheckpointError::Read { path: sidecar_path.clone(), source };
    let bytes = read_at_most(&sidecar_path, limits::lenses::LARGEST_MLX_CONFIG).map_err(failed)?;
    let sidecar: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| broken(format!("{SIDECAR}: {error}")))?;
    let mut matrices = BTreeMap::new();
    for name in stored.names() {
        if let Some(layer) = block(name) {
            matrices.insert(layer, stored.tensor(name).map_err(broken)?);
        }
    }
    let layers = layers(&sidecar).map_err(broken)?;
    check_layers(layers, &matrices).map_err(broken)?;
    if let Some(apply) = sidecar.get("apply").filter(|apply| apply.as_str() != Some(APPLY)) {
        return Err(broken(format!("it is to be applied as {apply}, and only {APPLY:?} is known")));
    }
    let d_model = sidecar.get("d_model").and_then(Value::as_u64).and_then(|d| usize::try_from(d).ok());
    let d_model = d_model.ok_or_else(|| broken(format!("{SIDECAR} does not say d_model")))?;
    let text = |key: &str| sidecar.get(key).and_then(Value::as_str).map(str::to_owned);
    let provenance = Provenance::default()
        .with_source(Some(path.display().to_string()))
        .with_sha256(Some(stored.sha256()))
        .with_base_model(text("hf_model_name").or(text("model_id")))
        .with_details(details(&sidecar));
    let translator = lens(path, d_model, Site::ResidPost, matrices, provenance)?;
    Ok(LensFile::new(translator).with_notes(stored.notes.clone()))
}

fn layers(sidecar: &Map<String, Value>) -> Result<Option<Vec<i64>>, String> {
    let Some(value) = sidecar.get("source_layers") else { return Ok(None) };
    let layers = value.as_array().and_then(|layers| layers.iter().map(Value::as_i64).collect());
    layers.map(Some).ok_or_else(|| format!("{SIDECAR}: source_layers is not a list of whole numbers"))
}

/// What the sidecar says in texts and numbers.
pub(super) fn details(table: &Map<String, Value>) -> BTreeMap<String, String> {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let detail = |(key, value): (&String, &Value)| Some((key.clone(), plain(value)?));
    table.iter().filter(|(key, _)| *key != "d_model" && *key != "n_layers").filter_map(detail).collect()
}
