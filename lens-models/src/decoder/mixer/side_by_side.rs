//! Attention and a Mamba-2 mixer side by side.

use tch::Tensor;

use super::{attention::Attention, mamba2::Mamba2};
use crate::{
    decoder::{ModelError, finite::Watch, step::Step, weights::Weights},
    spec::SideBySideSpec,
};

/// Attention and a state space of one block, which read the same stream and whose outputs are added up.
#[derive(Debug)]
pub(in crate::decoder) struct SideBySide {
    attention: Attention,
    attention_in: f64,
    attention_out: f64,
    mamba2: Mamba2,
    mamba2_out: f64,
}

impl SideBySide {
    pub(super) fn load(layer: u16, spec: &SideBySideSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            attention: Attention::load(layer, &spec.attention, weights)?,
            attention_in: spec.attention_in,
            attention_out: spec.attention_out,
            mamba2: Mamba2::load(layer, &spec.mamba2, weights)?,
            mamba2_out: spec.mamba2_out,
        })
    }

    /// Forgets the sequence that was run.
    pub(super) fn reset(&mut self) {
        self.attention.reset();
        self.mamba2.reset();
    }

    /// The sum of what both compute at the tokens of a step, `[pos, d_model]`, from the normed stream of that shape.
    pub(super) fn forward(
        &mut self,
        x: &Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Tensor, ModelError> {
        let states = self.mamba2.mix(x, step, tap)?;
        let states = self.mamba2.project(&states)?.f_mul_scalar(self.mamba2_out)?;
        let attended = self.attention.attend(&x.f_mul_scalar(self.attention_in)?, step, tap)?;
        let attended = self.attention.project(&attended)?.f_mul_scalar(self.attention_out)?;
        Ok(states.f_add(&attended)?)
    }
}
