//! Interventions on a running decoder: lens-core's edits, applied as a tap.

use std::{collections::HashMap, path::Path, sync::Arc};

use lens_core::{
    EditError, Intervention, InterventionTrace, ModelInfo, Point, Steering, TokenId, VectorFiles, steer,
};
use tch::{Device, Kind, Tensor};

use super::{Decoder, ModelError, Tap};
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
fn apply(edits: &lens_core::Edits, past: usize, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
    if !edits.change(point) {
        return Ok(value);
    }
    // Vectors are in host memory; the few points that are changed come there and go back.
    let (device, kind, shape) = (value.device(), value.kind(), value.size());
    let wide = value.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let mut values = vec![0f32; wide.numel()];
    wide.f_copy_data(&mut values, wide.numel())?;
    let width = shape[1..].iter().product::<i64>() as usize;
    edits.apply(point, past, width, &mut values);
    let changed = Tensor::f_from_slice(&values)?.f_view(shape.as_slice())?;
    Ok(changed.f_to_kind(kind)?.f_to_device(device)?)
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
