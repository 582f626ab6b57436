//! The neurons of an MLP at one position.

use lens_core::attribution::{BranchInputs, OutputMap};
use tch::{Kind, Tensor};

use super::{Mlp, routing::Choices};
use crate::{
    decoder::{
        ModelError,
        weights::{Linear, values},
    },
    spec::Weighted,
};

impl Mlp {
    /// The neurons' values after activation and gate for one row, `[1, d_model]`: those of each expert that it reaches.
    pub(in crate::decoder) fn inputs(&self, x: &Tensor) -> Result<Vec<BranchInputs>, ModelError> {
        match self {
            Self::Gated(gated) => Ok(vec![neurons(OutputMap::Mlp, &gated.inner(x)?, &gated.down, 1.0)?]),
            Self::Plain(plain) => Ok(vec![neurons(OutputMap::Mlp, &plain.inner(x)?, &plain.down, 1.0)?]),
            // Neurons of the two meet the stream through different norms.
            Self::Beside(_) => Ok(Vec::new()),
            Self::Experts(experts) => {
                let Choices { weights, experts: chosen } = experts.router.choose(x)?; // [1, per_token] both
                let weights = values(&weights)?;
                let chosen = chosen.f_to_kind(Kind::Int64)?;
                let input = match &experts.latent {
                    Some(latent) => latent.down.forward(x)?,
                    None => x.shallow_clone(),
                };
                let mut inputs = Vec::with_capacity(weights.len() + 1);
                for (slot, weight) in (0..).zip(weights.into_iter().map(f64::from)) {
                    let index = chosen.f_int64_value(&[0, slot])? as usize;
                    let expert = &experts.experts[index];
                    let (inner, weight) = match experts.router.weighted() {
                        Weighted::Output => (expert.inner(&input)?, weight),
                        Weighted::Input => (expert.inner(&input.f_mul_scalar(weight)?)?, 1.0),
                    };
                    inputs.push(neurons(OutputMap::Expert(index), &inner, expert.down(), weight)?);
                }
                if let Some(shared) = &experts.shared {
                    let factor =
                        shared.factor(x)?.map(|factor| factor.f_double_value(&[0, 0])).transpose()?;
                    let inner = shared.mlp.inner(x)?;
                    let down = shared.mlp.down();
                    inputs.push(neurons(OutputMap::SharedExpert, &inner, down, factor.unwrap_or(1.0))?);
                }
                Ok(inputs)
            }
        }
    }

    /// The maps from neurons to the stream, the one that they enter first, if there are some of that name.
    pub(in crate::decoder) fn output(&self, map: OutputMap) -> Option<Vec<&Linear>> {
        match (self, map) {
            (Self::Gated(gated), OutputMap::Mlp) => Some(vec![&gated.down]),
            (Self::Plain(plain), OutputMap::Mlp) => Some(vec![&plain.down]),
            (Self::Experts(experts), OutputMap::Expert(index)) => {
                let down = experts.experts.get(index)?.down();
                Some(std::iter::once(down).chain(experts.latent.as_ref().map(|latent| &latent.up)).collect())
            }
            (Self::Experts(experts), OutputMap::SharedExpert) => {
                experts.shared.as_ref().map(|shared| vec![shared.mlp.down()])
            }
            _ => None,
        }
    }
}

/// Neurons that enter `down` with these values, `[1, d_mlp]`.
fn neurons(map: OutputMap, inner: &Tensor, down: &Linear, weight: f64) -> Result<BranchInputs, ModelError> {
    let bias = down.bias().map(values).transpose()?;
    Ok(BranchInputs::new(map, values(inner)?, 1).with_weight(weight).with_bias(bias))
}
