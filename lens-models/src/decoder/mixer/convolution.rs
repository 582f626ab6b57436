//! A gated short convolution over what its filter still covers.

use tch::Tensor;

use crate::{
    decoder::{
        ModelError,
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
    /// The newest gated values of the sequence, `[reach, channels]`; `None` before its first token.
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

    /// Forgets the sequence that was run.
    pub(super) fn reset(&mut self) {
        self.state = None;
    }

    /// Mixes the tokens of a step with those that the filter covers before them. `x` is the normed stream,
    /// `[pos, d_model]`; so is the result.
    pub(super) fn forward(&mut self, x: &Tensor, step: &Step) -> Result<Tensor, ModelError> {
        let gated = self.gate_in.forward(x)?.f_mul(&self.value.forward(x)?)?; // [pos, channels]
        let before = match self.state.take() {
            Some(state) => state,
            None => Tensor::f_zeros([self.reach, gated.size()[1]], (gated.kind(), gated.device()))?,
        };
        let covered = Tensor::f_cat(&[before, gated], 0)?; // [reach + pos, channels]
        if step.is_kept() {
            let newest = covered.f_narrow(0, step.n as i64, self.reach)?;
            // A copy: a view would hold the values of the whole step.
            let mut state = newest.f_empty_like()?;
            state.f_copy_(&newest)?;
            self.state = Some(state);
        }
        let channels = covered.size()[1];
        let mixed = covered.f_transpose(0, 1)?.f_unsqueeze(0)?.f_conv1d(
            &self.filter,
            self.filter_bias.as_ref(),
            1,
            0,
            1,
            channels,
        )?; // [1, channels, pos]
        let mixed = mixed.f_squeeze_dim(0)?.f_transpose(0, 1)?;
        self.output.forward(&self.gate_out.forward(x)?.f_mul(&mixed)?)
    }
}
