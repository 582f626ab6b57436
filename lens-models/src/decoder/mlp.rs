//! The MLP of a block: gated, plain, or a mixture of experts.

mod beside;
mod dissect;
mod experts;
mod gated;
mod nonlinearity;
mod routing;

use tch::Tensor;

pub(super) use self::gated::activate;
use self::{beside::Beside, experts::Experts, gated::Gated, nonlinearity::Nonlinearity};
use super::{
    ModelError,
    weights::{Linear, Weights},
};
use crate::spec::MlpSpec;

/// The MLP of one block.
#[derive(Debug)]
pub(super) enum Mlp {
    Gated(Gated),
    Plain { activation: Nonlinearity, up: Linear, down: Linear },
    Experts(Box<Experts>),
    Beside(Box<Beside>),
}

impl Mlp {
    /// The MLP of a block, if it has one.
    pub(super) fn load(spec: &MlpSpec, weights: &Weights<'_>) -> Result<Option<Self>, ModelError> {
        Ok(Some(match spec {
            MlpSpec::Absent => return Ok(None),
            MlpSpec::Gated(gated) => Self::Gated(Gated::load(gated, weights)?),
            MlpSpec::Plain { activation, up, down } => Self::Plain {
                activation: Nonlinearity::Fixed(*activation),
                up: weights.linear(up)?,
                down: weights.linear(down)?,
            },
            MlpSpec::Xielu(xielu) => Self::Plain {
                activation: Nonlinearity::load_xielu(xielu, weights)?,
                up: weights.linear(&xielu.up)?,
                down: weights.linear(&xielu.down)?,
            },
            MlpSpec::Experts(experts) => Self::Experts(Box::new(Experts::load(experts, weights)?)),
            MlpSpec::Beside(both) => Self::Beside(Box::new(Beside::load(both, weights)?)),
        }))
    }

    /// `[pos, d_model]` to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        match self {
            Self::Gated(gated) => gated.forward(x),
            Self::Plain { activation, up, down } => down.forward(&activation.of(&up.forward(x)?)?),
            Self::Experts(experts) => experts.forward(x),
            Self::Beside(both) => both.forward(x),
        }
    }
}
