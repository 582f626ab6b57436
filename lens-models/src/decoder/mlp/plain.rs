//! A plain MLP.

use tch::Tensor;

use super::nonlinearity::Nonlinearity;
use crate::{
    decoder::{
        ModelError,
        weights::{Linear, Weights},
    },
    spec::{PlainSpec, XieluSpec},
};

/// A plain MLP.
#[derive(Debug)]
pub(in crate::decoder) struct Plain {
    activation: Nonlinearity,
    up: Linear,
    pub(super) down: Linear,
}

impl Plain {
    pub(super) fn load(spec: &PlainSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            activation: Nonlinearity::Fixed(spec.activation),
            up: weights.linear(&spec.up)?,
            down: weights.linear(&spec.down)?,
        })
    }

    pub(super) fn load_xielu(spec: &XieluSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            activation: Nonlinearity::load_xielu(spec, weights)?,
            up: weights.linear(&spec.up)?,
            down: weights.linear(&spec.down)?,
        })
    }

    /// `[pos, d_model]` to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.down.forward(&self.inner(x)?)
    }

    /// The neurons after their activation, `[pos, d_mlp]`.
    pub(super) fn inner(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.activation.of(&self.up.forward(x)?)
    }
}
