//! A dense MLP and a mixture of experts side by side, each between norms of its own.

use tch::Tensor;

use super::{experts::Experts, gated::Gated};
use crate::{
    decoder::{ModelError, norm::Norm, weights::Weights},
    spec::BesideSpec,
};

/// A dense MLP beside a mixture of experts.
#[derive(Debug)]
pub(in crate::decoder) struct Beside {
    dense: Gated,
    around_dense: [Norm; 2],
    experts: Experts,
    around_experts: [Norm; 2],
}

impl Beside {
    pub(super) fn load(spec: &BesideSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let [before_dense, after_dense] = &spec.around_dense;
        let [before_experts, after_experts] = &spec.around_experts;
        Ok(Self {
            dense: Gated::load(&spec.dense, weights)?,
            around_dense: [Norm::load(before_dense, weights)?, Norm::load(after_dense, weights)?],
            experts: Experts::load(&spec.experts, weights)?,
            around_experts: [Norm::load(before_experts, weights)?, Norm::load(after_experts, weights)?],
        })
    }

    /// `[pos, d_model]` of the stream itself to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let [before, after] = &self.around_dense;
        let dense = after.forward(&self.dense.forward(&before.forward(x)?)?)?;
        let [before, after] = &self.around_experts;
        let experts = self.experts.routed_by(x, &before.forward(x)?)?;
        Ok(dense.f_add(&after.forward(&experts)?)?)
    }
}
