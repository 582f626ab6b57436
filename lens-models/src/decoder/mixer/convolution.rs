//! A gated short convolution over what its filter still covers.

use tch::Tensor;

use super::filter::CausalFilter;
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
    filter: CausalFilter,
    output: Linear,
}

impl ShortConvolution {
    pub(super) fn load(spec: &ShortConvolutionSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            value: weights.linear(&spec.value)?,
            gate_in: weights.linear(&spec.gate_in)?,
            gate_out: weights.linear(&spec.gate_out)?,
            filter: CausalFilter::new(
                weights.param(&spec.filter)?,
                weights.optional(spec.filter_bias.as_ref())?,
            ),
            output: weights.linear(&spec.output)?,
        })
    }

    /// The output projection, `[d_model, channels]`.
    pub(super) fn output(&self) -> &Linear {
        &self.output
    }

    /// Forgets the sequence that was run.
    pub(super) fn reset(&mut self) {
        self.filter.reset();
    }

    /// Mixes the tokens of a step with those that the filter covers before them. `x` is the normed stream,
    /// `[pos, d_model]`; so is the result.
    pub(super) fn forward(&mut self, x: &Tensor, step: &Step) -> Result<Tensor, ModelError> {
        let gated = self.gate_in.forward(x)?.f_mul(&self.value.forward(x)?)?; // [pos, channels]
        let mut mixed = Vec::with_capacity(step.parts.len());
        for part in &step.parts {
            let filtered = self.filter.forward(&part.spread(&gated)?, step.is_kept())?;
            mixed.push(part.gather(&filtered)?);
        }
        let mixed = joined(mixed)?;
        self.output.forward(&self.gate_out.forward(x)?.f_mul(&mixed)?)
    }
}
