//! A gated short convolution over what its filter still covers.

use tch::Tensor;

use crate::{
    decoder::{
        ModelError,
        part::joined,
        step::Step,
        weights::{Linear, Weights},
    },
    spec::ShortConvolutionSpec,
};

/// The short convolution of one block.
#[derive(Debug)]
pub(in crate::decoder) struct ShortConvolution {
    value: Linear,
    gate_in: Linear,
    gate_out: Linear,
    filter: Tensor,              // [channels, 1, kernel]
    filter_bias: Option<Tensor>, // [channels]
    output: Linear,
    /// How many positions the filter reaches back.
    reach: i64,
    /// The newest gated values of the sequence, `[1, reach, channels]`; `None` before its first token.
    state: Option<Tensor>,
}

impl ShortConvolution {
    pub(super) fn load(spec: &ShortConvolutionSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            value: weights.linear(&spec.value)?,
            gate_in: weights.linear(&spec.gate_in)?,
            gate_out: weights.linear(&spec.gate_out)?,
            filter: weights.param(&spec.filter)?,
            filter_bias: weights.optional(spec.filter_bias.as_ref())?,
            output: weights.linear(&spec.output)?,
            reach: spec.kept_positions() as i64,
            state: None,
        })
    }

    /// The output projection, `[d_model, channels]`.
    pub(super) fn output(&self) -> &Linear {
        &self.output
    }

    /// Forgets the sequence that was run.
    pub(super) fn reset(&mut self) {
        self.state = None;
    }

    /// Mixes the tokens of a step with those that the filter covers before them. `x` is the normed stream,
    /// `[pos, d_model]`; so is the result.
    pub(super) fn forward(&mut self, x: &Tensor, step: &Step) -> Result<Tensor, ModelError> {
        let gated = self.gate_in.forward(x)?.f_mul(&self.value.forward(x)?)?; // [pos, channels]
        let mut mixed = Vec::with_capacity(step.parts.len());
        for part in &step.parts {
            let gated = part.spread(&gated)?; // [batch, pos, channels]
            let covered = Tensor::f_cat(&[self.before(&gated)?, gated], 1)?; // [batch, reach + pos, channels]
            if step.is_kept() {
                self.keep(&covered)?;
            }
            mixed.push(part.gather(&self.filtered(&covered)?)?);
        }
        let mixed = joined(mixed)?;
        self.output.forward(&self.gate_out.forward(x)?.f_mul(&mixed)?)
    }

    /// What the filter covers before these values, `[batch, reach, channels]`: zeros before the first token.
    fn before(&mut self, gated: &Tensor) -> Result<Tensor, ModelError> {
        let shape = gated.size();
        let state = self.state.take().map(Ok);
        Ok(state.unwrap_or_else(|| {
            Tensor::f_zeros([shape[0], self.reach, shape[2]], (gated.kind(), gated.device()))
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

    /// Each channel through its filter: of `[batch, reach + pos, channels]`, `[batch, pos, channels]`.
    fn filtered(&self, covered: &Tensor) -> Result<Tensor, ModelError> {
        let channels = covered.size()[2];
        let mixed = covered.f_transpose(1, 2)?.f_conv1d(
            &self.filter,
            self.filter_bias.as_ref(),
            1,
            0,
            1,
            channels,
        )?;
        Ok(mixed.f_transpose(1, 2)?)
    }
}
