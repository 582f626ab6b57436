//! Jacobian lenses: `.pt` files of jlens and its relatives, and their safetensors forms.
//!
//! J_l belongs to the output of block l, unless the file says that it was made elsewhere; the readout is that of J_l x.
//! Files store J in float16 mostly; it is applied in float32, as jlens does.
//!
//! | file | tensors | says |
//! |---|---|---|
//! | `.pt` of jlens, of the R-lens and S-lens, of Neuronpedia (`torch`) | `J`: block → J | `n_prompts`, `d_model`, `source_layers`, `provenance` |
//! | `.pt` of jspace (`torch`) | `avg_jacobians`: block → J | `model_id`, `n_layers`, `n_prompts`, … |
//! | safetensors of jlens-mlx (`mlx`) | `3`: J of block 3 | `lens.sidecar.json` beside it |
//! | safetensors of jlens-gguf (`gguf`) | `J/3/all`, and `U/3/all` where J is stored as a product | a table in its header |

pub(super) mod gguf;
pub(super) mod mlx;
pub(super) mod torch;
mod write;

use std::{collections::BTreeMap, path::Path};

use lens_core::{LensMap, Provenance, Site, Translator};

use super::error::LensFileError;
use crate::host::View;
pub use write::write_torch;

/// What such a file is, in messages.
const KIND: &str = "a Jacobian lens";

/// A lens of matrices by block, each of which has to be `[d_model, d_model]`.
fn lens(
    path: &Path,
    d_model: usize,
    site: Site,
    matrices: BTreeMap<u16, View<'_>>,
    provenance: Provenance,
) -> Result<Translator, LensFileError> {
    let mut maps = Vec::new();
    for (layer, matrix) in matrices {
        if matrix.shape() != [d_model, d_model] {
            let reason = format!(
                "the matrix of block {layer} is {:?}, and the file says d_model = {d_model}",
                matrix.shape()
            );
            return Err(LensFileError::broken(path, KIND, reason));
        }
        let values = matrix.to_vec().map_err(|error| LensFileError::broken(path, KIND, error.to_string()))?;
        let map = LensMap::new(d_model, values, None, false).map_err(LensFileError::maps(path))?;
        maps.push((layer, map));
    }
    Translator::jacobian(d_model, site, maps, provenance).map_err(LensFileError::maps(path))
}

/// A block's number, written as a file writes it: no sign and no leading zero.
fn block(text: &str) -> Option<u16> {
    text.parse().ok().filter(|number: &u16| number.to_string() == text)
}

/// Compares the blocks that a file says it has with those that it has.
fn check_layers(said: Option<Vec<i64>>, has: &BTreeMap<u16, View<'_>>) -> Result<(), String> {
    let Some(mut said) = said else { return Ok(()) };
    said.sort_unstable();
    let has: Vec<i64> = has.keys().map(|layer| i64::from(*layer)).collect();
    if said == has {
        return Ok(());
    }
    Err(format!("it says that it is of the blocks {said:?}, and holds matrices of {has:?}"))
}
