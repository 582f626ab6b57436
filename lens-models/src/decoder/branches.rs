//! Runs that part from the sequence that was run last, inside the model.

use std::sync::Arc;

use lens_core::{Branches, Edits, Point};
use tch::Tensor;

use super::{Decoder, ModelError, Tap, edit::apply, finite::Watch, span::Span, step::Step};
use crate::{
    device::OnTorch as _,
    spec::{LayerSpec, Sharing},
};

impl Decoder {
    /// Runs branches side by side, as a rectangle of equal sequences, and returns the last block's output of each at the
    /// row asked for, `[runs, d_model]`; `None` where the model is being changed by something else, or blocks read keys of
    /// others that are not run. Positions before the
    /// first that is changed are read from the caches, if these hold them and every mixer can go on from any position.
    pub(super) fn run_branches(
        &mut self,
        branches: &Branches<'_, Tensor>,
    ) -> Result<Option<Tensor>, ModelError> {
        let (layer, runs) = (usize::from(branches.layer), branches.edits.len());
        if !self.is_unchanged() || runs == 0 || layer >= self.blocks.len() || self.borrows_across(layer) {
            return Ok(None);
        }
        let _guard = tch::no_grad_guard();
        let resumes = self.blocks[layer..].iter().all(|block| block.resumes());
        let is_held = branches.from <= self.seen && self.depth == self.blocks.len();
        let past = if resumes && is_held { branches.from } else { 0 };
        if !resumes {
            // Such mixers begin with what they keep of a sequence: here, nothing.
            self.blocks.iter_mut().for_each(|block| block.reset());
            (self.seen, self.depth) = (0, 0);
        }
        let span = Span { past, n: branches.tokens.len() - past, total: branches.total };
        let step = Step::of_branches(span, runs, self.tables(&vec![span; runs])?);
        if self.spec.embed.per_layer.is_some() {
            let tokens = &branches.tokens[past..];
            let embedded = self.embed.forward(tokens, &step.positions[..tokens.len()])?;
            let vectors = self.embed.vectors(tokens, &embedded)?;
            step.set_vectors(vectors.map(|of_one| of_one.f_repeat([runs as i64, 1, 1])).transpose()?);
        }
        let named =
            |error: ModelError| error.of_memory(|| format!("{runs} runs of {} tokens at once", span.n));
        let last = self.branches_forward(branches, layer, span, &step).map_err(named)?;
        let row = branches.row - past;
        let rows: Vec<i64> = (0..runs).map(|run| (run * span.n + row) as i64).collect();
        let rows = Tensor::f_from_slice(&rows)?.f_to_device(last.device())?;
        Ok(Some(last.f_index_select(0, &rows)?))
    }

    /// Whether a block from `layer` on reads keys and values of one before it, which branches do not run.
    fn borrows_across(&self, layer: usize) -> bool {
        let attentions = self.spec.layers[layer..].iter().filter_map(LayerSpec::attention);
        attentions
            .map(|attention| attention.sharing)
            .any(|sharing| matches!(sharing, Sharing::Borrows { from } if from < layer))
    }

    /// Whether the model runs as it is.
    fn is_unchanged(&self) -> bool {
        match &self.applied {
            Some(applied) => applied.edits.is_empty(),
            None => self.edit.is_none(),
        }
    }

    /// The stream of all branches from a block on, `[runs * pos, d_model]`.
    fn branches_forward(
        &mut self,
        branches: &Branches<'_, Tensor>,
        layer: usize,
        span: Span,
        step: &Step,
    ) -> Result<Tensor, ModelError> {
        let mut tap = EachItsOwn { edits: branches.edits.to_vec(), past: span.past, n: span.n };
        let mut watch = Watch::new(&mut tap, span.past, step.positions.clone());
        let own = branches.input.f_narrow(0, span.past as i64, span.n as i64)?;
        let mut x = own.f_repeat([branches.edits.len() as i64, 1])?;
        let mut here = self.placement.layers[layer];
        for (block, place) in self.blocks.iter_mut().zip(&self.placement.layers).skip(layer) {
            x = block.forward(place.take(x, here)?, step, &mut watch)?;
            here = *place;
        }
        watch.end()?;
        Ok(x)
    }
}

/// Edits of runs that are `n` tokens each, one after the other, all of them after `past` tokens.
struct EachItsOwn {
    edits: Vec<Arc<Edits>>,
    past: usize,
    n: usize,
}

impl Tap for EachItsOwn {
    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
        let mut changed: Option<Tensor> = None;
        for (run, edits) in self.edits.iter().enumerate().filter(|(_, edits)| edits.change(point)) {
            let rows = |x: &Tensor| x.f_narrow(0, (run * self.n) as i64, self.n as i64);
            let own = apply(edits, self.past, point, rows(&value)?)?;
            let all = match changed.take() {
                Some(all) => all,
                None => {
                    let mut all = value.f_empty_like()?;
                    all.f_copy_(&value)?;
                    all
                }
            };
            rows(&all)?.f_copy_(&own)?;
            changed = Some(all);
        }
        Ok(changed.unwrap_or(value))
    }
}
