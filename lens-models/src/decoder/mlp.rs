//! The MLP of a block: gated, plain, or a mixture of experts.

mod dissect;
mod experts;
mod gated;
mod routing;

use tch::Tensor;

use self::{
    experts::Experts,
    gated::{Gated, activate},
};
use super::{
    ModelError,
    weights::{Linear, Weights},
};
use crate::spec::{Activation, MlpSpec};

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
