//! The decoder on libtorch: one forward pass for every family, driven by a [`DecoderSpec`].

mod batch;
mod block;
mod branches;
mod budget;
mod compare;
mod device_readout;
mod dissect;
mod edit;
mod embed;
mod end;
mod error;
mod finite;
mod head;
mod held;
mod joint;
mod load;
mod memory;
mod mixer;
mod mlp;
mod norm;
mod part;
mod readout;
mod rotary;
mod span;
mod step;
mod tap;
mod threads;
mod translate;
mod visible;
mod weights;

use std::{ops::Range, sync::Arc};

use lens_core::{
    Backend, BackendError, Branches, Choice, Forward, LensMap, ModelInfo, Pack, PlainLogits, Point, PointSet,
    ReadRequest, Readings, Sequence, StepBudget, TokenId,
};
use tch::Tensor;

pub(crate) use batch::Tape;
pub use edit::Edits;
pub(crate) use edit::VectorFilesOnDisk;
pub use error::ModelError;
pub(crate) use head::Head;
pub(crate) use held::Held;
pub use lens_core::EditError;
pub use load::{LoadOptions, LoadProgress};
pub use readout::ReadoutPath;
pub use tap::Tap;

use self::{
    block::Block,
    edit::Applied,
    embed::Embedding,
    finite::Watch,
    readout::Readout,
    rotary::RotaryTables,
    span::Span,
    step::Step,
    tap::{Recorder, kept_rows},
    translate::Translations,
    weights::append_values,
};
use crate::{
    checkpoint::Checkpoint,
    device::{OnTorch as _, Placement},
    spec::DecoderSpec,
};

/// A decoder-only model on libtorch that can be looked into.
pub struct Decoder {
    info: ModelInfo,
    spec: DecoderSpec,
    placement: Placement,
    embed: Held<Embedding>,
    blocks: Vec<Held<Block>>,
    readout: Held<Readout>,
    translations: Translations,
    edit: Option<Box<dyn Tap>>,
    /// Edits that the seam has set: they take the tap's place.
    applied: Option<Applied>,
    /// The steps that suit it.
    budget: StepBudget,
    /// Tokens of the sequence that the key-value caches hold.
    seen: usize,
    /// Blocks whose caches hold them: a run may have been left before the last one.
    depth: usize,
    /// Owns the maps in which weights lie; every part that has some holds it too.
    checkpoint: Arc<Checkpoint>,
}

impl Decoder {
    /// The adapters that are merged into the model, by their names and commits.
    pub(crate) fn adapters(&self) -> Vec<String> {
        let adapters = &self.checkpoint.outline().adapters;
        let commit = |revision: &Option<String>| {
            revision.as_ref().map(|commit| format!("@{commit}")).unwrap_or_default()
        };
        adapters.iter().map(|adapter| format!("{}{}", adapter.id, commit(&adapter.revision))).collect()
    }

    /// The device of each of its parts.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The decoder that the config describes.
    pub fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    /// Lets `tap` see and change the values at every point in every run from now on; returns the tap that was set
    /// before.
    pub fn set_edit(&mut self, tap: Option<Box<dyn Tap>>) -> Option<Box<dyn Tap>> {
        std::mem::replace(&mut self.edit, tap)
    }

    /// Runs some tokens after the `past` ones that were run before, with `tap` at every point, and returns the
    /// last block's output, `[pos, d_model]`.
    ///
    /// `total` is the length of the whole sequence, in tokens: RoPE that depends on the length (dynamic NTK) uses it
    /// from the start, and caches are made for as many tokens. A sequence that consists of just these tokens is not
    /// cached, and cannot be continued.
    ///
    /// # Errors
    /// When a token is unknown, `past` is not what the caches hold, a value is not finite, or the tap or libtorch
    /// fails.
    pub fn run(
        &mut self,
        tokens: &[TokenId],
        past: usize,
        total: usize,
        tap: &mut dyn Tap,
    ) -> Result<Tensor, ModelError> {
        let nothing = PointSet::default();
        let forward = Forward::new(tokens, &nothing, &[]).with_past(past).with_total(total).with_room(total);
        self.run_forward(&forward, tap)
    }

