//! The gate on what heads weighed.

use tch::{Kind, Tensor};

use crate::{
    decoder::{
        ModelError,
        threads::{sigmoid, softplus},
        weights::{Linear, Weights},
    },
    spec::{AttentionGate, GateFunction, GateScope},
};

/// A gate on what heads weighed.
#[derive(Debug)]
pub(super) struct Gate {
    map: Linear,
    function: GateFunction,
    scope: GateScope,
}

impl Gate {
    pub(super) fn load(spec: &AttentionGate, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self { map: weights.linear(&spec.map)?, function: spec.function, scope: spec.scope })
    }

    /// What heads weighed, `z`, `[pos, n_heads, d_value]`, times what the normed stream `x`, `[pos, d_model]`, makes of it.
    pub(super) fn on(&self, x: &Tensor, z: &Tensor) -> Result<Tensor, ModelError> {
        let factor = self.map.forward(x)?;
        let factor = match self.function {
            GateFunction::Sigmoid => sigmoid(&factor)?,
            // In float32, as the models' own code has it.
            GateFunction::Softplus => softplus(&factor.f_to_kind(Kind::Float)?)?.f_to_kind(z.kind())?,
        };
        let factor = match self.scope {
            GateScope::Value => factor.f_view_as(z)?,
            GateScope::Head => factor.f_unsqueeze(-1)?,
        };
        Ok(z.f_mul(&factor)?)
    }
}
