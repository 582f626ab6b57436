//! Interventions on a running decoder: lens-core's edits, applied as a tap.

use std::{collections::HashMap, path::Path, sync::Arc};

use lens_core::{
    EditError, Intervention, InterventionTrace, ModelInfo, Point, Steering, TokenId, VectorFiles, steer,
};
use tch::Tensor;

use super::{Decoder, ModelError, Tap, weights::values};
use crate::vectors::VectorFile;

/// Interventions with their vectors at hand, as a tap for [`Decoder::set_edit`].
#[derive(Debug, Default)]
pub struct Edits {
    steering: Steering,
    past: usize,
}

impl Edits {
    /// The entries of the interventions in a trace.
    pub fn traces(&self) -> &[InterventionTrace] {
        &self.steering.traces
    }

    /// What does not fit the model although it can be applied, as sentences for a person.
    pub fn notes(&self) -> &[String] {
        &self.steering.notes
    }
}

impl Decoder {
    /// Resolves interventions against this model and a prompt: the activations of other prompts, and means, are
    /// taken now, from the model without interventions. `encode` turns another prompt into tokens.
    ///
    /// Hand the result to [`Decoder::set_edit`], and start a new sequence: what was run before cannot be continued.
    ///
    /// # Errors
    /// When a layer, head, position, file or vector does not fit, or another prompt cannot be encoded or run.
    pub fn prepare_edits(
        &mut self,
        interventions: &[Intervention],
        prompt: &[TokenId],
        encode: &dyn Fn(&str) -> Result<Vec<TokenId>, String>,
    ) -> Result<Edits, EditError> {
        let steering = steer(self, interventions, prompt, encode, &mut VectorFilesOnDisk::default())?;
        Ok(Edits { steering, past: 0 })
    }
}

impl Tap for Edits {
    fn begin(&mut self, past: usize) {
        self.past = past;
    }

    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
        apply(&self.steering.edits, self.past, point, value)
    }
}

/// Edits that the seam has set, as a tap.
pub(super) struct Applied {
    pub(super) edits: Arc<lens_core::Edits>,
    past: usize,
}

impl Applied {
    pub(super) fn new(edits: Arc<lens_core::Edits>) -> Self {
        Self { edits, past: 0 }
    }
}

impl Tap for Applied {
    fn begin(&mut self, past: usize) {
        self.past = past;
    }

    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
        apply(&self.edits, self.past, point, value)
    }
}

/// Changes the rows of a step that begins after `past` tokens. Values that are not changed keep their bits.
pub(super) fn apply(
    edits: &lens_core::Edits,
    past: usize,
    point: Point,
    value: Tensor,
) -> Result<Tensor, ModelError> {
    let n = value.size()[0] as usize;
    let positions = edits.changed(point, past..past + n);
    if positions.is_empty() {
        return Ok(value);
    }
    // Vectors are in host memory; the few rows that are changed come there and go back.
    let (device, kind) = (value.device(), value.kind());
    let rows = match positions.len() == n {
        true => None,
        false => {
            let rows: Vec<i64> = positions.iter().map(|position| (position - past) as i64).collect();
            Some(Tensor::f_from_slice(&rows)?.f_to_device(device)?)
        }
    };
    let some = rows.as_ref().map_or(Ok(value.shallow_clone()), |rows| value.f_index_select(0, rows))?;
    let (mut values, shape) = (values(&some)?, some.size());
    let width = shape[1..].iter().product::<i64>() as usize;
    edits.apply_at(point, positions, width, &mut values);
    let changed =
        Tensor::f_from_slice(&values)?.f_view(shape.as_slice())?.f_to_kind(kind)?.f_to_device(device)?;
    Ok(match rows {
        None => changed,
        Some(rows) => value.f_index_copy(0, &rows, &changed)?,
    })
}

/// Vectors from safetensors and GGUF files, each of which is read once.
#[derive(Debug, Default)]
pub(crate) struct VectorFilesOnDisk {
    files: HashMap<String, VectorFile>,
    /// In the order in which they were named.
    paths: Vec<String>,
}

impl VectorFiles for VectorFilesOnDisk {
    fn vector(
        &mut self,
        path: &str,
        name: Option<&str>,
        layer: usize,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        if !self.files.contains_key(path) {
            self.files.insert(path.to_owned(), VectorFile::read(Path::new(path))?);
            self.paths.push(path.to_owned());
        }
        Ok(self.files[path].for_layer(name, layer)?.to_vec())
    }

    fn notes(&self, model: &ModelInfo) -> Vec<String> {
        let of = |path| self.files[path].notes(&model.family, &model.id, model.n_layers.into());
        self.paths.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use lens_core::toy::ToyBackend;
    use tch::{Device, Kind};

    use super::*;

    fn edits(written: &[&str]) -> Arc<lens_core::Edits> {
        let interventions: Vec<Intervention> = written.iter().map(|text| text.parse().unwrap()).collect();
        let prompt = [1, 2, 3, 4].map(TokenId);
        let encode = |_: &str| Ok([5, 6].map(TokenId).to_vec());
        steer(&mut ToyBackend::new(2, 4, 9, 1), &interventions, &prompt, &encode, &mut ()).unwrap().edits
    }

    #[test]
    fn what_is_not_changed_is_not_touched() {
        let edits = edits(&["L1.mlp_out[1,3] = 0", "L1.z[..1] = @'other'[same]", "L1.attn_out *= 2"]);
        let point = |text: &str| text.parse::<Point>().unwrap();
        let value = Tensor::ones([2, 4], (Kind::BFloat16, Device::Cpu));
        for (point, past) in
            [(point("L0.mlp_out"), 0), (point("L1.mlp_out"), 4), (point("L1.z"), 2), (point("L1.z"), 1)]
        {
            let same = apply(&edits, past, point, value.shallow_clone()).unwrap();
            assert_eq!(same.data_ptr(), value.data_ptr(), "{point} after {past}");
        }
        let sums = |point, past| {
            let changed = apply(&edits, past, point, value.shallow_clone()).unwrap();
            assert_eq!((changed.kind(), changed.size()), (value.kind(), value.size()));
            Vec::<f64>::try_from(changed.sum_dim_intlist([-1].as_slice(), false, Kind::Double)).unwrap()
        };
        assert_eq!(sums(point("L1.mlp_out"), 0), [4.0, 0.0], "one row of two");
        assert_eq!(sums(point("L1.mlp_out"), 3), [0.0, 4.0]);
        assert_eq!(sums(point("L1.attn_out"), 7), [8.0, 8.0], "every row");
        assert_eq!(
            Vec::<f64>::try_from(value.sum_dim_intlist([-1].as_slice(), false, Kind::Double)).unwrap(),
            [4.0; 2]
        );
    }
}