    /// Runs a step, whatever it captures.
    fn run_forward(&mut self, forward: &Forward<'_>, tap: &mut dyn Tap) -> Result<Tensor, ModelError> {
        let Forward { tokens, past, total, room, through, .. } = *forward;
        let depth = match through {
            None => self.blocks.len(),
            Some(point) => point.layer().map_or(0, |layer| usize::from(layer) + 1),
        };
        if past != 0 && (past != self.seen || depth > self.depth) {
            let seen = if depth > self.depth { 0 } else { self.seen };
            return Err(ModelError::Discontinuous { past, seen });
        }
        let _guard = tch::no_grad_guard();
        let length = past + tokens.len();
        let span = Span { past, n: tokens.len(), total: total.max(length) };
        let step = Step::of_sequence(span, room.max(length), self.tables(&[span])?).through(depth);
        if past == 0 && step.is_kept() {
            memory::check(&self.spec, &self.placement, self.embed.kind(), step.room)?;
        }
        self.run_step(tokens, &step, tap)
    }

    /// The rotary tables that the layers need for these tokens.
    fn tables(&self, spans: &[Span]) -> Result<RotaryTables, ModelError> {
        let placed = self.spec.layers.iter().zip(&self.placement.layers);
        let ropes = placed.filter_map(|(layer, place)| Some((layer.mixer.rope()?, *place)));
        RotaryTables::new(ropes, spans, self.embed.kind())
    }

    fn run_step(&mut self, tokens: &[TokenId], step: &Step, tap: &mut dyn Tap) -> Result<Tensor, ModelError> {
        let named = |error: ModelError| error.of_memory(|| format!("a step of {} tokens", tokens.len()));
        let embedded = self.embed.forward(tokens, &step.positions).map_err(named)?; // [pos, d_model]
        step.set_vectors(self.embed.vectors(tokens, &embedded).map_err(named)?);
        // Until every block has its new keys, the caches disagree with each other.
        (self.seen, self.depth) = (0, step.depth);
        if step.past == 0 {
            self.blocks.iter_mut().for_each(|block| block.reset());
        }
        let x = self.blocks_forward(embedded, step, tap).map_err(named)?;
        // What nobody announced to continue is in no cache.
        self.seen = if step.is_kept() { step.past + step.n } else { 0 };
        Ok(x)
    }

    /// The stream from place to place, `[pos, d_model]`.
    fn blocks_forward(
        &mut self,
        embedded: Tensor,
        step: &Step,
        tap: &mut dyn Tap,
    ) -> Result<Tensor, ModelError> {
        let mut watch = Watch::new(tap, step.past, step.positions.clone());
        let mut x = watch.at(Point::Embed, embedded)?;
        let mut here = self.placement.embed;
        for (block, place) in self.blocks.iter_mut().zip(&self.placement.layers).take(step.depth) {
            x = block.forward(place.take(x, here)?, step, &mut watch)?;
            here = *place;
        }
        watch.end()?;
        Ok(x)
    }

    /// Runs a step and returns what is captured; `nudged` moves the embedding by one rounding.
    fn record(&mut self, step: &Forward<'_>, nudged: bool) -> Result<Vec<Tensor>, BackendError> {
        let rows = kept_rows(step.rows, step.tokens.len())?;
        self.captured(step.points, rows, nudged, |model, recorder| model.run_forward(step, recorder))
    }

    /// Runs whole sequences at once and returns what is captured. Shorter sequences run first.
    fn record_pack(&mut self, pack: &Pack<'_>) -> Result<Vec<Tensor>, BackendError> {
        let _guard = tch::no_grad_guard();
        let mut order: Vec<usize> = (0..pack.sequences.len()).collect();
        order.sort_by_key(|i| pack.sequences[*i].tokens.len());
        let sorted = || order.iter().map(|i| &pack.sequences[*i]);
        let tokens: Vec<TokenId> = sorted().flat_map(|sequence| sequence.tokens).copied().collect();
        let span = |Sequence { tokens, total, .. }: &Sequence<'_>| {
            let n = tokens.len();
            Span { past: 0, n, total: n.max(*total) }
        };
        let spans: Vec<Span> = sorted().map(span).collect();
        let step = Step::of_pack(&spans, self.tables(&spans)?, &self.placement.layers)?;

        let mut starts = vec![0; order.len()];
        let mut start = 0;
        for i in &order {
            starts[*i] = start;
            start += pack.sequences[*i].tokens.len();
        }
        let kept = pack.sequences.iter().zip(&starts);
        let kept: Vec<i64> =
            kept.flat_map(|(one, start)| one.rows.iter().map(move |row| (start + row) as i64)).collect();
        let rows = Tensor::f_from_slice(&kept).map_err(ModelError::from)?;
        self.captured(pack.points, Some(rows), false, |model, recorder| {
            model.run_step(&tokens, &step, recorder)
        })
    }

    /// What is captured at some rows while `run` runs the model, with the edit that is set.
    fn captured(
        &mut self,
        points: &PointSet,
        rows: Option<Tensor>,
        nudged: bool,
        run: impl FnOnce(&mut Self, &mut Recorder<'_>) -> Result<Tensor, ModelError>,
    ) -> Result<Vec<Tensor>, BackendError> {
        let (mut edit, mut applied) = (self.edit.take(), self.applied.take());
        let mut recorder = Recorder {
            edit: match &mut applied {
                Some(applied) => Some(applied),
                None => edit.as_deref_mut(),
            },
            points,
            rows,
            nudged,
            captured: Vec::with_capacity(points.len()),
        };
        let result = run(self, &mut recorder);
        let captured = recorder.captured;
        (self.edit, self.applied) = (edit, applied);
        drop(result?);
        if captured.len() != points.len() {
            let point = points.as_slice().iter().find(|point| !self.info.has(**point));
            return Err(point
                .map_or(ModelError::MissedPoint, |point| ModelError::AbsentPoint { point: *point })
                .into());
        }
        Ok(captured)
    }
}

