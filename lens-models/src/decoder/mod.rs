//! The decoder on libtorch: one forward pass for every family, driven by a [`DecoderSpec`].

mod attention;
mod block;
mod edit;
mod embed;
mod error;
mod mlp;
mod norm;
mod readout;
mod rotary;
mod tap;
mod weights;

use std::ops::Range;

use lens_core::{
    Backend, BackendError, Forward, ModelInfo, PlainLogits, Point, ReadRequest, Readings, TokenId,
};
use tch::Tensor;

pub use edit::{EditError, Edits};
pub use error::ModelError;
pub use tap::Tap;

use self::{
    block::Block,
    embed::Embedding,
    readout::{Readout, unit_roundoff},
    rotary::RotaryTables,
    tap::{Recorder, kept_rows},
    weights::{Weights, append_values, kind_of},
};
use crate::{
    checkpoint::{Checkpoint, StoredDtype},
    spec::DecoderSpec,
};

/// How to load a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The type to use the weights in; `None` keeps the one they are stored in.
    pub dtype: Option<StoredDtype>,
}

/// A decoder-only model on libtorch that can be looked into.
pub struct Decoder {
    info: ModelInfo,
    spec: DecoderSpec,
    embed: Embedding,
    blocks: Vec<Block>,
    readout: Readout,
    edit: Option<Box<dyn Tap>>,
    /// Tokens in the key-value caches.
    seen: usize,
    /// Last, because fields are dropped in order: the tensors above lie in its maps.
    _checkpoint: Checkpoint,
}

/// One step of a forward pass.
struct Step {
    /// Tokens before this step.
    past: usize,
    /// Tokens in this step.
    n: usize,
    /// Tokens that the sequence may come to have.
    room: usize,
    tables: RotaryTables,
}

impl Decoder {
    /// Loads a checkpoint. Weights that keep their dtype stay mapped: nothing is copied.
    ///
    /// # Errors
    /// When libtorch fails, for example for want of memory for converted weights.
    pub fn load(checkpoint: Checkpoint, options: &LoadOptions) -> Result<Self, ModelError> {
        let outline = checkpoint.outline();
        let dtype = options.dtype.unwrap_or_else(|| outline.main_dtype());
        let spec = outline.spec.clone();
        let weights = Weights { checkpoint: &checkpoint, dtype };
        let embed = Embedding::load(&spec.embed, &weights)?;
        let blocks = spec
            .layers
            .iter()
            .zip(0u16..)
            .map(|(layer, i)| Block::load(i, layer, &weights))
            .collect::<Result<_, _>>()?;
        let readout = Readout::load(&spec, embed.tokens(), &weights)?;
        let info = ModelInfo {
            id: outline.id.clone(),
            revision: outline.revision.clone(),
            family: spec.family.clone(),
            family_assumed: outline.assumed_family.is_some(),
            n_layers: spec.layers.len() as u16,
            d_model: spec.d_model,
            n_vocab: spec.n_vocab(),
            dtype: dtype.name().to_owned(),
            unit_roundoff: unit_roundoff(kind_of(dtype)),
            device: "cpu".to_owned(),
            parallel_blocks: spec.is_parallel(),
            routed: spec.is_routed(),
            absent_sites: spec.absent_sites().to_vec(),
            max_positions: spec.embed.positions.as_ref().map(|positions| positions.n),
        };
        Ok(Self { info, spec, embed, blocks, readout, edit: None, seen: 0, _checkpoint: checkpoint })
    }

    /// What the config says.
    pub fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    /// Whether the model has this point.
    fn has(&self, point: Point) -> bool {
        point.layer().is_none_or(|layer| layer < self.info.n_layers) && self.info.has(point.component())
    }

    /// Lets `tap` change values in every run from now on; returns the tap that did so before.
    pub fn set_edit(&mut self, tap: Option<Box<dyn Tap>>) -> Option<Box<dyn Tap>> {
        std::mem::replace(&mut self.edit, tap)
    }

    /// Runs some tokens after the `past` ones that were run before, with `tap` at every point, and returns the
    /// last block's output, `[pos, d_model]`.
    ///
    /// `total` is how long the sequence is: RoPE that depends on the length (dynamic NTK) is that of the whole
    /// sequence from the start. Caches are made for as many tokens.
    ///
    /// # Errors
    /// When a token is unknown, `past` is not what was run before, or the tap or libtorch fails.
    pub fn run(
        &mut self,
        tokens: &[TokenId],
        past: usize,
        total: usize,
        tap: &mut dyn Tap,
    ) -> Result<Tensor, ModelError> {
        self.run_with_room(tokens, past, total, total, tap)
    }

    fn run_with_room(
        &mut self,
        tokens: &[TokenId],
        past: usize,
        total: usize,
        room: usize,
        tap: &mut dyn Tap,
    ) -> Result<Tensor, ModelError> {
        if past != 0 && past != self.seen {
            return Err(ModelError::Discontinuous { past, seen: self.seen });
        }
        let _guard = tch::no_grad_guard();
        let ropes = self.spec.layers.iter().filter_map(|layer| layer.attn.rope());
        let tables =
            RotaryTables::new(ropes, past, tokens.len(), total.max(past + tokens.len()), self.embed.kind())?;
        let step = Step { past, n: tokens.len(), room: room.max(total), tables };
        let embedded = self.embed.forward(tokens, past)?; // [pos, d_model]
        // Until every block has its new keys, the caches disagree with each other.
        self.seen = 0;
        tap.begin(past);
        let mut x = tap.at(Point::Embed, embedded)?;
        for block in &mut self.blocks {
            x = block.forward(x, &step, tap)?;
        }
        self.seen = past + tokens.len();
        Ok(x)
    }
}

impl Backend for Decoder {
    type Hidden = Tensor;

    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&mut self, step: &Forward<'_>) -> Result<Vec<Tensor>, BackendError> {
        let mut edit = self.edit.take();
        let mut recorder = Recorder {
            edit: edit.as_deref_mut(),
            points: step.points,
            rows: kept_rows(step.rows, step.tokens.len())?,
            captured: Vec::with_capacity(step.points.len()),
        };
        let result = self.run_with_room(step.tokens, step.past, step.total, step.room, &mut recorder);
        let captured = recorder.captured;
        self.edit = edit;
        drop(result?);
        if captured.len() != step.points.len() {
            let point = step.points.as_slice().iter().find(|point| !self.has(**point));
            return Err(point
                .map_or(ModelError::MissedPoint, |point| ModelError::AbsentPoint { point: *point })
                .into());
        }
        Ok(captured)
    }

    fn continues(&self, seen: usize, total: usize) -> bool {
        let mut ropes = self.spec.layers.iter().filter_map(|layer| layer.attn.rope());
        ropes.all(|rope| rope.is_same_at(seen, total))
    }

    fn rows(&self, hidden: &Tensor, rows: Range<usize>, out: &mut Vec<f32>) -> Result<usize, BackendError> {
        let some = hidden.f_narrow(0, rows.start as i64, rows.len() as i64).map_err(ModelError::from)?;
        append_values(&some, out)?;
        Ok(some.size()[1..].iter().product::<i64>() as usize)
    }

    fn read(&self, request: &ReadRequest<'_, Tensor>) -> Result<Readings, BackendError> {
        self.readout.read(request)
    }

    fn plain_logits(&self, last: &Tensor, row: usize, ids: &[TokenId]) -> Result<PlainLogits, BackendError> {
        let _guard = tch::no_grad_guard();
        Ok(self.readout.plain_logits(last, row, ids)?)
    }
}
