//! Quantised tensors in the index: weights that are made stand in the place of their parts.

use serde_json::Value;

use super::{CheckpointError, TensorIndex, header::StoredTensor};
use crate::{
    made::{Files, Part},
    quantised::{
        self, Quantisation, Resolved,
        raw::{Raw, RawIndex},
    },
    spec::DecoderSpec,
};

/// A checkpoint whose quantised tensors are in the index as the weights that they stand for.
pub(super) struct Dequantised {
    /// config.json without the section that is settled.
    pub(super) config: Value,
    quantisation: Quantisation,
    /// Names of weights whose shapes are yet unknown.
    unknown: Vec<String>,
    notes: Vec<String>,
}

impl Dequantised {
    /// Replaces the parts of quantised weights in the index, if the config says that there are such.
    pub(super) fn new(
        config: &Value,
        tensors: &mut TensorIndex,
        files: Option<Files<'_>>,
    ) -> Result<Option<Self>, CheckpointError> {
        if quantised::section(config).is_none() {
            return Ok(None);
        }
        let raw = raw_index(tensors);
        let Some(resolved) = quantised::resolve(config, &raw, files)? else { return Ok(None) };
        let Resolved { tensors: made, consumed, quantisation, notes } = resolved;
        tensors.remove(consumed.iter());
        let mut unknown = Vec::new();
        for tensor in made {
            let name = tensor.made.name().to_owned();
            tensors.put(&name, StoredTensor::of_made(tensor.made, tensor.dtype));
            if tensor.is_shape_unknown {
                unknown.push(name);
            }
        }
        Ok(Some(Self { config: quantised::without_section(config), quantisation, unknown, notes }))
    }

    /// Takes shapes that are yet unknown from the spec; what is to be said.
    pub(super) fn settle(
        this: Option<Self>,
        spec: &DecoderSpec,
        tensors: &mut TensorIndex,
    ) -> (Option<Quantisation>, Vec<String>) {
        let Some(this) = this else { return (None, Vec::new()) };
        for wanted in spec.tensors() {
            if this.unknown.contains(&wanted.name)
                && let Some(tensor) = tensors.get_mut(&wanted.name)
            {
                tensor.shape.clone_from(&wanted.shape);
                tensor.made = tensor.made.take().map(|made| made.with_shape(&wanted.shape));
            }
        }
        (Some(this.quantisation), this.notes)
    }
}

/// The tensors as they are stored.
fn raw_index(tensors: &TensorIndex) -> RawIndex {
    let stored = tensors.iter().filter(|(_, tensor)| tensor.made.is_none());
    let raw = |(name, tensor): (&str, &StoredTensor)| {
        let part = Part {
            name: name.to_owned(),
            shard: tensor.shard,
            range: tensor.range.clone(),
            shape: tensor.shape.clone(),
        };
        let ty = tensor.dtype.clone().map_or_else(|name| name, |dtype| dtype.name().to_ascii_uppercase());
        (name.to_owned(), Raw { part, ty })
    };
    RawIndex(stored.map(raw).collect())
}