impl Backend for Decoder {
    type Hidden = Tensor;

    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&mut self, step: &Forward<'_>) -> Result<Vec<Tensor>, BackendError> {
        self.record(step, false)
    }

    fn forward_nudged(&mut self, step: &Forward<'_>) -> Result<Option<Vec<Tensor>>, BackendError> {
        self.record(step, true).map(Some)
    }

    fn forward_pack(&mut self, pack: &Pack<'_>) -> Result<Option<Vec<Tensor>>, BackendError> {
        // An edit knows the positions of one sequence.
        if self.edit.is_some()
            || self.applied.is_some()
            || pack.sequences.is_empty()
            || pack.sequences.iter().any(|sequence| sequence.tokens.is_empty())
        {
            return Ok(None);
        }
        self.record_pack(pack).map(Some)
    }

    fn forward_branches(&mut self, branches: &Branches<'_, Tensor>) -> Result<Option<Tensor>, BackendError> {
        Ok(self.run_branches(branches)?)
    }

    fn continues(&self, seen: usize, total: usize) -> bool {
        let mut ropes = self.spec.layers.iter().filter_map(|layer| layer.mixer.rope());
        ropes.all(|rope| rope.is_same_at(seen, total))
    }

    fn step_budget(&self) -> StepBudget {
        self.budget
    }

    fn heads(&self, layer: u16) -> Option<(usize, usize)> {
        let [n_heads, d_head] = self.spec.layers.get(usize::from(layer))?.mixer.z_shape()?;
        Some((n_heads, d_head))
    }

    fn split_heads(&self, layer: u16, z: &Tensor, heads: &[u16]) -> Result<Vec<Tensor>, BackendError> {
        let _guard = tch::no_grad_guard();
        self.block(layer)?.split_heads(z, heads)
    }

    fn set_edits(
        &mut self,
        edits: Option<Arc<lens_core::Edits>>,
    ) -> Result<Option<Arc<lens_core::Edits>>, BackendError> {
        // What was run before is not what the caches would hold with these.
        self.seen = 0;
        let own = std::mem::replace(&mut self.applied, edits.map(Applied::new));
        Ok(own.map(|applied| applied.edits))
    }

    fn rows(&self, hidden: &Tensor, rows: Range<usize>, out: &mut Vec<f32>) -> Result<usize, BackendError> {
        let some = hidden.f_narrow(0, rows.start as i64, rows.len() as i64).map_err(ModelError::from)?;
        append_values(&some, out)?;
        Ok(some.size()[1..].iter().product::<i64>() as usize)
    }

    fn select(&self, hidden: &Tensor, rows: Range<usize>) -> Result<Tensor, BackendError> {
        Ok(hidden.f_narrow(0, rows.start as i64, rows.len() as i64).map_err(ModelError::from)?)
    }

    fn translate(&self, hidden: &Tensor, map: &Arc<LensMap>) -> Result<Tensor, BackendError> {
        let _guard = tch::no_grad_guard();
        Ok(self.translations.apply(hidden, map)?)
    }

    fn read(&self, request: &ReadRequest<'_, Tensor>) -> Result<Readings, BackendError> {
        self.readout.read(request)
    }

    fn read_choosing(
        &self,
        request: &ReadRequest<'_, Tensor>,
        choice: Choice<'_>,
    ) -> Result<Readings, BackendError> {
        self.readout.read_choosing(request, choice)
    }

    fn track(&self, request: &ReadRequest<'_, Tensor>, readings: &mut Readings) -> Result<(), BackendError> {
        self.readout.track(request, readings)
    }

    fn plain_logits(&self, last: &Tensor, row: usize, ids: &[TokenId]) -> Result<PlainLogits, BackendError> {
        let _guard = tch::no_grad_guard();
        Ok(self.readout.plain_logits(last, row, ids)?)
    }
}
