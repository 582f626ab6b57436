//! Backends that are wrong in one chosen way.

use std::ops::Range;

use lens_core::{
    Backend, BackendError, Component, FinalNorm, Forward, HostReadout, ModelInfo, NormKind, PlainLogits,
    PointSet, Post, ReadRequest, Readings, Site, TokenId, Unembedding, VocabRows,
    toy::{ToyBackend, ToyHidden},
};

use super::Reference;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    None,
    /// Every value of one site is off by a constant.
    Shift(Site, f32),
    /// `z`, which no identity is about, knows the last token of the step at every position.
    LeaksTheLastToken,
    /// Every step begins a new sequence.
    ForgetsTheCache,
    /// The plain product is another one than that of the readouts.
    OtherPlainLogits,
    /// One logit of the plain product is this, which is no number.
    BrokenPlainLogit(f32),
    /// A divergence of the last readout is no number.
    BrokenDivergence,
    /// A step after others attends to its first token twice.
    CountsATokenTwice,
    /// Not a fault: the unembedding has every row twice, and so does the vocabulary.
    TwinRows,
}

/// The toy, seen through a fault.
pub(crate) struct Tampered {
    toy: ToyBackend,
    info: ModelInfo,
    norm: FinalNorm,
    unembedding: Vec<f32>,
    fault: Fault,
}

/// Rows of equal width.
pub(crate) struct Rows {
    width: usize,
    values: Vec<f32>,
}

impl Tampered {
    pub(crate) fn new(n_layers: u16, d: usize, n_vocab: usize, seed: u64, fault: Fault) -> Self {
        let toy = ToyBackend::new(n_layers, d, n_vocab, seed);
        let reference = Reference::new(n_layers, d, n_vocab, seed);
        let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<f32>>();
        let norm = FinalNorm::new(NormKind::Rms, 1e-6, d, Some(narrow(&reference.weight)), None);
        let mut unembedding = narrow(&reference.unembedding);
        let mut info = toy.info().clone();
        if fault == Fault::TwinRows {
            unembedding.extend_from_within(..);
            info.n_vocab *= 2;
        }
        Self { toy, info, norm: norm.expect("one weight per dimension"), unembedding, fault }
    }

    fn unembedding(&self) -> Result<Unembedding<'_>, BackendError> {
        Ok(Unembedding::new(VocabRows::F32(&self.unembedding), self.info.d_model, None, Post::default())?)
    }

    /// What was captured, with the fault.
    fn tampered(&self, step: &Forward<'_>, captured: &[ToyHidden]) -> Result<Vec<Rows>, BackendError> {
        let mut hidden = Vec::new();
        for (point, captured) in step.points.as_slice().iter().zip(captured) {
            let mut values = Vec::new();
            let width = self.toy.rows(captured, 0..step.rows.len(), &mut values)?;
            let shift = match (self.fault, point.component()) {
                (Fault::Shift(site, by), Component::Site(here)) if site == here => by,
                (Fault::LeaksTheLastToken, Component::Site(Site::Z)) => {
                    step.tokens.last().map_or(0.0, |token| 0.01 * token.0 as f32)
                }
                _ => 0.0,
            };
            values.iter_mut().for_each(|value| *value += shift);
            hidden.push(Rows { width, values });
        }
        Ok(hidden)
    }
}

impl Backend for Tampered {
    type Hidden = Rows;

    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&mut self, step: &Forward<'_>) -> Result<Vec<Rows>, BackendError> {
        let past = if self.fault == Fault::ForgetsTheCache { 0 } else { step.past };
        if self.fault == Fault::CountsATokenTwice && past > 0 {
            let nothing = PointSet::default();
            let tokens = &step.tokens[..1];
            let mut unread = *step;
            (unread.tokens, unread.points, unread.rows) = (tokens, &nothing, &[]);
            drop(self.toy.forward(&unread)?);
        }
        let captured = self.toy.forward(&step.with_past(past))?;
        self.tampered(step, &captured)
    }

    fn forward_nudged(&mut self, step: &Forward<'_>) -> Result<Option<Vec<Rows>>, BackendError> {
        match self.toy.forward_nudged(step)? {
            Some(captured) => self.tampered(step, &captured).map(Some),
            None => Ok(None),
        }
    }

    fn rows(&self, hidden: &Rows, rows: Range<usize>, out: &mut Vec<f32>) -> Result<usize, BackendError> {
        out.extend_from_slice(&hidden.values[rows.start * hidden.width..rows.end * hidden.width]);
        Ok(hidden.width)
    }

    fn read(&self, request: &ReadRequest<'_, Rows>) -> Result<Readings, BackendError> {
        let mut readings = HostReadout::new(&self.norm, self.unembedding()?, self.info.n_layers)
            .read(request, |hidden, rows, out| self.rows(hidden, rows, out))?;
        if let (Fault::BrokenDivergence, Some(last)) = (self.fault, readings.points.last_mut()) {
            last.statistics.set(lens_core::Statistic::KlToFinal, Some(f64::NAN));
        }
        Ok(readings)
    }

    fn plain_logits(&self, last: &Rows, row: usize, ids: &[TokenId]) -> Result<PlainLogits, BackendError> {
        let x = &last.values[row * last.width..][..last.width];
        let mut normed = x.to_vec();
        self.norm.apply(&mut normed, self.norm.scale(x));
        let error = if self.fault == Fault::OtherPlainLogits { 0.01 } else { 0.0 };
        let logits: Vec<f32> = self
            .unembedding
            .chunks_exact(last.width)
            .map(|row| row.iter().zip(&normed).map(|(w, x)| w * x).sum::<f32>() + error)
            .collect();
        let mut wanted: Vec<f32> = ids.iter().map(|id| logits[id.index()]).collect();
        if let (Fault::BrokenPlainLogit(value), Some(logit)) = (self.fault, wanted.get_mut(1)) {
            *logit = value;
        }
        Ok(PlainLogits::new(wanted, logits.iter().map(|z| f64::from(*z).exp()).sum::<f64>().ln(), 1e-4, 1e-4))
    }
}
