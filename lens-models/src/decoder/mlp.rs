//! The gated MLP.

use tch::Tensor;

use super::{
    ModelError,
    weights::{Linear, Weights},
};
use crate::spec::{Activation, MlpSpec};

/// The MLP of one block.
#[derive(Debug)]
pub(super) struct Mlp {
    activation: Activation,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Mlp {
    pub(super) fn load(spec: &MlpSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            activation: spec.activation,
            gate: weights.linear(&spec.gate)?,
            up: weights.linear(&spec.up)?,
            down: weights.linear(&spec.down)?,
        })
    }

    /// `[pos, d_model]` to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let gate = activate(self.activation, &self.gate.forward(x)?)?;
        self.down.forward(&gate.f_mul(&self.up.forward(x)?)?)
    }
}

fn activate(activation: Activation, x: &Tensor) -> Result<Tensor, ModelError> {
    Ok(match activation {
        Activation::Silu => x.f_silu()?,
        Activation::Gelu => x.f_gelu("none")?,
        Activation::GeluTanh => x.f_gelu("tanh")?,
        Activation::Relu => x.f_relu()?,
    })
}
