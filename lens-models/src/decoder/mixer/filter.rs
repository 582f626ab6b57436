//! A causal filter over each channel, with the newest values of a sequence as its state.

use tch::Tensor;

use crate::{
    decoder::{ModelError, weights::Weights},
    spec::FilterSpec,
};

/// A filter of each channel over its last few values.
#[derive(Debug)]
pub(super) struct CausalFilter {
    weight: Tensor,       // [channels, 1, kernel]
    bias: Option<Tensor>, // [channels]
    /// How many positions the filter reaches back.
    reach: i64,
    /// The newest values of the sequence, `[1, reach, channels]`; `None` before its first token.
    state: Option<Tensor>,
}

impl CausalFilter {
    pub(super) fn load(spec: &FilterSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self::new(weights.param(&spec.weight)?, weights.optional(spec.bias.as_ref())?))
    }

    /// A filter with this weight, `[channels, 1, kernel]`, and bias, `[channels]`.
    pub(super) fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        let reach = weight.size()[2] - 1;
        Self { weight, bias, reach, state: None }
    }

    /// Forgets the sequence that was run.
    pub(super) fn reset(&mut self) {
        self.state = None;
    }

    /// Each channel through its filter, which also covers the values before these: of `[batch, pos, channels]`, the same.
    /// `is_kept` keeps the newest values for what comes next.
    pub(super) fn forward(&mut self, values: &Tensor, is_kept: bool) -> Result<Tensor, ModelError> {
        let covered = Tensor::f_cat(&[&self.before(values)?, values], 1)?; // [batch, reach + pos, channels]
        if is_kept {
            self.keep(&covered)?;
        }
        let channels = covered.size()[2];
        let filtered =
            covered.f_transpose(1, 2)?.f_conv1d(&self.weight, self.bias.as_ref(), 1, 0, 1, channels)?;
        Ok(filtered.f_transpose(1, 2)?)
    }

    /// What the filter covers before these values, `[batch, reach, channels]`: zeros before the first token.
    fn before(&mut self, values: &Tensor) -> Result<Tensor, ModelError> {
        let shape = values.size();
        let state = self.state.take().map(Ok);
        Ok(state.unwrap_or_else(|| {
            Tensor::f_zeros([shape[0], self.reach, shape[2]], (values.kind(), values.device()))
        })?)
    }

    /// Keeps the newest values, which the next filter covers.
    fn keep(&mut self, covered: &Tensor) -> Result<(), ModelError> {
        let newest = covered.f_narrow(1, covered.size()[1] - self.reach, self.reach)?;
        // A copy: a view would hold the values of the whole step.
        let mut state = newest.f_empty_like()?;
        state.f_copy_(&newest)?;
        self.state = Some(state);
        Ok(())
    }
}
