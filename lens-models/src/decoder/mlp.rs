//! The MLP of a block: gated, plain, or a mixture of experts.

use tch::Tensor;

use super::{
    ModelError,
    experts::Experts,
    joint::Joint,
    weights::{Linear, Weights},
};
use crate::spec::{Activation, GatedSpec, Gating, MlpSpec};

/// The MLP of one block.
#[derive(Debug)]
pub(super) enum Mlp {
    Gated(Gated),
    Plain { activation: Activation, up: Linear, down: Linear },
    Experts(Experts),
}

impl Mlp {
    pub(super) fn load(spec: &MlpSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(match spec {
            MlpSpec::Gated(gated) => Self::Gated(Gated::load(gated, weights)?),
            MlpSpec::Plain { activation, up, down } => {
                Self::Plain { activation: *activation, up: weights.linear(up)?, down: weights.linear(down)? }
            }
            MlpSpec::Experts(experts) => Self::Experts(Experts::load(experts, weights)?),
        })
    }

    /// `[pos, d_model]` to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        match self {
            Self::Gated(gated) => gated.forward(x),
            Self::Plain { activation, up, down } => down.forward(&activate(*activation, &up.forward(x)?)?),
            Self::Experts(experts) => experts.forward(x),
        }
    }
}

/// A gated MLP.
#[derive(Debug)]
pub(super) struct Gated {
    gating: Gating,
    gate_up: Joint<2>,
    down: Linear,
}

impl Gated {
    #[cfg(test)]
    pub(super) fn new(gating: Gating, gate_up: Joint<2>, down: Linear) -> Self {
        Self { gating, gate_up, down }
    }

    pub(super) fn load(spec: &GatedSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            gating: spec.gating,
            gate_up: Joint::load([&spec.gate, &spec.up], weights)?,
            down: weights.linear(&spec.down)?,
        })
    }

    /// `[pos, d_model]` to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let [gate, up] = self.gate_up.forward(x)?;
        self.down.forward(&match self.gating {
            Gating::Plain(activation) => activate(activation, &gate)?.f_mul(&up)?,
            Gating::ClampedSwiglu { alpha, limit } => {
                let gate = gate.f_clamp_max(limit)?;
                let glu = gate.f_mul(&gate.f_mul_scalar(alpha)?.f_sigmoid()?)?;
                up.f_clamp(-limit, limit)?.f_add_scalar(1.0)?.f_mul(&glu)?
            }
        })
    }
}

fn activate(activation: Activation, x: &Tensor) -> Result<Tensor, ModelError> {
    Ok(match activation {
        Activation::Silu => x.f_silu()?,
        Activation::Gelu => x.f_gelu("none")?,
        Activation::GeluTanh => x.f_gelu("tanh")?,
        Activation::Relu => x.f_relu()?,
        Activation::ReluSquared => x.f_relu()?.f_square()?,
    })
}
