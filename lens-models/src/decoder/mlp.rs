//! The MLP of a block: gated, plain, or a mixture of experts.

mod beside;
mod dissect;
mod experts;
mod gated;
mod nonlinearity;
mod plain;
mod routing;

use tch::Tensor;

pub(super) use self::gated::activate;
use self::{beside::Beside, experts::Experts, gated::Gated, plain::Plain};
use super::{ModelError, weights::Weights};
use crate::spec::MlpSpec;

/// The MLP of one block.
#[derive(Debug)]
pub(super) enum Mlp {
    Gated(Gated),
    Plain(Plain),
    Experts(Box<Experts>),
    Beside(Box<Beside>),
}

impl Mlp {
    /// The MLP of a block, if it has one.
    pub(super) fn load(spec: &MlpSpec, weights: &Weights<'_>) -> Result<Option<Self>, ModelError> {
        Ok(Some(match spec {
            MlpSpec::Absent => return Ok(None),
            MlpSpec::Gated(gated) => Self::Gated(Gated::load(gated, weights)?),
            MlpSpec::Plain(plain) => Self::Plain(Plain::load(plain, weights)?),
            MlpSpec::Xielu(xielu) => Self::Plain(Plain::load_xielu(xielu, weights)?),
            MlpSpec::Experts(experts) => Self::Experts(Box::new(Experts::load(experts, weights)?)),
            MlpSpec::Beside(both) => Self::Beside(Box::new(Beside::load(both, weights)?)),
        }))
    }

    /// `[pos, d_model]` to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        match self {
            Self::Gated(gated) => gated.forward(x),
            Self::Plain(plain) => plain.forward(x),
            Self::Experts(experts) => experts.forward(x),
            Self::Beside(both) => both.forward(x),
        }
    }
}
