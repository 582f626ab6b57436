//! What happens to the stream after the MLP of a block.

use tch::Tensor;

use super::{
    ModelError, Step,
    mlp::activate,
    norm::Norm,
    weights::{Linear, Weights, values},
};
use crate::spec::{Activation, EndSpec, PerLayerBranch};

/// The end of a block: one more branch, and a factor on the whole stream.
#[derive(Debug)]
pub(super) struct End {
    branch: Option<Branch>,
    factor: Tensor, // [1]
}

#[derive(Debug)]
struct Branch {
    activation: Activation,
    gate: Linear,
    up: Linear,
    norm: Norm,
}

impl Branch {
    fn load(spec: &PerLayerBranch, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            activation: spec.activation,
            gate: weights.linear(&spec.gate)?,
            up: weights.linear(&spec.up)?,
            norm: Norm::load(&spec.norm, weights)?,
        })
    }

    /// What it adds to the stream `x` of tokens with these vectors, `[pos, d_model]`.
    fn forward(&self, x: &Tensor, vectors: &Tensor) -> Result<Tensor, ModelError> {
        let gated = activate(self.activation, &self.gate.forward(x)?)?.f_mul(vectors)?;
        self.norm.forward(&self.up.forward(&gated)?)
    }
}

impl End {
    pub(super) fn load(spec: &EndSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            branch: spec.branch.as_ref().map(|branch| Branch::load(branch, weights)).transpose()?,
            factor: weights.param(&spec.factor)?,
        })
    }

    /// The output of block `layer`, whose stream after the MLP is `x`, `[pos, d_model]`.
    pub(super) fn forward(&self, x: Tensor, layer: u16, step: &Step) -> Result<Tensor, ModelError> {
        let sum = match &self.branch {
            Some(branch) => {
                let vectors = step.vectors(layer, x.device())?;
                x.f_add(&branch.forward(&x, &vectors)?)?
            }
            None => x,
        };
        Ok(sum.f_mul(&self.factor)?)
    }

    /// The factor on the whole stream.
    pub(super) fn factor(&self) -> Result<f64, ModelError> {
        Ok(values(&self.factor)?.first().map_or(1.0, |factor| f64::from(*factor)))
    }
}
