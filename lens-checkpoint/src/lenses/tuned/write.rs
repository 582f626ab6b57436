//! Writes a tuned lens as the tuned-lens package does.

use std::io::Write;

use lens_core::{LensKind, LensMap, Point, Site};
use serde_json::json;

use super::{
    super::{error::LensFileError, file::LensFile},
    KIND,
};
use crate::pickle::{Floats, Pickler, TorchWriter};

/// The translators in order, if the package can have them: one for the input of each block, each x + W x + b.
fn translators(lens: &LensFile) -> Result<Vec<&LensMap>, LensFileError> {
    let unwritable = |reason: String| LensFileError::Unwritable { kind: KIND, reason };
    let translator = &lens.translator;
    if translator.kind() != LensKind::Tuned {
        return Err(unwritable(format!("it is a {} lens", translator.kind())));
    }
    let mut maps = Vec::new();
    for (layer, point) in (0_u16..).zip(translator.points()) {
        if point != Point::block(layer, Site::ResidPre) {
            return Err(unwritable(format!(
                "it needs a translator for the input of every block, and this lens has one for {point} where \
                 L{layer}.resid_pre should be"
            )));
        }
        let map = translator.map(point).filter(|map| map.is_residual() && map.bias().is_some());
        maps.push(&**map.ok_or_else(|| {
            unwritable(format!("the translator for {point} is not x + W x + b, or lacks its b"))
        })?);
    }
    if let Some(n_layers) = lens.made_for.n_layers.filter(|n_layers| usize::from(*n_layers) != maps.len()) {
        return Err(unwritable(format!("it has {} translators for {n_layers} blocks", maps.len())));
    }
    Ok(maps)
}

/// Writes `config.json`.
///
/// # Errors
/// When it cannot be written, or the lens is not one that the package has.
pub fn write_config(lens: &LensFile, out: &mut dyn Write) -> Result<(), LensFileError> {
    let n_layers = translators(lens)?.len();
    let provenance = lens.translator.provenance();
    let config = json!({
        "base_model_name_or_path": provenance.base_model.as_deref().unwrap_or_default(),
        "d_model": lens.translator.d_model(),
        "num_hidden_layers": n_layers,
        "bias": true,
        "base_model_revision": provenance.base_revision,
        "unembed_hash": lens.made_for.unembed_hash,
        "lens_type": "linear_tuned_lens",
    });
    writeln!(out, "{config}").map_err(LensFileError::write)
}

/// Writes `params.pt`, in float32: a file that `torch.load(…, weights_only=True)` reads. Its pickle is byte for byte that
/// of `torch.save(ModuleList.state_dict())`.
///
/// # Errors
/// As for [`write_config`].
pub fn write_params(lens: &LensFile, out: &mut dyn Write) -> Result<(), LensFileError> {
    let maps = translators(lens)?;
    let d_model = lens.translator.d_model();
    let storages: Vec<Floats<'_>> = maps
        .iter()
        .flat_map(|map| [map.weight(), map.bias().unwrap_or_default()])
        .map(Floats::Single)
        .collect();
    TorchWriter::new(out, "params")
        .write(&pickle(maps.len(), d_model), &storages)
        .map_err(LensFileError::write)
}

/// The pickle of `ModuleList.state_dict()`.
fn pickle(n: usize, d_model: usize) -> Vec<u8> {
    let mut pickler = Pickler::new();
    pickler.ordered_dict();
    pickler.mark();
    for layer in 0..n {
        pickler.text(&format!("{layer}.weight"));
        pickler.tensor(&[d_model, d_model], 2 * layer, Floats::SINGLE);
        pickler.text(&format!("{layer}.bias"));
        pickler.tensor(&[d_model], 2 * layer + 1, Floats::SINGLE);
        // Python sets a thousand items at a time.
        if (layer + 1) % 500 == 0 && layer + 1 < n {
            pickler.set_items();
            pickler.mark();
        }
    }
    pickler.set_items();
    metadata(&mut pickler, n);
    pickler.build();
    pickler.finish()
}

/// `_metadata`: the version of each module's state.
fn metadata(pickler: &mut Pickler, n: usize) {
    pickler.empty_dict();
    pickler.text("_metadata");
    pickler.ordered_dict();
    pickler.mark();
    let names = std::iter::once(String::new()).chain((0..n).map(|layer| layer.to_string()));
    let mut since = 0;
    for name in names {
        if since == 1000 {
            pickler.set_items();
            pickler.mark();
            since = 0;
        }
        pickler.text(&name);
        pickler.empty_dict();
        pickler.shared_text("version");
        pickler.int(1);
        pickler.set_item();
        since += 1;
    }
    pickler.set_items();
    pickler.set_item();
}
